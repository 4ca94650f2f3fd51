"""Templates: a frame with a metric, roles of filters and a group, over one table; and the examples that they draw."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from string import Formatter
from typing import Any, Literal

import yaml

from sqlft.dataset.grammar.filters import Drawer, Filter, Unavailable, number_of, two_periods, two_values
from sqlft.dataset.grammar.metrics import Metric, metric
from sqlft.dataset.grammar.phrases import Group, Scope, free, group
from sqlft.dataset.grammar.query import render
from sqlft.dataset.grammar.roles import Roles, Values
from sqlft.dataset.grammar.words import article, sentence
from sqlft.records import Example

_LEVELS: tuple[Literal["easy", "medium", "hard", "expert"], ...] = ("easy", "medium", "hard", "expert")


@dataclass(frozen=True)
class Frame:
    """A SQL skeleton and its wordings, as frames.yaml gives them.

    Attributes:
        ask: Wordings for any metric; those of `count` join them where it counts things, of `measure` where not.
        plan: For each metric ('none' for none) its 'filters/group', '-' for no filter.
        points: How much harder than one number it is.
        split: Two conditions to compare: 'period', 'value', or 'pvalue' (of the table that rows point to).
        holding: It asks for those whose rows they are: 'users with more than 3 sessions'.
        tail: A clause may follow the rows.
    """

    name: str
    sql: str
    plan: dict[str, str]
    ask: list[str] = field(default_factory=list)
    count: list[str] = field(default_factory=list)
    measure: list[str] = field(default_factory=list)
    points: int = 0
    split: str = ""
    holding: bool = False
    tail: bool = True

    @cached_property
    def slots(self) -> set[str]:
        return slots(self.sql)


@cache
def slots(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@cache
def frames() -> list[Frame]:
    """All frames."""
    text = files("sqlft.dataset.grammar").joinpath("frames.yaml").read_text(encoding="utf-8")
    return [Frame(name, **frame) for name, frame in yaml.safe_load(text).items()]


@dataclass(frozen=True)
class Template:
    """One shape of question over one table.

    Attributes:
        id: Stable: the table, the metric, the filters, the group, the frame: 'sessions-count/where-cat+month/by-cat'.
        values: In how many of the card's columns each value stands.
    """

    id: str
    roles: Roles
    frame: Frame
    metric: str
    where: tuple[str, ...]
    group: str
    values: Values

    def draw(self, rng: random.Random) -> Example:
        """Draws one example.

        Raises:
            Unavailable: The table lacks a role, or this draw came to nothing.
        """
        draw = _Draw(self, rng)
        sql = render(self.frame.sql.format(**draw.sql), self.roles)
        wordings = self.frame.ask + (self.frame.count if draw.words.get("things") else self.frame.measure)
        wordings = [w for w in wordings if all(draw.words.get(slot) for slot in slots(w))]
        question = sentence(rng.choice(wordings).format(**draw.words))
        joined, nested = " JOIN " in sql, sql.count("SELECT") > 1
        points = self.frame.points + max(0, len(self.where) - 1) + joined + nested
        tags = [self.frame.name, *filter(None, (self.metric, *self.where, self.group)), *["join"] * joined]
        return Example(
            question=question,
            sql=sql,
            source="template",
            template=self.id,
            level=_LEVELS[min(points, 3)],
            tags=list(dict.fromkeys(tags)),
        )


class _Draw:
    """What fills one draw's skeleton (`sql`) and wordings (`words`)."""

    def __init__(self, template: Template, rng: random.Random) -> None:
        frame, self.rng = template.frame, rng
        self.drawer = Drawer(rng, template.values, set())
        tail = frame.tail and not template.metric.startswith("share")
        holding = frame.holding or template.metric == "distinct"
        split = self._split(frame.split, template.roles)
        self.scope = Scope(self.drawer, template.roles, template.where, holding, tail)
        rows = self.scope.rows
        where = self.scope.where
        self.sql: dict[str, Any] = {
            "from": "{from}",
            "where": f" WHERE {where}" if where else "",
            "prior": f"{where} AND " if where else "",
        }
        self.words: dict[str, Any] = {
            "when": rows.when,
            "np": rows.say(),
            "np1": rows.say(one=True),
            "ps": self.scope.holders,
        }
        self.words |= {"np0": rows.say(when=False), "plural": template.roles.plural}
        measured = metric(template.metric, self.scope) if template.metric else None
        by = group(template.group, self.scope) if template.group else None
        if by:
            self._group(by)
        if measured:
            self._metric(measured)
        if split:
            self._compare(split, measured)
        for slot, fill in _FILLS.items():
            if slot in frame.slots:
                fill(self, template, by, measured)

    def _split(self, kind: str, roles: Roles) -> tuple[Filter, Filter] | None:
        if kind == "period":
            return two_periods(self.drawer, roles)
        return two_values(self.drawer, roles) if kind == "value" else None

    def _group(self, by: Group) -> None:
        self.sql |= {"select": by.select, "by": by.by, "order": by.order}
        self.words |= {"g": by.word, "gs": by.plural}
        for i, part in enumerate(by.parts, 1):
            self.sql[f"by{i}"] = part.by
            self.words |= {f"g{i}": part.word, f"gs{i}": part.plural}

    def _metric(self, measured: Metric) -> None:
        self.sql["metric"] = measured.sql
        self.words["M"], self.words["M0"] = measured.name
        self.words |= {"aM": article(measured.name[0]), "short": measured.short}
        if measured.things:
            self.words["things"], self.words["things0"] = measured.things

    def _compare(self, split: tuple[Filter, Filter], measured: Metric | None) -> None:
        first, second = split
        wordings = list(zip(first.when or first.post, second.when or second.post, strict=True))
        self.words["a"], self.words["b"] = self.rng.choice(wordings)
        self.words["A"], self.words["B"] = (words.split(" ", 1)[1] for words in wordings[0])
        self.sql |= {"cond_a": first.sql, "cond_b": second.sql}
        if measured:
            self.sql |= {"metric_a": measured.when(first.sql), "metric_b": measured.when(second.sql)}
            if not self.sql["metric_a"]:
                raise Unavailable

    def fill_n(self, _template: Template, _by: Group | None, _measured: Metric | None) -> None:
        self.sql["n"] = free("n", self.scope)

    def fill_k(self, _template: Template, by: Group | None, _measured: Metric | None) -> None:
        fitting = [k for k in (2, 3, 5, 10) if k < (by.size if by else 1000)]
        if not fitting:
            raise Unavailable
        k = self.rng.choice(fitting)
        self.sql["k"] = k
        self.words["k"] = self.rng.choice((k, k, {2: "two", 3: "three", 5: "five", 10: "ten"}[k]))

    def fill_x(self, template: Template, _by: Group | None, measured: Metric | None) -> None:
        assert measured
        self.sql["x"] = self.words["x"] = measured.bound(self.rng, template.frame.holding)

    def fill_key(self, _template: Template, _by: Group | None, _measured: Metric | None) -> None:
        link = self.scope.link
        self.sql["key"] = link.left.sql
        self.words |= {"parent": link.parent.noun, "parents": link.parent.plural, "one": article(link.parent.noun)}

    def fill_id(self, template: Template, _by: Group | None, _measured: Metric | None) -> None:
        if not template.roles.key:
            raise Unavailable
        self.sql["id"] = template.roles.key.sql

    def fill_number(self, template: Template, _by: Group | None, _measured: Metric | None) -> None:
        item = self.drawer.pick(template.roles.measures)
        self.sql["number"] = item.sql
        self.words |= {"t": item.word, "at": article(item.word), "y": number_of(self.rng, item)}

    def fill_day(self, template: Template, _by: Group | None, _measured: Metric | None) -> None:
        if not template.roles.event:
            raise Unavailable
        self.sql["day"] = self.drawer.day(template.roles).day

    def fill_first(self, template: Template, _by: Group | None, _measured: Metric | None) -> None:
        first = self.drawer.dated(self.rng.choice(("month", "month", "year", "quarter")), template.roles, "first")
        self.sql["first"], self.words["first"] = first.sql, self.rng.choice(first.when)
        if self.scope.link.parent.newcomers and not any(f.head for f in self.scope.own):
            self.words["newcomers"] = f"first-time {self.scope.holders}"


