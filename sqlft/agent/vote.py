"""Which of several samples is the answer: the one whose result most of them agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlft.comparison import compare
from sqlft.database import QueryError, Result

Ran = Result | QueryError


def vote(sqls: Sequence[str | None], ran: Mapping[str, Ran]) -> tuple[int, int]:
    """The place of the first sample of the largest class of equal results, and that class's size.

    Two results are equal where the comparator says so strictly, by the order of the first. What does not run has no
    vote; where nothing runs, the first sample is the answer, with none.

    Args:
        sqls: A sample's SQL each; None where it held none.
        ran: What each statement came to.
    """
    classes: list[list[int]] = []
    for place, sql in enumerate(sqls):
        result = ran.get(sql or "")
        if sql is None or not isinstance(result, Result):
            continue
        for equals in classes:
            first = sqls[equals[0]] or ""
            shown = ran[first]
            assert isinstance(shown, Result)
            if sql == first or compare(shown, result, gold_sql=first, prediction_sql=sql).strict:
                equals.append(place)
                break
        else:
            classes.append([place])
    best = max(classes, key=len, default=[])
    return (best[0], len(best)) if best else (0, 0)
