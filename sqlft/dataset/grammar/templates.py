"""Templates: a frame with a metric, roles of filters and a group, over one table; and the examples that they draw."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from sqlft.dataset.grammar.filters import Drawer, Filter, Unavailable
from sqlft.dataset.grammar.phrases import Phrase, group, metric, noun_phrase
from sqlft.dataset.grammar.query import render
from sqlft.dataset.grammar.roles import Roles
from sqlft.dataset.grammar.words import sentence
from sqlft.records import Example

Level = Literal["easy", "medium", "hard", "expert"]
_LEVELS: tuple[Level, ...] = ("easy", "medium", "hard", "expert")


@dataclass(frozen=True)
class Frame:
    """A SQL skeleton and its wordings, as frames.yaml gives them."""

    name: str
    sql: str
    ask: list[str]
    plan: dict[str, str]
    count: list[str] = field(default_factory=list)
    points: int = 0
    link: bool = False
    event: bool = False


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
    """

    id: str
    roles: Roles
    frame: Frame
    metric: str
    where: tuple[str, ...]
    group: str
    values: Counter[str]

    def draw(self, rng: random.Random) -> Example:
        """Draws one example.

        Raises:
            Unavailable: The table lacks a role, or this draw came to nothing.
        """
        slots = _Slots(self, rng)
        sql = render(self.frame.sql.format(**slots.sql, **{"from": "{from}"}), self.roles)
        wordings = [*self.frame.ask, *(self.frame.count if slots.countable else [])]
        wordings = [w for w in wordings if slots.words["when"] or "{when}" not in w]
        question = sentence(rng.choice(wordings).format(**slots.words))
        points = self.frame.points + max(0, len(self.where) - 1) + (" JOIN " in sql) + (sql.count("SELECT") > 1)
        tags = [self.frame.name, *filter(None, (self.metric, *self.where, self.group))] + ["join"] * (" JOIN " in sql)
        return Example(
            question=question, sql=sql, source="template", template=self.id,
            level=_LEVELS[min(points, 3)], tags=list(dict.fromkeys(tags)),
        )  # fmt: skip


class _Slots:
    """What fills one draw's skeleton (`sql`) and wording (`words`)."""

    def __init__(self, template: Template, rng: random.Random) -> None:
        roles, frame = template.roles, template.frame
        drawer = Drawer(rng, template.values, set())
        link = rng.choice(roles.links) if roles.links else None
        if (frame.link and not link) or (frame.event and not roles.event):
            raise Unavailable
        own: list[Filter] = []
        parents: list[Filter] = []
        for role in template.where:
            if not role.startswith("p"):
                own.append(drawer.draw(role, roles))
            elif link:
                parents.append(drawer.draw(role[1:], link.parent))
            else:
                raise Unavailable
        filters = [*own, *parents]
        where = " AND ".join(f.sql for f in filters)
        if len(filters) == 1:
            where = where.removeprefix("(").removesuffix(")") if where.startswith("(") else where
        self.sql: dict[str, Any] = {"where": f" WHERE {where}" if where else ""}
        self.words: dict[str, Any] = {}
        if template.group:
            by = group(drawer, template.group, roles, link)
            self.sql |= {"select": by.select, "by": by.by, "order": by.order}
            self.words |= {"g": by.word, "gs": by.plural}
        self.countable = False
        of = noun_phrase(rng, link.parent, parents, tail=False) if link and parents else None
        measured = metric(drawer, template.metric, roles, link) if template.metric else None
        tail = not template.metric.startswith("share")
        if measured and link and template.metric == "distinct":
            rows = noun_phrase(rng, roles, own, tail=tail)
            holder = (of or noun_phrase(rng, link.parent, [])).say()
        else:
            rows = self._direct(rng, roles, own, parents, of) or noun_phrase(rng, roles, own, of, tail=tail)
            holder = ""
        self.words["when"] = rows.when
        if measured:
            self.countable = bool(measured.things)
            self.sql["metric"] = measured.sql
            self._say(rng, rows, holder, measured.names, measured.bare, measured.things)

    def _direct(self, rng: random.Random, roles: Roles, own: list[Filter], parents: list[Filter], of: Phrase | None) -> Phrase | None:
        """'sessions from Germany': the place of the one who has them, when nothing else is said of her."""
        if of and len(parents) == 1 and parents[0].post and parents[0].post[0].startswith("from ") and rng.random() < 0.4:
            return noun_phrase(rng, roles, [*own, Filter("", post=parents[0].post[:1])], tail=False)
        return None

    def _say(self, rng: random.Random, rows: Phrase, holder: str, names: tuple[str, ...], bare: tuple[str, ...], things: tuple[str, ...]) -> None:
        def fill(wording: str, when: bool) -> str:
            return wording.format(np=rows.say(when), np1=rows.say(when, one=True), ps=holder)

        if bare and rows.plain and rows.noun and rng.random() < 0.6:
            name = rng.choice(bare)
            self.words |= {"M": f"{name} {rows.when}".strip(), "M0": name}
        else:
            name = rng.choice(names)
            self.words |= {"M": fill(name, True), "M0": fill(name, False)}
        if things:
            thing = rng.choice(things)
            self.words |= {"things": fill(thing, True), "things0": fill(thing, False)}


def expand(tables: list[Roles], values: Counter[str]) -> Iterator[Template]:
    """Every template that some draw on these tables can fill."""
    for roles in tables:
        for frame in frames():
            for kind, shapes in frame.plan.items():
                for shape in shapes.split():
                    where, _, by = shape.partition("/")
                    template = Template(
                        _id(roles, frame, kind, where, by), roles, frame, "" if kind == "none" else kind,
                        tuple(where.split("+")) if where != "-" else (), by, values,
                    )  # fmt: skip
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
