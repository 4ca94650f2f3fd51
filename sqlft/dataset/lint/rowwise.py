"""What each row shows by itself: every check of single pairs, on all cores where there are many rows."""

from __future__ import annotations

import datetime
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from sqlft.database.sandbox import die_with_parent
from sqlft.dataset.lint.disagree import DISAGREEMENTS
from sqlft.dataset.lint.literals import out_of_range, unknown_literals
from sqlft.dataset.lint.outcomes import degenerate, failures, sizes
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark
from sqlft.dataset.lint.unsteady import approximations, relative_dates

T = TypeVar("T")
_CHECKS: tuple[Callable[[Pair], Iterable[Remark]], ...] = (unknown_literals, out_of_range, *DISAGREEMENTS)
_SHARE = 50  # rows that a process takes at a time
_MANY = 500  # rows from which processes save more time than they take to start

_inherited: tuple[Sequence[Pair], Callable[[Pair], Any]]
"""What a forked process was given: sending the pairs, with their results, would cost more than the checks."""


def map_pairs(judge: Callable[[Pair], T], pairs: Sequence[Pair], processes: int | None = None) -> Iterator[T]:
    """Yields what a function says of each pair, in order.

    Args:
        judge: Looks at one pair; what it keeps elsewhere may be lost, as it may run in a process of its own.
        pairs: With their outcomes, where there is a database.
        processes: One a core where None and the rows are many; more than one on Linux alone, elsewhere forking is not
            safe.
    """
    if processes is None:
        processes = len(os.sched_getaffinity(0)) if sys.platform == "linux" and len(pairs) >= _MANY else 1
    if processes == 1:
        yield from map(judge, pairs)
        return
    fork = multiprocessing.get_context("fork")
    given = (os.getpid(), pairs, judge)
    with ProcessPoolExecutor(processes, mp_context=fork, initializer=_inherit, initargs=given) as pool:
        shares = [range(start, min(start + _SHARE, len(pairs))) for start in range(0, len(pairs), _SHARE)]
        yield from itertools.chain.from_iterable(pool.map(_judge_share, shares))


def look_at(
    pairs: Sequence[Pair], max_rows: int, date: datetime.date, processes: int | None = None
) -> Iterator[list[Remark]]:
    """Yields what each pair shows, in order.

    Args:
        pairs: As for `map_pairs`.
        max_rows: More rows of a result are worth a remark.
        date: The day to name instead of today().
        processes: As for `map_pairs`.
    """
    return map_pairs(lambda pair: _look(pair, max_rows, date), pairs, processes)


def _inherit(parent: int, *given: Any) -> None:
    global _inherited
    die_with_parent(parent)  # it holds copies of the parent's pipes, which others wait on
    _inherited = given


def _judge_share(places: range) -> list[Any]:
    pairs, judge = _inherited
    return [judge(pairs[place]) for place in places]


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
