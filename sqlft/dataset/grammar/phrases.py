"""Noun phrases with their filters, and groupings: what the questions speak of."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlft.dataset.grammar.filters import Drawer, Filter, Unavailable
from sqlft.dataset.grammar.roles import Link, Roles
from sqlft.dataset.grammar.words import plural

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
        """Nothing but the table's own noun and perhaps a time."""
        return self.frame == "{}" and not self.tail


def noun_phrase(
    rng: random.Random, roles: Roles, filters: Sequence[Filter], of: str = "", tail: bool = True, head: str = ""
) -> Phrase:
    """Puts filters around a noun.

    Args:
        of: Words that follow the filters: whose rows these are.
        tail: Whether a clause may come last.
        head: The noun in the table's place; filters can then only follow it.

    Raises:
        Unavailable: A filter cannot be said around this noun.
    """
    noun, nouns = head or roles.noun, head or roles.plural
    if roles.synonyms and not head and rng.random() < 0.3:
        noun = rng.choice(roles.synonyms)
        nouns = plural(noun)
    pre, when, last = "", "", ""
    posts: list[str] = []
    for item in filters:
        if item.when:
            when = rng.choice(item.when)
        elif item.head and not head:
            noun, nouns = item.head, plural(item.head)
        else:
            places = [("post", words) for words in item.post if not head or not words.startswith(_OF_ROWS)]
            places += [("pre", words) for words in item.pre if not pre and not head]
            places += [("tail", words) for words in item.tail if tail and not last and not head]
            if not places:
                raise Unavailable
            place, words = rng.choice(places)
            if place == "pre":
                pre = words + " "
            elif place == "tail":
                last = words
            elif words.startswith("with ") and posts and posts[-1].startswith(("with ", "and ")):
                posts.append("and " + words.removeprefix("with "))
            else:
                posts.append(words)
    return Phrase(" ".join([pre + "{}", *posts, of]).strip(), noun, nouns, when, last)


_OF_ROWS = ("flagged", "marked", "not ", "without ")


class Scope:
    """One draw's table, filters, and the words for its rows.

    Attributes:
        where: The filters in SQL, joined by AND.
        rows: The rows that the filters leave.
        holders: Whose rows they are, where the question asks for those: 'active users'.
    """

    def __init__(self, drawer: Drawer, roles: Roles, where: Sequence[str], holding: bool, tail: bool) -> None:
        self.drawer, self.roles, rng = drawer, roles, drawer.rng
        self._link = rng.choice(roles.links) if roles.links else None
        drawn: dict[int, Filter] = {}
        for i, role in sorted(enumerate(where), key=lambda item: not item[1].endswith("kind")):
            drawn[i] = drawer.draw(role[1:], self.link.parent) if role.startswith("p") else drawer.draw(role, roles)
        self.own = [drawn[i] for i, role in enumerate(where) if not role.startswith("p")]
        self.parents = [drawn[i] for i, role in enumerate(where) if role.startswith("p")]
        filters = [*self.own, *self.parents]
        self.where = filters[0].alone if len(filters) == 1 else " AND ".join(f.sql for f in filters)
        holder = noun_phrase(rng, self.link.parent, self.parents, tail=False) if holding or self.parents else None
        self.holders = holder.say() if holder and holding else ""
        if holder and not holding:
            of = self.possessive(holder.say())
            if len(self.parents) == 1 and self.parents[0].place and rng.random() < 0.4:
                of = self.parents[0].post[0]
            self.rows = noun_phrase(rng, roles, self.own, of, tail=tail)
        else:
            self.rows = noun_phrase(rng, roles, self.own, tail=tail)

    @property
    def link(self) -> Link:
        """The table that rows point to.

        Raises:
            Unavailable: They point to none.
        """
        if not self._link:
            raise Unavailable
        return self._link

    @property
    def linked(self) -> bool:
        return self._link is not None

    def possessive(self, holders: str) -> str:
        """'by users', 'of warehouses'."""
        return f"{self.drawer.rng.choice(('by', 'of') if _PERSON.search(self.link.parent.noun) else ('of',))} {holders}"

    def around(self, head: str, holders: bool) -> Phrase:
        """The filters after a term instead of the table's noun: 'fraud rate on Linux in 2023'.

        Args:
            holders: The term speaks of the parents, so that their filters can follow it too.
        """
        rng = self.drawer.rng
        if self.parents and not holders and not all(f.place for f in self.parents):
            holder = noun_phrase(rng, self.link.parent, self.parents, tail=False).say()
            return noun_phrase(rng, self.roles, self.own, f"of {holder}", head=head)
        return noun_phrase(rng, self.roles, [*self.own, *self.parents], head=head)

    def fill(self, wording: str) -> tuple[str, str]:
        """A wording with its rows, with and without the time."""
        np, np1 = ([self.rows.say(when, one) for when in (True, False)] for one in (False, True))
        a, b = (wording.format(np=np[i], np1=np1[i], ps=self.holders) for i in (0, 1))
        return a, b


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
        first, second = (group(part, scope) for part in role.split("+"))
        word = f"{first.word} and {second.word}"
        order = f" ORDER BY {first.by}, {second.by}" if second.order else ""
        select, by = f"{first.select}, {second.select}", f"{first.by}, {second.by}"
        return Group(select, by, word, f"combinations of {word}", order, first.size * second.size, (first, second))
    if role in _TIMES:
        date = drawer.day(roles)
        function, word = _TIMES[role]
        word += "" if roles.event else f" of {date.word}"
        select = date.day if role == "day" else f"{function.format(date.sql)} AS {free(role, scope)}"
        by = select.rpartition(" AS ")[2]
        return Group(select, by, word, plural(word), f" ORDER BY {by}", 7 if role == "weekday" else 1000)
    if role == "parent":
        link = scope.link
        return Group(link.left.sql, link.left.sql, link.parent.noun, link.parent.plural)
    owner = scope.link.parent if role.startswith("p") else roles
    if role.endswith("band"):
        item = drawer.pick([f for f in owner.numbers if f.whole and f.bounds[1] - f.bounds[0] >= 40])
        step = 10 if item.bounds[1] - item.bounds[0] <= 150 else 100
        by = free("band", scope)
        select = f"intDiv({item.sql}, {step}) * {step} AS {by}"
        return Group(select, by, f"{item.word} band of {step}", f"{item.word} bands of {step}", f" ORDER BY {by}", 3)
    item = drawer.pick(owner.categories)
    word = item.word if item.unique or owner is roles else f"{owner.noun} {item.word}"
    return Group(item.sql, item.sql, word, plural(word), size=len(item.column.values or []))


def free(alias: str, scope: Scope) -> str:
    """The alias, lengthened where a column has its name."""
    names = {name for roles in (scope.roles, *(link.parent for link in scope.roles.links)) for name in roles.names}
    return alias if alias not in names else f"{alias}_"
