"""Runs what a teacher wrote, each query once, however often it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlft.database import Gate, QueryError, Result


class Queries:
    """A gate that remembers: rounds are judged while others are asked for, and the whole set at the end.

    Args:
        gate: What runs the queries.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._known: dict[str, Result | QueryError] = {}

    def run(
        self, sqls: Sequence[str], progress: Callable[[int], None] = lambda done: None
    ) -> list[Result | QueryError]:
        """What each query gives or raises, in its place; `progress` is told how many are done."""
        new = [sql for sql in dict.fromkeys(sqls) if sql not in self._known]
        known = len(sqls) - len(new)
        progress(known)
        outcomes = self._gate.run_many(new, progress=lambda done: progress(known + done))
        self._known |= dict(zip(new, outcomes, strict=True))
        return [self._known[sql] for sql in sqls]
