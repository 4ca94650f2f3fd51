"""The runs of this folder: what each was made of, and what its evaluations found."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from sqlft.evaluation.shares import Share

RUNS = Path("runs")


class _Model(BaseModel):
    """The part of a model's figures that is shown; see `sqlft.evaluation.results.ModelFigures`."""

    name: str
    strict: Share
    clustered: Share | None = None


class _Evaluation(BaseModel):
    on: str
    created: str
    banner: str = ""
    models: list[_Model]


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of a run: scores are (model, share right, with the interval to go by).

    Attributes:
        name: The folder under the run, such as evaluation/golden.
        report: Its page; None where there is none.
        fault: Why its results cannot be read; empty where they can.
    """

    name: str
    on: str = ""
    created: str = ""
    banner: str = ""
    scores: list[tuple[str, Share]] = field(default_factory=list)
    report: Path | None = None
    fault: str = ""


@dataclass(frozen=True)
class Run:
    """A run's folder. `base`, `finished` and `rows` are empty until it was trained."""

    name: str
    base: str
    finished: str
    rows: str
    evaluations: list[Evaluated]


def list_runs(folder: Path = RUNS) -> list[Run]:
    """The runs in a folder, those trained last first; what is no run is not among them."""
    found = [_read(run) for run in sorted(folder.iterdir()) if run.is_dir()] if folder.is_dir() else []
    runs = [run for run in found if run.base or run.evaluations]
    return sorted(runs, key=lambda run: run.finished, reverse=True)


def find_report(run: str, name: str, folder: Path = RUNS) -> Path | None:
    """The report of an evaluation that `list_runs` lists, by its names; None for all else that might be asked for."""
    reports = ((one.name, e.name, e.report) for one in list_runs(folder) for e in one.evaluations)
    return next((report for *names, report in reports if names == [run, name]), None)


def _read(run: Path) -> Run:
    try:
        told = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = {}
    results = sorted([*run.glob("evaluation/*/results.json"), *run.glob("ladder/*/results.json")])
    base, finished, rows = _at(told, "identity", "base"), _at(told, "finished"), _at(told, "rows", "train", "rows")
    return Run(run.name, Path(base).name, finished, rows, [_evaluated(run, path) for path in results])


def _at(told: Any, *names: str) -> str:
    for name in names:
        told = told.get(name) if isinstance(told, dict) else None
    return "" if told is None else str(told)


def _evaluated(run: Path, path: Path) -> Evaluated:
    name, page = str(path.parent.relative_to(run)), path.with_name("report.html")
    try:
        told = _Evaluation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Evaluated(name, fault="its results.json cannot be read; run `sqlft evaluate` again")
    scores = [(model.name, model.clustered or model.strict) for model in told.models]
    return Evaluated(name, told.on, told.created, told.banner, scores, page if page.is_file() else None)
