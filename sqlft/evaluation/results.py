"""What an evaluation found: the records, the counts made from them, and the files that keep them.

`results.json` (questions with their gold results, figures, settings) and `predictions.jsonl` (one answer a line)
together hold everything that a report shows; `Results.load` reads them back without a database or a model.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sqlft.database.result import Result
from sqlft.dataset.split import name_templates
from sqlft.evaluation.agreement import Agreement, agree
from sqlft.evaluation.breakdown import Axis, find_keys
from sqlft.evaluation.clusters import Clustered, cluster_share
from sqlft.evaluation.statistics import Difference, Share, adjust, difference, share
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
        categories: What is wrong with it, by the rules of the diagnosis.
        samples: Whether each sample is strictly right, this one first, where decoding drew several.
    """

    verdict: Verdict
    runs: bool = False
    exact: bool = False
    result: Preview | None = None
    judge: Opinion | None = None
    categories: list[str] = Field(default_factory=list)
    samples: list[bool] = Field(default_factory=list)

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
        validity: SQL that ran, of all questions.
        no_sql: Answers in which no SQL was found, of all questions; they count as wrong in the headline.
        strict: Execution match, the headline, of the questions whose gold is sound and every verdict decided.
        relaxed: The same, relaxed.
        exact: Folded SQL text equal to the gold's, of all questions.
        judge: Called right by the LLM judge, of those it judged; None where none was asked.
        unleaked: `strict` without the questions found in training files; None where there is none of those.
        outcomes: Questions by outcome; 'relaxed' is a relaxed match that is no strict one.
        reasons: Verdict reasons, by how often they were given.
        by: `strict` by what the SQL shows ('construct'), the 'table' it reads, and by 'level', 'tag' and 'template',
            where examples carry them.
        clustered: `strict` with the interval for SQL templates that repeat, over all samples of a question; None where
            neither is so, and `strict` says it all.
        samples: `strict` of each sample, where decoding drew several.
        agreement: The judge's, with execution.
        same_as_base: Answers whose text is the base's own; None for the base itself.
        categories: Wrong answers by what is wrong with them, the commonest first.
        against_base: None for the base itself.
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
    by: dict[Axis, dict[str, Share]]
    clustered: Clustered | None = None
    samples: list[Share] = Field(default_factory=list)
    agreement: Agreement | None = None
    same_as_base: int | None = None
    categories: dict[str, int] = Field(default_factory=dict)
    against_base: Difference | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    cut: int = Field(description="answers that ended at max_new_tokens")

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


def figures(
    questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]], adapters: Mapping[str, str]
) -> tuple[list[ModelFigures], dict[str, int]]:
    """Counts everything.

    Args:
        questions: In order.
        answers: By model, each in the questions' order; the first is the base that others are compared with.
        adapters: Path of each model's adapter, the base left out.

    Returns:
        Figures by model, and the number of questions that no headline counts, by reason.
    """
    out = left_out(questions, answers)
    kept = [index for index in range(len(questions)) if index not in out]
    first, base = next(iter(answers.items()))
    axes = find_keys(questions)
    names = name_templates(questions)
    clusters = [names[id(questions[index])] for index in kept]
    rows = []
    for name, given in answers.items():
        judged = [a.judge.right for a in given if a.judge and a.judge.right is not None]
        leaked = any(question.leaked for question in questions)
        hits, base_hits = _samples(given, kept), _samples(base, kept)
        grouped = len(hits) > 1 or len(set(clusters)) < len(kept)
        pairs, *more = [list(zip(*both, strict=True)) for both in zip(hits, base_hits, strict=False)]
        rows.append(
            ModelFigures(
                name=name,
                adapter=adapters.get(name),
                validity=_share(a.runs for a in given),
                no_sql=_share(a.sql is None for a in given),
                strict=_share(given[i].verdict.strict for i in kept),
                relaxed=_share(given[i].verdict.relaxed for i in kept),
                exact=_share(a.exact for a in given),
                judge=_share(judged) if judged else None,
                unleaked=_share(given[i].verdict.strict for i in kept if not questions[i].leaked) if leaked else None,
                outcomes=dict(Counter("out" if i in out else outcome(a) for i, a in enumerate(given))),
                reasons=dict(Counter(reason for a in given for reason in a.verdict.reasons).most_common()),
                by={kind: _breakdown(keys, given, kept) for kind, keys in axes.items()},
                clustered=cluster_share([pair for of in hits for pair in zip(clusters, of, strict=True)])
                if grouped
                else None,
                samples=[_share(of) for of in hits] if len(hits) > 1 else [],
                agreement=_agreement([given[i] for i in kept]),
                same_as_base=None if name == first else sum(a.text == b.text for a, b in zip(given, base, strict=True)),
                categories=dict(Counter(key for i in kept for key in given[i].categories).most_common()),
                against_base=None if name == first else difference(name, first, pairs, clusters, more),
                prompt_tokens=sum(a.prompt_tokens for a in given),
                completion_tokens=sum(a.completion_tokens for a in given),
                seconds=sum(a.seconds for a in given),
                cut=sum(not a.stopped for a in given),
            )
        )
    adjust([row.against_base for row in rows if row.against_base])
    return rows, dict(Counter(out.values()))


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


def _share(hits: Iterable[bool]) -> Share:
    values = list(hits)
    return share(sum(values), len(values))


def _samples(given: Sequence[Answer], kept: Sequence[int]) -> list[tuple[bool, ...]]:
    """Which of the questions that count each sample has right."""
    return list(zip(*(given[index].hits for index in kept), strict=True)) or [()]


def _agreement(given: Sequence[Answer]) -> Agreement | None:
    """Of what the judge was shown: that an answer without SQL is wrong was never asked."""
    shown = [(a.judge.right, a.verdict.strict) for a in given if a.judge and a.judge.right is not None and a.sql]
    return agree(shown) if shown else None


def _breakdown(keys: Sequence[Sequence[str]], given: Sequence[Answer], kept: Sequence[int]) -> dict[str, Share]:
    groups: dict[str, list[bool]] = {}
    for index in kept:
        for key in keys[index]:
            groups.setdefault(key, []).append(given[index].verdict.strict)
    order = ["easy", "medium", "hard", "expert"]
    return {key: _share(groups[key]) for key in sorted(groups, key=lambda k: (order.index(k) if k in order else 9, k))}


def cell_texts(row: Iterable[Any]) -> list[str | None]:
    """A result's row as a page shows it."""
    return [None if cell is None else _short(cell) for cell in row]


def _short(cell: Any) -> str:
    text = str(cell).lower() if isinstance(cell, bool) else repr(cell) if isinstance(cell, float) else str(cell)
    return text if len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT] + "…"
