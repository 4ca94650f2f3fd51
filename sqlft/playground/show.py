"""Answers, rows and runs as HTML; what a model, a database or a person wrote is escaped, by autoescaped templates."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from sqlft.agent import Reply
from sqlft.agent.chart import Chart, choose_chart
from sqlft.agent.sentence import say_cell, say_result
from sqlft.breaking import Breaking
from sqlft.database import Result
from sqlft.playground.runs import Run
from sqlft.records import Rejected
from sqlft.report.chart import draw_chart
from sqlft.report.markup import clean, highlight

SHOWN = 50
"""Rows of a result that are shown."""
LONGEST = 1000
"""Characters of a cell or a sentence that are: one cell may hold as much as the whole result's limit."""


@dataclass(frozen=True)
class Shown:
    """What is shown of a result, in a reader's form: cells as text, numbers aligned, a chart where one fits."""

    result: Result
    cells: list[list[str]]
    numbers: list[bool]
    chart: str

    @classmethod
    def of(cls, result: Result, chart: Chart | None) -> Shown:
        kinds = [*result.types, *[""] * len(result.columns)][: len(result.columns)]
        numbers = [kind.removeprefix("Nullable(").startswith(("Int", "UInt", "Float", "Decimal")) for kind in kinds]
        cells = [
            [_short(say_cell(cell, kind)) for cell, kind in zip(row, kinds, strict=True)] for row in result.rows[:SHOWN]
        ]
        png = base64.b64encode(draw_chart(chart, "")).decode() if chart else ""  # the question stands above
        return cls(result, cells, numbers, png)


def show_reply(reply: Reply) -> str:
    """An analyst's answer."""
    shown = Shown.of(reply.result, reply.chart) if reply.result else None
    sentence = reply.sentence.partition(" It was: ")[0] if reply.result is None else reply.sentence  # it stands below
    return _render("answer.html.jinja", sentence=_short(sentence), shown=shown, reply=reply)


def show_result(result: Result) -> str:
    """What SQL gave that somebody edited."""
    chart = choose_chart(result)
    shown = Shown.of(result, chart)
    return _render("answer.html.jinja", sentence=_short(say_result(result, chart)), shown=shown, reply=None)


def show_row(row: Rejected | None, place: int, of: int, decided: str) -> str:
    """What stands above a row of a dataset."""
    return _render("row.html.jinja", row=row, place=place, of=of, decided=decided)


def show_probes(found: Breaking) -> str:
    """What came of the questions near a failure, those that failed first."""
    return _render("probes.html.jinja", found=found)


def show_runs(runs: list[Run]) -> str:
    """The table of runs."""
    return _render("runs.html.jinja", runs=runs)


def show_said(text: str, kind: str = "note") -> str:
    """A message: 'note', 'good', 'doubt' or 'bad'; nothing where there is none."""
    return _render("said.html.jinja", lines=text.splitlines(), kind=kind)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"


def _render(template: str, **values: Any) -> str:
    return clean(_environment().get_template(template).render(values))


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    made = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"sql": highlight, "percent": lambda share: f"{100 * share:.0f}"}
    return made
