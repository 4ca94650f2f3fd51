"""What cleaning found out about a pair, written into the pair."""

from __future__ import annotations

from collections.abc import Sequence

from sqlft.comparison.fingerprint import fingerprint
from sqlft.database import QueryError, Result
from sqlft.records import Example


def stamp(kept: Sequence[Example], outcomes: Sequence[Result | QueryError], steps: Sequence[str]) -> None:
    """Writes into each pair which checks it passed, and a fingerprint of what its query gave.

    Args:
        kept: The pairs that passed every step.
        outcomes: What the gate said of each one's query, in the same order.
        steps: The steps' names, in order.
    """
    for example, outcome in zip(kept, outcomes, strict=True):
        example.checks = list(steps)
        example.fingerprint = fingerprint(outcome) if isinstance(outcome, Result) else ""
