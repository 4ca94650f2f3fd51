"""Noun phrases with their filters, metrics and groupings: the parts that every question is made of."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlft.dataset.grammar.filters import Drawer, Filter, Unavailable
from sqlft.dataset.grammar.roles import Field, Link, Roles
from sqlft.dataset.grammar.words import plural, round_number

_PERSON = re.compile(
    r"\b(user|customer|client|member|patient|person|student|employee|driver|buyer|subscriber|visitor|reader|player|author|doctor)\b"
)


@dataclass(frozen=True)
class Phrase:
    """Rows of a table, said: 'active users from Germany'.

    Attributes:
        frame: The phrase with `{}` for its noun, without the time and the clause after it.
        when: 'in March 2023', or empty.
        tail: A clause that must come last, or empty.
    """

    frame: str
    noun: str
    nouns: str
    when: str = ""
    tail: str = ""

    def say(self, when: bool = True, one: bool = False) -> str:
        """The words, in the plural unless `one`; without the time unless `when`."""
        words = self.frame.replace("{}", self.noun if one else self.nouns)
        return " ".join(filter(None, (words, self.when if when else "", self.tail)))

    @property
    def plain(self) -> bool:
        """Nothing but the noun and perhaps a time."""
        return self.frame == "{}" and not self.tail


def noun_phrase(rng: random.Random, roles: Roles, filters: Sequence[Filter], of: Phrase | None = None, tail: bool = True) -> Phrase:
    """Puts filters around a table's noun.

    Args:
        of: The rows of the parent table that these belong to.
        tail: Whether a clause may come last.
    """
    noun, nouns = roles.noun, roles.plural
    pre, when, last = "", "", ""
    posts: list[str] = []
    for item in filters:
        if item.head:
            noun, nouns = item.head, plural(item.head)
            continue
        if item.when:
            when = rng.choice(item.when)
            continue
        places = [("post", words) for words in item.post]
        places += [("pre", words) for words in item.pre if not pre and not item.head]
        places += [("tail", words) for words in item.tail if tail and not last]
        if not places:
            raise Unavailable
        place, words = rng.choice(places)
        if place == "pre":
            pre = words + " "
        elif place == "tail":
            last = words
        elif words.startswith("with ") and posts and posts[-1].startswith("with "):
            posts.append("and " + words.removeprefix("with "))
        else:
            posts.append(words)
    if of:
        posts.append(f"{rng.choice(('by', 'of') if _PERSON.search(of.noun) else ('of',))} {of.say()}")
    return Phrase(" ".join([pre + "{}", *posts]), noun, nouns, when, last)


@dataclass(frozen=True)
class Metric:
    """An aggregate and how it is called.

    Attributes:
        when: The same aggregate over the rows that meet a condition, by an -If combinator.
        names: Wordings with `{np}` for the rows.
        bare: Wordings that need no rows named.
        things: For counts, what is counted, with `{np}` for the rows.
        additive: Parts add up to the whole.
        threshold: Draws a bound for HAVING.
    """

    sql: str
    when: Callable[[str], str]
    names: tuple[str, ...]
    bare: tuple[str, ...] = ()
    things: tuple[str, ...] = ()
    additive: bool = False
    threshold: Callable[[random.Random], int | float] = lambda rng: rng.choice((5, 10, 20, 50, 100, 200))


def metric(drawer: Drawer, kind: str, roles: Roles, link: Link | None) -> Metric:
    """Draws a metric of that kind over a table.

    Raises:
        Unavailable: The table has no column for it.
    """
    rng = drawer.rng
    if kind == "count":
        return Metric("count()", lambda c: f"countIf({c})", ("number of {np}",), (), ("{np}",), additive=True)
    if kind == "term":
        rates = [t for t in roles.metrics if not t.sql.startswith("uniqExact") and " of " not in t.word and " per " not in t.word]
        if not rates:
            raise Unavailable
        term = rng.choice(rates)
        names = tuple(f"{term.word} {of} {{np}}" for of in ("of", "for", "among"))
        return Metric(term.sql, lambda c: "", names, (term.word,), threshold=lambda rng: rng.choice((1, 2, 3, 5, 10)))
    if kind.startswith("share-"):
        return _share(drawer, kind.removeprefix("share-"), roles, link)
    if kind in ("distinct", "per-parent"):
        if not link:
            raise Unavailable
        key, parents = link.left.sql, link.parent.plural
        if kind == "per-parent":
            return Metric(
                f"count() / uniqExact({key})", lambda c: "",
                (f"average number of {{np}} per {link.parent.noun}", f"mean number of {{np}} per {link.parent.noun}"),
                threshold=lambda rng: rng.choice((2, 3, 5)),
            )  # fmt: skip
        things = tuple(f"{word} {{ps}} with {row}" for word in ("distinct", "different", "unique") for row in ("{np}", "at least one {np1}"))
        del parents
        return Metric(f"uniqExact({key})", lambda c: f"uniqExactIf({key}, {c})", tuple(f"number of {t}" for t in things), (), things)
    item = drawer.pick(roles.amounts if kind == "sum" else roles.measures)
    return _measure(kind, item, roles)


_MEASURES = {
    "sum": ("sum", ("total",), ("total",)),
    "avg": ("avg", ("average", "mean"), ()),
    "max": ("max", ("highest", "maximum", "largest"), ()),
    "min": ("min", ("lowest", "minimum", "smallest"), ()),
    "median": ("quantileExact(0.5)", ("median",), ()),
}


def _measure(kind: str, item: Field, roles: Roles) -> Metric:
    function, words, bare = _MEASURES[kind]
    names = tuple(f"{word} {item.word} {of} {{np}}" for word in words for of in ("of", "among" if kind in ("max", "min") else "of"))
    if kind == "avg":
        bare = tuple(f"{word} {item.word}{'' if roles.noun in item.word else f' per {roles.noun}'}" for word in words) if roles.links else ()
    else:
        bare = tuple(f"{word} {item.word}" for word in bare)
    combined = function.replace("quantileExact", "quantileExactIf") if "(" in function else f"{function}If"
    low, high = item.bounds
    return Metric(
        f"{function}({item.sql})", lambda c: f"{combined}({item.sql}, {c})", names, bare, additive=kind == "sum",
        threshold=lambda rng: round_number(rng, low, low + (high - low) * 0.3, item.whole) * (50 if kind == "sum" else 1),
    )  # fmt: skip


def _share(drawer: Drawer, role: str, roles: Roles, link: Link | None) -> Metric:
    if role.startswith("p"):
        if not link:
            raise Unavailable
        item = drawer.draw(role[1:], link.parent)
        that = f"are {drawer.rng.choice(('by', 'of') if _PERSON.search(link.parent.noun) else ('of',))} "
        that += noun_phrase(drawer.rng, link.parent, [item]).say()
    else:
        item = drawer.draw(role, roles)
        that = drawer.rng.choice(item.pred)
    names = (f"percentage of {{np}} that {that}", f"share of {{np}} that {that} in percent")
    condition = item.sql.removeprefix("(").removesuffix(")") if item.sql.startswith("(") else item.sql
    return Metric(
        f"100 * countIf({condition}) / count()", lambda c: "", names, threshold=lambda rng: rng.choice((5, 10, 20, 25))
    )


@dataclass(frozen=True)
class Group:
    """What rows are grouped by: `select` and `by` in SQL, its words, and ORDER BY where time runs."""

    select: str
    by: str
    word: str
    plural: str
    order: str = ""


_TIMES = {
    "month": "toStartOfMonth({}) AS month",
    "quarter": "toStartOfQuarter({}) AS quarter",
    "year": "toYear({}) AS year",
    "weekday": "toDayOfWeek({}) AS weekday",
    "day": "",
}


def group(drawer: Drawer, role: str, roles: Roles, link: Link | None) -> Group:
    """Draws what to group by: 'cat', 'pcat', 'month', 'parent', or two of them joined by '+'.

    Raises:
        Unavailable: The table has no column for it.
    """
    if "+" in role:
        first, second = (group(drawer, part, roles, link) for part in role.split("+"))
        word = f"{first.word} and {second.word}"
        order = f" ORDER BY {first.by}, {second.by}" if second.order else ""
        return Group(f"{first.select}, {second.select}", f"{first.by}, {second.by}", word, f"combinations of {word}", order)
    if role in _TIMES:
        date = drawer.day(roles)
        word = {"weekday": "day of the week"}.get(role, role)
        word += "" if roles.event else f" of {date.word}"
        select = _TIMES[role].format(date.sql) if role != "day" else date.day if date.day == date.sql else f"{date.day} AS day"
        by = select.rpartition(" AS ")[2]
        return Group(select, by, word, plural(word), f" ORDER BY {by}")
    if role == "parent":
        if not link:
            raise Unavailable
        return Group(link.left.sql, link.left.sql, link.parent.noun, link.parent.plural)
    if role.startswith("p"):
        if not link:
            raise Unavailable
        roles = link.parent
    item = drawer.pick(roles.categories)
    word = item.word if item.unique else f"{roles.noun} {item.word}"
    return Group(item.sql, item.sql, word, plural(word))
