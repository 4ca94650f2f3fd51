"""The only way that SQL which a model wrote is run: the allow-list, then an engine that cannot write or look around.

On the embedded engine child processes run it, each confined and with a user that may only select from the allowed
tables; on a server readonly=1 and limits go with every query. A gate sees the embedded database as it was when its
children opened it.
"""

from __future__ import annotations

import datetime
import functools
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

from sqlglot import exp

from sqlft.database.clock import freeze
from sqlft.database.connect import Address, Database, parse_dsn
from sqlft.database.errors import ConnectError, QueryError, QueryRefused
from sqlft.database.guard import HARMLESS_SETTINGS, Statement, check, read
from sqlft.database.result import Result
from sqlft.database.sandbox import NETWORK, NoSandboxError
from sqlft.database.wire import read_result
from sqlft.database.worker import GRACE_SECONDS, SYSTEM_DATABASES, Child
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Limits

# A child's address space beside the query's memory: stacks of its threads, caches, what the engine cannot track.
_ROOM = 2 * 2**30
# another handle merged or dropped parts that a child opened earlier
_PARTS_MOVED = re.compile("No such file or directory|FILE_DOESNT_EXIST|NO_FILE_IN_DATA_PART|NO_SUCH_DATA_PART")
_ACCESS_DENIED, _UNKNOWN_IDENTIFIER = 497, 47
_NO_SANDBOX_ADVICE = (
    "Run on Linux 5.13 or newer with Landlock, or against a ClickHouse server, or write `sandbox: static`: the "
    "allow-list and the engine's own grants then stand alone, and every report says so."
)
_STATIC_WARNING = (
    "Model-written SQL runs without a sandbox: the allow-list alone stands between it and this machine's files."
)


_READING_GRANT = re.compile(r"GRANT (((SELECT|SHOW( \w+)*|dictGet), )*(SELECT|SHOW( \w+)*|dictGet)) ON ", re.IGNORECASE)


class _Engine(Protocol):
    sandbox: str
    warnings: list[str]
    tables: Sequence[str]
    default_database: str

    def query(self, sql: str, settings: Mapping[str, Any]) -> Result: ...
    def close(self) -> None: ...


class Gate:
    """Runs untrusted SQL. A context manager; safe to share between threads.

    Attributes:
        sandbox: What protects: 'process (landlock, …)', 'static' or 'server readonly'. Reports show it.
        warnings: What a user must be told: nothing, where all is well.
        tables: The full names of the tables that may be read.
        default_database: Where a table without a database is looked for.
    """

    def __init__(
        self, engine: _Engine, limits: Limits, tables: Sequence[str] | None, date: datetime.date | None
    ) -> None:
        self.sandbox = engine.sandbox
        self.warnings = engine.warnings
        self.tables = frozenset(engine.tables if tables is None else tables)
        self.default_database = engine.default_database
        self._engine = engine
        self._limits = limits
        self._date = date
        self._check = functools.lru_cache(4096)(self._admit)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._engine.close()

    def run(self, sql: str, *, threads: int | None = None) -> Result:
        """Runs one statement.

        Args:
            sql: What a model wrote. A trailing FORMAT clause is taken off, and told in the result.
            threads: Threads of the engine; its own choice where None.

        Returns:
            At most `limits.rows` rows; `total_rows` says how many there were.

        Raises:
            QueryRefused: The allow-list says no; nothing was sent.
            QueryError: The engine says no, or stopped it at a limit.
        """
        statement = self._check(sql)
        settings = _settings(statement, threads)
        result = self._query(statement.sql, settings)
        total = len(result.rows)
        if total > self._limits.rows:
            total = self._count(statement.sql, settings, total)
        return replace(result, rows=result.rows[: self._limits.rows], total_rows=total, format=statement.format)

    def run_many(
        self, sqls: Sequence[str], *, threads: int | None = None, progress: Callable[[int], None] | None = None
    ) -> list[Result | QueryError]:
        """Runs statements `limits.parallel` at a time; what each returns or raises stands in its place.

        Args:
            sqls: As for `run`.
            threads: As for `run`.
            progress: Told how many are done.
        """

        def one(sql: str) -> Result | QueryError:
            try:
                return self.run(sql, threads=threads)
            except QueryError as error:
                return error

        outcomes = []
        pool = ThreadPoolExecutor(self._limits.parallel)
        try:
            for outcome in pool.map(one, sqls):
                outcomes.append(outcome)
                if progress:
                    progress(len(outcomes))
        finally:
            pool.shutdown(cancel_futures=True)
        return outcomes

    def digest(self, sql: str, *, threads: int | None = None) -> tuple[int, int]:
        """Counts a result's rows and adds up their hashes in the database, for results too large to be fetched.

        Rows are hashed as text, their order left out, their columns in order: equal numbers of different types are
        equal, and floats count to 7 digits, as a sum over several threads differs in the last.

        Raises:
            QueryError: As `run`.
        """
        statement = self._check(sql)
        settings = _settings(statement, threads)
        types = [str(row[1]) for row in self._query(f"DESCRIBE (\n{statement.sql}\n)", {**settings, "limit": 0}).rows]
        cells = ", ".join(
            f"toFloat32(row.{place})"
            if "Float" in kind and "(" not in kind.replace("Nullable(", "")
            else f"row.{place}"
            for place, kind in enumerate(types, 1)
        )
        query = (
            f"SELECT count(), toString(sum(cityHash64(toString(tuple({cells}))))) FROM (SELECT tuple(*) AS row FROM (\n"
        )
        [(rows, total)] = self._query(f"{query}{statement.sql}\n))", settings).rows
        return int(rows), int(total)

    def read(self, sql: str) -> tuple[Statement, exp.Query]:
        """What a statement would run, with its parse tree.

        Raises:
            QueryRefused: As `run`.
        """
        return read(sql, tables=self.tables, default_database=self.default_database)

    def _admit(self, sql: str) -> Statement:
        statement = check(sql, tables=self.tables, default_database=self.default_database)
        return replace(statement, sql=freeze(statement.sql, self._date)) if self._date else statement

    def _query(self, sql: str, settings: Mapping[str, Any]) -> Result:
        try:
            return self._engine.query(sql, settings)
        except QueryError as error:
            if error.code == _ACCESS_DENIED and "READ ON FILE" in error.message:
                # chdb looks for a file of that name where the default database has no such table
                name = "An identifier is neither a column nor a table that may be read."
                raise QueryError(name, _UNKNOWN_IDENTIFIER, "UNKNOWN_IDENTIFIER") from None
            raise

    def _count(self, sql: str, settings: Mapping[str, Any], at_least: int) -> int:
        try:
            [(count,)] = self._query(f"SELECT count() FROM (\n{sql}\n)", settings).rows
        except QueryError:
            return at_least
        return max(at_least, count)


