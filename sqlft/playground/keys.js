// The keys of the tab of datasets: they press its buttons, unless somebody is writing.
document.addEventListener("keydown", (event) => {
  const accept = document.querySelector("#row-accept");
  if (!accept || accept.offsetParent === null || event.ctrlKey || event.metaKey || event.altKey) return;
  const writes = event.target.closest("input, textarea, select, [contenteditable='true'], [role='listbox']");
  if (writes) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const names = { a: "accept", r: "reject", j: "next", k: "back", ArrowDown: "next", ArrowUp: "back" };
  if (event.key === "e") document.querySelector("#row-sql .cm-content")?.focus();
  else if (names[event.key]) document.querySelector(`#row-${names[event.key]}`).click();
  else return;
  event.preventDefault();
});
