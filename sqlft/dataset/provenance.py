"""What cleaning found out about a pair, written into the pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlft.comparison.fingerprint import fingerprint
from sqlft.database import QueryError, Result
from sqlft.records import Example


def stamp(kept: Iterable[Example], steps: Sequence[str], outcomes: Mapping[str, Result | QueryError]) -> None:
    """Writes into each pair which checks it passed, and a fingerprint of what its query gave.

    Args:
        kept: The pairs that passed every step.
        steps: The steps' names, in order.
        outcomes: What the gate said of each query.
    """
    for example in kept:
        example.checks = list(steps)
        outcome = outcomes.get(example.sql)
        example.fingerprint = fingerprint(outcome) if isinstance(outcome, Result) else ""
