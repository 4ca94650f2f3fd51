"""Templates: a frame with a metric, roles of filters and a group, over one table; and the examples that they draw."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlft.dataset.grammar.dates import DATES
from sqlft.dataset.grammar.filters import Drawer, joined, two_periods, two_values
from sqlft.dataset.grammar.frames import Frame, frames, slots
from sqlft.dataset.grammar.metrics import metric
from sqlft.dataset.grammar.phrases import Scope, free, group
from sqlft.dataset.grammar.query import render
from sqlft.dataset.grammar.roles import Roles, Unavailable
from sqlft.dataset.grammar.words import article, sentence
from sqlft.records import Example

_LEVELS: tuple[Literal["easy", "medium", "hard", "expert"], ...] = ("easy", "medium", "hard", "expert")


@dataclass(frozen=True)
class Template:
    """One shape of question over one table.

    Attributes:
        id: Stable: the table, the metric, the filters, the group, the frame: 'sessions-count/where-cat+month/by-cat'.
    """

    id: str
    roles: Roles
    frame: Frame
    metric: str
    where: tuple[str, ...]
    group: str

    def draw(self, rng: random.Random) -> Example:
        """Draws one example.

        Raises:
            Unavailable: The table lacks a role, or this draw came to nothing.
        """
        draw = _Draw(self, rng)
        sql = render(self.frame.sql.format(**draw.sql), self.roles)
        wordings = self.frame.ask + (self.frame.count if draw.words.get("things") else self.frame.measure)
        wordings = [w for w in wordings if all(draw.words.get(slot) for slot in slots(w))]
        joins, nested = " JOIN " in sql, sql.count("SELECT") > 1
        points = self.frame.points + max(0, len(self.where) - 1) + joins + nested
        tags = [self.frame.name, *filter(None, (self.metric, *self.where, self.group)), *["join"] * joins]
        return Example(
            question=sentence(rng.choice(wordings).format(**draw.words)),
            sql=sql,
            source="template",
            template=self.id,
            teacher="template",
            level=_LEVELS[min(points, 3)],
            tags=list(dict.fromkeys(tags)),
        )


class _Draw:
    """What fills one draw's skeleton (`sql`) and wording (`words`)."""

    def __init__(self, template: Template, rng: random.Random) -> None:
        self.rng, self.roles, self.frame = rng, template.roles, template.frame
        self.drawer = Drawer(rng)
        frame, holding = self.frame, self.frame.holding or template.metric == "distinct"
        split = {"period": two_periods, "value": two_values}.get(frame.split)
        pair = split(self.drawer, self.roles) if split else None
        tail = frame.tail and not template.metric.startswith("share")
        self.scope = Scope(self.drawer, self.roles, template.where, holding, tail)
        self.metric = metric(template.metric, self.scope) if template.metric else None
        self.group = group(template.group, self.scope) if template.group else None
        if self.metric and self.metric.scaled and "/" in frame.sql:
            raise Unavailable
        rows, where = self.scope.rows, joined(self.scope.said) if self.scope.said else ""
        self.sql: dict[str, Any] = {"from": "{from}", "where": f" WHERE {where}" * bool(where)}
        self.sql["prior"] = f"{where} AND " * bool(where)
        self.words: dict[str, Any] = {"np": rows.say(), "np1": rows.say(one=True), "ps": self.scope.holders}
        self.words |= {"when": rows.when, "plural": self.roles.plural}
        if by := self.group:
            self.sql |= {"select": by.select, "by": by.by, "order": by.order}
            self.words |= {"g": by.word, "gs": by.plural}
            for i, part in enumerate(by.parts, 1):
                self.sql[f"by{i}"], self.words[f"g{i}"] = part.by, part.word
        if found := self.metric:
            self.sql["metric"] = found.sql
            self.words |= {"M": found.name[0], "M0": found.name[1], "aM": article(found.name[0]), "short": found.short}
            if found.things:
                self.words |= {"things": found.things[0], "things0": found.things[1]}
        if pair:
            wordings = list(zip(*(f.when or f.post for f in pair), strict=True))
            self.words["a"], self.words["b"] = rng.choice(wordings)
            self.words["A"], self.words["B"] = (words.partition(" ")[2] for words in wordings[0])
            for name, item in zip("ab", pair, strict=True):
                self.sql |= {f"cond_{name}": item.sql, f"metric_{name}": found.when(item.sql) if found else ""}
        for slot, fill in _FILLS.items():
            if slot in slots(frame.sql):
                fill(self)

    def fill_n(self) -> None:
        self.sql["n"] = free("n", self.scope)

    def fill_k(self) -> None:
        fitting = [k for k in (2, 3, 5, 10) if k < (self.group.size if self.group else 1000)]
        if not fitting:
            raise Unavailable
        self.sql["k"] = k = self.rng.choice(fitting)
        self.words["k"] = self.rng.choice((k, k, {2: "two", 3: "three", 5: "five", 10: "ten"}[k]))

    def fill_x(self) -> None:
        if self.metric:
            self.sql["x"] = self.words["x"] = self.metric.bound(self.rng, self.frame.holding)

    def fill_key(self) -> None:
        link = self.scope.link
        self.sql["key"] = link.left.sql
        self.words |= {"parent": link.parent.noun, "one": article(link.parent.noun)}

    def fill_id(self) -> None:
        if not self.roles.key:
            raise Unavailable
        self.sql["id"] = self.roles.key.sql

    def fill_number(self) -> None:
        item = self.drawer.pick(self.roles.measures)
        self.sql["number"] = item.sql
        self.words |= {"t": item.word, "at": article(item.word)}

    def fill_day(self) -> None:
        if not self.roles.event:
            raise Unavailable
        self.sql["day"] = self.drawer.day(self.roles).day

    def fill_first(self) -> None:
        unit = self.rng.choice(("month", "month", "year", "quarter"))
        period = self.drawer.dated(unit, self.roles, "first")
        self.sql["first"], self.words["first"] = period.sql, self.rng.choice(period.when)
        if self.scope.link.parent.newcomers and not any(f.head for f in self.scope.own):
            self.words["newcomers"] = f"first-time {self.scope.holders}"


