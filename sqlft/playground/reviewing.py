"""The tab to look through a dataset on: a row at a time, accepted, edited or rejected by a key."""

from __future__ import annotations

from typing import Any

import gradio as gr

from sqlft.database.clauses import split_format
from sqlft.dataset.review import Review
from sqlft.dataset.split import PARTS
from sqlft.playground.asking import QUIET, html, sql_editor
from sqlft.playground.keeping import Keeper
from sqlft.playground.show import show_result, show_row, show_said
from sqlft.problems import SqlftError
from sqlft.records import Rejected

KEYS = "Keys: a accepts, e edits, r rejects, j and k (or the arrows) go on and back, Esc leaves the editor."


class Reviewing:
    """Draws the tab, and answers it."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper, self._review = keeper, Review(keeper.recipe.run_dir / "dataset")
        parts = [*(part for part in PARTS if self._review.rows(part)), "rejected"]
        if len(parts) == 1:
            html(show_said(f"{self._review.folder} holds no dataset yet: `sqlft build` makes one."))
            return
        with gr.Row():
            part = gr.Dropdown(parts, value=parts[0], label="Part", scale=1, min_width=160)
            words = gr.Textbox(label="Only rows with", placeholder="words of the question or the SQL", scale=3)
        head = html()
        question = gr.Textbox(label="Question", max_lines=4, elem_id="row-question")
        sql = sql_editor(elem_id="row-sql")
        with gr.Row(elem_classes="buttons"):
            buttons = {
                name: gr.Button(label, size="sm", elem_id=f"row-{name}", min_width=80)
                for name, label in (
                    ("back", "Back"), ("next", "Next"), ("accept", "Accept"), ("edit", "Save the edit"),
                    ("reject", "Reject"),
                )
            }  # fmt: skip
        message, result = html(), html()
        html(show_said(KEYS, "soft"))
        place, row = gr.State(0), gr.State(None)
        shown = [place, row, head, question, sql, result, message]
        at = [part, words, place]
        gr.on(
            [part.change, words.submit], lambda part, words: self._show(part, words, 0), [part, words], shown, **QUIET
        )
        buttons["back"].click(lambda part, words, place: self._show(part, words, place - 1), at, shown, **QUIET)
        buttons["next"].click(lambda part, words, place: self._show(part, words, place + 1), at, shown, **QUIET)
        edited = [*at, row, question, sql]
        for name in ("accept", "edit", "reject"):
            buttons[name].click(
                self._decide(name), edited, shown, concurrency_limit=1, concurrency_id="review", **QUIET
            )
        self.load = lambda: self._show(parts[0], "", 0)
        self.shown = shown

    def _rows(self, part: str, words: str) -> list[Rejected]:
        wanted = (words or "").casefold().split()
        rows = self._review.rows(part)
        return [row for row in rows if all(w in f"{row.example.question} {row.example.sql}".casefold() for w in wanted)]

    def _show(self, part: str, words: str, place: int, said: str = "") -> list[Any]:
        try:
            rows = self._rows(part, words)
            decided = self._review.decisions()
        except SqlftError as error:
            return [0, None, show_row(None, 0, 0, ""), "", "", "", show_said(str(error), "bad")]
        place = max(0, min(place, len(rows) - 1))
        if not rows:
            return [0, None, show_row(None, 0, 0, ""), "", "", "", said]
        row = rows[place]
        last = decided.get((row.example.question, row.example.sql))
        told = f"{last.choice} was the last decision about it, {last.time:%Y-%m-%d %H:%M} UTC" if last else ""
        head = show_row(row, place, len(rows), told)
        return [place, row.model_dump_json(), head, row.example.question, row.example.sql, self._run(row), said]

    def _run(self, row: Rejected) -> str:
        if not row.example.sql:
            return ""
        try:
            return show_result(self._keeper.gate.run(split_format(row.example.sql)[0]))
        except SqlftError as error:
            return show_said(str(error), "bad")

    def _decide(self, choice: str) -> Any:
        def decide(part: str, words: str, place: int, seen: str | None, question: str, sql: str) -> list[Any]:
            if not seen:
                return self._show(part, words, place)
            example = Rejected.model_validate_json(seen).example
            try:
                if choice == "accept":
                    now = self._review.accept(part, example)
                    said = "Accepted." if now == part else f"Accepted: it is back in {now}."
                    place += now == part
                elif choice == "reject":
                    self._review.reject(part, example)
                    said = "Rejected by hand: it stands in rejected.jsonl, and nothing trains on it."
                else:
                    result = self._keeper.refuse_edit(part, question, sql)
                    self._review.edit(part, example, question, sql, result)
                    said = "Saved: the row is what you wrote."
            except (SqlftError, OSError) as error:
                kept = self._show(part, words, place, show_said(str(error), "bad"))
                return [*kept[:3], question, sql, *kept[5:]]
            return self._show(part, words, place, show_said(said, "good"))

        return decide
