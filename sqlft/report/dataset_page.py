"""One self-contained HTML page of a dataset: what is in it, what was dropped and why, and twenty rows to read."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

from markupsafe import Markup

from sqlft.dataset.build import BuildReport
from sqlft.dataset.dataset_card import USES, count_constructs, dropped, headline, leakage, read_parts, waterfall
from sqlft.recipe import Recipe
from sqlft.records import Example
from sqlft.report.dataset_plots import counts_plot, lengths_plot, waterfall_plot
from sqlft.report.markup import flat, render_page, write_page

SHOWN = 20
AXES = {"tables": "Tables", "style": "Style of the question", "window": "Period", "term": "Term", "category": "Failure"}
PARTS_SHOWN = {"heldout": "held out", "development": "development", "heldout_templates": "held-out template"}


def write_dataset_page(report: BuildReport, recipe: Recipe) -> Path:
    """Writes dataset.html beside the parts, whole or not at all.

    Args:
        report: What `build` did; the examples are read from its folder.
        recipe: The recipe that it did it by; its seed draws the rows that are shown.

    Returns:
        The page's path.
    """
    return write_page(report.folder / "dataset.html", render(report, read_parts(report), recipe.seed))


def render(report: BuildReport, parts: dict[str, list[Example]], seed: int) -> str:
    """The page as text. See `write_dataset_page`."""
    examples = [example for part in parts.values() for example in part]
    settings = {**report.teacher, "schema card": report.card, "sandbox": report.sandbox, "seconds": report.seconds}
    return render_page(
        "dataset.html.jinja",
        report=report,
        headline=headline(report),
        sentences=[dropped(report), leakage(report)],
        parts=[_describe(part, found) for part, found in parts.items() if found],
        plots=_plots(report, examples),
        matrix=_matrix(report),
        coverage=[(name, report.coverage[axis]) for axis, name in AXES.items() if report.coverage.get(axis)],
        counts=_counts(examples),
        rows=_draw(parts, seed),
        settings={key: flat(value) for key, value in settings.items() if value not in (None, "")},
    )


def _describe(part: str, examples: list[Example]) -> dict[str, Any]:
    return {
        "name": PARTS_SHOWN.get(part, part),
        "use": USES[part],
        "pairs": len(examples),
        "templates": len({example.template for example in examples if example.template}),
        "words": median(len(example.question.split()) for example in examples),
        "characters": median(len(example.sql) for example in examples),
    }


def _plots(report: BuildReport, examples: list[Example]) -> list[tuple[str, Markup]]:
    plots = [("What cleaning dropped, step by step", waterfall_plot(waterfall(report)))]
    if not examples:
        return plots
    words = lengths_plot("questions", "words", [len(example.question.split()) for example in examples])
    characters = lengths_plot("SQL", "characters", [len(example.sql) for example in examples])
    shown = [(name, count) for name, count in count_constructs(examples) if count]
    return [
        *plots,
        ("What the SQL shows; a query may show several", counts_plot("Constructs in the SQL", shown, "pairs")),
        ("Length of the questions", words),
        ("Length of the SQL", characters),
    ]


def _matrix(report: BuildReport) -> dict[str, Any] | None:
    """Pairs kept by construct and level, and how dark each cell is, in percent; None where there were no slots."""
    cells = report.coverage.get("cell", {})
    if not cells:
        return None
    levels = [level for level in ("easy", "medium", "hard", "expert") if level in report.coverage["level"]]
    most = max(counts["kept"] for counts in cells.values()) or 1
    rows = []
    for construct in report.coverage["construct"]:
        found = [cells.get(f"{level} {construct}") for level in levels]
        rows.append((construct, [(counts, counts and round(45 * counts["kept"] / most)) for counts in found]))
    return {"levels": levels, "rows": rows}


def _counts(examples: list[Example]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Pairs by what the examples themselves say."""

    def count(values: Callable[[Example], Iterable[str]]) -> list[tuple[str, int]]:
        return Counter(value for example in examples for value in values(example) if value).most_common()

    found = [
        ("Level", count(lambda example: [example.level])),
        ("Tag", count(lambda example: example.tags)),
        ("Template", count(lambda example: [example.template])),
        ("Writer", count(lambda example: [example.source])),
    ]
    return [(name, counts) for name, counts in found if counts]


def _draw(parts: dict[str, list[Example]], seed: int) -> list[tuple[str, Example]]:
    rows = [(PARTS_SHOWN.get(part, part), example) for part, found in parts.items() for example in found]
    return random.Random(f"{seed}:page").sample(rows, min(SHOWN, len(rows)))
