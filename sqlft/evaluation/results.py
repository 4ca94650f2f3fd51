"""What an evaluation found: the records, the counts made from them, and the files that keep them.

`results.json` (questions with their gold results, figures, settings) and `predictions.jsonl` (one answer a line)
together hold everything that a report shows; `Results.load` reads them back without a database or a model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sqlft.database.result import Result
from sqlft.evaluation.agreement import Agreement
from sqlft.evaluation.breakdown import LEVELS, Axis
from sqlft.evaluation.clusters import Clustered
from sqlft.evaluation.diagnosis.categories import Category, Finding
from sqlft.evaluation.statistics import Difference, Share
from sqlft.problems import Problem, WrongUse
from sqlft.records import Example, Prediction, Record, Verdict, read_jsonl, write_jsonl

BASE = "base"
SHOWN_ROWS = 10
SHOWN_TEXT = 200

Gold = Literal["sound", "empty", "gold_error", "undetermined"]
Outcome = Literal["match", "relaxed", "mismatch", "invalid", "no_sql", "out"]


class Preview(Record):
    """The beginning of a result as a reader sees it: cells as text, None for NULL, long cells cut with an ellipsis."""

    columns: list[str]
    types: list[str] = Field(default_factory=list)
    rows: list[list[str | None]]
    totals: list[str | None] | None = None
    row_count: int

    @classmethod
    def of(cls, result: Result) -> Preview:
        return cls(
            columns=result.columns,
            types=result.types,
            rows=[cell_texts(row) for row in result.rows[:SHOWN_ROWS]],
            totals=None if result.totals is None else cell_texts(result.totals),
            row_count=len(result.rows) if result.total_rows is None else result.total_rows,
        )


class Question(Example):
    """A question as it was asked.

    Attributes:
        gold: What its own SQL turned out to be; all but 'sound' are out of the headline, for every model.
        gold_note: Why the gold is not sound, in words.
        gold_result: What its own SQL returned.
        leaked: What of it stands in a training file: 'question', 'sql'.
    """

    gold: Gold = "sound"
    gold_note: str = ""
    gold_result: Preview | None = None
    leaked: list[Literal["question", "sql"]] = Field(default_factory=list)


class Opinion(Record):
    """An LLM judge's advice on one answer; `right` is None where the judge failed, and `reason` says how.

    Attributes:
        first: Which of the two queries it was shown first; empty where it was shown none.
    """

    right: bool | None
    reason: str
    first: Literal["", "gold", "answer"] = ""


class Answer(Prediction):
    """A prediction with what came of it.

    Attributes:
        verdict: The comparison with the gold result.
        runs: The database accepted and ran the SQL.
        exact: The folded text is the gold's own.
        result: What the SQL returned; None where it did not run.
        judge: The LLM judge's advice, where one was asked.
        findings: Why it is wrong; see `sqlft.evaluation.diagnosis`.
        samples: Whether each sample is strictly right, this one first, where decoding drew several.
        others: The other samples; not written to any file.
    """

    verdict: Verdict
    runs: bool = False
    exact: bool = False
    result: Preview | None = None
    judge: Opinion | None = None
    findings: list[Finding] = Field(default_factory=list)
    samples: list[bool] = Field(default_factory=list)
    others: list[Answer] = Field(default_factory=list, exclude=True)

    @property
    def categories(self) -> list[Category]:
        """Its kinds of mistake, each once."""
        return list(dict.fromkeys(found.category for found in self.findings))

    @property
    def hits(self) -> list[bool]:
        """Whether each sample is strictly right; one where there are no others."""
        return self.samples or [self.verdict.strict]


class Leakage(BaseModel):
    """Questions that stand in what the adapters were trained on.

    Attributes:
        files: Training files that were read, with their SHA-256.
        rows: Examples in them.
        by_question, by_sql, either: Questions found by their folded text, by their folded SQL, by any of both.
    """

    files: dict[str, str]
    rows: int
    by_question: int
    by_sql: int
    either: int


class ModelFigures(BaseModel):
    """Everything counted of one model.

    Attributes:
        validity: SQL that ran, or a right refusal, of all questions.
        no_sql: Answers in which no SQL was found, of all questions; they count as wrong in the headline.
        strict: Execution match, the headline, of the questions whose gold is sound and every verdict decided.
        relaxed: The same, relaxed.
        exact: Folded SQL text equal to the gold's, of all questions.
        judge: Called right by the LLM judge, of those it judged; None where none was asked.
        unleaked: `strict` without the questions found in training files; None where there is none of those.
        outcomes: Questions by outcome; 'relaxed' is a relaxed match that is no strict one.
        reasons: Verdict reasons, by how often they were given.
        categories: Wrong answers by category of mistake, the commonest first; one may have several.
        by: `strict` by what the SQL shows ('construct'), the 'table' it reads, and by 'level', 'tag' and 'template',
            where examples carry them; with the interval for SQL templates that repeat among a row's questions.
        clustered: `strict` with the interval for SQL templates that repeat, over all samples of a question; None where
            neither is so, and `strict` says it all.
        samples: `strict` of each sample, where decoding drew several.
        agreement: The judge's, with execution.
        agreement_by_first: The same by which of the two queries the judge was shown first.
        same_as_base: Answers whose text is the base's own; None for the base itself.
        against_base: None for the base itself.
        data_dependent: Matches that a neighbour database took away, see `sqlft.evaluation.stress`.
        attempts: Answers that were asked for.
        dollars: What they cost; None where no price is known.
        dollars_per_right: What the questions of the headline cost, for each of them that is right.
    """

    name: str
    adapter: str | None
    validity: Share
    no_sql: Share
    strict: Share
    relaxed: Share
    exact: Share
    judge: Share | None
    unleaked: Share | None
    outcomes: dict[Outcome, int]
    reasons: dict[str, int]
    categories: dict[Category, int] = Field(default_factory=dict)
    by: dict[Axis, dict[str, Clustered | Share]]
    clustered: Clustered | None = None
    samples: list[Share] = Field(default_factory=list)
    agreement: Agreement | None = None
    agreement_by_first: dict[Literal["gold", "answer"], Agreement] = Field(default_factory=dict)
    same_as_base: int | None = None
    against_base: Difference | None
    data_dependent: int = 0
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cut: int = Field(description="answers that ended at max_new_tokens")
    attempts: int = 0
    dollars: float | None = None
    dollars_per_right: float | None = None

    @property
    def right(self) -> Share:
        """`strict` with the interval to go by: `clustered` where there is one."""
        return self.clustered or self.strict


class Results(BaseModel):
    """One evaluation: the base and any number of adapters on the same questions."""

    model_config = ConfigDict(extra="forbid")

    run: str
    on: str
    created: str
    settings: dict[str, Any]
    banner: str = Field("", description="what stands above everything else, in red: leakage was allowed")
    warnings: list[str]
    leakage: Leakage | None
    out_of_headline: dict[str, int] = Field(description="questions that no headline counts, by reason")
    models: list[ModelFigures]
    baseline: list[Difference] = Field(default_factory=list, description="against an earlier evaluation, where given")
    questions: list[Question]
    answers: dict[str, list[Answer]] = Field(
        default_factory=dict, exclude=True, description="by model, in the questions' order"
    )
    folder: Path | None = Field(default=None, exclude=True)

    @property
    def base(self) -> ModelFigures:
        return self.models[0]

    @property
    def best(self) -> ModelFigures:
        """The adapter with the most right; the base where it is alone."""
        return max(self.models[1:] or self.models, key=lambda model: model.right.value or 0.0)

    @property
    def is_ladder(self) -> bool:
        """The models are steps of the ladder, and the first one stands in the base's place."""
        return self.base.name != BASE

    def failures(self, name: str) -> list[int]:
        """Places of the questions that count and that this model has wrong, the easiest first.

        That is by level, then by the length of the gold SQL.
        """
        out, given = left_out(self.questions, self.answers), self.answers[name]
        wrong = [i for i, answer in enumerate(given) if i not in out and not answer.verdict.strict]
        return sorted(wrong, key=lambda i: (LEVELS.index(self.questions[i].level), len(self.questions[i].sql)))

    def changed(self, name: str) -> tuple[list[int], list[int]]:
        """Places of the questions that this model alone has right, and of those that the base alone has, of two."""
        out = left_out(self.questions, self.answers)
        pairs = zip(self.answers[name], self.answers[self.base.name], strict=True)
        moved = {i: a.verdict.strict - b.verdict.strict for i, (a, b) in enumerate(pairs) if i not in out}
        return [i for i, by in moved.items() if by > 0], [i for i, by in moved.items() if by < 0]

    def save(self, folder: Path) -> None:
        """Writes predictions.jsonl, then results.json, each whole or not at all."""
        write_jsonl(folder / "predictions.jsonl", (a for model in self.answers.values() for a in model))
        partial = folder / "results.json.partial"
        with partial.open("w", encoding="utf-8") as file:
            file.write(self.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / "results.json")
        self.folder = folder

    @classmethod
    def load(cls, folder: Path) -> Results:
        """Reads an evaluation's folder.

        Raises:
            WrongUse: There is none, or one of its files is not whole.
        """
        path = folder / "results.json"
        try:
            results = cls.model_validate(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise WrongUse(
                Problem(str(path), "results", " ".join(str(error).split())[:200], "Run `sqlft evaluate` again.")
            ) from error
        results.answers = {model.name: [] for model in results.models}
        for answer in read_jsonl(folder / "predictions.jsonl", Answer):
            results.answers[answer.model].append(answer)
        for name, given in results.answers.items():
            if len(given) != len(results.questions):
                why = f"{len(given)} answers of {name} to {len(results.questions)} questions"
                raise WrongUse(
                    Problem(str(folder / "predictions.jsonl"), "results", why, "Run `sqlft evaluate` again.")
                )
        results.folder = folder
        return results


def left_out(questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]]) -> dict[int, str]:
    """Places of the questions that no headline counts, each with its reason.

    A question is left out for every model or for none, so that all models stand on the same n: its gold is not sound,
    or some model's verdict on it is undetermined. (Leaving out vacuous matches alone would keep wrong answers to an
    empty gold, and drop the right ones.)
    """
    out: dict[int, str] = {}
    for index, question in enumerate(questions):
        if question.gold != "sound":
            out[index] = question.gold
        elif any(given[index].verdict.status == "undetermined" for given in answers.values()):
            out[index] = "undetermined"
    return out


def outcome(answer: Answer) -> Outcome:
    """What one line of the report says of an answer whose question counts."""
    if answer.verdict.strict:
        return "match"
    if answer.verdict.relaxed:
        return "relaxed"
    if answer.sql is None:
        return "no_sql"
    return "mismatch" if answer.runs else "invalid"


def find_outcomes(results: Results) -> list[list[tuple[Answer, Outcome]]]:
    """For each question the answers of all models, with what became of them."""
    out = left_out(results.questions, results.answers)
    return [
        [(given[index], "out" if index in out else outcome(given[index])) for given in results.answers.values()]
        for index in range(len(results.questions))
    ]


def cell_texts(row: Iterable[Any]) -> list[str | None]:
    """A result's row as a page shows it."""
    return [None if cell is None else _short(cell) for cell in row]


def _short(cell: Any) -> str:
    text = str(cell).lower() if isinstance(cell, bool) else repr(cell) if isinstance(cell, float) else str(cell)
    return text if len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT] + "…"
