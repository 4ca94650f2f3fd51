"""An LLM judge: advice in a column of its own, never in the headline (judges are lenient)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Literal

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


def judge_answers(
    section: Judge, questions: Sequence[Question], given: Sequence[Answer], step: Any, seed: int = 0
) -> str:
    """Sets `judge` on one model's answers. An answer without SQL is not shown to it: that is wrong without asking.
    Nor are answers to what the database cannot answer: there is no gold to hold them against.

    Which of gold and answer stands first is drawn for each answer, since judges favour a place.

    Args:
        section: The recipe's `evaluation.judge`.
        questions: In the answers' order.
        given: Changed in place.
        step: Told the number of answers judged.
        seed: The recipe's, for the order.

    Returns:
        Why the endpoint judged nothing, where it cannot be reached or refuses: no answer is thrown away for an advice.
    """
    asked = [(q, a) for q, a in zip(questions, given, strict=True) if q.sql and a.sql is not None]
    draws = [random.Random(f"{seed}:judge:{answer.model}:{question.id}").random() < 0.5 for question, answer in asked]
    prompts = [_prompt(*pair, gold_first) for pair, gold_first in zip(asked, draws, strict=True)]
    chats = [[{"role": "user", "content": prompt}] for prompt in prompts]
    try:
        found = ask_all(Endpoint(section.model, section.base_url), chats, schema=Judgement, progress=step)
    except SqlftError as error:
        return str(error)
    for (_, answer), gold_first, said in zip(asked, draws, found, strict=True):
        if isinstance(said, MalformedAnswer):
            answer.judge = Opinion(right=None, reason=str(said))
        else:
            reason = said.value.reason.encode("utf-8", "replace").decode()
            first: Literal["gold", "answer"] = "gold" if gold_first else "answer"
            answer.judge = Opinion(right=said.value.correct, reason=reason, first=first)
    for question, answer in zip(questions, given, strict=True):
        if question.sql and answer.sql is None:
            answer.judge = Opinion(right=False, reason="There is no SQL to judge.")
    return ""


def _prompt(question: Question, answer: Answer, gold_first: bool) -> str:
    gold = (question.sql, _table(question.gold_result))
    ours = (answer.sql, _table(answer.result, answer.verdict.evidence.get("message", "")))
    queries = [gold, ours] if gold_first else [ours, gold]
    names = ("A", "B") if gold_first else ("B", "A")
    return render_prompt("judge", question=question.question, queries=queries, gold=names[0], answer=names[1])


def _table(result: Preview | None, failure: str = "") -> str:
    if result is None:
        return f"It does not run. {failure}".strip()
    lines = ["\t".join(result.columns), *("\t".join("NULL" if c is None else c for c in row) for row in result.rows)]
    if result.totals:
        lines.append("totals: " + "\t".join("NULL" if c is None else c for c in result.totals))
    return "\n".join(lines) + f"\n({result.row_count} rows in all)"
