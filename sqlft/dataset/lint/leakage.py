"""Rows that give a golden question away: the question itself, nearly it, its SQL, or its answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlft.comparison import compare
from sqlft.database import Result
from sqlft.dataset.fold import fold_sql
from sqlft.dataset.lint.groups import Found
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark
from sqlft.dataset.lint.similarity import similar_across
from sqlft.dataset.lint.wording import fold, gist, mask

NEAR = 0.95
"""Similarity of questions that is near leakage by itself."""
NEAR_WITH_SQL = 0.65
"""Similarity that is, where the SQL is the same but for literals, or the result is equal."""
RESULT = 0.5
"""Similarity that is worth a note where the results are equal."""

_DROP = "Drop the row, or take the question out of the golden set."


def leaks(
    pairs: Sequence[Pair],
    golden: Sequence[Pair],
    values: Sequence[str] = (),
    near: float = NEAR,
    near_with_sql: float = NEAR_WITH_SQL,
    result: float = RESULT,
) -> Found:
    """Yields each row and golden question that leak into each other once, by the gravest of the codes.

    leak_exact: the same question, case and marks aside. leak_near: only literals differ, or the wording is `near`, or
    it is `near_with_sql` and the SQL differs in literals alone or gives the same. leak_template: the same SQL, literals
    and all. leak_result: similar questions and equal results. A golden question without SQL, which the database cannot
    answer, leaks by its words alone.
    """
    done: set[tuple[int, int]] = set()
    for place, other in _equal([fold(p.question) for p in pairs], [fold(g.question) for g in golden]):
        done.add((place, other))
        yield place, _remark("leak_exact", "the same question", golden[other])
    for place, other in _equal([mask(p.question, values) for p in pairs], [mask(g.question, values) for g in golden]):
        if (place, other) not in done:
            done.add((place, other))
            yield place, _remark("leak_near", "the same question but for literals", golden[other])
    notes = []
    for place, other, similarity in similar_across(
        [gist(p.question) for p in pairs], [gist(g.question) for g in golden], result
    ):
        if (place, other) in done:
            continue
        equal = _same_result(pairs[place], golden[other])
        same_sql = bool(golden[other].sql) and pairs[place].template == golden[other].template
        if similarity >= near or (similarity >= near_with_sql and (same_sql or equal)):
            done.add((place, other))
            why = " and the same SQL but for literals" if same_sql else " and an equal result" if equal else ""
            yield place, _remark("leak_near", f"{similarity:.2f} alike{why}", golden[other])
        elif equal:
            notes.append((place, other, similarity))
    for place, other in _equal([fold_sql(p.sql) for p in pairs], [fold_sql(g.sql) for g in golden]):
        if (place, other) not in done:
            done.add((place, other))
            yield place, _remark("leak_template", "the same SQL, literals and all", golden[other])
    for place, other, similarity in notes:
        if (place, other) not in done:
            yield place, _remark("leak_result", f"{similarity:.2f} alike and an equal result", golden[other])


def _remark(code: Any, evidence: str, golden: Pair) -> Remark:
    level: Any = "error" if code in ("leak_exact", "leak_near") else "note"
    return Remark(code, level, evidence, _DROP, golden=golden.question)


def _equal(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, int]]:
    known: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(theirs):
        known[text].append(place)
    for place, text in enumerate(ours):
        for other in known.get(text, []) if text else []:
            yield place, other


def _same_result(one: Pair, other: Pair) -> bool:
    if not (isinstance(one.outcome, Result) and isinstance(other.outcome, Result)) or not one.outcome.rows:
        return False
    verdict = compare(other.outcome, one.outcome, ordered=False)
    trivial = len(one.outcome.rows) == 1 and all(cell in (0, 1, None, "") for cell in one.outcome.rows[0])
    return verdict.strict and not trivial
