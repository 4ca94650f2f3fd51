"""Metrics: what is counted, summed or averaged, and how it is called."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlft.dataset.grammar.filters import Unavailable
from sqlft.dataset.grammar.phrases import Phrase, Scope, noun_phrase
from sqlft.dataset.grammar.roles import Field, Term
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
        additive: Parts add up to the whole.
        bound: Draws a number to compare it with: of a group's rows, or of one holder's.
    """

    sql: str
    name: Said
    things: Said | None = None
    short: str = ""
    when: Callable[[str], str] = lambda condition: ""
    additive: bool = False
    bound: Callable[[random.Random, bool], int | float] = lambda rng, one: rng.choice((5, 10, 20, 25))


def metric(kind: str, scope: Scope) -> Metric:
    """Draws a metric of that kind.

    Raises:
        Unavailable: The table has no column for it.
    """
    rng, roles = scope.drawer.rng, scope.roles
    if kind == "count":
        return Metric(
            "count()",
            scope.fill("number of {np}"),
            scope.fill("{np}"),
            "number",
            lambda c: f"countIf({c})",
            True,
            _count,
        )
    if kind == "distinct":
        key = scope.link.left.sql
        row = rng.choice(("{np}", "at least one {np1}"))
        thing = f"{rng.choice(('distinct', 'different', 'unique'))} {{ps}} with {row}"
        when = lambda c: f"uniqExactIf({key}, {c})"  # noqa: E731
        return Metric(f"uniqExact({key})", scope.fill(f"number of {thing}"), scope.fill(thing), "", when, bound=_count)
    if kind == "per-parent":
        name = f"average number of {{np}} per {rng.choice(('distinct', 'unique'))} {scope.link.parent.noun}"
        return Metric(
            f"count() / uniqExact({scope.link.left.sql})",
            scope.fill(name),
            bound=lambda rng, one: rng.choice((2, 3, 5)),
        )
    if kind == "term":
        if not roles.metrics:
            raise Unavailable
        return _term(rng.choice(roles.metrics), scope)
    if kind.startswith("share-"):
        return _share(kind.removeprefix("share-"), scope)
    return _measure(kind, scope.drawer.pick(roles.amounts if kind == "sum" else roles.measures), scope)


def _count(rng: random.Random, one: bool) -> int:
    return rng.choice((2, 3, 4, 5, 10) if one else (5, 10, 20, 50, 100, 200))


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
    if scope.rows.plain and scope.rows.noun in (roles.noun, *roles.synonyms) and rng.random() < 0.6:
        when = " {when}" if scope.rows.when else ""
        if kind == "sum":
            name = short + when
        elif kind == "avg" and scope.linked:
            name = short + ("" if roles.noun in item.word else f" per {roles.noun}") + when
    combined = function.replace("quantileExact", "quantileExactIf") if "(" in function else f"{function}If"
    low, high = item.bounds

    def bound(rng: random.Random, one: bool) -> int | float:
        number = round_number(rng, low, low + (high - low) * 0.4, item.whole)
        return number * 50 if kind == "sum" and not one else number

    a, b = (
        text.replace("{when}", w).strip() for text, w in zip(_twice(name, scope), (scope.rows.when, ""), strict=True)
    )
    return Metric(
        f"{function}({item.sql})", (a, b), None, short, lambda c: f"{combined}({item.sql}, {c})", kind == "sum", bound
    )


def _twice(name: str, scope: Scope) -> Said:
    return scope.fill(name) if "{np}" in name else (name, name)


def _share(role: str, scope: Scope) -> Metric:
    rng = scope.drawer.rng
    if role.startswith("p"):
        item = scope.drawer.draw(role[1:], scope.link.parent)
        that = f"are {scope.possessive(noun_phrase(rng, scope.link.parent, [item], tail=False).say())}"
    else:
        item = scope.drawer.draw(role, scope.roles)
        that = rng.choice(item.pred)
    name = scope.fill(f"{rng.choice(('percentage', 'percentage', 'share in percent'))} of {{np}} that {that}")
    return Metric(f"100 * countIf({item.alone}) / count()", name)


def _term(term: Term, scope: Scope) -> Metric:
    """A metric of the glossary, named as its term wants it.

    'buyer' (a count of distinct keys) takes its filters itself, 'fraud rate of users' too, 'fraud rate of sessions' and
    'fraud rate' take the rows, 'revenue per session' takes what can follow any noun.
    """
    rng, roles = scope.drawer.rng, scope.roles
    parent = scope.link.parent if scope.linked else None
    of_parents = parent is not None and re.search(rf"\b({parent.noun}|{parent.plural})$", term.word) is not None
    if re.fullmatch(r"uniqExact(If)?\([^()]*\)", term.sql):
        phrase = scope.around(plural(term.word), holders=True)
        return Metric(term.sql, _said(phrase, "number of "), _said(phrase), bound=_count)
    if term.word.endswith(f" of {roles.plural}"):
        return Metric(term.sql, scope.fill(term.word.removesuffix(roles.plural) + "{np}"))
    if " of " in term.word or " per " in term.word or rng.random() < 0.4:
        return Metric(term.sql, _said(scope.around(term.word, of_parents)))
    return Metric(term.sql, scope.fill(f"{term.word} {rng.choice(('of', 'for', 'among'))} {{np}}"))


def _said(phrase: Phrase, before: str = "") -> Said:
    return before + phrase.say(), before + phrase.say(when=False)
