"""Conditions on rows: their SQL, and the ways in which a question can say them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlft.dataset.grammar.dates import DATES, date_condition
from sqlft.dataset.grammar.query import literal, render
from sqlft.dataset.grammar.roles import Field, Roles, Unavailable
from sqlft.dataset.grammar.words import article, either, plural, round_number

_MARK = re.compile(r"«[^»]+»")
_PLACE = re.compile(r"\b(country|city|region|town|province|continent)\b")
_THE = re.compile(r"\b(United (States|Kingdom|Arab Emirates)|Netherlands|Philippines|Bahamas|Czech Republic)\b")
_PLATFORM = re.compile(r"\b(os|operating system|platform|device)\b")
_TOOL = re.compile(r"\b(browser|app|client)\b")
_NAMING = re.compile(r"\b(os|operating system|platform|device|browser|app|status|type|kind|category|genre|channel)\b")


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


def joined(filters: list[Filter]) -> str:
    """The filters' SQL, joined by AND; one alone needs no parentheses."""
    alone = len(filters) == 1 and filters[0].sql.startswith("(")
    return filters[0].sql[1:-1] if alone else " AND ".join(f.sql for f in filters)


@dataclass
class Drawer:
    """Draws filters for one example, each on a column of its own.

    Attributes:
        used: The columns that the example speaks of.
        date: Its one date column.
    """

    rng: random.Random
    used: set[str] = field(default_factory=set)
    date: Field | None = None

    def pick(self, fields: list[Field]) -> Field:
        """A column that the example has not used yet.

        Raises:
            Unavailable: There is none.
        """
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
        return self.dated(role, roles) if role in DATES else _ROLES[role](self, roles)

    def day(self, roles: Roles) -> Field:
        """The example's date column."""
        if not roles.dates:
            raise Unavailable
        self.date = self.date or self.rng.choice(roles.dates)
        return self.date

    def dated(self, role: str, roles: Roles, column: str = "") -> Filter:
        """A filter on the example's date column, or on `column` in its place, which has the same days."""
        item = self.day(roles)
        sql, words = date_condition(self.rng, role, item, column)
        if roles.event or column:
            return Filter(sql, when=words)
        verb = item.participle
        return Filter(
            sql, post=tuple(f"{verb} {word}" for word in words) if verb else (f"with {article(item.word)} {words[0]}",)
        )


def _bare(item: Field, value: str) -> tuple[str, ...]:
    """What says COLUMN = VALUE without the column: 'on Linux'; nothing where that would not tell the column."""
    if _PLACE.search(item.word) and item.tells_here:
        value = _THE.sub(r"the \g<0>", value)
        return f"from {value}", f"in {value}"
    if _PLATFORM.search(item.word) and item.tells:
        return (f"on {value}",)
    if _TOOL.search(item.word) and item.tells:
        return f"using {value}", f"in {value}"
    return ()


def _valued(item: Field, sql: str, value: str, pre: tuple[str, ...] = (), place: bool = False) -> Filter:
    bare = _bare(item, value)
    verb = "use" if bare and bare[0].startswith("using") else "are"
    pred = f"{verb} {bare[0].removeprefix('using ')}" if bare else f"have {item.word} {value}"
    post = bare or (f"with {item.word} {value}",)
    return Filter(sql, pre, post, tail=(f"where the {item.word} is {value}",), pred=(pred,), place=place)


def equal(item: Field, value: object) -> Filter:
    """The filter COLUMN = VALUE."""
    named = item.tells and _NAMING.search(item.word) and re.fullmatch(r"[A-Za-z][\w -]{2,}", str(value))
    place = bool(_PLACE.search(item.word)) and item.tells
    return _valued(item, f"{item.sql} = {literal(value)}", str(value), (str(value),) if named else (), place)


