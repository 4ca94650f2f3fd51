"""Queries that people ran: system.query_log of a ClickHouse server."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlft.card import SchemaCard
from sqlft.database import Database, QueryError
from sqlft.dataset.harvest.statements import Found
from sqlft.problems import Problem, SqlftError, WrongUse

_UNKNOWN_TABLE, _ACCESS_DENIED = 60, 497


@dataclass(frozen=True)
class LogFilter:
    """Which queries are taken.

    Attributes:
        users: Who ran them; empty for everybody.
        since: The first moment.
        until: The first moment that is too late.
        tables: Tables that they read one of, full names; empty for all of the card's.
        limit: How many different queries at the most: those that ran most often.
    """

    users: Sequence[str] = ()
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    tables: Sequence[str] = ()
    limit: int = 1000


@dataclass
class Logged:
    """What the log holds, and how many different queries were left there, by reason."""

    found: list[Found]
    left: dict[str, int] = field(default_factory=dict)


def read_query_log(dsn: str, card: SchemaCard, chosen: LogFilter) -> Logged:
    """Reads the newest of each group of queries that differ in their literals alone (`normalizedQueryHash`).

    Raises:
        WrongUse: A table is not the card's; or there is no log, or it may not be read.
        SqlftError: The server cannot be reached.
    """
    tables = _full_names(chosen.tables, card) or card.table_names
    ours = f"hasAny(tables, [{', '.join(map(_quoted, tables))}])"
    where = ["type = 'QueryFinish'", "is_initial_query"]
    if chosen.users:
        where.append(f"user IN ({', '.join(map(_quoted, chosen.users))})")
    if chosen.since:
        where.append(f"event_time >= toDateTime({_quoted(_second(chosen.since))})")
    if chosen.until:
        where.append(f"event_time < toDateTime({_quoted(_second(chosen.until))})")
    log = f"FROM system.query_log WHERE {' AND '.join(where)}"
    selects = "query_kind = 'Select'"
    with Database.connect(dsn) as database:
        try:
            [(others, elsewhere, wanted)] = database.run(
                f"SELECT uniqExactIf(normalized_query_hash, NOT {selects}), "
                f"uniqExactIf(normalized_query_hash, {selects} AND NOT {ours}), "
                f"uniqExactIf(normalized_query_hash, {selects} AND {ours}) {log}"
            ).rows
            rows = database.run(
                "SELECT argMax(query, (event_time, query)), count(), toString(max(event_time)), "
                f"argMax(current_database, (event_time, query)) {log} AND {selects} AND {ours} "
                f"GROUP BY normalized_query_hash ORDER BY 2 DESC, 3 DESC, 1 LIMIT {chosen.limit}"
            ).rows
        except QueryError as error:
            raise _no_log(database, error) from None
    left = {"no SELECT": others, "reads other tables": elsewhere, "beyond --limit": wanted - len(rows)}
    found = [Found(sql, int(runs), last, database) for sql, runs, last, database in rows]
    return Logged(found, {reason: int(count) for reason, count in left.items() if count})


def _full_names(tables: Sequence[str], card: SchemaCard) -> list[str]:
    names, problems = [], []
    for table in tables:
        known = [name for name in card.table_names if table in (name, name.partition(".")[2])]
        names += known
        if len(known) != 1:
            why = "two tables of the card have that name" if known else "the card has no such table"
            problems.append(Problem("--table", table, why, f"Write one of {', '.join(card.table_names)}."))
    if problems:
        raise WrongUse(problems)
    return names


def _no_log(database: Database, error: QueryError) -> SqlftError:
    if error.code == _UNKNOWN_TABLE and database.address.embedded:
        why = "the embedded engine keeps no query log"
        return WrongUse(Problem("--dsn", database.dsn, why, "Write the DSN of a server, or `sqlft import FILE`."))
    if error.code == _UNKNOWN_TABLE:
        why = "it has no system.query_log: nothing has been logged yet, or log_queries is off"
        return WrongUse(Problem("--dsn", database.dsn, why, "Set log_queries = 1 there, or write `sqlft import FILE`."))
    if error.code == _ACCESS_DENIED:
        why = f"the user '{database.address.user}' may not read system.query_log"
        return WrongUse(Problem("--dsn", database.dsn, why, "GRANT SELECT ON system.query_log to that user."))
    return error


def _second(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
