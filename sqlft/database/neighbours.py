"""Neighbour databases: copies of some tables, changed where a query that is right by luck gives itself away.

Rows are dropped and doubled under new keys, values are swapped between rows, some become NULL where the type allows,
and some become the literals of the queries at hand, one more and one less. Keys stay unique and references lead
somewhere. After Zhong et al. 2020, "Semantic evaluation for text-to-SQL with distilled test suites"
(https://arxiv.org/abs/2010.02840).
"""

from __future__ import annotations

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
from sqlft.database.edges import edges
from sqlft.database.errors import QueryError
from sqlft.database.gate import Gate
from sqlft.problems import SqlftError

_NULLED = 0.1
_LEAST_ROWS = 40
_FAVOURED = 0.5  # of swapped values come from three, so that other groups are large in every neighbour
_OPAQUE = re.compile(r"AggregateFunction|Nothing")  # cannot be written back


@dataclass(frozen=True)
class Change:
    """Shares: of rows that are dropped and doubled, of cells that get another row's value and that get an edge."""

    dropped: float
    doubled: float
    swapped: float
    edged: float


CHANGES = (
    Change(0.1, 0.4, 0.3, 0.3),
    Change(0.6, 0.2, 0.2, 0.5),
    Change(0.2, 0.9, 0.6, 0.1),
    Change(0.9, 0.3, 0.4, 0.3),
    Change(0.4, 0.0, 0.05, 0.8),
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
        edges: By place, the values that queries ask about.
    """

    name: str
    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    key: list[int]
    parents: dict[int, tuple[str, int]]
    edges: dict[int, list[Any]]


def copy_tables(
    gate: Gate, card: SchemaCard, names: Collection[str], literals: Mapping[str, set[str]], rows: int
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
        around = {
            place: edges(kind, literals.get(column.name, ()), closed=column.values is not None)
            for place, (column, kind) in enumerate(zip(columns, result.types, strict=True))
            if column.name not in table.key and place not in parents
        }
        key = [names_here.index(name) for name in table.key]
        copies[table.name] = Copy(table.name, names_here, result.types, result.rows, key, parents, around)
    return list(copies.values())


def change(copies: Sequence[Copy], number: int) -> list[list[list[Any]]]:
    """The rows of each table in neighbour `number`; the same number gives the same rows.

    Args:
        copies: Referred tables first.
        number: From 0 on.
    """
    rng, shares = random.Random(number), CHANGES[number % len(CHANGES)]
    made: dict[str, list[list[Any]]] = {}
    for copy in copies:
        rows = [list(row) for row in copy.rows if rng.random() >= shares.dropped]
        rows = rows or [list(row) for row in copy.rows[:3]]
        more = max(int(shares.doubled * len(rows)), _LEAST_ROWS - len(rows))
        rows += _doubles(copy, rng.choices(rows, k=more) if rows else [])
        for place in range(len(copy.columns)):
            if place in copy.parents:
                rows = _refer(copy, place, rows, made, shares, rng)
            elif place not in copy.key:
                _swap(copy, place, rows, shares, rng)
        made[copy.name] = rows
    return list(made.values())


def _doubles(copy: Copy, rows: list[list[Any]]) -> list[list[Any]]:
    """The same rows under new keys; none where a key cannot be made."""
    own = [place for place in copy.key if place not in copy.parents]
    if not copy.key:
        return [row[:] for row in rows]
    taken = [row[own[-1]] for row in copy.rows] if own else []
    if taken and all(type(key) is int for key in taken) and not re.search(r"Int(8|16)\b", copy.types[own[-1]]):
        fresh = [max(taken) + number for number in range(1, len(rows) + 1)]
    elif taken and all(type(key) is str for key in taken) and "String" in copy.types[own[-1]]:
        fresh = [f"{row[own[-1]]}~{number}" for number, row in enumerate(rows)]
    else:
        return []
    return [[*row[: own[-1]], key, *row[own[-1] + 1 :]] for row, key in zip(rows, fresh, strict=True)]


def _refer(copy: Copy, place: int, rows: list[list[Any]], made: Mapping[str, list[list[Any]]], shares: Change,
           rng: random.Random) -> list[list[Any]]:  # fmt: skip
    """Lets references lead to other rows, and those whose row is gone to one that is there."""
    parent, there = copy.parents[place]
    keys = [row[there] for row in made[parent]]
    known = set(keys)
    if place in copy.key:
        return [row for row in rows if row[place] in known]
    for row in rows:
        if row[place] is not None and keys and (row[place] not in known or rng.random() < shares.swapped):
            row[place] = rng.choice(keys)
    return rows


def _swap(copy: Copy, place: int, rows: list[list[Any]], shares: Change, rng: random.Random) -> None:
    observed = [row[place] for row in copy.rows]
    if not observed:
        return
    numbers = [cell for cell in observed if isinstance(cell, int | float)]
    least = min(numbers, default=0)
    around = [
        cell for cell in copy.edges.get(place, ()) if not (least >= 0 and isinstance(cell, int | float) and cell < 0)
    ]
    favourites = [rng.choice(observed) for _ in range(3)]
    nullable = copy.types[place].startswith(("Nullable", "LowCardinality(Nullable"))
    for row in rows:
        chance = rng.random()
        if chance < shares.swapped:
            row[place] = rng.choice(favourites if rng.random() < _FAVOURED else observed)
        elif around and chance < shares.swapped + shares.edged * (1 - shares.swapped):
            row[place] = rng.choice(around)
        elif nullable and rng.random() < _NULLED:
            row[place] = None


def write_neighbours(folder: Path, copies: Sequence[Copy], numbers: Iterable[int], database: str = "") -> list[Path]:
    """Makes embedded databases of changed rows, in a process of its own: this one may have another open.

    Args:
        folder: Where they will be.
        copies: The tables.
        numbers: Which neighbours, see `change`.
        database: A database whose tables are also written into `default`, where names without one are looked for.

    Returns:
        The folder of each.

    Raises:
        SqlftError: The engine does not take the rows back.
    """
    tasks: list[tuple[str, list[tuple[str, str, str]]]] = []
    for number in numbers:
        tables = []
        for place, (copy, rows) in enumerate(zip(copies, change(copies, number), strict=True)):
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
