"""Keeps a question with its SQL where a later step reads it: among the seeds, the candidates or the golden questions.

What is kept has run behind the gate and stands once in its file. Where it would leak, that is said before: a golden
question that was trained on shows memory, not skill, and a row that asks a golden one is dropped by the next build.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlft.database import Gate, Result
from sqlft.database.clauses import split_format
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.dataset.leakage import find_leaks, read_asked
from sqlft.dataset.lint.remark import Remark
from sqlft.dataset.review import Review
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example, append_jsonl, locked, read_examples, read_json_lines

Kind = Literal["seed", "candidate", "golden"]
NAMES: dict[Kind, str] = {"seed": "seed", "candidate": "training candidate", "golden": "golden question"}
CANDIDATES = "candidates.jsonl"
APART = ("train", "validation", "heldout", "development", "heldout_templates")
"""Parts of a dataset that share no question and no SQL."""


@dataclass(frozen=True)
class Kept:
    """What became of a pair.

    Attributes:
        path: The file that it is for.
        said: One sentence, or what speaks against keeping it, a line each.
        saved: It stands in the file now. Where it does not and `doubtful`, it is saved once one is sure.
    """

    path: Path
    said: str
    saved: bool = False
    doubtful: bool = False


class Keeper:
    """Writes pairs into the recipe's own files.

    Args:
        recipe: Names the files.
        gate: Where SQL runs before it is kept.
    """

    def __init__(self, recipe: Recipe, gate: Gate) -> None:
        self.recipe, self.gate = recipe, gate

    def path(self, kind: Kind) -> Path:
        """The file; candidates that the recipe has no file for go beside it."""
        candidates = self.recipe.imported or self.recipe.path.parent / CANDIDATES
        return {"candidate": candidates, "seed": self.recipe.seeds, "golden": self.recipe.golden}[kind]

    def keep(self, kind: Kind, question: str, sql: str, *, sure: bool = False) -> Kept:
        """Appends a pair to its file: one whole line, on the disk when this returns, whoever else is appending.

        Args:
            kind: What it is to be.
            question: As it was asked.
            sql: What answers it. A FORMAT clause is left out: the recipe says whether prompts ask for one.
            sure: Keep it in spite of what speaks against it.

        Raises:
            QueryError: The gate refuses the SQL, or it does not run; nothing is kept.
            WrongUse: There is no question, the file cannot be read or appended to, or answers the question otherwise.
        """
        path, question = self.path(kind), " ".join(question.split())
        sql = split_format(sql)[0].strip().rstrip(";").rstrip()
        if not question or not sql:
            missing = "SQL" if question else "question"
            raise WrongUse(
                Problem("pair", f"no {missing}", "only both together teach or test", f"Write the {missing}.")
            )
        if path.suffix == ".json":
            why = "a JSON list cannot be appended to while others read it"
            raise WrongUse(Problem(str(path), NAMES[kind], why, "Write it as JSONL, one record a line."))
        result = self.gate.run(sql)
        new = Example(question=question, sql=sql)
        if not sure and (doubts := self._doubts(kind, new, result)):
            return Kept(path, "\n".join(doubts), doubtful=True)
        with locked(path) as file:
            if there := _find(path, new):
                number, held = there
                if fold_sql(held.sql) != fold_sql(sql):
                    why = f"line {number} answers it with other SQL"
                    raise WrongUse(Problem(str(path), repr(question), why, "Mend that line by hand."))
                return Kept(path, f"It stands in {path} already, on line {number}; it was not written twice.")
            number = append_jsonl(file, new)
        more = ""
        if kind == "candidate" and not self.recipe.imported:
            more = f" Write `imported: {CANDIDATES}` into {self.recipe.path}: builds read it then."
        return Kept(path, f"Saved as a {NAMES[kind]}: {path}, line {number}.{more}", saved=True)

    def refuse_edit(self, part: str, question: str, sql: str) -> Result:
        """What the SQL of an edited row gives.

        Raises:
            QueryError: The gate refuses it, or it does not run.
            WrongUse: The row would give a golden question away, or share its question or SQL with another part.
        """
        new = Example(question=question, sql=sql)
        for found, file in self._given_away(new, read_asked(self.recipe), self.recipe.golden):
            why = f"it gives {found.golden!r} of {file} away ({found.evidence})"
            raise WrongUse(Problem(f"{part}.jsonl", repr(question), why, "Ask something else, or reject the row."))
        review = Review(self.recipe.run_dir / "dataset")
        for other in APART if part in APART else ():
            for row in review.rows(other) if other != part else ():
                shared = _shared(new, row.example)
                if shared:
                    why = f"{other} has its {shared} too, and what is asked must not be trained on"
                    raise WrongUse(Problem(f"{part}.jsonl", repr(question), why, "Reject one of the two."))
        return self.gate.run(sql)

    def _doubts(self, kind: Kind, new: Example, result: Result) -> list[str]:
        """What speaks against keeping it."""
        doubts = [] if result.rows else ["The SQL gives no rows: such a pair teaches little and tests nothing."]
        if kind != "golden":
            for found, file in self._given_away(new, read_asked(self.recipe), self.recipe.golden):
                doubts.append(
                    f"{file} asks {found.golden!r} ({found.evidence}). As a {NAMES[kind]} this would be trained on, "
                    "and the answer to that golden question would show memory, not skill."
                )
            return doubts
        for path in (self.recipe.seeds, self.path("candidate"), self.recipe.run_dir / "dataset" / "train.jsonl"):
            rows = read_examples(path) if path.is_file() else []
            for place, found in find_leaks(self.recipe, rows, [new])[:1]:
                doubts.append(
                    f"{path} holds {rows[place].question!r} ({found.evidence}). It is trained on or shown to models, "
                    "so that a right answer to this golden question would show memory, not skill."
                )
        return doubts

    def _given_away(self, new: Example, asked: list[Example], file: Path) -> list[tuple[Remark, Path]]:
        return [(found, file) for _, found in find_leaks(self.recipe, [new], asked)[:1]]


def _find(path: Path, new: Example) -> tuple[int, Example] | None:
    numbers = [number for number, _ in read_json_lines(path)]
    for number, held in zip(numbers, read_examples(path), strict=True):
        if fold_question(held.question) == fold_question(new.question):
            return number, held
    return None


def _shared(one: Example, other: Example) -> str:
    if fold_question(one.question) == fold_question(other.question):
        return "question"
    return "SQL" if one.sql and fold_sql(one.sql) == fold_sql(other.sql) else ""
