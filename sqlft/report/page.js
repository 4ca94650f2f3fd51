"use strict";
const questions = [...document.querySelectorAll(".question")];
const [model, status, search] = ["model", "status", "search"].map((id) => document.getElementById(id));
const tests = {
  all: () => true,
  right: (mine) => mine === "match",
  wrong: (mine) => mine !== "match" && mine !== "out",
  fixed: (mine, base) => mine === "match" && base !== "match" && base !== "out",
  broken: (mine, base) => base === "match" && mine !== "match",
  invalid: (mine) => mine === "invalid" || mine === "no_sql",
  out: (mine) => mine === "out",
  leaked: (mine, base, question) => question.dataset.leaked === "yes",
  disputed: (mine, base, question) => question.dataset.disputed.split(" ")[Number(model.value)] === "1",
};

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const question of questions) {
    const outcomes = question.dataset.outcomes.split(" ");
    const text = words.length ? question.textContent.toLowerCase() : "";
    question.hidden = !tests[status.value](outcomes[Number(model.value)], outcomes[0], question) || !words.every((word) => text.includes(word));
    shown += question.hidden ? 0 : 1;
  }
  document.getElementById("count").textContent = `${shown} of ${questions.length} questions`;
}

// A link to a question shows it, whatever is filtered away.
function follow() {
  const question = document.getElementById(location.hash.slice(1));
  if (!question?.matches(".question")) return;
  question.hidden = false;
  question.open = true;
  question.scrollIntoView();
}

addEventListener("hashchange", follow);
for (const control of [model, status, search]) control.addEventListener("input", filter);
filter();
follow();