def open_gate(
    dsn: str,
    *,
    limits: Limits,
    tables: Sequence[str] | None,
    sandbox: str = "process",
    date: datetime.date | None = None,
) -> Gate:
    """Opens the gate to a database, and starts its first child where the engine is embedded.

    Args:
        dsn: See `connect.parse_dsn`. `chdb://memory` is an empty engine: another process's memory cannot be seen.
        limits: What one query may use.
        tables: Full names of the tables that may be read; None for every table of the DSN's own databases.
        sandbox: 'process', or 'static' to do without one on the embedded engine.
        date: The day that today() and now() mean; the clock's own where None.

    Raises:
        WrongUse: The DSN is none, or this system has no sandbox and `sandbox` does not say static.
        ConnectError: The database cannot be opened.
    """
    address = parse_dsn(dsn)
    if address.embedded:
        return Gate(_Embedded(address, limits, tables, sandbox == "process"), limits, tables, date)
    return Gate(_Server(dsn, address, limits), limits, tables, date)


def _settings(statement: Statement, threads: int | None) -> dict[str, Any]:
    return {**statement.settings, **({"max_threads": threads} if threads else {})}


def _limit_settings(limits: Limits) -> dict[str, Any]:
    return {
        "max_execution_time": limits.seconds,
        "timeout_before_checking_execution_speed": 0,  # else the time is an estimate
        "max_memory_usage": limits.memory,
        "max_result_bytes": limits.bytes,
        "result_overflow_mode": "throw",
        "limit": limits.rows + 1,
        "output_format_json_quote_denormals": 1,
    }


