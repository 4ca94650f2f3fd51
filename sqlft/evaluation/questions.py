"""Which questions are asked, and which of them an adapter has already seen."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.evaluation.results import Leakage, Question
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example, read_examples

SPLITS = ("heldout", "development", "heldout_templates", "validation")


def read_questions(recipe: Recipe, on: str, limit: int | None = None) -> tuple[Path, list[Example]]:
    """The file that `on` names, and its examples.

    Args:
        recipe: For the golden set's path and the run's folder.
        on: 'golden'; one of `SPLITS`, of the run's dataset; or a path to JSONL or JSON.
        limit: Only the first so many.

    Raises:
        WrongUse: There is no such file, it holds nothing, or two of its records have one id.
    """
    if on == "golden":
        path = recipe.golden
    elif on in SPLITS:
        path = recipe.run_dir / "dataset" / f"{on}.jsonl"
        if not path.exists():
            raise WrongUse(
                Problem(
                    str(path), f"questions `{on}`", "the file is not there", f"Run `sqlft build {recipe.path}` first."
                )
            )
    else:
        path = Path(on)
        if not path.is_file():
            raise WrongUse(
                Problem(
                    on, "questions", "there is no such file", f"Write golden, {', '.join(SPLITS)}, or a path to JSONL."
                )
            )
    examples = read_examples(path)
    if not examples:
        raise WrongUse(
            Problem(str(path), f"questions `{on}`", "the file holds none", "Write one {question, sql} a line.")
        )
    twice = [example_id for example_id, count in Counter(e.id for e in examples).items() if count > 1]
    if twice:
        first = next(e for e in examples if e.id == twice[0])
        raise WrongUse(
            Problem(
                str(path),
                f"{len(twice)} questions",
                f"each stands twice; the first is {first.question!r}",
                "Delete one, or give each its own id.",
            )
        )
    return path, examples[:limit]


def find_leaks(questions: Sequence[Question], files: Sequence[Path]) -> Leakage | None:
    """Marks `leaked` on every question that a training file or a memory holds, by question and by SQL, both folded.

    Args:
        questions: Changed in place.
        files: Training files, and each memory's memory.json; None is returned where there is none.
    """
    if not files:
        return None
    rows = [example for file in files for example in _seen(file)]
    asked = {fold_question(example.question) for example in rows}
    answered = {fold_sql(example.sql) for example in rows}
    for question in questions:
        question.leaked = []
        if fold_question(question.question) in asked:
            question.leaked.append("question")
        if question.sql and fold_sql(question.sql) in answered:
            question.leaked.append("sql")
    return Leakage(
        files={str(file): sha256(file) for file in files},
        rows=len(rows),
        by_question=sum("question" in q.leaked for q in questions),
        by_sql=sum("sql" in q.leaked for q in questions),
        either=sum(bool(q.leaked) for q in questions),
    )


def _seen(file: Path) -> list[Example]:
    if file.name != "memory.json":
        return read_examples(file)
    from sqlft.memory.store import list_facts

    asked = (use for held in list_facts(file.parent) for use in held.fact.asked)
    return [Example(question=use.question, sql=use.answer) for use in asked]


def sha256(path: Path) -> str:
    """Hex digest of a file, or of all files below a folder in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
