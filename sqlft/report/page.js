"use strict";
const questions = [...document.querySelectorAll(".question")];
const controls = ["model", "status", "category", "search"].map((id) => document.getElementById(id));
const [model, status, category, search] = controls;
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
    const kinds = question.dataset.categories.split(" ")[Number(model.value)].split(",");
    const fits = tests[status.value](outcomes[Number(model.value)], outcomes[0], question) && (!category.value || kinds.includes(category.value));
    question.hidden = !fits || !words.every((word) => text.includes(word));
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

// A count of a category shows its questions.
function pick(event) {
  [model.value, status.value, category.value, search.value] = [event.target.dataset.model, "all", event.target.dataset.category, ""];
  filter();
}

addEventListener("hashchange", follow);
for (const control of controls) control.addEventListener("input", filter);
for (const link of document.querySelectorAll("[data-category]")) link.addEventListener("click", pick);
filter();
follow();
