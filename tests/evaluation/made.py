"""Questions and answers made by hand, for tests of counting and of the report."""

from __future__ import annotations

from typing import Any

from sqlft.evaluation.diagnosis.categories import Finding
from sqlft.evaluation.figures import figures
from sqlft.evaluation.results import Answer, Preview, Question, Results
from sqlft.records import Attempt, Verdict


def question(number: int, **fields: Any) -> Question:
    given: dict[str, Any] = {
        "id": f"q{number}",
        "question": f"How many users are older than {number}?",
        "sql": f"SELECT count() FROM shop.users WHERE age > {number}",
        "gold_result": Preview(columns=["count()"], rows=[["7"]], row_count=1),
    }
    return Question(**(given | fields))


def answer(asked: Question, model: str, what: str, **fields: Any) -> Answer:
    """An answer that came to 'match', 'relaxed', 'mismatch', 'invalid', 'no_sql' or 'undetermined'."""
    runs = what not in ("invalid", "no_sql")
    status: Any = {"relaxed": "mismatch", "no_sql": "invalid"}.get(what, what)
    given: dict[str, Any] = {
        "id": asked.id,
        "question": asked.question,
        "model": model,
        "text": asked.sql if what == "match" else f"{asked.sql} -- {what}",
        "sql": None if what == "no_sql" else asked.sql,
        "runs": runs,
        "exact": what == "match",
        "result": Preview(columns=["count()"], rows=[["7"]], row_count=1) if runs else None,
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "seconds": 0.5,
        "verdict": Verdict(status=status, strict=what == "match", relaxed=what in ("match", "relaxed"), reasons=[what]),
    }
    return Answer(**(given | fields))


def results(questions: list[Question], answers: dict[str, list[Answer]], **fields: Any) -> Results:
    models, out = figures(questions, answers, {name: f"runs/{name}/adapter" for name in answers if name != "base"})
    given: dict[str, Any] = {
        "run": "shop",
        "on": "heldout",
        "created": "2026-11-22 20:00",
        "settings": {"base": "tiny", "decoding": {"temperature": 0}},
        "warnings": [],
        "leakage": None,
    }
    return Results(**(given | fields), out_of_headline=out, models=models, questions=questions, answers=answers)


def plain(outcomes: dict[str, str], **fields: Any) -> Results:
    """Results from a letter for each answer: match, relaxed, x for mismatch, invalid, no SQL, undetermined."""
    words = {"m": "match", "r": "relaxed", "x": "mismatch", "i": "invalid", "n": "no_sql", "u": "undetermined"}
    numbers = range(len(next(iter(outcomes.values()))))
    sql = "SELECT count() AS n{0} FROM shop.users WHERE age > {0}"  # no two of one template
    questions = [question(number, sql=sql.format(number)) for number in numbers]
    answers = {
        model: [answer(asked, model, words[letter]) for asked, letter in zip(questions, letters, strict=True)]
        for model, letters in outcomes.items()
    }
    return results(questions, answers, **fields)


STEPS = {
    "zero_shot": "mxxrinxxxmnx", "few_shot": "mmxrinxxxmnx", "reason": "mxxrixxxxmnn", "reflect": "mmxrxxxxxmxx",
    "rag": "mmmrinmxxmix", "rag+reflect": "mmmrmxmxxmxx", "adapter": "mmmmxmmxxmim", "adapter+reflect": "mmmmmmmxxmmm",
    "adapter+vote": "mmmmxmmxxmxm", "rag gpt-4o-mini": "nnnniiiinnii",
}  # fmt: skip
CALLS = {"reflect": 2, "vote": 5}


def ladder(priced: bool = True, **fields: Any) -> Results:
    """Every step on a dozen questions of three levels; the later a step, the more it was asked."""
    words = {"m": "match", "r": "relaxed", "x": "mismatch", "i": "invalid", "n": "no_sql"}
    kinds = {"i": ["unknown_column"], "n": ["no_sql"], "x": ["date_range", "wrong_order"], "r": ["extra_column"]}
    questions = [
        question(
            n, sql=f"SELECT count() AS n{n} FROM shop.users WHERE age > {n}", level=("easy", "medium", "hard")[n % 3]
        )
        for n in range(12)
    ]
    answers = {}
    for place, (name, letters) in enumerate(STEPS.items()):
        calls = CALLS.get(name.rpartition("+")[2], 1)
        answers[name] = [
            answer(
                asked,
                name,
                words[letter],
                attempts=calls,
                prompt_tokens=400 * calls + 90 * place,
                completion_tokens=30 * calls,
                seconds=0.4 * calls,
                dollars=0.0004 * calls * (1 + place) if priced else None,
                votes=3 if calls == 5 else None,
                earlier=[Attempt(sql="SELECT nothing", fault="empty")] if calls == 2 else [],
                findings=[Finding(category=kind, detail=f"as in {n}") for kind in kinds.get(letter, [])],
            )
            for n, (asked, letter) in enumerate(zip(questions, letters, strict=True))
        ]
    return results(questions, answers, **fields)
