"""Conditions on rows: their SQL, and the ways in which a question can say them."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlft.dataset.grammar.query import literal, render
from sqlft.dataset.grammar.roles import Field, Roles, Values
from sqlft.dataset.grammar.words import article, either, month_words, plural, quarter_words, round_number

_MARK = re.compile(r"«[^»]+»")
_PLACE = re.compile(r"\b(country|city|region|town|province|continent)\b")
_PLATFORM = re.compile(r"\b(os|operating system|platform|device)\b")
_THE = re.compile(
    r"\b(United (States|Kingdom|Arab Emirates)|Netherlands|Philippines|Bahamas|Maldives|Czech Republic)\b"
)
_NAMING = re.compile(
    r"\b(os|operating system|platform|device|browser|app|status|type|kind|category|genre|channel|class)\b"
)
_TOOL = re.compile(r"\b(browser|app|client)\b")


@dataclass(frozen=True)
class Filter:
    """One condition and its wordings, by where they can stand around the noun.

    Attributes:
        pre: Before the noun: 'Linux', 'active'.
        post: After it: 'on Linux', 'with a revenue above 50'.
        when: After everything that says what: 'in March 2023'.
        tail: A clause, last of all: 'where the browser is Chrome'.
        pred: A predicate of the noun's plural: 'are on Linux'.
        head: Takes the noun's place: 'purchase'.
        place: It says where, so that it can follow any noun: 'from Germany'.
    """

    sql: str
    pre: tuple[str, ...] = ()
    post: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    pred: tuple[str, ...] = ()
    head: str = ""
    place: bool = False

    @property
    def alone(self) -> str:
        """The SQL where no other condition stands beside it."""
        return self.sql.removeprefix("(").removesuffix(")") if self.sql.startswith("(") else self.sql


class Unavailable(Exception):
    """The table has no column for this role, or none left."""


@dataclass
class Drawer:
    """Draws filters for one example, each on a column of its own.

    Attributes:
        values: In how many columns each value stands.
        date: The one date column that the example speaks of.
    """

    rng: random.Random
    values: Values
    used: set[str]
    date: Field | None = None

    def pick(self, fields: list[Field]) -> Field:
        """A column that the example has not used yet."""
        left = [f for f in fields if f.sql not in self.used]
        if not left:
            raise Unavailable
        chosen = self.rng.choice(left)
        self.used.add(chosen.sql)
        return chosen

    def draw(self, role: str, roles: Roles) -> Filter:
        """A filter of that role on that table.

        Raises:
            Unavailable: The table cannot play this role.
        """
        if role in _DATES:
            return self.dated(role, roles)
        return _ROLES[role](self, roles)

    def day(self, roles: Roles) -> Field:
        """The example's date column."""
        if not roles.dates:
            raise Unavailable
        self.date = self.date or self.rng.choice(roles.dates)
        return self.date

    def dated(self, role: str, roles: Roles, column: str = "") -> Filter:
        """A filter on the example's date column, or on `column` in its place, which has the same days."""
        item = self.day(roles)
        sql, words = _DATES[role](self.rng, item, column or (item.day if role in _DAYS else item.sql))
        if roles.event or column:
            return Filter(sql, when=words)
        return Filter(sql, post=tuple(f"with {article(item.word)} {word}" for word in words[:1]))

    def telling(self, item: Field, table: str = "") -> bool:
        """The column's values stand in no other (of its table), so that a value tells its column."""
        return all(isinstance(v, str) and self.values[table, v.lower()] == 1 for v in item.column.values or [])

    def bare(self, item: Field, value: str) -> list[str]:
        """What says COLUMN = VALUE without the column: 'on Linux'; nothing where that would not tell the column."""
        if _PLACE.search(item.word) and self.telling(item, item.table):
            value = _THE.sub(r"the \g<0>", value)
            return [f"from {value}", f"in {value}"]
        if _PLATFORM.search(item.word) and self.telling(item):
            return [f"on {value}"]
        if _TOOL.search(item.word) and self.telling(item):
            return [f"using {value}", f"in {value}"]
        return []


