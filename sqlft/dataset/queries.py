"""Runs what others wrote: through the recipe's gate, each query once, however often it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlft.card import SchemaCard
from sqlft.database import Gate, QueryError, Result, open_gate
from sqlft.recipe import Recipe


def recipe_gate(recipe: Recipe, card: SchemaCard) -> Gate:
    """The gate to the recipe's database, its limits and the card's tables; see `open_gate`."""
    section, tables, date = recipe.database, card.table_names, recipe.prompt.date
    return open_gate(section.dsn, limits=section.limits, tables=tables, sandbox=section.sandbox, date=date)


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

    run_many = run
