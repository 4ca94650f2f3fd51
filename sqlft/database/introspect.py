"""Writes a schema card from a live ClickHouse database: names, types, comments, keys, real values, bounds, join paths.

Each table is read once, and a huge one only at its beginning, which its description then says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from sqlft.card import Column, Relation, Scalar, SchemaCard, Table
from sqlft.database.connect import Database
from sqlft.database.errors import QueryError
from sqlft.database.wire import split_type
from sqlft.problems import Problem, WrongUse

SYSTEM_DATABASES = ("system", "information_schema", "INFORMATION_SCHEMA", "_temporary_and_external_tables")
MAX_VALUES = 20
MAX_VALUE_LENGTH = 60
ROWS_READ = 20_000_000

_TEXT = re.compile(r"(Fixed)?String\b|Enum")
_INTEGER = re.compile(r"U?Int\d+$")
_SMALL = re.compile(r"U?Int8$|Bool$")
_ORDERED = re.compile(r"U?Int\d+$|B?Float\d+$|Decimal|Date")
_KEY = re.compile(r"(\w*(_|[a-z](?=[A-Z])))?(id|key|code)$", re.IGNORECASE)


def introspect(db: Database, databases: Sequence[str] | None = None) -> SchemaCard:
    """Describes every table and view of some databases.

    Args:
        db: A handle that may read them.
        databases: Their names; by default the DSN's own one, or all but the system's where the DSN names none.

    Returns:
        A card without glossary; its descriptions are the comments that the database holds.

    Raises:
        WrongUse: There is no such database, or no table in any.
    """
    chosen = list(databases or [db.address.database] * bool(db.address.database))
    known = [row[0] for row in db.run("SELECT name FROM system.databases ORDER BY name").rows]
    known = [name for name in known if name not in SYSTEM_DATABASES]
    if missing := [name for name in chosen if name not in known]:
        raise WrongUse(
            Problem("databases", ", ".join(missing), f"{db.dsn} has none of that name", f"It has {', '.join(known)}.")
        )
    where = f"database IN ({_literals(chosen or known)})"
    found = db.run(
        f"SELECT database, name, engine, comment, primary_key, total_rows FROM system.tables WHERE {where} "
        "AND NOT is_temporary AND NOT startsWith(name, '.inner') ORDER BY database, name"
    ).rows
    if not found:
        raise WrongUse(
            Problem("databases", ", ".join(chosen or known), f"{db.dsn} has no table there", "Load some first.")
        )
    columns: dict[tuple[str, str], list[Column]] = {}
    for database, owner, name, kind, comment in db.run(
        f"SELECT database, table, name, type, comment FROM system.columns WHERE {where} "
        "AND default_kind != 'EPHEMERAL' ORDER BY database, table, position"
    ).rows:
        columns.setdefault((database, owner), []).append(Column(name=name, type=kind, description=comment, term=""))
    tables, unique, views = [], {}, set()
    for database, name, engine, comment, primary_key, total_rows in found:
        own = columns.get((database, name), [])
        if not own:  # a parameterized view
            continue
        noun, plural = _noun(name)
        table = Table(name=f"{database}.{name}", description=comment, noun=noun, plural=plural, columns=own)
        parts = [part.strip(" `") for part in primary_key.split(",")]
        keys = parts if all(any(part == column.name for column in own) for part in parts) else []
        source = f"{_quoted(database)}.{_quoted(name)}"
        if total_rows is None or total_rows > ROWS_READ:
            source = f"(SELECT {', '.join(_quoted(column.name) for column in own)} FROM {source} LIMIT {ROWS_READ})"
        try:
            unique[table.name] = _read(db, source, table, keys)
        except QueryError as error:
            unique[table.name] = set()
            table.description = f"{comment} It could not be read: {error.name or error.message}.".strip()
        if engine == "View":
            views.add(table.name)
        tables.append(table)
    return SchemaCard(tables=tables, relations=_relations(tables, unique, views))


def _read(db: Database, source: str, table: Table, keys: list[str]) -> set[str]:
    """Fills values, bounds and key of a table in one scan; returns the columns in which no two rows are alike."""
    sampled = [c for c in table.columns if _TEXT.match(_plain(c.type)) or re.match(r"U?Int|Bool", _plain(c.type))]
    bounded = [c for c in table.columns if _ORDERED.match(_plain(c.type))]
    likely = [[c.name] for c in table.columns if c.name in keys or _KEY.match(c.name)]
    if len(keys) > 1:
        likely.append(keys)
    parts = [
        "count()",
        *(f"arraySort(groupUniqArray({MAX_VALUES + 1})({_quoted(c.name)}))" for c in sampled),
        *(f"[min({_quoted(c.name)}), max({_quoted(c.name)})]" for c in bounded),
        *(f"uniqExact({', '.join(map(_quoted, names))})" for names in likely),
    ]
    rows, *cells = db.run(f"SELECT {', '.join(parts)} FROM {source}").rows[0]
    if not rows:
        return set()
    for column, cell in zip(sampled, cells, strict=False):
        column.values = _values(cell, _plain(column.type))
    for column, ends in zip(bounded, cells[len(sampled) :], strict=False):
        if column.values is None:
            column.min, column.max = (_bound(end, column.type) for end in ends)
    counts = cells[len(sampled) + len(bounded) :]
    unique = [names for names, count in zip(likely, counts, strict=True) if count == rows]
    unique.sort(key=lambda names: (len(names), names[0] not in keys))
    table.key = unique[0] if unique else []
    if rows == ROWS_READ:
        note = f"Values and bounds are those of its first {ROWS_READ:,} rows."
        table.description = f"{table.description} {note}".strip()
    return {names[0] for names in unique if len(names) == 1}


def _values(cell: list[Any], kind: str) -> list[Scalar] | None:
    """A column's values where they are all known and short; of a wide integer only where it is a flag."""
    values = [int(v) if isinstance(v, bool) else v.rstrip("\0") if isinstance(v, str) else v for v in cell]
    if not 0 < len(values) <= MAX_VALUES or any(len(str(value)) > MAX_VALUE_LENGTH for value in values):
        return None
    if _INTEGER.match(kind) and not _SMALL.match(kind) and not set(values) <= {0, 1}:
        return None
    return values


