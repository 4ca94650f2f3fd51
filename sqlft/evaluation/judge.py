"""An LLM judge: advice in a column of its own, never in the headline (judges are lenient)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from sqlft.evaluation.results import Answer, Opinion, Preview, Question
from sqlft.inference.endpoint import Endpoint, MalformedAnswer, ask_all
from sqlft.problems import SqlftError
from sqlft.prompts import render_prompt
from sqlft.recipe import Judge


class Judgement(BaseModel):
    """What the judge is asked to answer."""

    correct: bool
    reason: str


def check_judge(section: Judge) -> None:
    """Looks for the judge's key, before anything is spent.

    Raises:
        WrongUse: There is none.
    """
    Endpoint(section.model, section.base_url)


def judge_answers(section: Judge, questions: Sequence[Question], given: Sequence[Answer], step: Any) -> str:
    """Sets `judge` on one model's answers. An answer without SQL is not shown to it: that is wrong without asking.

    Args:
        section: The recipe's `evaluation.judge`.
        questions: In the answers' order.
        given: Changed in place.
        step: Told the number of answers judged.

    Returns:
        Why the endpoint judged nothing, where it cannot be reached or refuses: no answer is thrown away for an advice.
    """
    asked = [(q, a) for q, a in zip(questions, given, strict=True) if a.sql is not None]
    chats = [[{"role": "user", "content": _prompt(question, answer)}] for question, answer in asked]
    try:
        found = ask_all(Endpoint(section.model, section.base_url), chats, schema=Judgement, progress=step)
    except SqlftError as error:
        return str(error)
    for (_, answer), said in zip(asked, found, strict=True):
        if isinstance(said, MalformedAnswer):
            answer.judge = Opinion(right=None, reason=str(said))
        else:
            answer.judge = Opinion(
                right=said.value.correct, reason=said.value.reason.encode("utf-8", "replace").decode()
            )
    for answer in given:
        if answer.sql is None:
            answer.judge = Opinion(right=False, reason="There is no SQL to judge.")
    return ""


def _prompt(question: Question, answer: Answer) -> str:
    return render_prompt(
        "judge",
        question=question.question,
        gold_sql=question.sql,
        gold_result=_table(question.gold_result),
        sql=answer.sql,
        result=_table(answer.result, answer.verdict.evidence.get("message", "")),
    )


def _table(result: Preview | None, failure: str = "") -> str:
    if result is None:
        return f"It does not run. {failure}".strip()
    lines = ["\t".join(result.columns), *("\t".join("NULL" if c is None else c for c in row) for row in result.rows)]
    if result.totals:
        lines.append("totals: " + "\t".join("NULL" if c is None else c for c in result.totals))
    return "\n".join(lines) + f"\n({result.row_count} rows in all)"
