"""What each row shows by itself: every check of single pairs, on all cores where there are many rows."""

from __future__ import annotations

import datetime
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from sqlft.dataset.lint.disagree import DISAGREEMENTS
from sqlft.dataset.lint.literals import out_of_range, unknown_literals
from sqlft.dataset.lint.outcomes import degenerate, failures, sizes
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark
from sqlft.dataset.lint.unsteady import approximations, relative_dates

_CHECKS: tuple[Callable[[Pair], Iterable[Remark]], ...] = (unknown_literals, out_of_range, *DISAGREEMENTS)
_SHARE = 50  # rows that a process takes at a time
_MANY = 500  # rows from which processes save more time than they take to start

_inherited: tuple[Sequence[Pair], int, datetime.date]
"""What a forked process was given: sending the pairs, with their results, would cost more than the checks."""


def look_at(
    pairs: Sequence[Pair], max_rows: int, date: datetime.date, processes: int | None = None
) -> Iterator[list[Remark]]:
    """Yields what each pair shows, in order.

    Args:
        pairs: With their outcomes, where there is a database.
        max_rows: More rows of a result are worth a remark.
        date: The day to name instead of today().
        processes: One a core where None and the rows are many; more than one on Linux alone, elsewhere forking is not
            safe.
    """
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if sys.platform == "linux" and len(pairs) >= _MANY else 1
    if processes == 1:
        yield from (_look(pair, max_rows, date) for pair in pairs)
        return
    given = (pairs, max_rows, date)
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=fork, initializer=_inherit, initargs=given) as pool:
        shares = [range(start, min(start + _SHARE, len(pairs))) for start in range(0, len(pairs), _SHARE)]
        yield from itertools.chain.from_iterable(pool.map(_look_at_share, shares))


def _inherit(*given: object) -> None:
    global _inherited
    _inherited = given  # type: ignore[assignment]


def _look_at_share(places: range) -> list[list[Remark]]:
    pairs, max_rows, date = _inherited
    return [_look(pairs[place], max_rows, date) for place in places]


def _look(pair: Pair, max_rows: int, date: datetime.date) -> list[Remark]:
    remarks = list(failures(pair))
    if remarks and (pair.tree is None or any(remark.code in ("parse", "not_allowed") for remark in remarks)):
        return remarks
    remarks += degenerate(pair)
    remarks += sizes(pair, max_rows)
    if pair.dialect == "clickhouse":
        remarks += relative_dates(pair, date)
        remarks += approximations(pair)
    for check in _CHECKS:
        remarks += check(pair)
    if any(remark.code in ("unknown_literal", "out_of_range") for remark in remarks):  # these say why it is empty
        remarks = [remark for remark in remarks if remark.code not in ("empty", "degenerate")]
    return remarks
