"""Noun phrases with their filters, and groupings: what the questions speak of."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlft.dataset.grammar.filters import Drawer, Filter
from sqlft.dataset.grammar.roles import Link, Roles, Unavailable
from sqlft.dataset.grammar.words import plural

_PERSON = re.compile(
    r"\b(user|customer|client|member|patient|person|student|employee|driver|buyer|subscriber|visitor|reader|player|author)$"
)
_OF_ROWS = ("flagged", "marked", "not ", "without ")


@dataclass(frozen=True)
class Phrase:
    """Rows of a table, said: 'active users from Germany'.

    Attributes:
        frame: The phrase with `{}` for its noun, without the time and the clause after it.
        when: 'in March 2023', or empty.
        tail: A clause that must come last, or empty.
        near: The filters in `frame`, as they are spoken.
        far: The filters after it.
    """

    frame: str
    noun: str
    nouns: str
    when: str
    tail: str
    near: list[Filter]
    far: list[Filter]

    def say(self, when: bool = True, one: bool = False) -> str:
        """The words, in the plural unless `one`; without the time unless `when`."""
        words = self.frame.replace("{}", self.noun if one else self.nouns)
        return " ".join(filter(None, (words, self.when if when else "", self.tail)))


def noun_phrase(
    rng: random.Random, roles: Roles, filters: Sequence[Filter], of: str = "", tail: bool = True, head: str = ""
) -> Phrase:
    """Puts filters around a noun.

    Args:
        of: Words that follow the filters: whose rows these are.
        tail: Whether a clause may come last.
        head: A term in the noun's place; filters can then only follow it.

    Raises:
        Unavailable: A filter cannot be said around this noun.
    """
    noun, nouns = head or roles.noun, head or roles.plural
    if roles.synonyms and not head and rng.random() < 0.3:
        noun = rng.choice(roles.synonyms)
        nouns = plural(noun)
    places: dict[str, list[tuple[str, Filter]]] = {"pre": [], "head": [], "post": [], "when": [], "tail": []}
    for item in filters:
        if item.when:
            places["when"].append((rng.choice(item.when), item))
        elif item.head and not head:
            noun, nouns = item.head, plural(item.head)
            places["head"].append(("", item))
        else:
            choices = [("post", words) for words in item.post if not head or not words.startswith(_OF_ROWS)]
            choices += [("pre", words) for words in item.pre if not places["pre"] and not head]
            choices += [("tail", words) for words in item.tail if tail and not places["tail"] and not head]
            if not choices:
                raise Unavailable
            place, words = rng.choice(choices)
            places[place].append((words, item))
    after = [words for words, _ in places["post"]]
    for i in range(1, len(after)):
        if after[i].startswith("with ") and after[i - 1].startswith(("with ", "and ")):
            after[i] = "and " + after[i].removeprefix("with ")
    pre, when, last = ("".join(words for words, _ in places[place]) for place in ("pre", "when", "tail"))
    near, far = (
        [item for place in names for _, item in places[place]] for names in (("pre", "head", "post"), ("when", "tail"))
    )
    return Phrase(" ".join(filter(None, [pre, "{}", *after, of])), noun, nouns, when, last, near, far)


class Scope:
    """One draw's table, filters, and the words for its rows.

    Attributes:
        rows: The rows that the filters leave.
        holders: Whose rows they are, where the question asks for those: 'active users'.
        said: The filters in the order in which the question speaks of them; the SQL keeps it.
    """

    def __init__(self, drawer: Drawer, roles: Roles, where: Sequence[str], holding: bool, tail: bool) -> None:
        self.drawer, self.roles, rng = drawer, roles, drawer.rng
        self._link = rng.choice(roles.links) if roles.links else None
        self.own: list[Filter] = []
        self.parents: list[Filter] = []
        self.holders = ""
        for role in sorted(where, key=lambda role: not role.endswith("kind")):
            if role.startswith("p"):
                self.parents.append(drawer.draw(role[1:], self.link.parent))
            else:
                self.own.append(drawer.draw(role, roles))
        holder = noun_phrase(rng, self.link.parent, self.parents, tail=False) if holding or self.parents else None
        if holder and holding:
            self.holders = holder.say()
            self.rows = noun_phrase(rng, roles, self.own, tail=tail)
            self.said = [*holder.near, *self.rows.near, *self.rows.far]
        elif holder:
            of = self.possessive(holder)
            if len(self.parents) == 1 and self.parents[0].place and rng.random() < 0.4:
                of = self.parents[0].post[0]
            self.rows = noun_phrase(rng, roles, self.own, of, tail)
            self.said = [*self.rows.near, *holder.near, *self.rows.far]
        else:
            self.rows = noun_phrase(rng, roles, self.own, tail=tail)
            self.said = [*self.rows.near, *self.rows.far]

    @property
    def link(self) -> Link:
        """The table that rows point to.

        Raises:
            Unavailable: They point to none.
        """
        if not self._link:
            raise Unavailable
        return self._link

    def possessive(self, holder: Phrase) -> str:
        """'by users', 'of warehouses'."""
        return f"{self.drawer.rng.choice(('by', 'of') if _PERSON.search(holder.noun) else ('of',))} {holder.say()}"

    def around(self, term: str, holders: bool) -> Phrase:
        """The filters after a term instead of the table's noun: 'fraud rate on Linux in 2023'.

        Args:
            holders: The term speaks of the parents, so that their filters can follow it too.
        """
        rng = self.drawer.rng
        if self.parents and not holders and not all(f.place for f in self.parents):
            holder = noun_phrase(rng, self.link.parent, self.parents, tail=False)
            phrase = noun_phrase(rng, self.roles, self.own, f"of {holder.say()}", head=term)
            self.said = [*phrase.near, *holder.near, *phrase.far]
        else:
            phrase = noun_phrase(rng, self.roles, [*self.own, *self.parents], head=term)
            self.said = [*phrase.near, *phrase.far]
        return phrase

    def fill(self, wording: str) -> tuple[str, str]:
        """A wording with its rows, with and without the time."""
        rows, when = self.rows, self.rows.when
        full, timeless = (
            wording.format(np=rows.say(t), np1=rows.say(t, one=True), ps=self.holders, when=when if t else "").strip()
            for t in (True, False)
        )
        return full, timeless


@dataclass(frozen=True)
class Group:
    """What rows are grouped by: `select` and `by` in SQL, its words, and ORDER BY where time runs.

    Attributes:
        size: How many groups there can be.
        parts: The two groups that this one joins.
    """

    select: str
    by: str
    word: str
    plural: str
    order: str = ""
    size: int = 1000
    parts: tuple[Group, ...] = ()


_TIMES = {
    "month": ("toStartOfMonth({})", "month"),
    "quarter": ("toStartOfQuarter({})", "quarter"),
    "year": ("toYear({})", "year"),
    "weekday": ("toDayOfWeek({})", "day of the week"),
    "day": ("", "day"),
}


def group(role: str, scope: Scope) -> Group:
    """Draws what to group by: 'cat', 'pcat', 'month', 'parent', 'band', or two of them joined by '+'.

    Raises:
        Unavailable: The table has no column for it.
    """
    drawer, roles = scope.drawer, scope.roles
    if "+" in role:
        a, b = (group(part, scope) for part in role.split("+"))
        word, by = f"{a.word} and {b.word}", f"{a.by}, {b.by}"
        order = f" ORDER BY {by}" if b.order else ""
        return Group(f"{a.select}, {b.select}", by, word, f"combinations of {word}", order, a.size * b.size, (a, b))
    if role in _TIMES:
        date = drawer.day(roles)
        function, word = _TIMES[role]
        of = "" if roles.event else f" {date.participle or f'of {date.word}'}"
        select = date.day if role == "day" else f"{function.format(date.sql)} AS {free(role, scope)}"
        by = select.rpartition(" AS ")[2]
        return Group(select, by, word + of, plural(word) + of, f" ORDER BY {by}", 7 if role == "weekday" else 1000)
    if role == "parent":
        link = scope.link
        return Group(link.left.sql, link.left.sql, link.parent.noun, link.parent.plural)
    owner = scope.link.parent if role.startswith("p") else roles
    if role.endswith("band"):
        item = drawer.pick([f for f in owner.numbers if f.whole and f.bounds[1] - f.bounds[0] >= 40])
        step = 10 if item.bounds[1] - item.bounds[0] <= 150 else 100
        by = free("band", scope)
        word = f"{item.word} band of {step}"
        return Group(f"intDiv({item.sql}, {step}) * {step} AS {by}", by, word, plural(word), f" ORDER BY {by}", 3)
    item = drawer.pick(owner.categories)
    word = item.word if item.unique or owner is roles else f"{owner.noun} {item.word}"
    return Group(item.sql, item.sql, word, plural(word), size=len(item.values))


def free(alias: str, scope: Scope) -> str:
    """The alias, lengthened where a column has its name."""
    names = {name for roles in (scope.roles, *(link.parent for link in scope.roles.links)) for name in roles.names}
    return f"{alias}_" if alias in names else alias
