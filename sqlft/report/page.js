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
};

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const question of questions) {
    const outcomes = question.dataset.outcomes.split(" ");
    const wanted = tests[status.value] ?? ((mine, base, all) => question.dataset.leaked === "yes");
    const text = words.length ? question.textContent.toLowerCase() : "";
    question.hidden = !wanted(outcomes[Number(model.value)], outcomes[0]) || !words.every((word) => text.includes(word));
    shown += question.hidden ? 0 : 1;
  }
  document.getElementById("count").textContent = `${shown} of ${questions.length} questions`;
}

for (const control of [model, status, search]) control.addEventListener("input", filter);
filter();