def _category(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick(roles.categories)
    return equal(item, drawer.rng.choice(item.values))


def _one_of(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick([f for f in roles.categories if len(f.values) > 3])
    values = drawer.rng.sample(item.values, drawer.rng.choice((2, 2, 3)))
    words = either([str(v) for v in values])
    return _valued(item, f"{item.sql} IN ({', '.join(map(literal, values))})", words)


def _other(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick([f for f in roles.categories if len(f.values) > 2])
    value = drawer.rng.choice(item.values)
    named = f"{article(item.word)} other than {value}"
    post = (f"with {named}", *(f"not {bare}" for bare in _bare(item, str(value))[:1]))
    sql = f"{item.sql} != {literal(value)}"
    return Filter(sql, post=post, tail=(f"where the {item.word} is not {value}",), pred=(f"have {named}",))


def _either(drawer: Drawer, roles: Roles) -> Filter:
    first, second = _category(drawer, roles), drawer.rng.choice((_category, _number))(drawer, roles)
    words = f"either {drawer.rng.choice(first.pred)} or {drawer.rng.choice(second.pred)}"
    return Filter(f"({first.sql} OR {second.sql})", tail=(f"that {words}",), pred=(words,))


def _flag(drawer: Drawer, roles: Roles, no: str = "") -> Filter:
    item = drawer.pick(roles.flags)
    sql = f"{item.sql} = {0 if no else 1}"
    word = re.sub(r"^(is|has|was) | flag$", "", item.word)
    if item.column.name.startswith("has_"):
        having = f"have {'no ' if no else ''}{word}"
        return Filter(sql, post=(f"{'without' if no else 'with'} {word}",), tail=(f"that {having}",), pred=(having,))
    clash = any(f"{word} {roles.noun}" == kind.word and kind.sql != sql for kind in roles.kinds)
    pre = () if clash else (f"{'non-' if no else ''}{word}",)
    marks = (f"{no}flagged as {word}", f"{no}marked as {word}")
    return Filter(sql, pre=pre, post=marks, pred=tuple(f"are {mark}" for mark in marks))


def _number(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick(roles.numbers)
    x = number_of(drawer.rng, item)
    sign, words, aged = drawer.rng.choice(
        (
            (">=", ["of at least {}"], ["aged {} or older", "aged at least {}", "aged {} and over"]),
            (">", ["above {}", "of more than {}"], ["over {}", "older than {}", "over the age of {}"]),
            ("<", ["below {}", "of less than {}"], ["under {}", "younger than {}", "under the age of {}"]),
            ("<=", ["of at most {}"], ["aged {} or younger", "aged at most {}", "aged {} and under"]),
        )
    )
    return _measured(item, f"{sign} {x}", [w.format(x) for w in words], [w.format(x) for w in aged])


def _between(drawer: Drawer, roles: Roles) -> Filter:
    item = drawer.pick(roles.numbers)
    low, high = sorted(number_of(drawer.rng, item) for _ in range(2))
    if low == high:
        raise Unavailable
    aged = [f"aged {low} to {high}", f"between {low} and {high} years old", f"aged between {low} and {high}"]
    words = [f"between {low} and {high}", f"from {low} to {high}"]
    return _measured(item, f"BETWEEN {low} AND {high}", words, aged)


def _measured(item: Field, condition: str, words: list[str], aged: list[str]) -> Filter:
    sql = f"{item.sql} {condition}"
    if item.word == "age":
        return Filter(sql, post=tuple(aged), pred=tuple(f"are {word}" for word in aged))
    words = [f"{article(item.word)} {word}" for word in words]
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
    sql = f"({kind.sql})" if " OR " in kind.sql.upper() else kind.sql
    return Filter(sql, head=kind.word, pred=(f"are {plural(kind.word)}",))


def _without(drawer: Drawer, roles: Roles, role: str = "") -> Filter:
    query, noun, nouns, words = _children(drawer, roles, role)
    post = (f"without any {nouns}{words}", f"without a single {noun}{words}", f"with no {nouns}{words}")
    pred = f"have no {nouns}{words}"
    return Filter(query.format("NOT IN"), post=post, tail=(f"that {pred}",), pred=(pred,))


def _with(drawer: Drawer, roles: Roles, role: str) -> Filter:
    query, noun, _, words = _children(drawer, roles, role)
    one = f"at least one {noun}{words}"
    return Filter(query.format("IN"), post=(f"with {one}",), tail=(f"that have {one}",), pred=(f"have {one}",))


def _children(drawer: Drawer, roles: Roles, role: str) -> tuple[str, str, str, str]:
    """The rows that point here: a condition `key {} (SELECT …)`, their noun, its plural, the words of their filter."""
    if not roles.children:
        raise Unavailable
    link = drawer.rng.choice(roles.children)
    query, words = f"SELECT {link.left.sql} FROM {{from}}", ""
    if role:
        inner = Drawer(drawer.rng).draw(role, link.child)
        query += f" WHERE {inner.sql}"
        words = f" {drawer.rng.choice(inner.when or inner.post)}"
    sql = render(query, link.child).replace("{", "{{").replace("}", "}}")
    return f"{link.right.sql} {{}} ({sql})", link.child.noun, link.child.plural, words


_ROLES: dict[str, Callable[[Drawer, Roles], Filter]] = {
    "cat": _category,
    "in": _one_of,
    "not": _other,
    "or": _either,
    "flag": _flag,
    "noflag": lambda drawer, roles: _flag(drawer, roles, "not "),
    "num": _number,
    "between": _between,
    "kind": _kind,
    "without": _without,
    "without-year": lambda drawer, roles: _without(drawer, roles, "year"),
    "without-month": lambda drawer, roles: _without(drawer, roles, "month"),
    "with-cat": lambda drawer, roles: _with(drawer, roles, "cat"),
    "with-year": lambda drawer, roles: _with(drawer, roles, "year"),
}


def two_values(drawer: Drawer, roles: Roles) -> tuple[Filter, Filter]:
    """Two values of one category, to compare."""
    item = drawer.pick(roles.categories)
    first, second = (equal(item, value) for value in drawer.rng.sample(item.values, 2))
    return first, second


def two_periods(drawer: Drawer, roles: Roles) -> tuple[Filter, Filter]:
    """Two months or years of the table's one date, the earlier first."""
    if not roles.event:
        raise Unavailable
    unit = drawer.rng.choice(("month", "year", "year"))
    first, second = sorted((drawer.dated(unit, roles) for _ in range(2)), key=lambda f: f.sql)
    if first == second:
        raise Unavailable
    return first, second
