"""A diagnosis as tables for the terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sqlft.evaluation.diagnosis.categories import LABELS
from sqlft.evaluation.remedy.overview import Diagnosis, ModelDiagnosis, Wrong
from sqlft.evaluation.table import percent


def diagnosis_tables(found: Diagnosis) -> list[RenderableType]:
    """Categories by model with an example of each, the easiest that fail, the next target; what `rich.print` takes."""
    parts: list[RenderableType] = []
    for model in found.models:
        n, wrong = model.right.n, len(model.wrong)
        title = f"{found.run} on {found.on}, {model.name}: {wrong} of {n} wrong"
        table = Table("category", "wrong", "example", title=title, title_justify="left", show_lines=True)
        for category, count in model.categories.items():
            example = next(one for one in model.wrong if category in {f.category for f in one.findings})
            table.add_row(Text(LABELS[category]), str(count), _example(example, category))
        parts += [table, *_next(model)] if wrong else [Text(title)]
    return parts


def _example(one: Wrong, category: str) -> Text:
    detail = next(finding.detail for finding in one.findings if finding.category == category)
    lines = [one.question, f"{detail}" if detail else "", *_near(one)]
    return Text("\n".join(line for line in lines if line))


def _near(one: Wrong) -> list[str]:
    return [f"near, in {place} ({alike:.2f}): {question}" for alike, place, question in one.near[:1]]


def _next(model: ModelDiagnosis) -> list[RenderableType]:
    easy = Table("easiest questions that still fail", "level", "why")
    for one in model.easiest:
        easy.add_row(Text(one.question), one.level, Text(", ".join(LABELS[f.category] for f in one.findings)))
    if not model.targets:
        return [easy]
    lines = [f"next target, from {percent(model.right.value, 1)}:", *map(str, model.targets)]
    return [easy, Text("\n  ".join(lines))]
