"""What is changed in the rows of a neighbour database, and what is kept.

Rows are dropped and doubled under new keys, values are swapped between rows, some become NULL where the type allows,
and some become the literals of the questions' queries, one more and one less. Keys stay unique, references lead
somewhere, columns whose values are known get no other, and what was never negative is not.
"""

from __future__ import annotations

import datetime
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlft.database.edges import YEARS

_AIMED = 0.8  # of the columns that a question asks about, in a row that is aimed at it
_OUTER = 0.15  # of its other columns get a value beyond those of all rows
_NULLED = 0.1
_FEWEST_ROWS, _LEAST_ROWS, _ROWS_A_QUESTION = 8, 1000, 24
_REFERRED = 4  # rows to one that they refer to
_STEPS = (1, 2, 3, 5)


@dataclass(frozen=True)
class Change:
    """How one neighbour differs.

    Attributes:
        size: Its rows, as a share of the largest one's.
        doubled: Share of these that are other rows again, under new keys.
        aimed: Share of rows that get the edges of one question, in all columns that it asks about.
        swapped: Share of other cells that get another row's value, or one between.
        narrow: Swapped values come from three rows, so that groups are few and large.
    """

    size: float
    doubled: float
    aimed: float
    swapped: float
    narrow: bool = False


CHANGES = (
    Change(1, 0.3, 0.5, 0.3),
    Change(0.3, 0.5, 0.3, 0.95),
    Change(1, 0.1, 0.8, 0.2),
    Change(0.01, 0.5, 0.3, 0.5),
    Change(0.1, 0.3, 0, 1, narrow=True),
)
"""What one neighbour after the other is made with, in turn."""


@dataclass(frozen=True)
class Copy:
    """The rows of one table.

    Attributes:
        name: The full name.
        columns: Names.
        types: ClickHouse's.
        rows: Cells as `Result` has them.
        key: Places of the columns that identify a row.
        parents: By place, the table and the place there of the key that a column refers to.
        edges: For each question, by place, the values around those that it asks about.
        closed: By place, all values of a column, where they are known.
    """

    name: str
    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    key: list[int]
    parents: Mapping[int, tuple[str, int]]
    edges: Sequence[Mapping[int, list[Any]]]
    closed: Mapping[int, list[Any]]


