"""The rows that a question is about: a table, conditions on them, and the join that these need; in words and in SQL."""

from __future__ import annotations

import random

from tiny_base.filters import Filter, random_filter
from tiny_base.schemas import Schema, Source


class Scope:
    """Rows of `main`, filtered; `others` are further sources that the query names a column of."""

    def __init__(self, schema: Schema, main: Source, filters: list[Filter], others: list[Source]) -> None:
        self.schema, self.main = schema, main
        # as they are spoken: the noun's own first, adjectives before what follows it
        self.filters = sorted(filters, key=lambda f: (f.source is not main, not f.before))
        names = {s.name: s for s in [*(f.source for f in filters), *others] if s.name != main.name}
        self.other = next(iter(names.values()), None)
        letter = main.name.split(".")[1][0]
        second = self.other.name.split(".")[1] if self.other else ""
        self.alias = {main.name: letter}
        if self.other:
            self.alias[self.other.name] = second[:1] if second[:1] != letter else second[:2]

    def column(self, source: Source, column: str) -> str:
        return f"{self.alias[source.name]}.{column}" if self.other else column

    @property
    def tables(self) -> str:
        if not self.other:
            return f"FROM {self.main.name}"
        left, right = (self.column(s, s.entity_key or s.id) for s in (self.main, self.other))
        one, two = (f"{s.name} AS {self.alias[s.name]}" for s in (self.main, self.other))
        return f"FROM {one} JOIN {two} ON {left} = {right}"

    def condition(self, item: Filter) -> str:
        return item.sql.replace("{c}", self.column(item.source, item.column))

    def where(self, *more: str) -> str:
        parts = [*map(self.condition, self.filters), *more]
        return " WHERE " + " AND ".join(parts) if parts else ""

    def filters_on(self, source: Source) -> list[Filter]:
        return [f for f in self.filters if f.source is source]

    def words(self, rng: random.Random, noun: str | None = None) -> str:
        """The rows in words: 'late visits in Oslo of urgent patients with age over 30'."""
        text = noun_phrase(rng, noun or self.main.nouns, self.filters_on(self.main))
        if not self.other or not (foreign := self.filters_on(self.other)):
            return text
        entity = self.other is self.schema.entity
        if entity and all(f.after for f in foreign) and rng.random() < 0.25:
            return " ".join([text, *(f.after for f in foreign)])
        link = rng.choice(("of", "by", "from", "for", "with") if entity else ("with", "having", "that had"))
        return f"{text} {link} {noun_phrase(rng, self.other.nouns, foreign)}"


def noun_phrase(rng: random.Random, noun: str, filters: list[Filter]) -> str:
    before = [f.before for f in filters if f.before]
    after = [f.after for f in filters if f.after]
    link = " and " if len(after) > 1 and rng.random() < 0.3 else " "
    return " ".join([*before, noun, link.join(after)]).strip()


def random_filters(rng: random.Random, sources: list[Source], weights: tuple[int, ...]) -> list[Filter]:
    """As many conditions as `weights` draws (none, one, two, …), no two on one column."""
    wanted = rng.choices(range(len(weights)), weights)[0]
    found: list[Filter] = []
    for _ in range(4 * wanted):
        new = random_filter(rng, rng.choice(sources))
        if (
            new
            and len(found) < wanted
            and (new.source.name, new.column) not in {(f.source.name, f.column) for f in found}
        ):
            found.append(new)
    return found