class _Embedded:
    """Child processes, as many as queries run at a time, each started when it is first needed."""

    default_database = "default"

    def __init__(
        self,
        address: Address,
        limits: Limits,
        tables: Sequence[str] | None,
        confined: bool,
        network: Sequence[str] = NETWORK,
    ) -> None:
        if address.path and not (address.path / "metadata").is_dir():
            raise ConnectError(f"There is no database at {address}: fill it first, or correct the DSN.")
        self._limits = limits
        # nothing is spilled to a disk that a child cannot write
        spills = [
            f"max_bytes_{ratio}before_external_{step}" for ratio in ("", "ratio_") for step in ("group_by", "sort")
        ]
        self._child = functools.partial(
            Child,
            address.path,
            {**_limit_settings(limits), **dict.fromkeys(spills, 0)},
            tables,
            memory=2 * limits.memory + _ROOM,
            confined=confined,
            network=network,
        )
        # a child dies with the thread that started it
        self._starter = ThreadPoolExecutor(1)
        self._idle: list[Child] = []
        self._lock = threading.Lock()
        self._free = threading.Semaphore(limits.parallel)
        self._closed = False
        try:
            first = self._starter.submit(self._child).result()
        except NoSandboxError as error:
            self._starter.shutdown()
            raise WrongUse(Problem("database.sandbox", "process", str(error), _NO_SANDBOX_ADVICE)) from None
        except BaseException:
            self._starter.shutdown()
            raise
        self._idle.append(first)
        self.tables: Sequence[str] = first.tables
        self.sandbox = f"process ({', '.join(first.layers)})" if confined else "static"
        self.warnings = [] if confined else [_STATIC_WARNING]

    def query(self, sql: str, settings: Mapping[str, Any]) -> Result:
        started = time.perf_counter()
        with self._borrowed() as child:
            try:
                body = child.ask(sql, settings, self._limits.seconds)
            except QueryError as error:
                if not _PARTS_MOVED.search(str(error)):
                    raise
                child.close()
                body = None
        if body is None:
            with self._borrowed() as child:
                body = child.ask(sql, settings, self._limits.seconds)
        return read_result(body, time.perf_counter() - started)

    @contextmanager
    def _borrowed(self) -> Iterator[Child]:
        with self._free:
            with self._lock:
                child = self._idle.pop() if self._idle else None
            if child and not child.alive:
                child.close()
                child = None
            if child is None:
                child = self._starter.submit(self._child).result()
            try:
                yield child
            except QueryError:
                raise
            except BaseException:
                child.close()  # interrupted: its answer is still to come
                raise
            finally:
                with self._lock:
                    if self._closed:
                        child.close()
                    elif child.alive:
                        self._idle.append(child)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for child in idle:
            child.close()
        self._starter.shutdown()


class _Server:
    """A ClickHouse server: readonly=1 and the limits go with every query, as far as this user may set them."""

    sandbox = "server readonly"

    def __init__(self, dsn: str, address: Address, limits: Limits) -> None:
        self._database = Database.connect(dsn, timeout=limits.seconds + GRACE_SECONDS)
        # a user may have another default database than the server
        here = str(self._database.run("SELECT currentDatabase()").rows[0][0])
        self.default_database = address.database or here
        self._user = address.user
        wanted = {**_limit_settings(limits), "readonly": 1}
        self._settings = {name: value for name, value in wanted.items() if self._database.may_set(name)}
        known = self._database.run("SELECT database, name FROM system.tables").rows
        self.tables: Sequence[str] = [
            f"{database}.{name}"
            for database, name in known
            if (database == address.database if address.database else database not in SYSTEM_DATABASES)
        ]
        self.warnings = [*self._could_write(), *self._limits_missing([*wanted, "max_threads"])]

    def query(self, sql: str, settings: Mapping[str, Any]) -> Result:
        chosen = {}
        for name, value in settings.items():
            if self._database.may_set(name):
                chosen[name] = str(value).strip("'")
            elif name in HARMLESS_SETTINGS:
                raise QueryRefused(f"The user '{self._user}' may not choose the setting {name}: leave it out.")
        return self._database.run(sql, {**self._settings, **chosen})

    def close(self) -> None:
        self._database.close()

    def _could_write(self) -> list[str]:
        self._readonly = int(self._database.run("SELECT getSetting('readonly')").rows[0][0])
        try:
            grants = self._database.run("SHOW GRANTS FINAL").rows
        except QueryError:  # older servers do not expand roles
            grants = self._database.run("SHOW GRANTS").rows
        beyond = [str(grant) for (grant,) in grants if not _READING_GRANT.match(re.sub(r"\([^)]*\)", "", grant))]
        if self._readonly or not beyond:
            return []
        return [
            f"The user '{self._user}' could write ({beyond[0][:80]}): readonly=1, sent with every query, is all that "
            "keeps model-written SQL from it. Connect as a user who may only read."
        ]

    def _limits_missing(self, wanted: Sequence[str]) -> list[str]:
        missing = [
            name for name in wanted if not self._database.may_set(name) and (name != "readonly" or not self._readonly)
        ]
        if not missing:
            return []
        return [f"The user '{self._user}' may not choose {', '.join(missing)}: the server's own settings hold instead."]
