"""Shapes of questions that everybody asks: one value, a value by group, the best few, shares, listings."""

from __future__ import annotations

from dataclasses import replace

from tiny_base.filters import plain, random_filter
from tiny_base.parts import AGGREGATES, NAMES, Made, Parts
from tiny_base.scope import Scope, noun_phrase, random_filters
from tiny_base.words import plural


class PlainShapes(Parts):
    def _scalar(self) -> Made:
        scope = self._scope(self._main())
        words, sql = self._aggregate(scope)
        link = self.rng.choice(("of", "for", "across", "over all", "among"))
        shape = "scalar_count" if sql == "count()" else "scalar_value"
        question = self._ask(shape, rows=scope.words(self.rng), words=words.removesuffix(" of"), link=link)
        return question, f"SELECT {sql} {scope.tables}{scope.where()}"

    def _distinct(self) -> Made | None:
        if not (main := self._event()):
            return None
        scope, entity = self._scope(main), self.schema.entity
        who = noun_phrase(self.rng, entity.nouns, scope.filters_on(entity))
        what = noun_phrase(self.rng, main.nouns, scope.filters_on(main))
        sql = f"SELECT uniqExact({scope.column(main, main.entity_key)}) {scope.tables}{scope.where()}"
        return self._ask("distinct", who=who, what=what), sql

    def _grouped(self) -> Made | None:
        if not (made := self._grouping((5, 4, 2))):
            return None
        scope, source, column, word = made
        second = self._group_column(scope.main)
        if second and second[0] in (source, scope.main) and plain(second[1].name) != word and self.rng.random() < 0.3:
            column += ", " + scope.column(second[0], second[1].name)
            word += " and " + plain(second[1].name)
        words, sql = self._aggregate(scope)
        totals = self.rng.random() < 0.15
        tail = (
            self.rng.choice((", with the totals", ", plus a total", ", and the overall total", " with totals"))
            if totals
            else ""
        )
        question = self._ask("grouped", words=words, rows=scope.words(self.rng), word=word, tail=tail)
        return (
            question,
            f"SELECT {column}, {sql} {scope.tables}{scope.where()} GROUP BY {column}{' WITH TOTALS' * totals}",
        )

    def _dated(self) -> Made | None:
        main = self._main()
        if not main.dates:
            return None
        scope = self._scope(main, None, (5, 4, 1))
        unit, function = self.rng.choice(
            (
                ("month", "toStartOfMonth"),
                ("month", "toStartOfMonth"),
                ("year", "toYear"),
                ("quarter", "toStartOfQuarter"),
            )
        )
        words, sql = self._aggregate(scope)
        question = self._ask("dated", words=words, rows=scope.words(self.rng), unit=unit)
        date = scope.column(main, main.dates[0].name)
        return (
            question,
            f"SELECT {function}({date}) AS {unit}, {sql} {scope.tables}{scope.where()} GROUP BY {unit} ORDER BY {unit}",
        )

    def _ranking(self, scope: Scope, column: str, word: str, nouns: str, down: bool, k: int) -> Made:
        words, sql = self._aggregate(scope)
        name = NAMES.get(sql) or NAMES.get(sql.split("(")[0], "value")
        most = self.rng.choice(("highest", "largest", "greatest", "biggest") if down else ("lowest", "smallest"))
        shape = "top_many" if k > 1 else "top_one_count" if sql == "count()" and self.rng.random() < 0.4 else "top_one"
        question = self._ask(
            shape, word=word, nouns=nouns, most=most, words=words, rows=scope.words(self.rng), k=self._said(k),
            extreme="most" if down else "fewest", end="Top" if down else "Bottom",
        )  # fmt: skip
        order = f"ORDER BY {name}{' DESC' * down}, {column} LIMIT {k}"
        return question, f"SELECT {column}, {sql} AS {name} {scope.tables}{scope.where()} GROUP BY {column} {order}"

    def _top(self) -> Made | None:
        if not (made := self._grouping((5, 4, 1))):
            return None
        scope, _, column, word = made
        return self._ranking(
            scope, column, word, plural(word), self.rng.random() < 0.75, self.rng.choice((1, 1, 1, 2, 3, 3, 4, 5, 10))
        )

    def _top_entities(self) -> Made | None:
        if not (main := self._event()):
            return None
        scope, entity = self._scope(main, None, (5, 4, 1)), self.schema.entity
        return self._ranking(
            scope,
            scope.column(main, main.entity_key),
            entity.noun,
            entity.nouns,
            True,
            self.rng.choice((1, 3, 5, 10, 20)),
        )

    def _having(self) -> Made | None:
        entity = self.schema.entity
        if (main := self._event()) and self.rng.random() < 0.4:
            scope = self._scope(main, None, (5, 3, 1))
            column, word, nouns = scope.column(main, main.entity_key), entity.noun, entity.nouns
        elif made := self._grouping((5, 3, 1)):
            scope, _, column, word = made
            nouns = plural(word)
        else:
            return None
        n = self.rng.choice((1, 2, 3, 5, 10, 20, 50, 100))
        sign, bound = self.rng.choice(
            (
                (">", f"more than {n}"),
                (">", f"over {n}"),
                (">=", f"at least {n}"),
                (">=", f"{n} or more"),
                ("<", f"fewer than {n}"),
            )
        )
        question = self._ask("having", nouns=nouns, word=word, bound=bound, rows=scope.words(self.rng))
        sql = f"SELECT {column}, count() AS n {scope.tables}{scope.where()} GROUP BY {column} HAVING n {sign} {n} ORDER BY {column}"
        return question, sql

    def _ratio(self, scope: Scope) -> tuple[str, str, str] | None:
        """(the rows, the part of them, the percentage in SQL)."""
        inner = random_filter(self.rng, scope.main)
        if not inner or inner.column in {f.column for f in scope.filters}:
            return None
        if inner.column in {d.name for d in scope.main.dates} and self.rng.random() < 0.8:
            return None
        what = (
            self.rng.choice((f"are {inner.before}", f"were {inner.before}", inner.before))
            if inner.before
            else inner.after
        )
        return scope.words(self.rng), what, f"100 * countIf({scope.condition(inner)}) / count()"

    def _share(self) -> Made | None:
        scope = self._scope(self._main(), None, (4, 4, 1))
        if not (made := self._ratio(scope)):
            return None
        return self._ask("share", rows=made[0], what=made[1]), f"SELECT {made[2]} {scope.tables}{scope.where()}"

    def _share_grouped(self) -> Made | None:
        if not (group := self._grouping((5, 3))) or not (made := self._ratio(group[0])):
            return None
        scope, _, column, word = group
        question = self._ask("share_grouped", rows=made[0], what=made[1], word=word)
        return question, f"SELECT {column}, {made[2]} {scope.tables}{scope.where()} GROUP BY {column}"

    def _per_entity(self) -> Made | None:
        if not (main := self._event()):
            return None
        scope = self._scope(main, None, (5, 4, 1))
        outer, word = self.rng.choice((("avg", "average"), ("avg", "mean"), ("max", "highest"), ("max", "largest")))
        words, column = self._total(scope)
        inner = f"sum({scope.column(main, column.name)})" if column else "count()"
        question = self._ask(
            "per_entity", word=word, what=f"{words} {scope.words(self.rng)}", noun=self.schema.entity.noun
        )
        key = scope.column(main, main.entity_key)
        return (
            question,
            f"SELECT {outer}(x) FROM (SELECT {key}, {inner} AS x {scope.tables}{scope.where()} GROUP BY {key})",
        )

    def _absent(self) -> Made | None:
        if not (event := self._event()):
            return None
        entity = self.schema.entity
        outer = Scope(self.schema, entity, random_filters(self.rng, [entity], (4, 2)), [])
        inner = Scope(self.schema, event, random_filters(self.rng, [event], (3, 3)), [])
        question = self._ask("absent", who=outer.words(self.rng), what=inner.words(self.rng))
        absent = f"{entity.id} NOT IN (SELECT {event.entity_key} FROM {event.name}{inner.where()})"
        return question, f"SELECT count() FROM {entity.name}{outer.where(absent)}"

    def _first(self) -> Made | None:
        if not (main := self._event()):
            return None
        scope = self._scope(main, None, (6, 2))
        when = random_filter(self.rng, replace(main, categories=[], measures=[], flags=[]))
        if not when or not when.after or when.column in {f.column for f in scope.filters}:
            return None
        end, word = self.rng.choice(
            (("min", "first"), ("min", "first"), ("min", "earliest"), ("max", "last"), ("max", "latest"))
        )
        rows = scope.words(self.rng, main.noun)
        question = self._ask("first", nouns=self.schema.entity.nouns, word=word, rows=rows, when=when.after)
        key, date = scope.column(main, main.entity_key), scope.column(main, main.dates[0].name)
        inner = f"SELECT {key}, {end}({date}) AS d {scope.tables}{scope.where()} GROUP BY {key}"
        return question, f"SELECT count() FROM ({inner}) WHERE {when.sql.replace('{c}', 'd')}"

    def _compare(self) -> Made | None:
        main = self._main()
        both = self._two(main)
        if not both or both[0].column != both[1].column or bool(both[0].before) != bool(both[1].before):
            return None
        scope = self._scope(main, None, (5, 3))
        if both[0].column in {f.column for f in scope.filters}:
            return None
        words, column = self._total(scope)
        what = f"sumIf({scope.column(main, column.name)}, {{}})" if column else "countIf({})"
        a, b = (f.before or f.after for f in both)
        question = self._ask("compare", words=words, rows=scope.words(self.rng), a=a, b=b)
        one, two = (what.format(scope.condition(f)) for f in both)
        return question, f"SELECT {one}, {two} {scope.tables}{scope.where()}"

    def _listing(self) -> Made | None:
        main = self._main()
        if not main.measures:
            return None
        scope, column = self._scope(main, None, (2, 4, 2)), self.rng.choice(main.measures)
        k, down = self.rng.choice((3, 5, 10, 20)), self.rng.random() < 0.8
        most = self.rng.choice(("highest", "largest", "biggest") if down else ("lowest", "smallest"))
        question = self._ask("listing", k=self._said(k), rows=scope.words(self.rng), most=most, word=plain(column.name))
        key, value = scope.column(main, main.id), scope.column(main, column.name)
        return (
            question,
            f"SELECT {key}, {value} {scope.tables}{scope.where()} ORDER BY {value}{' DESC' * down}, {key} LIMIT {k}",
        )

    def _values(self) -> Made | None:
        main = self._main()
        if not main.categories:
            return None
        column, scope = self.rng.choice(main.categories), self._scope(main, None, (4, 3))
        parts = {"nouns": plural(plain(column.name)), "rows": scope.words(self.rng)}
        name = scope.column(main, column.name)
        if self.rng.random() < 0.5:
            return self._ask(
                "values_list", **parts
            ), f"SELECT DISTINCT {name} {scope.tables}{scope.where()} ORDER BY {name}"
        return self._ask("values_count", **parts), f"SELECT uniqExact({name}) {scope.tables}{scope.where()}"

    def _running(self) -> Made | None:
        main = self._main(True)
        if not main.dates:
            return None
        scope = self._scope(main, None, (5, 3))
        words, column = self._total(scope)
        value = f"sum({scope.column(main, column.name)})" if column else "count()"
        question = self._ask("running", words=words, rows=scope.words(self.rng))
        month = f"toStartOfMonth({scope.column(main, main.dates[0].name)}) AS month"
        over = f"sum({value}) OVER (ORDER BY month)"
        return question, f"SELECT {month}, {over} {scope.tables}{scope.where()} GROUP BY month ORDER BY month"

    def _either(self) -> Made | None:
        main = self._main()
        both = self._two(main)
        if not both or both[0].column == both[1].column or not both[0].after or not both[1].after:
            return None
        scope = Scope(self.schema, main, [], [])
        one, two = map(scope.condition, both)
        question = self._ask("either", rows=main.nouns, a=both[0].after, b=both[1].after)
        return question, f"SELECT count() FROM {main.name} WHERE {one} OR {two}"

    def _repeated(self) -> Made | None:
        if not (main := self._event()):
            return None
        scope = self._scope(main, None, (5, 3))
        n, counted, what = self.rng.choice((1, 2, 3, 5)), "count()", scope.words(self.rng)
        if main.categories and self.rng.random() < 0.5:
            column = self.rng.choice(main.categories)
            counted = f"uniqExact({scope.column(main, column.name)})"
            what = f"different {plural(plain(column.name))} among their {what}"
        question = self._ask("repeated", nouns=self.schema.entity.nouns, n=n, what=what)
        key = scope.column(main, main.entity_key)
        inner = f"SELECT {key} {scope.tables}{scope.where()} GROUP BY {key} HAVING {counted} > {n}"
        return question, f"SELECT count() FROM ({inner})"

    def _several(self) -> Made | None:
        main = self._main()
        if not main.measures:
            return None
        scope, column = self._scope(main, None, (4, 4, 1)), self.rng.choice(main.measures)
        picked = self.rng.sample(["sum", "avg", "max", "min"], 2)
        words = " and the ".join(
            self.rng.choice(AGGREGATES[p][1][:2]).replace("{w}", plain(column.name)) for p in picked
        )
        sql = ", ".join(AGGREGATES[p][0].replace("{c}", scope.column(main, column.name)) for p in picked)
        return self._ask(
            "several", words=words, rows=scope.words(self.rng)
        ), f"SELECT {sql} {scope.tables}{scope.where()}"