_FILLS: dict[str, Callable[[_Draw, Template, Group | None, Metric | None], None]] = {
    name: getattr(_Draw, f"fill_{name}") for name in ("n", "k", "x", "key", "id", "number", "day", "first")
}


def expand(tables: list[Roles], values: Values) -> Iterator[Template]:
    """Every template that some draw on these tables can fill."""
    for roles in tables:
        for frame in frames():
            for kind, shapes in frame.plan.items():
                for shape in shapes.split():
                    where, _, by = shape.partition("/")
                    template = Template(
                        _id(roles, frame, kind, where, by),
                        roles,
                        frame,
                        "" if kind == "none" else kind,
                        tuple(where.split("+")) if where != "-" else (),
                        by,
                        values,
                    )
                    if _works(template):
                        yield template


def _id(roles: Roles, frame: Frame, kind: str, where: str, by: str) -> str:
    parts = [roles.short if kind == "none" else f"{roles.short}-{kind}"]
    parts += [f"where-{where}"] * (where != "-") + [f"by-{by}"] * bool(by)
    return "/".join(parts + [frame.name] * (frame.name not in ("scalar", "by")))


def _works(template: Template) -> bool:
    rng = random.Random(template.id)
    for _ in range(12):
        try:
            template.draw(rng)
        except Unavailable:
            continue
        return True
    return False
