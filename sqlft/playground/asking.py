"""The tab to ask on: one question, each model's answer beside the others', its SQL to be corrected and kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from sqlft.agent import Analyst
from sqlft.breaking import break_it
from sqlft.database.clauses import split_format
from sqlft.dataset.fold import fold_sql
from sqlft.playground.keeping import NAMES, Keeper, Kind
from sqlft.playground.show import show_probes, show_reply, show_result, show_said
from sqlft.problems import SqlftError
from sqlft.records import Example

LONGEST = 2000
EXAMPLES = 6
QUIET: dict[str, Any] = {"api_visibility": "private"}
"""Events are this page's alone: no client lists or calls them."""
ONE: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model"}
"""Whatever asks the model waits for its turn."""
KINDS: list[tuple[str, Kind]] = [(name[0].upper() + name[1:], kind) for kind, name in NAMES.items()]
SAVE, SURE = "Save", "Save all the same"
UNCHANGED = "This is the SQL that you called wrong: correct it above, or say that it is right."
NEAR = 16
"""Questions that `Break it` asks."""
PROGRESS = gr.Progress()  # gradio looks for it among a function's defaults
NOTHING: dict[str, Any] = {"question": "", "sql": "", "verdict": "", "doubted": None}
"""What a panel knows before anything is asked: then the question, the model's SQL, what it was called, and which pair
was warned of."""


def html(text: str = "", **options: Any) -> gr.HTML:
    """Our own escaped HTML; no script comes with it."""
    return gr.HTML(text, js_on_load=None, apply_default_css=False, **options)


def sql_editor(**options: Any) -> gr.Code:
    """SQL to be read and corrected."""
    return gr.Code(
        language="sql",
        label="SQL",
        interactive=True,
        show_line_numbers=False,
        wrap_lines=True,
        buttons=["copy"],
        **options,
    )


