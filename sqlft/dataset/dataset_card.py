"""dataset_card.md: what a dataset is, in the form that Hugging Face's Hub reads, and in plain sentences.

https://huggingface.co/docs/hub/datasets-cards
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from sqlft.dataset.build import BuildReport
from sqlft.dataset.slots.axes import axes
from sqlft.dataset.split import PARTS
from sqlft.recipe import Recipe
from sqlft.records import Example, read_examples

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
USES = {
    "train": "what a model learns from",
    "validation": "the loss while it learns",
    "heldout": "questions that share neither text nor SQL with train",
    "development": "as heldout, looked at between rounds of `sqlft improve`",
    "heldout_templates": "all questions of templates that train has nothing of",
    "unused": "clean, and not sampled into train",
}


def write_dataset_card(report: BuildReport, recipe: Recipe) -> Path:
    """Writes dataset_card.md beside the parts; on the Hub it is the README.md.

    Args:
        report: What `build` did.
        recipe: The recipe that it did it by.
    """
    path = report.folder / "dataset_card.md"
    parts = read_parts(report)
    text = read_template(Path(__file__).with_name("dataset_card.md.jinja")).render(
        header=yaml.safe_dump(_header(report), sort_keys=False, allow_unicode=True),
        report=report,
        recipe=recipe,
        parts={part: len(parts[part]) for part in PARTS if parts[part]},
        uses=USES,
        waterfall=waterfall(report),
        headline=headline(report),
        dropped=dropped(report),
        leakage=leakage(report),
        constructs=count_constructs([example for examples in parts.values() for example in examples]),
        author=author(report),
    )
    path.write_text(text, encoding="utf-8")
    return path


def read_parts(report: BuildReport) -> dict[str, list[Example]]:
    """The examples of each part."""
    return {part: read_examples(report.folder / f"{part}.jsonl") for part in PARTS}


def author(report: BuildReport) -> str:
    """Who wrote the pairs."""
    by_grammar = report.teacher["kind"] == "template"
    return "the offline grammar" if by_grammar else str(report.teacher["model"])


def headline(report: BuildReport) -> str:
    """One sentence: how many pairs there are, for what, and who wrote them."""
    counts = report.counts
    held = counts["heldout"] + counts["development"] + counts["heldout_templates"]
    ends = [f"{counts['validation']:,} to validate"] * bool(counts["validation"]) + [f"{held:,} held out"] * bool(held)
    pairs = " and ".join([", ".join([f"{counts['train']:,} pairs to train on", *ends[:-1]]), *ends[-1:]])
    return f"{pairs}, of {report.written:,} that {author(report)} wrote."


def dropped(report: BuildReport) -> str:
    """One sentence: how many pairs were dropped, and why most of them."""
    lost = sum(report.rejected.values())
    if not lost:
        return "Nothing was dropped."
    most = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in list(report.rejected.items())[:4])
    came = report.steps[0][1] if report.steps else report.written
    return f"{lost:,} of {came:,} were dropped ({lost / came:.0%}), most often: {most}."


def leakage(report: BuildReport) -> str:
    """One sentence on the golden questions."""
    if not any(_is_leak(name) for name, _, _ in report.steps):
        return "The pairs were not compared with the golden questions: that step was off."
    found = {name: count for name, count in report.rejected.items() if _is_leak(name)}
    if not found:
        return "All pairs were compared with the golden questions, and none had to be dropped for leaking one."
    named = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in found.items())
    return f"{sum(found.values()):,} pairs were dropped since they leak golden questions: {named}."


def waterfall(report: BuildReport) -> list[tuple[str, int, int]]:
    """(step, pairs that came to it, pairs that it dropped) in words, what dividing into parts dropped last."""
    steps = [(name.replace("_", " "), came, lost) for name, came, lost in report.steps]
    after = sum(report.rejected.values()) - sum(lost for _, _, lost in steps)
    left = steps[-1][1] - steps[-1][2] if steps else 0
    return [*steps, *([("dividing into parts", left, after)] if after > 0 else [])]


def count_constructs(examples: list[Example]) -> list[tuple[str, int]]:
    """(construct, pairs whose SQL shows it), the commonest first; one pair may show several."""
    counts = [(one.name, sum(one.is_in(example.sql) for example in examples)) for one in axes().constructs]
    return sorted(counts, key=lambda pair: -pair[1])


def _is_leak(name: str) -> bool:
    return "golden" in name or "leak" in name


def _header(report: BuildReport) -> dict[str, Any]:
    total = sum(report.counts.values())
    by_grammar = report.teacher["kind"] == "template"
    files = [{"split": part, "path": f"{part}.jsonl"} for part in PARTS if report.counts[part]]
    return {
        "pretty_name": report.name,
        "license": "other",
        "license_name": "not-chosen-yet" if by_grammar else "terms-of-the-teacher",
        "language": ["en"],
        "task_categories": ["text-generation", "table-question-answering"],
        "size_categories": [next((name for size, name in SIZES if total < size), "n>1M")],
        "tags": ["text-to-sql", "clickhouse", "synthetic", "sqlft"],
        "configs": [{"config_name": "default", "data_files": files}],
    }


@cache
def read_template(file: Path) -> jinja2.Template:
    """A template of a Markdown card; what it names has to be given."""
    loader = jinja2.FileSystemLoader(file.parent)
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(file.name)
