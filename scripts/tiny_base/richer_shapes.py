"""Shapes of questions that analysts ask: growth, rates, ranks, cohorts, the best of each group."""

from __future__ import annotations

import calendar
import datetime
from dataclasses import replace

from sqlft.card import Column
from tiny_base.filters import Filter, plain, quote, random_filter
from tiny_base.parts import AGGREGATES, NAMES, Made, Parts
from tiny_base.schemas import Source
from tiny_base.scope import Scope, noun_phrase
from tiny_base.words import plural


class RicherShapes(Parts):
    def _part(self, scope: Scope) -> tuple[str, str]:
        """(words such as 'mean price of', an aggregate of the rows that meet a condition, which is still {})."""
        words, column = self._total(scope)
        if not column:
            return words, "countIf({})"
        value = scope.column(scope.main, column.name)
        if self.rng.random() < 0.5:
            return words, f"sumIf({value}, {{}})"
        return f"{self.rng.choice(('average', 'mean'))} {plain(column.name)} of", f"avgIf({value}, {{}})"

    def _values_of_one(self, main: Source) -> tuple[Filter, Filter] | None:
        """Two values of one of the table's categories."""
        options = [c for c in main.categories if c.values and len(c.values) > 1]
        if not options:
            return None
        column = self.rng.choice(options)
        one, two = self.rng.sample(column.values or [], 2)
        say = self.rng.choice(("with {w} {v}", "in {v}", "on {v}", "from {v}", "whose {w} is {v}", "for {v}"))
        a, b = (say.format(w=plain(column.name), v=value) for value in (one, two))
        return Filter(main, column.name, f"{{c}} = {quote(one)}", a), Filter(
            main, column.name, f"{{c}} = {quote(two)}", b
        )

    def _periods(self, main: Source) -> tuple[Filter, Filter] | None:
        """Two months, quarters or years of the table's date, the earlier first; `after` is the period's bare name."""
        if not main.dates:
            return None
        date = main.dates[0]
        first, last = (datetime.date.fromisoformat(str(v)) for v in (date.min, date.max))
        unit = self.rng.choice(("year", "year", "month", "month", "quarter"))
        made = set()
        for _ in range(8):
            day = first + datetime.timedelta(days=self.rng.randint(0, (last - first).days))
            quarter = (day.month - 1) // 3 + 1
            sql = {
                "year": f"toYear({{c}}) = {day.year}",
                "month": f"toStartOfMonth({{c}}) = '{day.year}-{day.month:02d}-01'",
                "quarter": f"toStartOfQuarter({{c}}) = '{day.year}-{3 * quarter - 2:02d}-01'",
            }[unit]
            name = {
                "year": str(day.year),
                "month": f"{calendar.month_name[day.month]} {day.year}",
                "quarter": f"Q{quarter} {day.year}",
            }[unit]
            made.add((sql, name))
        if len(made) < 2:
            return None
        (one, a), (two, b) = sorted(self.rng.sample(sorted(made), 2))
        return Filter(main, date.name, one, a), Filter(main, date.name, two, b)

    def _pair_of(self, main: Source) -> tuple[Filter, Filter, str, str] | None:
        """Two conditions to set against each other, and their words: periods or values."""
        if self.rng.random() < 0.5:
            if not (made := self._periods(main)):
                return None
            link = self.rng.choice(("in ", "during ", "in "))
            return *made, link + made[0].after, link + made[1].after
        if not (made := self._values_of_one(main)):
            return None
        return *made, made[0].after, made[1].after

    def _free(self, scope: Scope, both: tuple[Filter, ...]) -> bool:
        return not {f.column for f in both} & {f.column for f in scope.filters}

    def _difference(self) -> Made | None:
        main = self._main()
        if not (made := self._pair_of(main)):
            return None
        one, two, a, b = made
        scope = self._scope(main, None, (6, 3))
        if not self._free(scope, (one, two)):
            return None
        words, part = self._part(scope)
        question = self._ask("difference", words=words, rows=scope.words(self.rng), a=a, b=b)
        x, y = (part.format(scope.condition(f)) for f in (one, two))
        return question, f"SELECT {x} - {y} {scope.tables}{scope.where()}"

    def _growth(self) -> Made | None:
        main = self._main(True)
        if not (made := self._periods(main)):
            return None
        scope = self._scope(main, None, (5, 3))
        if not self._free(scope, made):
            return None
        words, part = self._part(scope)
        question = self._ask("growth", words=words, rows=scope.words(self.rng), a=made[0].after, b=made[1].after)
        x, y = (part.format(scope.condition(f)) for f in made)
        return question, f"SELECT 100 * ({y} - {x}) / {x} {scope.tables}{scope.where()}"

    def _against(self) -> Made | None:
        """Two values side by side, for each group or for all."""
        main = self._main()
        group = self._group_column(main) if self.rng.random() < 0.5 else None
        if not (made := self._pair_of(main)) or (group and group[1].name == made[0].column):
            return None
        one, two, a, b = made
        scope = self._scope(main, [group[0]] if group else None, (6, 3))
        if not self._free(scope, (one, two)):
            return None
        words, part = self._part(scope)
        x, y = (part.format(scope.condition(f)) for f in (one, two))
        rows = scope.words(self.rng)
        if not group:
            return self._ask(
                "against", words=words, rows=rows, a=a, b=b
            ), f"SELECT {x}, {y} {scope.tables}{scope.where()}"
        column, word = scope.column(group[0], group[1].name), plain(group[1].name)
        question = self._ask("against_grouped", words=words, rows=rows, a=a, b=b, word=word)
        return question, f"SELECT {column}, {x}, {y} {scope.tables}{scope.where()} GROUP BY {column}"

    def _best_each(self) -> Made | None:
        if not (made := self._grouping((6, 3, 1))):
            return None
        scope, source, outer, word = made
        second = self._group_column(scope.main)
        if not second or second[0] not in (source, scope.main) or plain(second[1].name) == word:
            return None
        inner, words_inner = scope.column(second[0], second[1].name), plain(second[1].name)
        words, sql = self._aggregate(scope)
        name = NAMES.get(sql) or NAMES.get(sql.split("(")[0], "value")
        question = self._ask(
            "best_each_count" if sql == "count()" and self.rng.random() < 0.5 else "best_each",
            words=words, rows=scope.words(self.rng), outer=word, inner=words_inner, inners=plural(words_inner),
        )  # fmt: skip
        order = f"ORDER BY {outer}, {name} DESC, {inner} LIMIT 1 BY {outer}"
        select = f"SELECT {outer}, {inner}, {sql} AS {name}"
        return question, f"{select} {scope.tables}{scope.where()} GROUP BY {outer}, {inner} {order}"

    def _rate(self) -> Made | None:
        """The share of entities with one kind of event among those with any, or a total for each entity."""
        main = self._event()
        group = self._group_column(main) if main and self.rng.random() < 0.4 else None
        if not main:
            return None
        scope = self._scope(main, [group[0]] if group else None, (5, 4, 1))
        key, entity = scope.column(main, main.entity_key), self.schema.entity
        tail, by, column = "", "", ""
        if group:
            column = scope.column(group[0], group[1].name)
            tail = self.rng.choice((" by {}", " per {}", " for each {}")).format(plain(group[1].name))
            by = f" GROUP BY {column}"
        select = f"SELECT {column}, " if column else "SELECT "
        rows = scope.words(self.rng)
        if self.rng.random() < 0.5 and main.measures:
            measure = self.rng.choice(main.measures)
            question = self._ask("per_head", what=plain(measure.name), rows=rows, noun=entity.noun, tail=tail)
            value = f"sum({scope.column(main, measure.name)}) / uniqExact({key})"
        else:
            inner = random_filter(self.rng, replace(main, dates=[]))
            if not inner or not self._free(scope, (inner,)):
                return None
            one = noun_phrase(self.rng, main.noun, [inner])
            question = self._ask("rate", nouns=entity.nouns, rows=rows, one=one, tail=tail)
            value = f"100 * uniqExactIf({key}, {scope.condition(inner)}) / uniqExact({key})"
        return question, f"{select}{value} {scope.tables}{scope.where()}{by}"

    def _counted(self) -> Made | None:
        """The number of rows and one more value, for all or for each group."""
        main = self._main()
        if not main.measures:
            return None
        group = self._group_column(main) if self.rng.random() < 0.5 else None
        scope, measure = (
            self._scope(main, [group[0]] if group else None, (4, 4, 1)),
            self.rng.choice(main.measures),
        )
        sql, phrases = AGGREGATES[self.rng.choice(("sum", "sum", "avg"))]
        value = sql.replace("{c}", scope.column(main, measure.name))
        words = self.rng.choice(phrases[:2]).replace("{w}", plain(measure.name))
        rows = scope.words(self.rng)
        if not group:
            return self._ask(
                "counted", rows=rows, words=words
            ), f"SELECT count(), {value} {scope.tables}{scope.where()}"
        column = scope.column(group[0], group[1].name)
        question = self._ask("counted_grouped", rows=rows, words=words, word=plain(group[1].name))
        return question, f"SELECT {column}, count(), {value} {scope.tables}{scope.where()} GROUP BY {column}"

    def _ranked(self) -> Made | None:
        """All groups: in order, with their rank, or with their part of the whole."""
        if not (made := self._grouping((5, 4))):
            return None
        scope, _, column, word = made
        words, measure = self._total(scope)
        value = f"sum({scope.column(scope.main, measure.name)})" if measure else "count()"
        name, kind = "total" if measure else "n", self.rng.choice(("ordered", "ranked", "portion"))
        question = self._ask(kind, words=words, rows=scope.words(self.rng), word=word, nouns=plural(word))
        rest = f"{scope.tables}{scope.where()} GROUP BY {column}"
        if kind == "portion":
            return question, f"SELECT {column}, 100 * {value} / sum({value}) OVER () {rest}"
        if kind == "ordered":
            return question, f"SELECT {column}, {value} AS {name} {rest} ORDER BY {name} DESC, {column}"
        rank = f"rank() OVER (ORDER BY {name} DESC) AS position"
        return question, f"SELECT {column}, {value} AS {name}, {rank} {rest} ORDER BY position, {column}"

    def _both(self) -> Made | None:
        main = self._event()
        if not main or not (made := self._pair_of(main)):
            return None
        one, two, a, b = made
        scope = self._scope(main, None, (6, 3))
        if not self._free(scope, (one, two)):
            return None
        lost = self.rng.random() < 0.5
        question = self._ask(
            "lost" if lost else "both", nouns=self.schema.entity.nouns, rows=scope.words(self.rng), a=a, b=b
        )
        key = scope.column(main, main.entity_key)
        having = f"countIf({scope.condition(one)}) > 0 AND countIf({scope.condition(two)}) {'=' if lost else '>'} 0"
        inner = f"SELECT {key} {scope.tables}{scope.where()} GROUP BY {key} HAVING {having}"
        return question, f"SELECT count() FROM ({inner})"

    def _cohort(self) -> Made | None:
        """Days between first and last event, newcomers by month, or how many entities have how many events."""
        if not (main := self._event()):
            return None
        scope, kind = self._scope(main, None, (5, 4)), self.rng.choice(("span", "newcomers", "spread"))
        key, date = scope.column(main, main.entity_key), scope.column(main, main.dates[0].name)
        one, rows = scope.words(self.rng, main.noun), scope.words(self.rng)
        entity = self.schema.entity
        question = self._ask(kind, noun=entity.noun, nouns=entity.nouns, one=one, rows=rows)
        rest = f"{scope.tables}{scope.where()} GROUP BY {key}"
        if kind == "span":
            inner = f"SELECT {key}, min({date}) AS a, max({date}) AS b {rest}"
            return question, f"SELECT avg(dateDiff('day', a, b)) FROM ({inner})"
        if kind == "newcomers":
            inner = f"SELECT {key}, min({date}) AS d {rest}"
            return question, f"SELECT toStartOfMonth(d) AS month, count() FROM ({inner}) GROUP BY month ORDER BY month"
        return question, f"SELECT n, count() FROM (SELECT {key}, count() AS n {rest}) GROUP BY n ORDER BY n"

    def _above_mean(self) -> Made | None:
        main = self._main()
        if not main.measures:
            return None
        scope, column = Scope(self.schema, main, [], []), self.rng.choice(main.measures)
        inner = random_filter(self.rng, replace(main, measures=[])) if self.rng.random() < 0.5 else None
        scope = Scope(self.schema, main, [inner] if inner else [], [])
        question = self._ask("above_mean", rows=scope.words(self.rng), nouns=main.nouns, word=plain(column.name))
        mean = f"{column.name} > (SELECT avg({column.name}) FROM {main.name})"
        return question, f"SELECT count() {scope.tables}{scope.where(mean)}"

    def _ends(self) -> Made | None:
        """The lowest and the highest value, or the first or the last day."""
        main = self._main()
        scope = self._scope(main, None, (4, 5, 2))
        rows = scope.words(self.rng)
        if main.measures and self.rng.random() < 0.5:
            column = self.rng.choice(main.measures)
            value = scope.column(main, column.name)
            question = self._ask("extremes", rows=rows, word=plain(column.name))
            return question, f"SELECT min({value}), max({value}) {scope.tables}{scope.where()}"
        if not main.dates:
            return None
        end = self.rng.choice(("min", "max"))
        question = self._ask("earliest" if end == "min" else "latest", one=scope.words(self.rng, main.noun), rows=rows)
        return question, f"SELECT {end}({scope.column(main, main.dates[0].name)}) {scope.tables}{scope.where()}"

    def _banded(self) -> Made | None:
        main = self._main()
        options = [(source, c) for source in self._reach(main) for c in source.measures]
        if not options:
            return None
        source, column = self.rng.choice(options)
        scope, width = self._scope(main, [source], (5, 4)), self.rng.choice((5, 10, 10, 10, 20, 50, 100))
        words, sql = self._aggregate(scope)
        question = self._ask("banded", words=words, rows=scope.words(self.rng), word=plain(column.name), width=width)
        band = f"intDiv({scope.column(source, column.name)}, {width}) * {width} AS band"
        return question, f"SELECT {band}, {sql} {scope.tables}{scope.where()} GROUP BY band ORDER BY band"

    def _daily(self) -> Made | None:
        """By day, by day of the week, or the days with the most."""
        main = self._main(True)
        if not main.dates:
            return None
        scope, kind = self._scope(main, None, (5, 5)), self.rng.choice(("by_day", "by_weekday", "top_days", "mean_day"))
        words, sql = self._aggregate(scope)
        date, rest = scope.column(main, main.dates[0].name), f"{scope.tables}{scope.where()}"
        k, unit, function = self.rng.choice((1, 2, 3, 5, 7, 10)), "day", date
        if kind == "mean_day" and self.rng.random() < 0.6:
            unit = self.rng.choice(("month", "month", "year"))
            function = f"{'toYear' if unit == 'year' else 'toStartOfMonth'}({date})"
        if kind == "mean_day":
            words, measure = self._total(scope)
            sql = f"sum({scope.column(main, measure.name)})" if measure else "count()"
        question = self._ask(
            kind if k > 1 or kind != "top_days" else "top_day",
            words=words, rows=scope.words(self.rng), k=self._said(k), unit=unit,
        )  # fmt: skip
        if kind == "by_day":
            return question, f"SELECT {date}, {sql} {rest} GROUP BY {date} ORDER BY {date}"
        if kind == "by_weekday":
            return (
                question,
                f"SELECT toDayOfWeek({date}) AS weekday, {sql} {rest} GROUP BY weekday ORDER BY weekday",
            )
        if kind == "mean_day":
            alias = "" if unit == "day" else f" AS {unit}"
            inner = f"SELECT {function}{alias}, {sql} AS x {rest} GROUP BY {date if unit == 'day' else unit}"
            return question, f"SELECT avg(x) FROM ({inner})"
        name = NAMES.get(sql) or NAMES.get(sql.split("(")[0], "value")
        order = f"ORDER BY {name} DESC, {date} LIMIT {k}"
        return question, f"SELECT {date}, {sql} AS {name} {rest} GROUP BY {date} {order}"

    def _holders(self) -> Made | None:
        """How many entities reach a number of events, or a total."""
        if not (main := self._event()):
            return None
        scope, entity = self._scope(main, None, (4, 5, 1)), self.schema.entity
        key, rows = scope.column(main, main.entity_key), scope.words(self.rng)
        n = self.rng.choice((2, 2, 3, 4, 5, 6, 8, 10))
        if main.measures and self.rng.random() < 0.35:
            column = self.rng.choice(main.measures)
            n *= self.rng.choice((10, 50, 100, 500))
            sign, bound = self.rng.choice((("> ", "over"), ("> ", "above"), (">= ", "of no less than")))
            value = f"sum({scope.column(main, column.name)})"
            question = self._ask(
                "holders_value", nouns=entity.nouns, rows=rows, word=plain(column.name), bound=f"{bound} {n}"
            )
        elif self.rng.random() < 0.2:
            value, sign, n = "count()", "= ", 1
            question = self._ask("holders_once", nouns=entity.nouns, one=scope.words(self.rng, main.noun))
        else:
            value = "count()"
            sign, bound = self.rng.choice(
                ((">= ", "at least {}"), (">= ", "{} or more"), (">= ", "no fewer than {}"), ("> ", "more than {}"))
            )
            question = self._ask("holders", nouns=entity.nouns, rows=rows, bound=bound.format(self._said(n)))
        inner = f"SELECT {key} {scope.tables}{scope.where()} GROUP BY {key} HAVING {value} {sign}{n}"
        return question, f"SELECT count() FROM ({inner})"

    def _having_value(self) -> Made | None:
        if not (made := self._grouping((5, 3, 1))) or not made[0].main.measures:
            return None
        scope, _, column, word = made
        measure: Column = self.rng.choice(scope.main.measures)
        sql, phrases = AGGREGATES[self.rng.choice(("sum", "sum", "avg"))]
        value = sql.replace("{c}", scope.column(scope.main, measure.name))
        words = self.rng.choice(phrases[:2]).replace("{w}", plain(measure.name))
        n = self.rng.randint(1, 60) * self.rng.choice((1, 10, 100, 500))
        sign, bound = self.rng.choice(((">", "over"), (">", "higher than"), (">=", "of no less than"), ("<", "under")))
        name = NAMES[sql.split("(")[0]]
        question = self._ask(
            "having_value", nouns=plural(word), word=word, words=words, rows=scope.words(self.rng), bound=f"{bound} {n}"
        )
        return (
            question,
            f"SELECT {column}, {value} AS {name} {scope.tables}{scope.where()} GROUP BY {column} HAVING {name} {sign} {n}",
        )

    def _share_foreign(self) -> Made | None:
        """The share of events whose entity meets a condition."""
        if not (main := self._event()):
            return None
        entity = self.schema.entity
        if not (inner := random_filter(self.rng, entity)):
            return None
        scope = Scope(
            self.schema, main, [f for f in [random_filter(self.rng, main)] if f and self.rng.random() < 0.4], [entity]
        )
        who = noun_phrase(self.rng, entity.nouns, [inner])
        what = f"{self.rng.choice(('belong to', 'come from', 'were by', 'are for', 'are of'))} {who}"
        question = self._ask("share", rows=scope.words(self.rng), what=what)
        return question, f"SELECT 100 * countIf({scope.condition(inner)}) / count() {scope.tables}{scope.where()}"