def _bound(end: Any, kind: str) -> Scalar | None:
    if end is None or (isinstance(end, float) and not math.isfinite(end)):
        return None
    return float(end) if "Decimal" in kind else end


def _relations(tables: list[Table], unique: dict[str, set[str]], views: set[str]) -> list[Relation]:
    """Same-named columns, the key of the table on the right; or `order_id` and the `id` of `orders`."""
    relations = []
    for right in tables:
        for column in right.columns:
            if right.key != [column.name] or right.name in views:
                continue
            bare = column.name.lower() in ("id", "key", "code")
            sought = f"{right.noun.replace(' ', '_')}_{column.name}" if bare else column.name
            for left in tables:
                match = next((c for c in left.columns if c.name == sought and _family(c) == _family(column)), None)
                if left is right or match is None:
                    continue
                if match.name in unique[left.name] and _owns(left, sought) > _owns(right, sought):
                    continue  # one to one, and said the other way round
                relations.append(Relation(left=f"{left.name}.{match.name}", right=f"{right.name}.{column.name}"))
    return relations


def _owns(table: Table, column: str) -> tuple[bool, str]:
    """Orders two tables that share a unique column: `users` owns `user_id` rather than `profiles`."""
    return column.startswith(table.noun.replace(" ", "_")), table.name


def _family(column: Column) -> str:
    kind = _plain(column.type)
    return "Int" if _INTEGER.match(kind) else kind


def _plain(kind: str) -> str:
    """The type without Nullable and LowCardinality."""
    name, arguments = split_type(kind)
    return _plain(arguments[0]) if name in ("Nullable", "LowCardinality") else kind


def _noun(table: str) -> tuple[str, str]:
    """What one row is called, and the plural where it is not the noun with an s: order_items -> 'order item', ''."""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"^(dim|fact|fct|stg|raw|tbl)_", "", table)).lower().split("_")
    many = " ".join(filter(None, words))
    for ending, single in ((r"ies$", "y"), (r"(ss|sh|ch|x)es$", r"\1"), (r"(?<=[^su])s$", "")):
        one, changed = re.subn(ending, single, many)
        if changed and len(one) > 2:
            return one, "" if many == f"{one}s" else many
    return many, ""


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literals(texts: Iterable[str]) -> str:
    return ", ".join("'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'" for text in texts)
