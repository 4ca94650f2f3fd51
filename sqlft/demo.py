"""The whole main job on a small scale: shop, dataset, adapter, comparison, report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

import sqlft
from sqlft.console import facts
from sqlft.database import Database
from sqlft.database.shop import fill_shop
from sqlft.evaluation import Results
from sqlft.evaluation.table import percent
from sqlft.problems import Problem, WrongUse
from sqlft.progress import Stages
from sqlft.recipe import Recipe

ASKED = {
    "heldout": "held-out questions, unseen text and SQL",
    "heldout_templates": "held-out templates, unseen phrasings",
    "golden": "golden questions, hand-written",
}


@dataclass
class DemoReport:
    """What the demo did.

    Attributes:
        seconds: Wall time of each stage.
        results: The comparison on each set of questions; the base first, then the adapter.
        examples: Examples in each part of the dataset.
    """

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    results: dict[str, Results] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Shares of right answers by question set, their n, and seconds by stage."""
        shares = {
            on: {"n": base.strict.n, "base": base.strict.value, "adapter": adapter.strict.value}
            for on, (base, adapter) in ((on, results.models) for on, results in self.results.items())
        }
        return {"folder": str(self.folder), "questions": shares, "examples": self.examples, "seconds": self.seconds}

    def tables(self) -> list[RenderableType]:
        """The summary for the terminal."""
        right = Table(title="Right by execution", title_justify="left")
        for head in ("questions", "n", "base", "adapter [95% CI]", "SQL runs"):
            right.add_column(head, justify="left" if head == "questions" else "right")
        for on, results in self.results.items():
            base, adapter = results.models
            share = adapter.right
            interval = f"{percent(share.value)} [{percent(share.low)}, {percent(share.high)}]"
            right.add_row(
                ASKED[on], str(share.n), percent(base.strict.value), interval, percent(adapter.validity.value)
            )
        took = facts([(f"{stage} s", f"{seconds:.1f}") for stage, seconds in self.seconds.items()], "Time")
        pages = facts(
            [(on, results.folder / "report.html") for on, results in self.results.items() if results.folder], "Reports"
        )
        return [right, took, pages]


def demo_recipe() -> Path:
    """recipes/tiny-cpu.yaml of the clone that sqlft runs from.

    Raises:
        WrongUse: sqlft was installed without its repository.
    """
    path = Path(sqlft.__file__).resolve().parent.parent / "recipes" / "tiny-cpu.yaml"
    if not path.is_file():
        raise WrongUse(
            Problem(str(path), "the demo's recipe", "it is not there", "Run the demo from a clone of the repository.")
        )
    return path


def run_demo(recipe: Recipe, users: int = 20_000, *, anew: bool = True) -> DemoReport:
    """Runs every stage; the report of each comparison is written to the run's folder.

    Args:
        recipe: Its database is filled with the shop; its run is begun anew.
        users: Users of the shop.
        anew: Fill the shop and build the dataset first; else train on what an earlier call left.

    Raises:
        SqlftError: A stage fails.
    """
    shutil.rmtree(recipe.run_dir / "checkpoints", ignore_errors=True)
    report = DemoReport(recipe.run_dir)
    if anew:
        with _timed(report, "shop"), Database.connect(recipe.database.dsn) as db, Stages() as stages:
            fill_shop(db, users, progress=lambda done: stages("users", done, users))
        with _timed(report, "build"):
            report.examples = sqlft.build(recipe).counts
    with _timed(report, "train"):
        run = sqlft.train(recipe)
    with _timed(report, "evaluate"):
        report.results = dict(zip(ASKED, sqlft.evaluate_each(recipe, [run.adapter], list(ASKED)), strict=True))
    return report


@contextmanager
def _timed(report: DemoReport, stage: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    report.seconds[stage] = round(time.perf_counter() - began, 1)
