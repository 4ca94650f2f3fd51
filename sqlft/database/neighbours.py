"""Neighbour databases: copies of some tables, changed where a query that is right by luck gives itself away.

After Zhong et al. 2020, "Semantic evaluation for text-to-SQL with distilled test suites"
(https://arxiv.org/abs/2010.02840); see `sqlft.database.changes` for what is changed.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard, Table
from sqlft.database.changes import Copy, change
from sqlft.database.connect import Database
from sqlft.database.edges import edges, known_values
from sqlft.database.errors import QueryError
from sqlft.database.gate import Gate
from sqlft.problems import SqlftError

_OPAQUE = re.compile(r"AggregateFunction|Nothing")  # cannot be written back


def copy_tables(
    gate: Gate, card: SchemaCard, names: Collection[str], literals: Sequence[Mapping[str, set[str]]], rows: int
) -> list[Copy]:
    """Reads tables through the gate, each after those that it refers to.

    A sample is taken by a hash of what a table refers to, else of its key, so that rows that belong together stay so.

    Args:
        gate: It lets so many rows through.
        card: For keys, relations and known values.
        names: Full names of tables on the card.
        literals: For each question, what its queries compare columns with; see `edges.literals_by_column`.
        rows: The most rows of a table.

    Raises:
        QueryError: A table cannot be read.
    """
    waiting = {name: card.table(name) for name in sorted(names)}
    refers: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in waiting}
    for relation in card.relations:
        (left, _, column), (right, _, key) = relation.left.rpartition("."), relation.right.rpartition(".")
        if left in waiting and right in waiting and left != right:
            refers[left][column] = (right, key)
    copies: dict[str, Copy] = {}
    while waiting:
        free = (name for name in waiting if {right for right, _ in refers[name].values()} <= copies.keys())
        name = next(free, next(iter(waiting)))  # tables that refer to each other come in any order
        copies[name] = _copy(gate, waiting.pop(name), refers[name], copies, literals, rows)
    return list(copies.values())


def _copy(
    gate: Gate,
    table: Table,
    refers: Mapping[str, tuple[str, str]],
    copies: Mapping[str, Copy],
    literals: Sequence[Mapping[str, set[str]]],
    rows: int,
) -> Copy:
    columns = [column for column in table.columns if not _OPAQUE.search(column.type)]
    names = [column.name for column in columns]
    parents = {
        names.index(name): (right, copies[right].columns.index(key))
        for name, (right, key) in refers.items()
        if right in copies
    }
    by = [names[place] for place in parents][:1] or table.key[:1]
    selected = f"SELECT {', '.join(map(_quoted, names))} FROM {'.'.join(map(_quoted, table.name.split('.', 1)))}"
    try:
        order = f" ORDER BY cityHash64(toString({_quoted(by[0])}))" if by else ""
        result = gate.run(f"{selected}{order} LIMIT {rows}")
    except QueryError:  # too large to be ordered in time
        result = gate.run(f"{selected} LIMIT {rows}")
    key = [names.index(name) for name in table.key]
    free = [place for place in range(len(names)) if place not in key and place not in parents]
    around = [
        {place: edges(result.types[place], said.get(names[place], ()), columns[place].values) for place in free}
        for said in literals
    ]
    return Copy(
        name=table.name,
        columns=names,
        types=result.types,
        rows=result.rows,
        key=key,
        parents=parents,
        edges=[{place: cells for place, cells in one.items() if cells} for one in around],
        closed={place: known_values(result.types[place], known) for place in free if (known := columns[place].values)},
    )


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
