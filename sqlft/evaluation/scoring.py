"""Runs gold and predicted SQL through the gate, and turns what comes back into verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from sqlft.comparison import compare
from sqlft.database import QueryError
from sqlft.database.result import Result
from sqlft.dataset.fold import fold_sql
from sqlft.evaluation.results import Answer, Preview, Question
from sqlft.records import Example, Prediction, Status, Verdict

CHUNK = 32
"""Questions whose results are held at once: a model may well select a whole table, for every one of them."""

Ran = Result | QueryError
Step = Callable[[int], None]


class Runs(Protocol):
    """What is wanted of the database's gate."""

    def run_many(self, sqls: Sequence[str], *, threads: int | None = None) -> list[Ran]: ...


def check_gold(gate: Runs, examples: Sequence[Example], step: Step) -> list[Question]:
    """Runs every gold query twice, the second time with one thread.

    A gold query that fails is a 'gold_error', one that differs from itself is 'undetermined' (it cannot be a gold
    answer), one that returns nothing is 'empty' (agreeing with it proves nothing).

    Args:
        gate: Where SQL is run.
        examples: Questions with their gold SQL.
        step: Told the number of questions done.
    """
    questions = []
    for chunk in _chunks(examples):
        sqls = [example.sql for example in chunk]
        for example, first, second in zip(chunk, gate.run_many(sqls), gate.run_many(sqls, threads=1), strict=True):
            questions.append(_question(example, first, second))
        step(len(questions))
    return questions


def score(
    gate: Runs, questions: Sequence[Question], predictions: Mapping[str, Sequence[Prediction]], step: Step
) -> dict[str, list[Answer]]:
    """Runs all models' predictions, equal texts once, and compares each with its gold.

    Args:
        gate: Where SQL is run.
        questions: As `check_gold` made them.
        predictions: By model, in the questions' order.
        step: Told the number of questions done.
    """
    answers: dict[str, list[Answer]] = {model: [] for model in predictions}
    for chunk in _chunks(range(len(questions))):
        golds = [questions[i].sql for i in chunk if questions[i].gold in ("sound", "empty")]
        given = [of[i].sql for of in predictions.values() for i in chunk]
        sqls = list(dict.fromkeys(sql for sql in (*golds, *given) if sql is not None))
        ran = dict(zip(sqls, gate.run_many(sqls), strict=True))
        for model, of in predictions.items():
            answers[model] += [_answer(questions[i], of[i], ran) for i in chunk]
        step(chunk[-1] + 1)
    return answers


def _question(example: Example, first: Ran, second: Ran) -> Question:
    asked = Question(**example.model_dump())
    failure = next((ran for ran in (first, second) if isinstance(ran, QueryError)), None)
    if failure is not None:
        asked.gold, asked.gold_note = "gold_error", str(failure)
    if isinstance(first, QueryError):
        return asked
    asked.gold_result = Preview.of(first)
    if isinstance(second, QueryError):
        return asked
    again = compare(first, second, gold_sql=example.sql, prediction_sql=example.sql)
    if again.status == "vacuous":
        asked.gold, asked.gold_note = "empty", "it returns nothing, and two empty results prove nothing"
    elif not again.strict:
        asked.gold, asked.gold_note = "undetermined", "run twice, it gave two answers: " + ", ".join(again.reasons)
    return asked


def _answer(question: Question, prediction: Prediction, ran: Mapping[str, Ran]) -> Answer:
    given = None if prediction.sql is None else ran[prediction.sql]
    result = given if isinstance(given, Result) else None
    return Answer(
        **prediction.model_dump(),
        verdict=_verdict(question, prediction, ran.get(question.sql), given),
        runs=result is not None,
        exact=prediction.sql is not None and fold_sql(prediction.sql) == fold_sql(question.sql),
        result=None if result is None else Preview.of(result),
    )


def _verdict(question: Question, prediction: Prediction, gold: Ran | None, given: Ran | None) -> Verdict:
    if question.gold == "undetermined":
        return _wrong(question, "undetermined", "gold_nondeterministic")
    if not isinstance(gold, Result):
        return _wrong(question, "gold_error", "gold_error")
    if given is None:
        return _wrong(question, "invalid", "no_sql")
    if isinstance(given, QueryError):
        shown = {"code": given.code, "name": given.name, "message": given.message, "hint": given.hint}
        return _wrong(question, "invalid", given.kind, shown)
    verdict = compare(gold, given, gold_sql=question.sql, prediction_sql=prediction.sql or "")
    return verdict.model_copy(update={"id": question.id})


def _wrong(question: Question, status: Status, reason: str, evidence: dict[str, Any] | None = None) -> Verdict:
    return Verdict(
        id=question.id, status=status, strict=False, relaxed=False, reasons=[reason], evidence=evidence or {}
    )


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
