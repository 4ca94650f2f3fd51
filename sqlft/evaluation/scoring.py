"""Runs gold and predicted SQL through the gate, and turns what comes back into verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from sqlft.comparison import Gold, judge, prepare_gold
from sqlft.database import QueryError, Result
from sqlft.dataset.fold import fold_sql
from sqlft.evaluation.results import Answer, Preview, Question
from sqlft.records import Example, Prediction

CHUNK = 32
"""Questions whose predictions' results are held at once: a model may well select a whole table for each of them."""

Ran = Result | QueryError
Step = Callable[[int], None]


class Runs(Protocol):
    """What is wanted of the database's gate."""

    def run(self, sql: str, *, threads: int | None = None) -> Result: ...

    def run_many(self, sqls: Sequence[str], *, threads: int | None = None) -> list[Ran]: ...

    def digest(self, sql: str) -> tuple[int, int]: ...


def check_gold(gate: Runs, examples: Sequence[Example], step: Step) -> tuple[list[Question], list[Gold]]:
    """Runs every gold query twice, the second time with one thread: see `sqlft.comparison.prepare_gold`.

    A gold query that fails is a 'gold_error', one that differs from itself is 'undetermined' (it cannot be a gold
    answer), one that returns nothing is 'empty' (agreeing with it proves nothing).

    Args:
        gate: Where SQL is run.
        examples: Questions with their gold SQL.
        step: Told the number of questions done.
    """
    golds: list[Gold] = []
    for chunk in _chunks(examples):
        sqls = [example.sql for example in chunk]
        ran: dict[tuple[str, int | None], Ran] = {}
        for threads in (None, 1):
            ran |= zip(((sql, threads) for sql in sqls), gate.run_many(sqls, threads=threads), strict=True)

        def run(sql: str, threads: int | None, ran: Mapping[tuple[str, int | None], Ran] = ran) -> Result:
            found = ran.get((sql, threads)) or gate.run(sql, threads=threads)
            if isinstance(found, QueryError):
                raise found
            return found

        golds += [prepare_gold(sql, run) for sql in sqls]
        step(len(golds))
    return [_question(example, gold) for example, gold in zip(examples, golds, strict=True)], golds


def score(
    gate: Runs,
    questions: Sequence[Question],
    golds: Sequence[Gold],
    predictions: Mapping[str, Sequence[Prediction]],
    step: Step,
) -> dict[str, list[Answer]]:
    """Runs all models' predictions, equal texts once, and compares each with its gold.

    Args:
        gate: Where SQL is run.
        questions: As `check_gold` made them.
        golds: Likewise.
        predictions: By model, in the questions' order.
        step: Told the number of questions done.
    """
    answers: dict[str, list[Answer]] = {model: [] for model in predictions}
    for chunk in _chunks(range(len(questions))):
        sqls = list(dict.fromkeys(sql for of in predictions.values() for i in chunk if (sql := of[i].sql) is not None))
        ran = dict(zip(sqls, gate.run_many(sqls), strict=True))
        for model, of in predictions.items():
            answers[model] += [_answer(gate, questions[i], golds[i], of[i], ran.get(of[i].sql or "")) for i in chunk]
        step(chunk[-1] + 1)
    return answers


def score_samples(
    gate: Runs,
    questions: Sequence[Question],
    golds: Sequence[Gold],
    predictions: Mapping[str, Sequence[Prediction]],
    step: Step,
) -> dict[str, list[Answer]]:
    """`score` for as many predictions of a question, one after the other, as decoding drew samples.

    The first is the answer, and knows of all whether they are right.
    """
    count = len(next(iter(predictions.values()))) // len(questions)
    drawn = [{model: of[sample::count] for model, of in predictions.items()} for sample in range(count)]
    scored = [score(gate, questions, golds, one, step) for one in drawn]
    if count > 1:
        for model, given in scored[0].items():
            for index, answer in enumerate(given):
                answer.samples = [one[model][index].verdict.strict for one in scored]
    return scored[0]


def _question(example: Example, gold: Gold) -> Question:
    asked = Question(**example.model_dump(), gold_result=None if gold.result is None else Preview.of(gold.result))
    if gold.verdict is None:
        if gold.result is not None and not gold.result.rows:
            asked.gold, asked.gold_note = "empty", "it returns nothing, and two empty results prove nothing"
    elif gold.verdict.status == "gold_error":
        asked.gold, asked.gold_note = "gold_error", gold.verdict.evidence["error"]
    else:
        asked.gold, asked.gold_note = "undetermined", "run twice, it gave two answers, and judges nobody"
    return asked


def _answer(gate: Runs, question: Question, gold: Gold, prediction: Prediction, ran: Ran | None) -> Answer:
    result = ran if isinstance(ran, Result) else None
    both_too_large = gold.result is not None and gold.result.too_large and result is not None and result.too_large
    # A hash of a result that is larger than a gold of a few rows is time lost: the counts differ.
    verdict = judge(gold, ran, prediction.sql or "", (lambda sql: _digest(gate, sql)) if both_too_large else None)
    if isinstance(ran, QueryError) and verdict.status == "invalid":
        verdict.evidence = {"code": ran.code, "name": ran.name, "message": ran.message, "hint": ran.hint}
    return Answer(
        **prediction.model_dump(),
        verdict=verdict.model_copy(update={"id": question.id}),
        runs=result is not None,
        exact=prediction.sql is not None and fold_sql(prediction.sql) == fold_sql(question.sql),
        result=None if result is None else Preview.of(result),
    )


def _digest(gate: Runs, sql: str) -> tuple[int, str]:
    rows, total = gate.digest(sql)
    return rows, str(total)


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
