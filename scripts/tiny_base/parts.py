"""The parts of a question and of its query, drawn from one schema: which rows, which aggregate, grouped by what."""

from __future__ import annotations

import random
from pathlib import Path

import yaml

from sqlft.card import Column
from tiny_base.filters import Filter, plain, random_filter
from tiny_base.schemas import Schema, Source
from tiny_base.scope import Scope, random_filters

PHRASINGS: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("phrasings.yaml").read_text())
AGGREGATES = {
    "sum": ("sum({c})", ("total {w}", "sum of {w}", "overall {w}", "combined {w}", "{w} in total")),
    "avg": ("avg({c})", ("average {w}", "mean {w}", "avg {w}", "typical {w} (mean)")),
    "max": ("max({c})", ("highest {w}", "maximum {w}", "largest {w}", "max {w}", "biggest {w}")),
    "min": ("min({c})", ("lowest {w}", "minimum {w}", "smallest {w}", "min {w}")),
    "median": ("quantileExact(0.5)({c})", ("median {w}", "median of {w}")),
}
NAMES = {"count()": "n", "sum": "total", "avg": "average", "max": "highest", "min": "lowest"}
NUMBERS = "zero one two three four five six seven eight nine ten".split()
Made = tuple[str, str]


class Parts:
    """Draws parts over one schema."""

    def __init__(self, schema: Schema, rng: random.Random) -> None:
        self.schema, self.rng = schema, rng

    def _ask(self, shape: str, **parts: object) -> str:
        return self.rng.choice(PHRASINGS[shape]).format(**parts)

    def _said(self, k: int) -> str:
        """A number as a digit, or as a word."""
        return NUMBERS[k] if k < len(NUMBERS) and self.rng.random() < 0.4 else str(k)

    def _main(self, event: bool | None = None) -> Source:
        wanted = self.rng.random() < 0.7 if event is None else event
        return self.rng.choice(self.schema.events) if wanted and self.schema.events else self.schema.entity

    def _event(self) -> Source | None:
        return self._main(True) if self.schema.events else None

    def _reach(self, main: Source) -> list[Source]:
        """The sources whose columns may filter rows of `main`: itself more often than the entity that it belongs to."""
        return [main] if main is self.schema.entity else [main, main, self.schema.entity]

    def _scope(
        self, main: Source, others: list[Source] | None = None, weights: tuple[int, ...] = (3, 5, 4, 1)
    ) -> Scope:
        return Scope(self.schema, main, random_filters(self.rng, self._reach(main), weights), others or [])

    def _aggregate(self, scope: Scope) -> Made:
        """(words such as 'total price of', SQL) of an aggregate over the scope's rows."""
        main = scope.main
        if not main.measures or self.rng.random() < 0.4:
            return self.rng.choice(("number of", "count of")), "count()"
        column = self.rng.choice(main.measures)
        sql, phrases = AGGREGATES[self.rng.choice(("sum", "sum", "avg", "avg", "max", "min", "median"))]
        words = self.rng.choice(phrases).replace("{w}", plain(column.name))
        return f"{words} of", sql.replace("{c}", scope.column(main, column.name))

    def _total(self, scope: Scope) -> tuple[str, Column | None]:
        """'number of' and None, or 'total price of' and the column."""
        measures = scope.main.measures
        if not measures or self.rng.random() < 0.5:
            return "number of", None
        column = self.rng.choice(measures)
        return f"total {plain(column.name)} of", column

    def _group_column(self, main: Source) -> tuple[Source, Column] | None:
        sources = [main] if main is self.schema.entity else [main, self.schema.entity]
        options = [(source, column) for source in sources for column in source.categories]
        return self.rng.choice(options) if options else None

    def _grouping(self, weights: tuple[int, ...]) -> tuple[Scope, Source, str, str] | None:
        """(scope, the group's source, its column in SQL, its word)."""
        main = self._main()
        if not (group := self._group_column(main)):
            return None
        scope = self._scope(main, [group[0]], weights)
        return scope, group[0], scope.column(group[0], group[1].name), plain(group[1].name)

    def _two(self, main: Source) -> tuple[Filter, Filter] | None:
        one, two = random_filter(self.rng, main), random_filter(self.rng, main)
        return (one, two) if one and two and one.sql != two.sql else None
