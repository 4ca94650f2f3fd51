"""An evaluation as results.csv, a line for each answer, and as results.md, for a pull request or a chat."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from sqlft.evaluation.results import Results, find_outcomes
from sqlft.evaluation.statistics import Difference
from sqlft.evaluation.table import p_value, percent
from sqlft.report import sentences
from sqlft.report.markup import clean, write_page

SHOWN = 20
COLUMNS = (
    "id question level template tags counts gold_sql model outcome strict relaxed runs reasons categories judge sql "
    "text attempts prompt_tokens completion_tokens seconds dollars"
).split()


def write_tables(results: Results) -> list[Path]:
    """Writes results.csv and results.md beside results.json, each whole or not at all; their paths."""
    folder = results.folder or Path()
    return [
        write_page(folder / "results.csv", render_csv(results)),
        write_page(folder / "results.md", render_markdown(results)),
    ]


def render_csv(results: Results) -> str:
    """One line for each question and model. No cell begins as a formula does, whatever a model wrote."""
    file = io.StringIO()
    lines = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    lines.writeheader()
    for question, answers in zip(results.questions, find_outcomes(results), strict=True):
        for answer, outcome in answers:
            shown = answer.verdict.model_dump() | answer.model_dump() | question.model_dump() | {"sql": answer.sql}
            shown |= {
                "gold_sql": question.sql,
                "outcome": outcome,
                "counts": outcome != "out",
                "categories": answer.categories,
            }
            shown["judge"] = "" if answer.judge is None or answer.judge.right is None else answer.judge.right
            lines.writerow({name: _cell(shown[name]) for name in COLUMNS})
    return file.getvalue()


def render_markdown(results: Results) -> str:
    """The headline, the figures, what to beware of, and which questions were fixed and broken."""
    parts = [f"# sqlft evaluation of {results.run} on {results.on}, {results.created}"]
    parts += [f"> **{results.banner}**"] * bool(results.banner)
    parts += [sentences.headline(results), *sentences.comparisons(results)]
    rows = [("model", "execution match", "95% interval", "against the base", "p", "SQL runs", "no SQL found")]
    rows += [
        (
            model.name,
            f"{percent(model.right.value, 1)} ({model.right.k} of {model.right.n})",
            f"{100 * model.right.low:.0f} to {percent(model.right.high)}",
            *_difference(model.against_base),
            percent(model.validity.value),
            str(model.no_sql.k),
        )
        for model in results.models
    ]
    head, *body = ["| " + " | ".join(map(_escape, row)) + " |" for row in rows]
    parts.append("\n".join([head, "|---" * len(rows[0]) + "|", *body]))
    parts += _list("Before you rely on this", results.warnings)
    for model in results.models[1:]:
        for word, questions in zip(("Fixed", "Broken"), results.changed(model.name), strict=True):
            shown = [results.questions[index].question for index in questions[:SHOWN]]
            more = [f"and {len(questions) - SHOWN} more"] * (len(questions) > SHOWN)
            parts += _list(f"{word} by {model.name}: {len(questions)}", [*shown, *more])
    return clean("\n\n".join(parts) + "\n")


def _difference(found: Difference | None) -> tuple[str, str]:
    if found is None or found.value is None:
        return "–", "–"
    low, high = found.interval
    return f"{100 * found.value:+.1f} points ({100 * low:+.0f} to {100 * high:+.0f})", p_value(found.holm)


def _list(title: str, lines: Iterable[str]) -> list[str]:
    items = "\n".join(f"- {_escape(line)}" for line in lines)
    return [f"## {_escape(title)}\n\n{items}"] if items else []


def _escape(text: str) -> str:
    """Text that is text to Markdown, and one line."""
    for mark in "\\`*_[]|#":
        text = text.replace(mark, "\\" + mark)
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").split())


def _cell(value: object) -> object:
    text = "; ".join(map(str, value)) if isinstance(value, list) else value
    if isinstance(text, str):
        text = clean(text)
        return "'" + text if text[:1] in tuple("=+-@\t\r") else text
    return text
