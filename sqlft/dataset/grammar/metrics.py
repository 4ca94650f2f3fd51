"""Metrics: what is counted, summed or averaged, and how it is called."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlft.dataset.grammar.filters import joined
from sqlft.dataset.grammar.phrases import Phrase, Scope, noun_phrase
from sqlft.dataset.grammar.roles import Field, Term, Unavailable
from sqlft.dataset.grammar.words import plural, round_number

Said = tuple[str, str]  # with and without the time


@dataclass(frozen=True)
class Metric:
    """An aggregate and how it is called.

    Attributes:
        name: 'number of sessions on Linux in 2023', with and without the time.
        things: For counts, what is counted, likewise.
        short: Its name without the rows: 'total revenue'.
        when: The same aggregate over the rows that meet a condition, by an -If combinator; '' where it has none.
        scaled: It is a Decimal, whose quotients keep its scale: -0.74 for -0.740255.
        bound: Draws a number to compare it with: of a group's rows, or of one holder's.
    """

    sql: str
    name: Said
    things: Said | None = None
    short: str = ""
    when: Callable[[str], str] = lambda condition: ""
    scaled: bool = False
    bound: Callable[[random.Random, bool], int | float] = lambda rng, one: rng.choice((5, 10, 20, 25))


def metric(kind: str, scope: Scope) -> Metric:
    """Draws a metric of that kind.

    Raises:
        Unavailable: The table has no column for it.
    """
    rng, roles = scope.drawer.rng, scope.roles
    if kind == "count":
        return _counted("count()", "{np}", scope, lambda c: f"countIf({c})")
    if kind == "distinct":
        key = scope.link.left.sql
        rows = rng.choice(("{np}", "at least one {np1}"))
        things = f"{rng.choice(('distinct', 'different', 'unique'))} {{ps}} with {rows}"
        return _counted(f"uniqExact({key})", things, scope, lambda c: f"uniqExactIf({key}, {c})")
    if kind == "per-parent":
        name = f"average number of {{np}} per {rng.choice(('distinct', 'unique'))} {scope.link.parent.noun}"
        return Metric(f"count() / uniqExact({scope.link.left.sql})", scope.fill(name))
    if kind == "term":
        if not roles.metrics:
            raise Unavailable
        return _term(rng.choice(roles.metrics), scope)
    if kind.startswith("share-"):
        return _share(kind.removeprefix("share-"), scope)
    return _measure(kind, scope.drawer.pick(roles.amounts if kind == "sum" else roles.measures), scope)


def _count_bound(rng: random.Random, one: bool) -> int:
    return rng.choice((2, 3, 4, 5, 10) if one else (5, 10, 20, 50, 100, 200))


def _counted(sql: str, things: str, scope: Scope, when: Callable[[str], str]) -> Metric:
    return Metric(sql, scope.fill(f"number of {things}"), scope.fill(things), "number", when, bound=_count_bound)


_MEASURES = {
    "sum": ("sum", ("total",)),
    "avg": ("avg", ("average", "mean")),
    "max": ("max", ("highest", "maximum", "largest")),
    "min": ("min", ("lowest", "minimum", "smallest")),
    "median": ("quantileExact(0.5)", ("median",)),
}


def _measure(kind: str, item: Field, scope: Scope) -> Metric:
    rng, roles = scope.drawer.rng, scope.roles
    function, words = _MEASURES[kind]
    short = f"{rng.choice(words)} {item.word}"
    name = f"{short} {'among' if kind in ('max', 'min') and rng.random() < 0.4 else 'of'} {{np}}"
    plain = scope.rows.frame == "{}" and not scope.rows.tail and scope.rows.noun in (roles.noun, *roles.synonyms)
    if plain and rng.random() < 0.6:
        if kind == "sum":
            name = f"{short} {{when}}"
        elif kind == "avg" and roles.links:
            name = f"{short}{'' if roles.noun in item.word else f' per {roles.noun}'} {{when}}"
    low, high = item.bounds

    def when(condition: str) -> str:
        return re.sub(r"^(\w+)(.*)$", rf"\1If\2({item.sql}, ", function) + f"{condition})"

    def bound(rng: random.Random, one: bool) -> int | float:
        number = round_number(rng, low, low + (high - low) * 0.4, item.whole)
        return number * 50 if kind == "sum" and not one else number

    return Metric(f"{function}({item.sql})", scope.fill(name), None, short, when, "Decimal" in item.column.type, bound)


def _share(role: str, scope: Scope) -> Metric:
    rng = scope.drawer.rng
    if role.startswith("p"):
        item = scope.drawer.draw(role[1:], scope.link.parent)
        that = f"are {scope.possessive(noun_phrase(rng, scope.link.parent, [item], tail=False))}"
    else:
        item = scope.drawer.draw(role, scope.roles)
        that = rng.choice(item.pred)
    name = f"{rng.choice(('percentage', 'percentage', 'share in percent'))} of {{np}} that {that}"
    return Metric(f"100 * countIf({joined([item])}) / count()", scope.fill(name))


def _term(term: Term, scope: Scope) -> Metric:
    """A metric of the glossary, named as its term wants it.

    'buyer' (a count of distinct keys) takes its filters itself, 'fraud rate of users' too, 'fraud rate of sessions' and
    'fraud rate' take the rows, 'revenue per session' takes what can follow any noun.
    """
    rng, roles = scope.drawer.rng, scope.roles
    holders = [noun for link in roles.links for noun in (link.parent.noun, link.parent.plural)]
    if re.fullmatch(r"uniqExact(If)?\([^()]*\)", term.sql):
        phrase = scope.around(plural(term.word), holders=True)
        return Metric(term.sql, _both(phrase, "number of "), _both(phrase), bound=_count_bound)
    if term.word.endswith(f" of {roles.plural}"):
        return Metric(term.sql, scope.fill(term.word.removesuffix(roles.plural) + "{np}"))
    if " of " in term.word or " per " in term.word or rng.random() < 0.4:
        return Metric(term.sql, _both(scope.around(term.word, term.word.endswith(tuple(holders)))))
    return Metric(term.sql, scope.fill(f"{term.word} {rng.choice(('of', 'for'))} {{np}}"))


def _both(phrase: Phrase, before: str = "") -> Said:
    return before + phrase.say(), before + phrase.say(when=False)
