"""Runs gold and predicted SQL through the gate, and turns what comes back into verdicts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Protocol, TypeVar

from sqlft.comparison import Gold, judge, prepare_gold
from sqlft.database import QueryError, Result
from sqlft.dataset.fold import fold_sql
from sqlft.evaluation.diagnosis import diagnose
from sqlft.evaluation.results import Answer, Preview, Question
from sqlft.inference.extract import declines
from sqlft.records import Example, Prediction, Verdict

QUESTIONS = 8
"""Questions worked on at once; the gate says how many of their queries run. One that hangs holds up no other."""

Ran = Result | QueryError
Step = Callable[[int], None]
T = TypeVar("T")
Found = TypeVar("Found")


class Runs(Protocol):
    """What is wanted of the database's gate."""

    def run(self, sql: str, *, threads: int | None = None) -> Result: ...

    def digest(self, sql: str) -> tuple[int, int]: ...


def check_gold(gate: Runs, examples: Sequence[Example], step: Step) -> tuple[list[Question], list[Gold]]:
    """Runs every gold query twice, the second time with one thread: see `sqlft.comparison.prepare_gold`.

    A gold query that fails is a 'gold_error', one that differs from itself is 'undetermined' (it cannot be a gold
    answer), one that returns nothing is 'empty' (agreeing with it proves nothing). An empty text is not run: the
    database cannot answer the question, and the right answer says so.

    Args:
        gate: Where SQL is run.
        examples: Questions with their gold SQL.
        step: Told the number of questions done.
    """

    def ask(example: Example) -> Gold:
        if not example.sql:
            return Gold("", None)
        return prepare_gold(example.sql, lambda sql, threads: gate.run(sql, threads=threads))

    golds = list(each(ask, examples, step))
    return [_question(example, gold) for example, gold in zip(examples, golds, strict=True)], golds


def score(
    gate: Runs,
    questions: Sequence[Question],
    golds: Sequence[Gold],
    predictions: Mapping[str, Sequence[Prediction]],
    step: Step,
) -> dict[str, list[Answer]]:
    """Runs all models' predictions, a question's equal texts once, and compares with gold.

    Args:
        gate: Where SQL is run.
        questions: As `check_gold` made them.
        golds: Likewise.
        predictions: By model, in the questions' order.
        step: Told the number of questions done.
    """

    def one(i: int) -> list[Answer]:
        run, asked = functools.cache(functools.partial(_run, gate)), questions[i]
        return [_answer(gate, asked, golds[i], of[i], run(of[i].sql)) for of in predictions.values()]

    found = list(each(one, range(len(questions)), step))
    return {model: [given[place] for given in found] for place, model in enumerate(predictions)}


def each(work: Callable[[T], Found], items: Sequence[T], step: Step) -> Iterator[Found]:
    """What work makes of each item, in their order, several at once; `step` is told the number done."""
    pool = ThreadPoolExecutor(QUESTIONS)
    try:
        for done, found in enumerate(pool.map(work, items), 1):
            yield found
            step(done)
    finally:
        pool.shutdown(cancel_futures=True)


def _run(gate: Runs, sql: str | None) -> Ran | None:
    try:
        return None if sql is None else gate.run(sql)
    except QueryError as error:
        return error


def score_samples(
    gate: Runs,
    questions: Sequence[Question],
    golds: Sequence[Gold],
    predictions: Mapping[str, Sequence[Prediction]],
    step: Step,
) -> dict[str, list[Answer]]:
    """`score` for as many predictions of a question, one after the other, as decoding drew samples.

    The first is the answer, and knows the others.
    """
    count = len(next(iter(predictions.values()))) // len(questions)
    drawn = [{model: of[sample::count] for model, of in predictions.items()} for sample in range(count)]
    first, *rest = [score(gate, questions, golds, one, step) for one in drawn]
    for model, given in first.items() if rest else ():
        for index, answer in enumerate(given):
            answer.others = [one[model][index] for one in rest]
    return first


def settle(questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]], flags: frozenset[str]) -> None:
    """What follows from the verdicts, once nothing changes them any more: which samples are right, what is wrong.

    Args:
        questions: As they were scored.
        answers: By model, in the questions' order; changed in place.
        flags: See `sqlft.evaluation.diagnosis.diagnose`.
    """
    for given in answers.values():
        for asked, answer in zip(questions, given, strict=True):
            if answer.others:
                answer.samples = [one.verdict.strict for one in (answer, *answer.others)]
            widths = _width(asked.gold_result), _width(answer.result)
            answer.findings = diagnose(asked.sql, answer.sql, answer.verdict, columns=widths, flags=flags)


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
    digest = (lambda sql: _digest(gate, sql)) if both_too_large else None
    verdict = judge(gold, ran, prediction.sql or "", digest) if question.sql else _judge_unanswerable(prediction)
    if isinstance(ran, QueryError) and verdict.status == "invalid":
        verdict.evidence = {"code": ran.code, "name": ran.name, "message": ran.message, "hint": ran.hint}
    return Answer(
        **prediction.model_dump(),
        verdict=verdict.model_copy(update={"id": question.id}),
        runs=result is not None,
        exact=prediction.sql is not None and fold_sql(prediction.sql) == fold_sql(question.sql),
        result=None if result is None else Preview.of(result),
    )


def _judge_unanswerable(prediction: Prediction) -> Verdict:
    """Right is an answer without SQL that says why there is none; an answer of anything else is made up."""
    right = prediction.sql is None and declines(prediction.text)
    status: Literal["match", "mismatch"] = "match" if right else "mismatch"
    return Verdict(status=status, strict=right, relaxed=right, reasons=[] if right else ["unanswerable"])


def _width(result: Preview | None) -> int:
    return len(result.columns) if result else 0


def _digest(gate: Runs, sql: str) -> tuple[int, str]:
    rows, total = gate.digest(sql)
    return rows, str(total)