class Panel:
    """One model's answer, and what is done with it."""

    def __init__(self, number: int, analyst: Analyst, keeper: Keeper, lock: threading.Lock) -> None:
        self.analyst, self._keeper, self._lock = analyst, keeper, lock
        self._title = show_said(analyst.name, "name")
        with gr.Column(min_width=340, elem_id=f"panel-{number}"):
            self.asked = gr.State(NOTHING)
            self.answer = html(self._title)
            with gr.Column(visible=False) as self.tools:
                self.sql = sql_editor(lines=3)
                with gr.Row(elem_classes="buttons"):
                    run = gr.Button("Run it again", size="sm", min_width=80)
                    right = gr.Button("Right", size="sm", min_width=80)
                    wrong = gr.Button("Wrong", size="sm", min_width=80)
                with gr.Column(visible=False) as self.keep:
                    self.advice = html()
                    kind = gr.Radio(KINDS, value="seed", label="Keep question and SQL as")
                    with gr.Row(elem_classes="buttons"):
                        self.save = gr.Button(SAVE, size="sm", variant="primary", min_width=80)
                        self.more = gr.Button("Break it", size="sm", visible=False, min_width=80)
                self.message, self.near = html(), html()
        judged = [self.asked, self.keep, self.advice, self.save, self.more, self.message]
        run.click(self._run, [self.sql], [self.answer, self.message], **QUIET)
        right.click(lambda asked: self._judge("right", asked), [self.asked], judged, **QUIET)
        wrong.click(lambda asked: self._judge("wrong", asked), [self.asked], judged, **QUIET)
        kind.change(lambda: (SAVE, ""), None, [self.save, self.message], **QUIET)
        self.save.click(
            self._save,
            [kind, self.sql, self.asked],
            [self.asked, self.save, self.message],
            show_progress="minimal",
            **QUIET,
        )

        self.more.click(self._break, [self.sql, self.asked], [self.near], **QUIET, **ONE)

    @property
    def outputs(self) -> list[Any]:
        """What an answer changes."""
        return [self.asked, self.answer, self.tools, self.sql, self.keep, self.message, self.near]

    def waiting(self) -> list[Any]:
        """What stands here until the answer comes."""
        return self._shown(NOTHING, show_said("Asking …", "soft"))

    def ask(self, question: str) -> list[Any]:
        """Asks, and what came of it."""
        try:
            reply = self.analyst.ask(question)
        except SqlftError as error:
            return self._shown(NOTHING, show_said(str(error), "bad"))
        asked = {**NOTHING, "question": reply.prediction.question, "sql": reply.sql or ""}
        return self._shown(asked, show_reply(reply))

    def _shown(self, asked: dict[str, Any], answer: str) -> list[Any]:
        closed, there = gr.update(visible=False), gr.update(visible=bool(asked["question"]))
        return [asked, self._title + answer, there, asked["sql"], closed, "", ""]

    def _run(self, sql: str) -> tuple[Any, str]:
        try:
            return self._title + show_result(self.analyst.gate.run(sql or "")), ""
        except SqlftError as error:
            return gr.skip(), show_said(f"The SQL does not run: {error}", "bad")

    def _judge(self, verdict: str, asked: dict[str, Any]) -> list[Any]:
        advice = {
            "right": "It is right as it stands above.",
            "wrong": "Correct the SQL above and run it again, until the result is right. Then keep it, or break it: "
            "questions near this one are asked, to see what else goes wrong.",
        }[verdict]
        asked = {**asked, "verdict": verdict, "doubted": None}
        more = gr.update(visible=verdict == "wrong")
        return [asked, gr.update(visible=True), show_said(advice, "soft"), SAVE, more, ""]

    def _save(self, kind: Kind, sql: str, asked: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
        given, question = sql or "", asked["question"]
        if self._unchanged(given, asked):
            return asked, SAVE, show_said(UNCHANGED, "bad")
        pair = [kind, question, given]
        try:
            kept = self._keeper.keep(kind, question, given, sure=asked["doubted"] == pair)
        except (SqlftError, OSError) as error:
            return {**asked, "doubted": None}, SAVE, show_said(f"Not saved. {error}", "bad")
        said = show_said(kept.said, "doubt" if kept.doubtful else "good" if kept.saved else "note")
        return {**asked, "doubted": pair if kept.doubtful else None}, SURE if kept.doubtful else SAVE, said

    def _break(self, sql: str, asked: dict[str, Any], progress: gr.Progress = PROGRESS) -> str:
        """Makes, asks and judges questions near one that was answered wrong."""
        if self._unchanged(sql, asked):
            return show_said(UNCHANGED, "bad")
        right = Example(question=asked["question"], sql=split_format(sql)[0].strip())
        try:
            self.analyst.gate.run(right.sql)
            with self._lock:
                found = break_it(
                    self.analyst.recipe,
                    self.analyst,
                    right,
                    asked["sql"] or None,
                    n=NEAR,
                    tell=lambda stage, done, of, note: progress((done, of), desc=note),
                )
        except SqlftError as error:
            return show_said(f"Nothing was asked. {error}", "bad")
        return show_probes(found)

    def _unchanged(self, sql: str, asked: dict[str, Any]) -> bool:
        return asked["verdict"] == "wrong" and fold_sql(sql or "") == fold_sql(asked["sql"])


def asking_tab(analysts: Sequence[Analyst], keeper: Keeper, examples: Sequence[str], lock: threading.Lock) -> None:
    """Draws the tab. One model answers one question at a time, for everybody: `lock` is its."""
    with gr.Row(elem_classes="question"):
        question = gr.Textbox(
            label="Question", placeholder="What would you like to know?", max_length=LONGEST, max_lines=4, scale=5
        )
        button = gr.Button("Ask", variant="primary", scale=1, min_width=96)
    if examples:
        gr.Examples([[one] for one in examples], question, examples_per_page=EXAMPLES, api_visibility="private")
    notes = html()
    with gr.Row(elem_classes="panels"):
        panels = [Panel(number, analyst, keeper, lock) for number, analyst in enumerate(analysts)]

    def ask(text: str) -> Iterator[list[Any]]:
        shown = [panel.waiting() for panel in panels]
        yield ["", *(value for one in shown for value in one)]
        for place, panel in enumerate(panels):
            with lock:
                shown[place] = panel.ask(text[:LONGEST])
            told = show_said("\n".join(analysts[0].notes), "note")
            yield [told, *(value for one in shown for value in one)]

    outputs = [notes, *(one for panel in panels for one in panel.outputs)]
    gr.on([button.click, question.submit], ask, [question], outputs, show_progress="minimal", **QUIET, **ONE)
