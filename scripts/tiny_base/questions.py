"""Questions over a random schema, each with the one query that answers it: the tiny base's pre-training text.

A query is put together from parts: what is measured, about which rows, grouped by what, in which order. The phrasings
are this file's own; the template teacher, which writes the demo's fine-tuning set, words its questions differently.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from sqlft.card import Column
from tiny_base.filters import Filter, plain, random_filter
from tiny_base.schemas import Schema, Source
from tiny_base.words import plural


@dataclass(frozen=True)
class Pair:
    question: str
    sql: str
    shape: str


class Scope:
    """The rows that a question is about: a source, its filters, and the join that they need."""

    def __init__(self, schema: Schema, main: Source, filters: list[Filter], others: list[Source]) -> None:
        self.main = main
        # as they are spoken: the noun's own first, adjectives before what follows it
        self.filters = sorted(filters, key=lambda f: (f.source is not main, not f.before))
        other = {s.name: s for s in [*(f.source for f in filters), *others] if s.name != main.name}
        self.other = next(iter(other.values()), None)
        self.schema = schema
        letter = main.name.split(".")[1][0]
        second = self.other.name.split(".")[1] if self.other else ""
        self.alias = {main.name: letter, self.other.name if self.other else "": second[:1] if second[:1] != letter else second[:2]}

    def column(self, source: Source, column: str) -> str:
        return f"{self.alias[source.name]}.{column}" if self.other else column

    @property
    def tables(self) -> str:
        if not self.other:
            return f"FROM {self.main.name}"
        left, right = (f"{self.column(s, self._key(s))}" for s in (self.main, self.other))
        names = f"{self.main.name} AS {self.alias[self.main.name]} JOIN {self.other.name} AS {self.alias[self.other.name]}"
        return f"FROM {names} ON {left} = {right}"

    def _key(self, source: Source) -> str:
        return source.entity_key or source.id

    def condition(self, item: Filter) -> str:
        return item.sql.replace("{c}", self.column(item.source, item.column))

    def where(self, *more: str) -> str:
        parts = [*(self.condition(f) for f in self.filters), *more]
        return " WHERE " + " AND ".join(parts) if parts else ""

    def words(self, rng: random.Random, noun: str | None = None) -> str:
        """The rows in words: 'late visits in Oslo of urgent patients with age over 30'."""
        own = [f for f in self.filters if f.source is self.main]
        text = _noun_phrase(rng, noun or self.main.nouns, own)
        foreign = [f for f in self.filters if f.source is not self.main]
        if foreign and self.other:
            bare = all(f.after and not f.before for f in foreign) and self.other is self.schema.entity and rng.random() < 0.25
            if bare:
                return " ".join([text, *(f.after for f in foreign)])
            link = rng.choice(("of", "by", "from", "for", "with")) if self.other is self.schema.entity else rng.choice(("with", "having", "that had"))
            text += f" {link} " + _noun_phrase(rng, self.other.nouns, foreign)
        return text


def _noun_phrase(rng: random.Random, noun: str, filters: list[Filter]) -> str:
    before = [f.before for f in filters if f.before]
    after = [f.after for f in filters if f.after]
    link = " and " if len(after) > 1 and rng.random() < 0.3 else " "
    return " ".join([*before, noun, link.join(after)]).strip()


def _filters(rng: random.Random, sources: list[Source], weights: tuple[int, ...] = (3, 5, 4, 1)) -> list[Filter]:
    wanted, found = rng.choices(range(len(weights)), weights)[0], []
    for _ in range(4 * wanted):
        new = random_filter(rng, rng.choice(sources))
        if new and len(found) < wanted and (new.source.name, new.column) not in {(f.source.name, f.column) for f in found}:
            found.append(new)
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_AGGREGATES = {
    "sum": ("sum({c})", ("total {w}", "sum of {w}", "overall {w}", "combined {w}", "{w} in total")),
    "avg": ("avg({c})", ("average {w}", "mean {w}", "avg {w}", "typical {w} (mean)")),
    "max": ("max({c})", ("highest {w}", "maximum {w}", "largest {w}", "max {w}", "biggest {w}")),
    "min": ("min({c})", ("lowest {w}", "minimum {w}", "smallest {w}", "min {w}")),
    "median": ("quantileExact(0.5)({c})", ("median {w}", "median of {w}")),
}


class Writer:
    """Writes pairs over one schema."""

    def __init__(self, schema: Schema, rng: random.Random) -> None:
        self.schema, self.rng = schema, rng
        self.sources = [schema.entity, *schema.events]

    def pair(self) -> Pair:
        """One random pair; shapes that the schema has no columns for are drawn again."""
        shapes = (("scalar", 9), ("grouped", 6), ("dated", 3), ("top", 5), ("having", 2), ("share", 4), ("distinct", 4), ("per_entity", 2), ("absent", 1),
                  ("first", 2), ("compare", 2), ("listing", 2), ("values", 1), ("running", 1), ("top_entities", 2), ("either", 1), ("share_grouped", 2),
                  ("repeated", 1), ("several", 1))  # fmt: skip
        while True:
            shape = self.rng.choices([s for s, _ in shapes], [w for _, w in shapes])[0]
            made = getattr(self, f"_{shape}")()
            if made:
                question, sql = made
                return Pair(self._tidy(question), sql, shape)

    def _tidy(self, question: str) -> str:
        question = " ".join(question.split())
        roll = self.rng.random()
        if roll < 0.12:
            question = question[0].lower() + question[1:]
        if self.rng.random() < 0.1:
            question = question.rstrip("?.")
        return question

    def _main(self, event: bool | None = None) -> Source:
        if event is None:
            event = self.rng.random() < 0.7
        return self.rng.choice(self.schema.events) if event and self.schema.events else self.schema.entity

    def _reach(self, main: Source) -> list[Source]:
        """The sources whose columns may filter rows of `main`: itself more often, the entity that it belongs to."""
        return [main, main, self.schema.entity] if main is not self.schema.entity else [main]

    def _scope(self, main: Source, others: list[Source] | None = None, weights: tuple[int, ...] = (3, 5, 4, 1)) -> Scope:
        return Scope(self.schema, main, _filters(self.rng, self._reach(main), weights), others or [])

    def _aggregate(self, scope: Scope, count: float = 0.4) -> tuple[str, str] | None:
        """(words such as 'total price of', SQL) of an aggregate over the scope's rows."""
        main = scope.main
        if not main.measures or self.rng.random() < count:
            return self.rng.choice(("number of", "count of")), "count()"
        column = self.rng.choice(main.measures)
        sql, phrases = _AGGREGATES[self.rng.choice(("sum", "sum", "avg", "avg", "max", "min", "median"))]
        words = self.rng.choice(phrases).replace("{w}", plain(column.name))
        return f"{words} of", sql.replace("{c}", scope.column(main, column.name))

    def _scalar(self) -> tuple[str, str]:
        scope = self._scope(self._main())
        words, sql = self._aggregate(scope) or ("", "")
        rows = scope.words(self.rng)
        if sql == "count()":
            question = self.rng.choice((f"How many {rows} are there?", f"How many {rows} do we have?", f"How many {rows}?", f"Count the {rows}.", f"Give the number of {rows}.",
                                        f"What is the number of {rows}?", f"Count of {rows}", f"Number of {rows}?", f"How many {rows} were there?"))  # fmt: skip
        else:
            link = self.rng.choice(("of", "for", "across", "over all", "among"))
            words = words.removesuffix(" of")
            question = self.rng.choice((f"What is the {words} {link} {rows}?", f"Give me the {words} {link} {rows}.", _capital(f"{words} {link} {rows}"), f"What was the {words} {link} {rows}?",
                                        f"Compute the {words} {link} {rows}.", f"Tell me the {words} {link} {rows}"))  # fmt: skip
        return question, f"SELECT {sql} {scope.tables}{scope.where()}"

    def _distinct(self) -> tuple[str, str] | None:
        if not self.schema.events:
            return None
        main = self._main(True)
        scope = self._scope(main)
        entity = self.schema.entity
        own = [f for f in scope.filters if f.source is main]
        who = _noun_phrase(self.rng, entity.nouns, [f for f in scope.filters if f.source is entity])
        what = _noun_phrase(self.rng, main.nouns, own)
        question = self.rng.choice((f"How many different {who} had {what}?", f"How many {who} had at least one of the {what}?", f"How many distinct {who} are behind the {what}?", f"Unique {who} with {what}?",
                                    f"How many {who} have {what}?", f"Count distinct {who} with {what}.", f"Number of unique {who} having {what}"))  # fmt: skip
        return question, f"SELECT uniqExact({scope.column(main, main.entity_key)}) {scope.tables}{scope.where()}"

    def _group_column(self, main: Source) -> tuple[Source, Column] | None:
        options = [(s, c) for s in dict.fromkeys(map(id, self._reach(main))) for s in [next(x for x in self._reach(main) if id(x) == s)] for c in s.categories]
        return self.rng.choice(options) if options else None

    def _grouped(self) -> tuple[str, str] | None:
        main = self._main()
        group = self._group_column(main)
        if not group:
            return None
        scope = self._scope(main, [group[0]], (5, 4, 2))
        column = scope.column(group[0], group[1].name)
        word = plain(group[1].name)
        words, sql = self._aggregate(scope) or ("", "")
        extra, second = "", self._group_column(main)
        if second and second[1].name != group[1].name and self.rng.random() < 0.2 and (not scope.other or second[0] in (main, scope.other)):
            column += ", " + scope.column(second[0], second[1].name)
            word += " and " + plain(second[1].name)
        if self.rng.random() < 0.15:
            extra = " WITH TOTALS"
        rows = scope.words(self.rng)
        tail = self.rng.choice((", with the totals", ", plus a total", ", and the overall total", " with totals")) if extra else ""
        question = self.rng.choice((f"What is the {words} {rows} for each {word}{tail}?", _capital(f"{words} {rows} per {word}{tail}"), f"Give the {words} {rows} by {word}{tail}.", f"Split the {words} {rows} by {word}{tail}.",
                                    f"For every {word}, what is the {words} {rows}{tail}?", f"Show the {words} {rows} grouped by {word}{tail}", f"Break the {words} {rows} down by {word}{tail}."))  # fmt: skip
        return question, f"SELECT {column}, {sql} {scope.tables}{scope.where()} GROUP BY {column}{extra}"

    def _dated(self) -> tuple[str, str] | None:
        main = self._main()
        if not main.dates:
            return None
        scope = self._scope(main, None, (5, 4, 1))
        date = scope.column(main, main.dates[0].name)
        unit, function = self.rng.choice((("month", "toStartOfMonth"), ("month", "toStartOfMonth"), ("year", "toYear"), ("quarter", "toStartOfQuarter")))
        words, sql = self._aggregate(scope) or ("", "")
        rows = scope.words(self.rng)
        question = self.rng.choice((f"What is the {words} {rows} per {unit}?", _capital(f"{unit}ly {words} {rows}"), f"Show the {words} {rows} by {unit}.", f"How does the {words} {rows} develop {unit} by {unit}?",
                                    f"For each {unit}, give the {words} {rows}.", _capital(f"{words} {rows} for every {unit}")))  # fmt: skip
        return question, f"SELECT {function}({date}) AS {unit}, {sql} {scope.tables}{scope.where()} GROUP BY {unit} ORDER BY {unit}"

    def _top(self) -> tuple[str, str] | None:
        main = self._main()
        group = self._group_column(main)
        if not group:
            return None
        scope = self._scope(main, [group[0]], (5, 4, 1))
        column, word = scope.column(group[0], group[1].name), plain(group[1].name)
        words, sql = self._aggregate(scope) or ("", "")
        name = {"count()": "n", "sum": "total", "avg": "average", "max": "highest", "min": "lowest"}.get(sql.split("(")[0], "n" if sql == "count()" else "value")
        down, k = self.rng.random() < 0.75, self.rng.choice((1, 1, 1, 2, 3, 3, 4, 5, 10))
        most, rows = self.rng.choice(("highest", "largest", "greatest", "biggest")) if down else self.rng.choice(("lowest", "smallest")), scope.words(self.rng)
        if k == 1:
            choices = [f"Which {word} has the {most} {words} {rows}?", f"What {word} shows the {most} {words} {rows}?", f"Find the {word} with the {most} {words} {rows}.", _capital(f"{word} with the {most} {words} {rows}?")]
            if sql == "count()":
                choices += [f"Which {word} has the {'most' if down else 'fewest'} {rows}?"] * 3
        else:
            choices = [f"Which {k} {plural(word)} have the {most} {words} {rows}?", f"Give the {k} {plural(word)} with the {most} {words} {rows}.",
                       f"{'Top' if down else 'Bottom'} {k} {plural(word)} by {words} {rows}", f"List the {k} {plural(word)} with the {most} {words} {rows}."]  # fmt: skip
        order = f"ORDER BY {name}{' DESC' if down else ''}, {column} LIMIT {k}"
        return self.rng.choice(choices), f"SELECT {column}, {sql} AS {name} {scope.tables}{scope.where()} GROUP BY {column} {order}"

    def _top_entities(self) -> tuple[str, str] | None:
        if not self.schema.events:
            return None
        main = self._main(True)
        scope = self._scope(main, None, (5, 4, 1))
        key, nouns = scope.column(main, main.entity_key), self.schema.entity.nouns
        words, sql = self._aggregate(scope) or ("", "")
        name, k = {"count": "n", "sum": "total", "avg": "average", "max": "highest", "min": "lowest"}.get(sql.split("(")[0], "value"), self.rng.choice((1, 3, 5, 10, 20))
        rows = scope.words(self.rng)
        most = self.rng.choice(("highest", "largest", "greatest"))
        question = self.rng.choice((f"Which {k} {nouns} have the {most} {words} {rows}?", f"List the {k} {nouns} with the {most} {words} {rows}.", f"Top {k} {nouns} by {words} {rows}")) if k > 1 else (
            self.rng.choice((f"Which {self.schema.entity.noun} has the {most} {words} {rows}?", f"Find the {self.schema.entity.noun} with the {most} {words} {rows}.")))
        return question, f"SELECT {key}, {sql} AS {name} {scope.tables}{scope.where()} GROUP BY {key} ORDER BY {name} DESC, {key} LIMIT {k}"

    def _having(self) -> tuple[str, str] | None:
        main = self._main()
        group = self._group_column(main)
        if not group or (self.rng.random() < 0.5 and self.schema.events and main is not self.schema.entity):
            if main is self.schema.entity:
                return None
            scope = self._scope(main, None, (5, 3, 1))
            column, word = scope.column(main, main.entity_key), self.schema.entity.noun
            nouns = self.schema.entity.nouns
        else:
            scope = self._scope(main, [group[0]], (5, 3, 1))
            column, word = scope.column(group[0], group[1].name), plain(group[1].name)
            nouns = plural(word)
        n, rows = self.rng.choice((1, 2, 3, 5, 10, 20, 50, 100)), scope.words(self.rng)
        sign, text = self.rng.choice(((">", f"more than {n}"), (">", f"over {n}"), (">=", f"at least {n}"), (">=", f"{n} or more"), ("<", f"fewer than {n}")))
        question = self.rng.choice((f"Which {nouns} have {text} {rows}?", f"List {nouns} with {text} {rows}.", f"Find every {word} with {text} {rows}", f"Show the {nouns} that have {text} {rows}."))
        return question, f"SELECT {column}, count() AS n {scope.tables}{scope.where()} GROUP BY {column} HAVING n {sign} {n} ORDER BY {column}"

    def _share_parts(self, main: Source, others: list[Source], weights: tuple[int, ...]) -> tuple[Scope, str, str] | None:
        inner = random_filter(self.rng, main)
        if not inner or (inner.column in {d.name for d in main.dates} and self.rng.random() < 0.8):
            return None
        scope = self._scope(main, others, weights)
        if inner.column in {f.column for f in scope.filters}:
            return None
        rows = scope.words(self.rng)
        what = inner.before or inner.after
        if inner.sql == "{c} = 1" and inner.before:
            what = self.rng.choice((f"are {what}", f"were {what}", what))
        elif inner.before:
            what = f"are {what}"
        return scope, f"{rows}|{what}", f"100 * countIf({scope.condition(inner)}) / count()"

    def _share(self) -> tuple[str, str] | None:
        made = self._share_parts(self._main(), [], (4, 4, 1))
        if not made:
            return None
        scope, text, sql = made
        rows, what = text.split("|")
        question = self.rng.choice((f"What percentage of {rows} {what}?", f"What share of {rows} {what}, in percent?", f"Percentage of {rows} {what}", f"Out of all {rows}, what percent {what}?", f"What proportion (in %) of {rows} {what}?",
                                    f"Give the percent of {rows} that {what}."))  # fmt: skip
        return question, f"SELECT {sql} {scope.tables}{scope.where()}"

    def _share_grouped(self) -> tuple[str, str] | None:
        main = self._main()
        group = self._group_column(main)
        made = self._share_parts(main, [group[0]], (5, 3)) if group else None
        if not made or not group:
            return None
        scope, text, sql = made
        column, word = scope.column(group[0], group[1].name), plain(group[1].name)
        rows, what = text.split("|")
        question = self.rng.choice((f"What percentage of {rows} {what} for each {word}?", f"Percentage of {rows} {what} per {word}", f"By {word}, what share of {rows} {what}, in percent?"))
        return question, f"SELECT {column}, {sql} {scope.tables}{scope.where()} GROUP BY {column}"

    def _per_entity(self) -> tuple[str, str] | None:
        if not self.schema.events:
            return None
        main = self._main(True)
        scope = self._scope(main, None, (5, 4, 1))
        key, rows, noun = scope.column(main, main.entity_key), scope.words(self.rng), self.schema.entity.noun
        outer, word = self.rng.choice((("avg", "average"), ("avg", "mean"), ("max", "highest"), ("max", "largest")))
        inner, what = "count()", f"number of {rows}"
        if main.measures and self.rng.random() < 0.4:
            column = self.rng.choice(main.measures)
            inner, what = f"sum({scope.column(main, column.name)})", f"total {plain(column.name)} of {rows}"
        question = self.rng.choice((f"What is the {word} {what} per {noun}?", _capital(f"{word} {what} for one {noun}"), f"Give the {word} {what} each {noun} has.", f"Taking each {noun}, what is the {word} {what}?"))
        return question, f"SELECT {outer}(x) FROM (SELECT {key}, {inner} AS x {scope.tables}{scope.where()} GROUP BY {key})"

    def _absent(self) -> tuple[str, str] | None:
        if not self.schema.events:
            return None
        event, entity = self._main(True), self.schema.entity
        outer = Scope(self.schema, entity, _filters(self.rng, [entity], (4, 2)), [])
        inner = Scope(self.schema, event, _filters(self.rng, [event], (3, 3)), [])
        who, what = outer.words(self.rng), inner.words(self.rng)
        question = self.rng.choice((f"How many {who} have no {what}?", f"How many {who} never had any {what}?", f"Count the {who} without {what}.", f"Number of {who} lacking {what}"))
        return question, f"SELECT count() FROM {entity.name}{outer.where(f'{entity.id} NOT IN (SELECT {event.entity_key} FROM {event.name}{inner.where()})')}"

    def _first(self) -> tuple[str, str] | None:
        if not self.schema.events:
            return None
        main = self._main(True)
        scope = self._scope(main, None, (6, 2))
        if any(f.column == main.dates[0].name for f in scope.filters):
            return None
        key, date = scope.column(main, main.entity_key), scope.column(main, main.dates[0].name)
        when = random_filter(self.rng, Source(main.table, main.noun, main.nouns, main.id, dates=main.dates))
        if not when:
            return None
        end, word = self.rng.choice((("min", "first"), ("min", "first"), ("min", "earliest"), ("max", "last"), ("max", "latest")))
        own = scope.words(self.rng, main.noun)
        nouns = self.schema.entity.nouns
        question = self.rng.choice((f"How many {nouns} had their {word} {own} {when.after}?", f"Count {nouns} whose {word} {own} was {when.after}.", f"Number of {nouns} with the {word} {own} {when.after}"))
        return question, f"SELECT count() FROM (SELECT {key}, {end}({date}) AS d {scope.tables}{scope.where()} GROUP BY {key}) WHERE {when.sql.replace('{c}', 'd')}"

    def _compare(self) -> tuple[str, str] | None:
        main = self._main()
        one, two = (random_filter(self.rng, main) for _ in range(2))
        if not one or not two or one.column != two.column or one.sql == two.sql or bool(one.before) != bool(two.before):
            return None
        scope = self._scope(main, None, (5, 3))
        if one.column in {f.column for f in scope.filters}:
            return None
        a, b = one.before or one.after, two.before or two.after
        sums = bool(main.measures) and self.rng.random() < 0.5
        column = self.rng.choice(main.measures) if sums else None
        words = f"total {plain(column.name)} of" if column else "number of"
        what = f"sumIf({scope.column(main, column.name)}, {{}})" if column else "countIf({})"
        rows = scope.words(self.rng)
        question = self.rng.choice((f"Compare the {words} {rows} {a} with those {b}.", _capital(f"{words} {rows}: {a} versus {b}"), f"What is the {words} {rows} {a}, and {b}?", f"Side by side: {words} {rows} {a} and {b}"))
        return question, f"SELECT {what.format(scope.condition(one))}, {what.format(scope.condition(two))} {scope.tables}{scope.where()}"

    def _listing(self) -> tuple[str, str] | None:
        main = self._main()
        if not main.measures:
            return None
        scope = self._scope(main, None, (2, 4, 2))
        column, k, down = self.rng.choice(main.measures), self.rng.choice((3, 5, 10, 20)), self.rng.random() < 0.8
        most = self.rng.choice(("highest", "largest", "biggest") if down else ("lowest", "smallest"))
        key, value, rows = scope.column(main, main.id), scope.column(main, column.name), scope.words(self.rng)
        question = self.rng.choice((f"List the {k} {rows} with the {most} {plain(column.name)}.", f"Show {k} {rows} having the {most} {plain(column.name)}", f"Which {k} {rows} have the {most} {plain(column.name)}?"))
        return question, f"SELECT {key}, {value} {scope.tables}{scope.where()} ORDER BY {value}{' DESC' if down else ''}, {key} LIMIT {k}"

    def _values(self) -> tuple[str, str] | None:
        main = self._main()
        if not main.categories:
            return None
        column, scope = self.rng.choice(main.categories), self._scope(main, None, (4, 3))
        word, rows, name = plain(column.name), scope.words(self.rng), scope.column(main, column.name)
        if self.rng.random() < 0.5:
            question = self.rng.choice((f"What different {plural(word)} do {rows} have?", f"List all {plural(word)} of {rows}.", f"Which {plural(word)} occur among {rows}?"))
            return question, f"SELECT DISTINCT {name} {scope.tables}{scope.where()} ORDER BY {name}"
        question = self.rng.choice((f"How many different {plural(word)} do {rows} have?", f"Number of distinct {plural(word)} among {rows}", f"How many {plural(word)} occur among {rows}?"))
        return question, f"SELECT uniqExact({name}) {scope.tables}{scope.where()}"

    def _running(self) -> tuple[str, str] | None:
        main = self._main(True)
        if not main.dates:
            return None
        scope = self._scope(main, None, (5, 3))
        words, sql = ("number of", "count()") if not main.measures or self.rng.random() < 0.4 else (
            lambda c: (f"total {plain(c.name)} of", f"sum({scope.column(main, c.name)})"))(self.rng.choice(main.measures))
        date, rows = scope.column(main, main.dates[0].name), scope.words(self.rng)
        question = self.rng.choice((f"What is the running {words} {rows} by month?", f"Show the cumulative {words} {rows} month by month.", f"Cumulative {words} {rows} per month"))
        return question, f"SELECT toStartOfMonth({date}) AS month, sum({sql}) OVER (ORDER BY month) {scope.tables}{scope.where()} GROUP BY month ORDER BY month"

    def _either(self) -> tuple[str, str] | None:
        main = self._main()
        one, two = (random_filter(self.rng, main) for _ in range(2))
        if not one or not two or one.column == two.column or not one.after or not two.after:
            return None
        scope = Scope(self.schema, main, [], [])
        question = self.rng.choice((f"How many {main.nouns} are {one.after} or {two.after}?", f"Count the {main.nouns} {one.after}, or {two.after}.", f"Number of {main.nouns} either {one.after} or {two.after}"))
        return question, f"SELECT count() FROM {main.name} WHERE {scope.condition(one)} OR {scope.condition(two)}"

    def _repeated(self) -> tuple[str, str] | None:
        if not self.schema.events:
            return None
        main = self._main(True)
        scope = self._scope(main, None, (5, 3))
        n, key = self.rng.choice((1, 2, 3, 5)), scope.column(main, main.entity_key)
        counted, what = "count()", scope.words(self.rng)
        if main.categories and self.rng.random() < 0.5:
            column = self.rng.choice(main.categories)
            counted, what = f"uniqExact({scope.column(main, column.name)})", f"different {plural(plain(column.name))} among their {what}"
        question = self.rng.choice((f"How many {self.schema.entity.nouns} have more than {n} {what}?", f"Count {self.schema.entity.nouns} having over {n} {what}."))
        return question, f"SELECT count() FROM (SELECT {key} {scope.tables}{scope.where()} GROUP BY {key} HAVING {counted} > {n})"

    def _several(self) -> tuple[str, str] | None:
        main = self._main()
        if len(main.measures) < 1:
            return None
        scope, column = self._scope(main, None, (4, 4, 1)), self.rng.choice(main.measures)
        picked = self.rng.sample(["sum", "avg", "max", "min"], 2)
        words = " and the ".join(self.rng.choice(_AGGREGATES[p][1][:2]).replace("{w}", plain(column.name)) for p in picked)
        sql = ", ".join(_AGGREGATES[p][0].replace("{c}", scope.column(main, column.name)) for p in picked)
        rows = scope.words(self.rng)
        return self.rng.choice((f"What are the {words} of {rows}?", f"Give the {words} for {rows}.")), f"SELECT {sql} {scope.tables}{scope.where()}"