_FILLS: dict[str, Callable[[_Draw], None]] = {
    name: getattr(_Draw, f"fill_{name}") for name in ("n", "k", "x", "key", "id", "number", "day", "first")
}


def expand(tables: list[Roles]) -> Iterator[Template]:
    """Every template that some draw on these tables can fill."""
    for roles in tables:
        for frame in frames():
            for kind, shapes in frame.plan.items():
                for shape in shapes.split():
                    template = _template(roles, frame, "" if kind == "none" else kind, *shape.partition("/")[::2])
                    if _works(template):
                        yield template


def widen(template: Template) -> Iterator[Template]:
    """The same template with one filter more, of each kind that does not change what else it asks."""
    parts = template.group.split("+")
    undated = not {*template.where, *parts} & DATES.keys() and not template.frame.split and not template.frame.holding
    for extra in ["cat", "pcat", "flag", *["year", "quarter"] * (undated and bool(template.group))]:
        where = "+".join((*template.where, extra))
        wider = _template(template.roles, template.frame, template.metric, where, template.group)
        if extra not in template.where and _works(wider):
            yield wider


def _template(roles: Roles, frame: Frame, kind: str, where: str, by: str) -> Template:
    filters = () if where == "-" else tuple(where.split("+"))
    parts = ["-".join(filter(None, (roles.short, kind))), f"where-{where}" if filters else "", f"by-{by}" if by else ""]
    parts.append(frame.name if frame.name not in ("scalar", "by") else "")
    return Template("/".join(filter(None, parts)), roles, frame, kind, filters, by)


def _works(template: Template) -> bool:
    rng = random.Random(template.id)
    for _ in range(12):
        try:
            template.draw(rng)
        except Unavailable:
            continue
        return True
    return False
