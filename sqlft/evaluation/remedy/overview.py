"""An evaluation's wrong answers together: categories, what training lacks near them, and slots for the next build."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.dataset.lint.similarity import nearest
from sqlft.dataset.lint.wording import gist
from sqlft.dataset.slots import Failure
from sqlft.evaluation.diagnosis import find_flags
from sqlft.evaluation.diagnosis.categories import Category, Finding
from sqlft.evaluation.remedy.targets import Target, find_targets
from sqlft.evaluation.remedy.teach import read_slots
from sqlft.evaluation.results import Answer, ModelFigures, Question, Results
from sqlft.evaluation.scoring import settle
from sqlft.evaluation.statistics import Share
from sqlft.problems import Problem, WrongUse
from sqlft.records import Example, read_examples, write_jsonl

NEAREST = 2
EASIEST = 5


@dataclass(frozen=True)
class Wrong:
    """A wrong answer.

    Attributes:
        sql: What the model wrote; None where it wrote no SQL.
        near: (similarity of the questions, where it stands, its question) of the nearest seeds and training rows.
    """

    id: str
    question: str
    level: str
    gold: str
    sql: str | None
    findings: list[Finding]
    near: list[tuple[float, str, str]]


@dataclass
class ModelDiagnosis:
    """One model's wrong answers.

    Attributes:
        categories: Wrong answers by category, the commonest first; one may have several.
        wrong: The easiest first: by level, then by the length of the gold SQL.
        targets: What mending one, two and three categories would bring.
    """

    name: str
    right: Share
    categories: dict[Category, int]
    wrong: list[Wrong]
    targets: list[Target]

    @property
    def easiest(self) -> list[Wrong]:
        """The easiest questions that still fail."""
        return self.wrong[:EASIEST]


@dataclass
class Diagnosis:
    """What `sqlft diagnose` says.

    Attributes:
        slots: Of the last model's wrong answers, for `sqlft build --from-failures`.
        file: Where they were written; None where nothing is wrong.
    """

    run: str
    on: str
    models: list[ModelDiagnosis]
    slots: list[Failure] = field(default_factory=list)
    file: Path | None = None

    def to_json(self) -> dict[str, Any]:
        models = {}
        for model in self.models:
            said = asdict(model) | {"right": model.right.model_dump(), "easiest": [one.id for one in model.easiest]}
            for one in said["wrong"]:
                one["findings"] = [finding.model_dump() for finding in one["findings"]]
            models[model.name] = said
        slots = [slot.model_dump() for slot in self.slots]
        return {"run": self.run, "on": self.on, "models": models, "slots": slots, "file": str(self.file or "")}


def diagnose_run(run: Path | str, on: str = "golden") -> Diagnosis:
    """Reads runs/NAME/evaluation/SET, says what is wrong and writes failures.jsonl there.

    Args:
        run: A run's folder or name.
        on: The folder below `evaluation`.

    Raises:
        WrongUse: There is no such evaluation, or one of its files is not whole.
    """
    folders = [path for path in (Path(run), Path("runs") / run) if path.is_dir()]
    # a project's folder may well be called as its run is
    folder = next((path for path in folders if (path / "evaluation").is_dir()), folders[-1] if folders else None)
    if folder is None:
        raise WrongUse(Problem(str(run), "run", "there is no such folder", "Write runs/NAME, or NAME."))
    where = folder / "evaluation" / on
    if not where.is_dir():
        there = (
            sorted(path.name for path in (folder / "evaluation").glob("*")) if (folder / "evaluation").is_dir() else []
        )
        advice = f"Write --on {there[0]}." if there else f"Run `sqlft evaluate` with {folder.name}'s recipe first."
        raise WrongUse(Problem(str(where), f"--on {on}", "this run was not asked these questions", advice))
    return diagnose_results(Results.load(where), folder)


def diagnose_results(results: Results, folder: Path) -> Diagnosis:
    """The same for results at hand.

    Args:
        results: An evaluation that was saved.
        folder: The run's, whose dataset holds the training rows.
    """
    schema, seeds = _files(results, folder)
    card = SchemaCard.load(schema) if schema and schema.is_file() else None
    settle(results.questions, results.answers, find_flags(card) if card else frozenset())  # an older version wrote them
    known = [("seeds", e) for e in (read_examples(seeds) if seeds and seeds.is_file() else [])]
    train = folder / "dataset" / "train.jsonl"
    known += [("train", e) for e in (read_examples(train) if train.is_file() else [])]
    models = []
    for model in results.models:
        wrong = [(results.questions[i], results.answers[model.name][i]) for i in results.failures(model.name)]
        models.append(_of_model(model, wrong, known))
    found = Diagnosis(results.run, results.on, models)
    tuned = [one for one, model in zip(models, results.models, strict=True) if model.adapter]
    last = (tuned or models)[-1:]
    if last and last[0].wrong and card:
        by_id = {question.id: question for question in results.questions}
        found.slots = read_slots([(by_id[one.id], one.findings) for one in last[0].wrong], card)
    if found.slots and results.folder:
        found.file = results.folder / "failures.jsonl"
        write_jsonl(found.file, found.slots)
    return found


def _of_model(
    model: ModelFigures,
    wrong: Sequence[tuple[Question, Answer]],
    known: Sequence[tuple[str, Example]],
) -> ModelDiagnosis:
    near = nearest([gist(q.question) for q, _ in wrong], [gist(example.question) for _, example in known], NEAREST)
    found = [
        Wrong(
            question.id,
            question.question,
            question.level,
            question.sql,
            answer.sql,
            answer.findings,
            [(round(alike, 2), known[place][0], known[place][1].question) for place, alike in places],
        )
        for (question, answer), places in zip(wrong, near, strict=True)
    ]
    counts = Counter(finding.category for one in found for finding in one.findings)
    targets = find_targets([[finding.category for finding in one.findings] for one in found], model.strict)
    return ModelDiagnosis(model.name, model.strict, dict(counts.most_common()), found, targets)


def _files(results: Results, folder: Path) -> tuple[Path | None, Path | None]:
    """Schema card and seeds, as the evaluation noted them; an older one is looked up in what was trained."""
    manifest = folder / "run.json"
    trained = json.loads(manifest.read_text(encoding="utf-8")).get("recipe", {}) if manifest.is_file() else {}
    named = [results.settings.get(key) or trained.get(key) for key in ("schema", "seeds")]
    return (Path(named[0]) if named[0] else None), (Path(named[1]) if named[1] else None)