def change(copies: Sequence[Copy], number: int, limit: int) -> list[list[list[Any]]]:
    """The rows of each table in neighbour `number`; the same number gives the same rows.

    Args:
        copies: Tables, each after those that it refers to.
        number: From 0 on.
        limit: The most rows of a table.
    """
    rng, how = random.Random(number), CHANGES[number % len(CHANGES)]
    referred = {parent for copy in copies for parent, _ in copy.parents.values()}
    made: dict[str, _Making] = {}
    for copy in copies:
        size = int(how.size * min(limit, max(_LEAST_ROWS, _ROWS_A_QUESTION * len(copy.edges))))
        above = [made[parent] for parent, _ in copy.parents.values()]
        table = _Making(copy, how, rng, size // _REFERRED if copy.name in referred else size, above)
        for place in range(len(copy.columns)):
            if place in copy.parents:
                parent, there = copy.parents[place]
                table.refer(place, made[parent], there)
            elif place not in copy.key:
                table.swap(place)
        made[copy.name] = table
    return [table.rows for table in made.values()]


class _Making:
    """One table of a neighbour.

    Attributes:
        rows: Its rows.
        aims: The question that each row is aimed at.
        asked: The questions that ask about a column of it, or of what it refers to.
    """

    def __init__(self, copy: Copy, how: Change, rng: random.Random, size: int, above: Sequence[_Making]) -> None:
        self.copy, self.how, self.rng = copy, how, rng
        size = max(_FEWEST_ROWS, size)
        kept = rng.sample(copy.rows, min(len(copy.rows), int((1 - how.doubled) * size) + 1))
        self.rows = [list(row) for row in kept]
        self.rows += self._doubles(rng.choices(self.rows, k=max(0, size - len(kept)))) if kept else []
        self.asked: set[int] = {one for one, around in enumerate(copy.edges) if around}.union(
            *(table.asked for table in above)
        )
        aimed: list[int | None] = [*sorted(self.asked)] or [None]
        self.aims = [rng.choice(aimed) if rng.random() < how.aimed else None for _ in self.rows]

    def _doubles(self, rows: list[list[Any]]) -> list[list[Any]]:
        """The same rows under new keys; none where a key cannot be made."""
        if not self.copy.key:
            return [row[:] for row in rows]
        own = next((place for place in reversed(self.copy.key) if place not in self.copy.parents), None)
        if own is None:
            return []
        taken, kind = [row[own] for row in self.copy.rows], self.copy.types[own]
        if all(type(key) is int for key in taken) and not re.search(r"Int(8|16)\b", kind):
            fresh: list[Any] = [max(taken) + number for number in range(1, len(rows) + 1)]
        elif "String" in kind and "Fixed" not in kind:
            fresh = [f"{row[own]}~{number}" for number, row in enumerate(rows)]
        else:
            return []
        return [[*row[:own], key, *row[own + 1 :]] for row, key in zip(rows, fresh, strict=True)]

    def refer(self, place: int, parent: _Making, there: int) -> None:
        """Lets references lead to other rows; those of aimed rows to one of few, if any to such as are aimed alike."""
        keys = [row[there] for row in parent.rows]
        known = set(keys)
        if place in self.copy.key or not keys:
            stay = [row[place] in known for row in self.rows]
            self.aims = [aim for aim, stays in zip(self.aims, stay, strict=True) if stays]
            self.rows = [row for row, stays in zip(self.rows, stay, strict=True) if stays]
            return
        alike: dict[int | None, list[Any]] = {}
        for key, aim in zip(keys, parent.aims, strict=True):
            alike.setdefault(aim, []).append(key)
        for row, aim in zip(self.rows, self.aims, strict=True):
            if aim is not None and self.rng.random() < _AIMED:
                row[place] = self.rng.choice(alike.setdefault(aim, self.rng.choices(keys, k=3)))
            elif row[place] is not None and (row[place] not in known or self.rng.random() < self.how.swapped):
                row[place] = self.rng.choice(keys)

    def swap(self, place: int) -> None:
        """Changes the cells of a column that is neither key nor reference."""
        rng, kind = self.rng, self.copy.types[place]
        observed = [row[place] for row in self.copy.rows] + self.copy.closed.get(place, []) or [None]
        numbers = [cell for cell in observed if _is_number(cell)]
        positive = min(numbers, default=0) >= 0
        outer = [] if self.how.narrow or place in self.copy.closed else _beyond(observed, kind)
        pools = self._pools(place, observed, numbers)
        nullable = kind.startswith(("Nullable", "LowCardinality(Nullable"))
        for row, aim in zip(self.rows, self.aims, strict=True):
            around = [] if aim is None else self.copy.edges[aim].get(place, [])
            if around and rng.random() < _AIMED:
                row[place] = rng.choice(around)
            elif aim is not None and outer and rng.random() < _OUTER:
                row[place] = rng.choice(outer)
            elif rng.random() < self.how.swapped:
                row[place] = rng.choice(rng.choice(pools))
            elif nullable and rng.random() < _NULLED:
                row[place] = None
            if positive and _is_number(row[place]):
                row[place] = abs(row[place])

    def _pools(self, place: int, observed: list[Any], numbers: list[Any]) -> list[list[Any]]:
        """Where another value comes from; half of the time not from the rows themselves, so that a skew goes too."""
        if self.how.narrow:
            return [[self.rng.choice(observed) for _ in range(3)]]
        pools = [observed]
        if place in self.copy.closed:
            pools.append(self.copy.closed[place])
        else:
            pools.append([cell for around in self.copy.edges for cell in around.get(place, ())])
            pools.append(self._between(numbers) if numbers else [])
        return list(filter(None, pools))[self.rng.randrange(2) :] or [observed]

    def _between(self, numbers: list[Any]) -> list[Any]:
        least, most = min(numbers), max(numbers)
        if all(type(number) is int for number in numbers):
            return [self.rng.randint(least, most) for _ in self.rows]
        return [round(self.rng.uniform(least, most), 2) for _ in self.rows]


def _beyond(observed: list[Any], kind: str) -> list[Any]:
    """Values outside of what was seen: a row that a filter should keep out shows best where it is the largest."""
    cells = [cell for cell in observed if cell is not None]
    if cells and re.match(r"(Nullable\()?Date", kind):
        first, last = (datetime.date.fromisoformat(cell[:10]) for cell in (min(cells), max(cells)))
        steps = [datetime.timedelta(days=step) for step in _STEPS]
        days = [first - step for step in steps] + [last + step for step in steps]
        return [f"{day}{cells[0][10:]}" for day in days if day.year in YEARS]
    if not cells or "Int8" in kind or not all(map(_is_number, cells)):
        return []
    least, most = min(cells), max(cells)
    return [most + step for step in _STEPS] + [least - step for step in _STEPS if not 0 <= least < step]


def _is_number(cell: Any) -> bool:
    return type(cell) is int or (type(cell) is float and math.isfinite(cell))
