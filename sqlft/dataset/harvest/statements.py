"""A query that somebody wrote, wherever it was found, and its tables' names in full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlft.card import SchemaCard
from sqlft.database.clauses import tokens
from sqlft.database.guard import check
from sqlft.dataset.lint.pair import readable


@dataclass(frozen=True)
class Found:
    """A statement as it was found.

    Attributes:
        runs: How often it ran, or stands in the files.
        last: When it last ran; its place where it comes from a file.
        database: Where its tables without a database are; empty where that is not known.
        question: What its author wrote above it.
    """

    sql: str
    runs: int = 1
    last: str = ""
    database: str = ""
    question: str = ""


def admit(found: Found, card: SchemaCard) -> str:
    """The statement on one line: without comments and FORMAT, its tables with their databases.

    Raises:
        QueryRefused: The guard does not let it through.
    """
    statement = check(found.sql, tables=None, default_database="default")
    plain = "".join(" " if token.kind == "blank" else token.text for token in tokens(statement.sql))
    sql = check(name_tables(plain, found.database, card), tables=card.table_names, default_database="default").sql
    settings = ", ".join(f"{name} = {value}" for name, value in statement.settings.items())
    return f"{sql} SETTINGS {settings}" if settings else sql


def name_tables(sql: str, database: str, card: SchemaCard) -> str:
    """The statement with a database before each table that has none: its own, or that of the card's one such table."""
    text = readable(sql)
    try:
        tree = sqlglot.parse_one(text, read="clickhouse")
    except (SqlglotError, RecursionError, IndexError):
        return sql
    if not sql.startswith(text):  # places in it would be none in the statement
        return sql
    full = _full_name(database, card)
    places = {}
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and not table.args.get("db") and not _is_common(table):
            places[table.this.meta["start"]] = full(table.name).removesuffix(table.name)
    for start in sorted(places, reverse=True):
        sql = sql[:start] + places[start] + sql[start:]
    return sql


def _full_name(database: str, card: SchemaCard) -> Callable[[str], str]:
    def full(table: str) -> str:
        if database:
            return f"{database}.{table}"
        known = [name for name in card.table_names if name.partition(".")[2] == table]
        return known[0] if len(known) == 1 else ""

    return full


def _is_common(table: exp.Table) -> bool:
    """Whether some WITH around it gives that name to a subquery."""
    node: exp.Expr | None = table
    while node is not None:
        clause = node.args.get("with_")
        if clause and table.name in {cte.alias for cte in clause.expressions}:
            return True
        node = node.parent
    return False