def _category(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick(roles.categories)
    return equal(drawer, item, drawer.rng.choice(item.column.values or []))


def equal(drawer: Drawer, item: Field, value: object) -> Filter:
    """The filter COLUMN = VALUE."""
    bare = drawer.bare(item, str(value))
    named = drawer.telling(item) and _NAMING.search(item.word) and re.fullmatch(r"[A-Za-z][\w -]{2,}", str(value))
    return Filter(
        f"{item.sql} = {literal(value)}",
        pre=(str(value),) if named else (),
        post=tuple(bare) or (f"with {item.word} {value}",),
        tail=(f"where the {item.word} is {value}",),
        pred=(_predicate(bare[0]) if bare else f"have {item.word} {value}",),
        place=bool(_PLACE.search(item.word)) and drawer.telling(item),
    )


def _predicate(post: str) -> str:
    return re.sub("^using ", "use ", post) if post.startswith("using ") else f"are {post}"


def _one_of(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick([f for f in roles.categories if len(f.column.values or []) > 3])
    values = drawer.rng.sample(item.column.values or [], drawer.rng.choice((2, 2, 3)))
    words = either([str(v) for v in values])
    bare = drawer.bare(item, words)
    return Filter(
        f"{item.sql} IN ({', '.join(map(literal, values))})",
        post=(*bare, f"with {item.word} {words}"),
        tail=(f"where the {item.word} is {words}",),
        pred=tuple(map(_predicate, bare[:1])) or (f"have {item.word} {words}",),
    )


def _other(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick([f for f in roles.categories if len(f.column.values or []) > 2])
    value = drawer.rng.choice(item.column.values or [])
    post = [f"with {article(item.word)} other than {value}"]
    post += [f"not {bare}" for bare in drawer.bare(item, str(value))[:1]]
    return Filter(
        f"{item.sql} != {literal(value)}", post=tuple(post),
        tail=(f"where the {item.word} is not {value}",), pred=(f"have {article(item.word)} other than {value}",),
    )  # fmt: skip


def _either(drawer: Drawer, roles: Roles) -> Filter:
    first, second = _category(drawer, roles), drawer.rng.choice((_category, _number))(drawer, roles)
    a, b = drawer.rng.choice(first.pred), drawer.rng.choice(second.pred)
    return Filter(f"({first.sql} OR {second.sql})", tail=(f"that either {a} or {b}",), pred=(f"either {a} or {b}",))


def _flag(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick(roles.flags)
    has, word = flag_words(item)
    sql = f"{item.sql} = 1"
    if has:
        return Filter(sql, post=(f"with {word}",), tail=(f"that have {word}",), pred=(f"have {word}",))
    adjective = () if any(f"{word} {roles.noun}" == kind.word and kind.sql != sql for kind in roles.kinds) else (word,)
    return Filter(
        sql,
        adjective,
        (f"flagged as {word}", f"marked as {word}"),
        pred=(f"are flagged as {word}", f"are marked as {word}"),
    )


def _no_flag(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick(roles.flags)
    has, word = flag_words(item)
    sql = f"{item.sql} = 0"
    if has:
        return Filter(sql, post=(f"without {word}",), tail=(f"that have no {word}",), pred=(f"have no {word}",))
    return Filter(
        sql, (f"non-{word}",), (f"not flagged as {word}", f"not marked as {word}"), pred=(f"are not flagged as {word}",)
    )


def flag_words(item: Field) -> tuple[bool, str]:
    """Whether the flag says what a row has, not what it is; and its word."""
    return item.column.name.startswith("has_"), re.sub(r"^(is|has|was) | flag$", "", item.word)


def _number(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick(roles.numbers)
    x = number_of(drawer.rng, item)
    old = item.word == "age"
    sign, words, aged = drawer.rng.choice(
        (
            (">=", f"of at least {x}", (f"aged {x} or older", f"aged at least {x}", f"aged {x} and over")),
            (">", f"above {x}", (f"over {x}", f"older than {x}", f"over the age of {x}")),
            ("<", f"below {x}", (f"under {x}", f"younger than {x}", f"under the age of {x}")),
            ("<=", f"of at most {x}", (f"aged {x} or younger", f"aged at most {x}", f"aged {x} and under")),
        )
    )
    post = aged if old else (f"with {article(item.word)} {words}",)
    if not old and sign in "<>":
        post += (f"with {article(item.word)} {'of more than' if sign == '>' else 'of less than'} {x}",)
    pred = tuple(f"are {word}" for word in aged) if old else (f"have {article(item.word)} {words}",)
    return Filter(f"{item.sql} {sign} {x}", post=post, pred=pred)


def _between(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick(roles.numbers)
    low, high = sorted(number_of(drawer.rng, item) for _ in range(2))
    if low == high:
        raise Unavailable
    sql = f"{item.sql} BETWEEN {low} AND {high}"
    if item.word == "age":
        words = (f"aged {low} to {high}", f"between {low} and {high} years old", f"aged between {low} and {high}")
        return Filter(sql, post=words, pred=tuple(f"are {word}" for word in words))
    words = (f"{article(item.word)} between {low} and {high}", f"{article(item.word)} from {low} to {high}")
    return Filter(sql, post=tuple(f"with {word}" for word in words), pred=tuple(f"have {word}" for word in words))


def number_of(rng: random.Random, item: Field) -> int | float:
    """A number of the column's range."""
    return round_number(rng, *item.bounds, item.whole)


def _kind(drawer: Drawer, roles: Roles) -> Filter:
    kinds = [k for k in roles.kinds if not drawer.used.intersection(_MARK.findall(k.sql))]
    if not kinds:
        raise Unavailable
    kind = drawer.rng.choice(kinds)
    drawer.used.update(_MARK.findall(kind.sql))
    word = kind.word
    sql = f"({kind.sql})" if " OR " in kind.sql.upper() else kind.sql
    return Filter(sql, head=word, pred=(f"are {plural(word)}",))


def _without(drawer: Drawer, roles: Roles, when: str = "") -> Filter:
    if not roles.children:
        raise Unavailable
    link = drawer.rng.choice(roles.children)
    where, words = "", ""
    if when:
        if not link.child.event:
            raise Unavailable
        inner = Drawer(drawer.rng, drawer.values, set()).draw(when, link.child)
        where, words = f" WHERE {inner.sql}", f" {drawer.rng.choice(inner.when)}"
    query = render(f"SELECT {link.left.sql} FROM {{from}}{where}", link.child)
    none = (
        f"without any {link.child.plural}{words}",
        f"without a single {link.child.noun}{words}",
        f"with no {link.child.plural}{words}",
    )
    return Filter(
        f"{link.right.sql} NOT IN ({query})", post=none, tail=(f"that have no {link.child.plural}{words}",),
        pred=(f"have no {link.child.plural}{words}",),
    )  # fmt: skip


def _with(drawer: Drawer, roles: Roles, role: str) -> Filter:
    if not roles.children:
        raise Unavailable
    link = drawer.rng.choice(roles.children)
    inner = Drawer(drawer.rng, drawer.values, set()).draw(role, link.child)
    query = render(f"SELECT {link.left.sql} FROM {{from}} WHERE {inner.sql}", link.child)
    words = drawer.rng.choice(inner.post or inner.when)
    return Filter(
        f"{link.right.sql} IN ({query})",
        post=(f"with at least one {link.child.noun} {words}",), tail=(f"that have at least one {link.child.noun} {words}",),
        pred=(f"have at least one {link.child.noun} {words}",),
    )  # fmt: skip


def two_values(drawer: Drawer, roles: Roles) -> tuple[Filter, Filter]:
    """Two values of one category, to compare."""
    item = drawer.pick(roles.categories)
    first, second = (equal(drawer, item, v) for v in drawer.rng.sample(item.column.values or [], 2))
    return first, second


def two_periods(drawer: Drawer, roles: Roles, column: str = "") -> tuple[Filter, Filter]:
    """Two months or years of the table's one date, the earlier first."""
    if not roles.event:
        raise Unavailable
    unit = drawer.rng.choice(("month", "year", "year"))
    first, second = sorted((drawer.dated(unit, roles, column) for _ in range(2)), key=lambda f: f.sql)
    if first == second:
        raise Unavailable
    return first, second


_ROLES: dict[str, Callable[[Drawer, Roles], Filter]] = {
    "cat": _category,
    "in": _one_of,
    "not": _other,
    "or": _either,
    "flag": _flag,
    "noflag": _no_flag,
    "num": _number,
    "between": _between,
    "kind": _kind,
    "without": _without,
    "without-year": lambda drawer, roles: _without(drawer, roles, "year"),
    "without-month": lambda drawer, roles: _without(drawer, roles, "month"),
    "with-cat": lambda drawer, roles: _with(drawer, roles, "cat"),
    "with-year": lambda drawer, roles: _with(drawer, roles, "year"),
}

Dated = tuple[str, tuple[str, ...]]


def _month(rng: random.Random, item: Field, column: str) -> Dated:
    day = _start(rng, item, "month")
    return f"toStartOfMonth({column}) = '{day}'", month_words(day)


def _quarter(rng: random.Random, item: Field, column: str) -> Dated:
    day = _start(rng, item, "quarter")
    return f"toStartOfQuarter({column}) = '{day}'", quarter_words(day)


def _year(rng: random.Random, item: Field, column: str) -> Dated:
    year = _start(rng, item, "year").year
    return f"toYear({column}) = {year}", (f"in {year}", f"during {year}", f"in the year {year}")


def _since(rng: random.Random, item: Field, column: str) -> Dated:
    day = _start(rng, item, rng.choice(("month", "year")), later=True)
    words = str(day.year) if day.month == 1 else month_words(day)[0][3:]
    return f"{column} >= '{day}'", (f"since {words}", f"from {words} on", f"since the start of {words}")


def _before(rng: random.Random, item: Field, column: str) -> Dated:
    day = _start(rng, item, rng.choice(("month", "year")), later=True)
    words = str(day.year) if day.month == 1 else month_words(day)[0][3:]
    return f"{column} < '{day}'", (f"before {words}", f"earlier than {words}", f"prior to {words}")


def _range(rng: random.Random, item: Field, column: str) -> Dated:
    first, last = (int(day.strftime("%Y%m")) for day in item.days)
    months = [m for m in range(first, last + 1) if 1 <= m % 100 <= 12]
    if len(months) < 3:
        raise Unavailable
    i = rng.randrange(len(months) - 2)
    j = min(i + rng.choice((1, 2, 3, 5)), len(months) - 1)
    start = datetime.date(months[i] // 100, months[i] % 100, 1)
    end = (datetime.date(months[j] // 100, months[j] % 100, 28) + datetime.timedelta(4)).replace(
        day=1
    ) - datetime.timedelta(1)
    sql = f"{column} BETWEEN '{start}' AND '{end}'"
    a, b = month_words(start)[0][3:], month_words(end)[0][3:]
    if start.year == end.year:
        a = a[:-5]
    return sql, (f"between {start} and {end}", f"from {start} to {end}", f"from {a} to {b}")


def _day(rng: random.Random, item: Field, column: str) -> Dated:
    first, last = item.days
    day = first + datetime.timedelta(rng.randrange((last - first).days + 1))
    return f"{column} = '{day}'", (f"on {day}", f"on {month_words(day)[0][3:-5]} {day.day}, {day.year}")


def _weekend(rng: random.Random, item: Field, column: str) -> Dated:
    return f"toDayOfWeek({column}) >= 6", ("on weekends", "on Saturdays and Sundays", "at the weekend")


def _start(rng: random.Random, item: Field, unit: str, later: bool = False) -> datetime.date:
    """The first day of a month, quarter or year that the column reaches; `later` leaves out the first one."""
    first, last = item.days
    size = {"month": 1, "quarter": 3, "year": 12}[unit]
    low = (first.year * 12 + first.month - 1) // size + later
    high = (last.year * 12 + last.month - 1) // size
    if high < low:
        raise Unavailable
    months = rng.randint(low, high) * size
    return datetime.date(months // 12, months % 12 + 1, 1)


_DAYS = {"since", "before", "range", "day"}
_DATES: dict[str, Callable[[random.Random, Field, str], Dated]] = {
    "month": _month,
    "quarter": _quarter,
    "year": _year,
    "since": _since,
    "before": _before,
    "range": _range,
    "day": _day,
    "weekend": _weekend,
}
