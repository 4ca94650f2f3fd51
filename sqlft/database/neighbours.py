"""Neighbour databases: copies of some tables, changed where a query that is right by luck gives itself away.

Rows are dropped and doubled under new keys, values are swapped between rows, some become NULL where the type allows,
and some become the literals of the queries at hand, one more and one less. Keys stay unique and references lead
somewhere. After Zhong et al. 2020, "Semantic evaluation for text-to-SQL with distilled test suites"
(https://arxiv.org/abs/2010.02840).
"""

from __future__ import annotations

import datetime
import json
import math
import random
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.database.connect import Database
from sqlft.database.edges import YEARS, edges, known_values
from sqlft.database.errors import QueryError
from sqlft.database.gate import Gate
from sqlft.problems import SqlftError

_NULLED = 0.1
_OUTER = 0.15  # of its other columns get a value beyond those of all rows
_AIMED = 0.8  # of the columns that a question asks about, in a row that is made for it
_FEWEST_ROWS, _LEAST_ROWS, _ROWS_A_QUESTION = 8, 1000, 24
_REFERRED = 4  # rows to one that they refer to
_OPAQUE = re.compile(r"AggregateFunction|Nothing")  # cannot be written back


@dataclass(frozen=True)
class Change:
    """How one neighbour differs.

    Attributes:
        size: Its rows, as a share of the largest one's.
        doubled: Share of these that are other rows again, under new keys.
        aimed: Share of rows that get the edges of one question.
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
        closed: By place, all values of a column, where they are known.
        edges: For each question, by place, the values around those that it asks about.
    """

    name: str
    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    key: list[int]
    parents: dict[int, tuple[str, int]]
    edges: list[dict[int, list[Any]]]
    closed: dict[int, list[Any]]


def copy_tables(
    gate: Gate, card: SchemaCard, names: Collection[str], literals: Sequence[Mapping[str, set[str]]], rows: int
) -> list[Copy]:
    """Reads tables through the gate, so many rows of each at most, referred ones first.

    A sample is taken by a hash of what a table refers to, else of its key, so that rows that belong together stay so.

    Raises:
        QueryError: A table cannot be read.
    """
    copies: dict[str, Copy] = {}
    waiting = [card.table(name) for name in sorted(names)]
    refers = {r.left: r.right.rpartition(".") for r in card.relations if r.right.rpartition(".")[0] in names}
    while waiting:
        sources = {table.name: {refers[f"{table.name}.{c.name}"][0] for c in table.columns
                                if f"{table.name}.{c.name}" in refers} for table in waiting}  # fmt: skip
        table = next((t for t in waiting if sources[t.name] <= copies.keys() | {t.name}), waiting[0])
        waiting.remove(table)
        columns = [column for column in table.columns if not _OPAQUE.search(column.type)]
        names_here = [column.name for column in columns]
        parents = {
            place: (parent, copies[parent].columns.index(key))
            for place, name in enumerate(names_here)
            if (found := refers.get(f"{table.name}.{name}")) and (parent := found[0]) in copies
            for key in [found[2]]
        }
        by = [names_here[place] for place in parents][:1] or table.key[:1]
        selected = f"SELECT {', '.join(map(_quoted, names_here))} FROM {'.'.join(map(_quoted, table.name.split('.')))}"
        try:
            order = f" ORDER BY cityHash64(toString({_quoted(by[0])}))" if by else ""
            result = gate.run(f"{selected}{order} LIMIT {rows}")
        except QueryError:  # too large to be ordered in time
            result = gate.run(f"{selected} LIMIT {rows}")
        free = [
            (place, column, kind)
            for place, (column, kind) in enumerate(zip(columns, result.types, strict=True))
            if column.name not in table.key and place not in parents
        ]
        around = [
            {
                place: cells
                for place, column, kind in free
                if (cells := edges(kind, said.get(column.name, ()), column.values))
            }
            for said in literals
        ]
        closed = {place: known_values(column.type, column.values) for place, column, _ in free if column.values}
        key = [names_here.index(name) for name in table.key]
        copies[table.name] = Copy(table.name, names_here, result.types, result.rows, key, parents, around, closed)
    return list(copies.values())


def change(copies: Sequence[Copy], number: int, limit: int) -> list[list[list[Any]]]:
    """The rows of each table in neighbour `number`; the same number gives the same rows.

    Args:
        copies: Referred tables first.
        number: From 0 on.
        limit: The most rows of a table.
    """
    rng, how = random.Random(number), CHANGES[number % len(CHANGES)]
    referred = {parent for copy in copies for parent, _ in copy.parents.values()}
    made: dict[str, list[list[Any]]] = {}
    aims: dict[str, list[int | None]] = {}
    asking: dict[str, set[int]] = {}
    for copy in copies:
        size = int(how.size * min(limit, max(_LEAST_ROWS, _ROWS_A_QUESTION * len(copy.edges))))
        size = max(_FEWEST_ROWS, size // _REFERRED if copy.name in referred else size)
        kept = rng.sample(copy.rows, min(len(copy.rows), int((1 - how.doubled) * size) + 1))
        rows = [list(row) for row in kept]
        rows += _doubles(copy, rng.choices(rows, k=max(0, size - len(rows))) if rows else [])
        above = [asked for name, asked in asking.items() if name in {parent for parent, _ in copy.parents.values()}]
        asking[copy.name] = {one for one, around in enumerate(copy.edges) if around}
        aimed = sorted(asking[copy.name].union(*above)) or [None]
        aim = [rng.choice(aimed) if rng.random() < how.aimed else None for _ in rows]
        for place in range(len(copy.columns)):
            if place not in copy.key and place not in copy.parents:
                _swap(copy, place, rows, aim, how, rng)
        for place in copy.parents:
            rows, aim = _refer(copy, place, rows, aim, (made, aims), how, rng)
        made[copy.name], aims[copy.name] = rows, aim
    return list(made.values())


def _doubles(copy: Copy, rows: list[list[Any]]) -> list[list[Any]]:
    """The same rows under new keys; none where a key cannot be made."""
    own = [place for place in copy.key if place not in copy.parents]
    if not copy.key:
        return [row[:] for row in rows]
    taken = [row[own[-1]] for row in copy.rows] if own else []
    if taken and all(type(key) is int for key in taken) and not re.search(r"Int(8|16)\b", copy.types[own[-1]]):
        fresh: list[Any] = [max(taken) + number for number in range(1, len(rows) + 1)]
    elif taken and all(type(key) is str for key in taken) and "String" in copy.types[own[-1]]:
        fresh = [f"{row[own[-1]]}~{number}" for number, row in enumerate(rows)]
    else:
        return []
    return [[*row[: own[-1]], key, *row[own[-1] + 1 :]] for row, key in zip(rows, fresh, strict=True)]


def _refer(
    copy: Copy, place: int, rows: list[list[Any]], aim: list[int | None], above: Any, how: Change, rng: random.Random
) -> tuple[list[list[Any]], list[int | None]]:
    """Lets references lead to other rows, those of a row that is made for a question to one that is, too."""
    made, aims = above
    parent, there = copy.parents[place]
    keys = [row[there] for row in made[parent]]
    known = set(keys)
    if place in copy.key or not keys:
        both = [(row, one) for row, one in zip(rows, aim, strict=True) if row[place] in known]
        return [row for row, _ in both], [one for _, one in both]
    alike: dict[int | None, list[Any]] = {}
    for key, one in zip(keys, aims[parent], strict=True):
        alike.setdefault(one, []).append(key)
    for row, one in zip(rows, aim, strict=True):
        if one is not None and rng.random() < _AIMED:
            row[place] = rng.choice(alike.setdefault(one, rng.choices(keys, k=3)))
        elif row[place] is not None and (row[place] not in known or rng.random() < how.swapped):
            row[place] = rng.choice(keys)
    return rows, aim


def _swap(
    copy: Copy, place: int, rows: list[list[Any]], aim: list[int | None], how: Change, rng: random.Random
) -> None:
    observed = [row[place] for row in copy.rows] + copy.closed.get(place, []) or [None]
    numbers = [cell for cell in observed if type(cell) in (int, float) and math.isfinite(cell)]
    least, most = min(numbers, default=0), max(numbers, default=0)
    between = rng.randint if all(type(cell) is int for cell in numbers) else lambda a, b: round(rng.uniform(a, b), 2)
    outer: list[Any] = []
    if how.narrow:
        pools = [[rng.choice(observed) for _ in range(3)]]
    elif place in copy.closed:
        pools = [observed, copy.closed[place]]
    else:
        outer = _beyond(observed, copy.types[place])
        pools = [observed, [cell for one in copy.edges for cell in one.get(place, ())]]
        pools.append([between(least, most) for _ in rows] if numbers else [])
    pools = list(filter(None, pools))[rng.randrange(2) :] or [observed]
    nullable = copy.types[place].startswith(("Nullable", "LowCardinality(Nullable"))
    for row, one in zip(rows, aim, strict=True):
        around = outer if one is None else copy.edges[one].get(place, outer)
        cell = row[place]
        if one is not None and around and rng.random() < (_AIMED if around is not outer else _OUTER):
            cell = rng.choice(around)
        elif rng.random() < how.swapped:
            cell = rng.choice(rng.choice(pools))
        elif nullable and rng.random() < _NULLED:
            cell = None
        row[place] = abs(cell) if type(cell) in (int, float) and least >= 0 else cell


def _beyond(observed: list[Any], kind: str) -> list[Any]:
    """Values outside of what was seen: a row that no filter lets through shows best as the largest or the smallest."""
    cells = [cell for cell in observed if cell is not None]
    if cells and re.match(r"(Nullable\()?Date", kind):
        days = sorted(datetime.date.fromisoformat(cell[:10]) for cell in (min(cells), max(cells)))
        rest = cells[0][10:]
        steps = [datetime.timedelta(days=step) for step in (1, 2, 3, 5)]
        outer = [days[0] - step for step in steps] + [days[1] + step for step in steps]
        return [f"{day}{rest}" for day in outer if day.year in YEARS]
    if not all(type(cell) in (int, float) and math.isfinite(cell) for cell in cells) or "Int8" in kind or not cells:
        return []
    least, most = min(cells), max(cells)
    return [most + step for step in (1, 2, 3, 5)] + [least - step for step in (1, 2, 3, 5) if not 0 <= least < step]


def write_neighbours(
    folder: Path, copies: Sequence[Copy], numbers: Iterable[int], limit: int, database: str = ""
) -> list[Path]:
    """Makes embedded databases of changed rows, in a process of its own: this one may have another open.

    Args:
        folder: Where they will be.
        copies: The tables.
        numbers: Which neighbours, see `change`.
        limit: Likewise.
        database: A database whose tables are also written into `default`, where names without one are looked for.

    Returns:
        The folder of each.

    Raises:
        SqlftError: The engine does not take the rows back.
    """
    tasks: list[tuple[str, list[tuple[str, str, str]]]] = []
    for number in numbers:
        tables = []
        for place, (copy, rows) in enumerate(zip(copies, change(copies, number, limit), strict=True)):
            file = folder / f"{number}-{place}.jsonl"
            file.write_text("".join(json.dumps(_plain(row)) + "\n" for row in rows), encoding="utf-8")
            columns = ", ".join(f"{_quoted(n)} {kind}" for n, kind in zip(copy.columns, copy.types, strict=True))
            home, _, name = copy.name.partition(".")
            for full in {home, "default"} if home == database else {home}:
                tables.append((f"{_quoted(full)}.{_quoted(name)}", columns, str(file)))
        tasks.append((str(folder / str(number)), tables))
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=json.dumps(tasks), text=True, capture_output=True)
    if done.returncode:
        raise SqlftError(f"No neighbour database could be made: {done.stderr.strip()[-500:]}")
    return [Path(place) for place, _ in tasks]


def _fill(tasks: list[Any]) -> None:
    for place, tables in tasks:
        with Database.connect(f"chdb://{place}") as db:
            for name, columns, file in tables:
                db.command(f"CREATE DATABASE IF NOT EXISTS {name.partition('`.`')[0]}`")
                db.command(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple()")
                db.command(f"INSERT INTO {name} SELECT * FROM file('{file}', 'JSONCompactEachRow')")


def _plain(cell: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(cell, list | tuple):
        return list(map(_plain, cell))
    if isinstance(cell, dict):
        return {key: _plain(item) for key, item in cell.items()}
    return str(cell) if isinstance(cell, float) and not math.isfinite(cell) else cell


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


if __name__ == "__main__":
    _fill(json.loads(sys.stdin.read()))
