"""One database handle, two engines: a ClickHouse server over HTTP(S), or the embedded engine in this process.

This handle is trusted: it may write. SQL that a model wrote never runs on it; see sqlft.database.gate.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from sqlft.database.clauses import split_format, statements
from sqlft.database.errors import ConnectError, QueryError
from sqlft.database.result import Result
from sqlft.database.wire import may_hide_floats, read_result
from sqlft.problems import Problem, WrongUse

CONNECT_SECONDS = 5
# JSON has no nan and no inf; without this ClickHouse writes null for them
_QUOTE_FLOATS = "output_format_json_quote_denormals"

_FORMS = (
    "Write chdb://memory, chdb:///absolute/path, chdb://./relative/path, clickhouse://user@host:8123/database, "
    "or clickhouses://… for TLS."
)
_SECRET = "A password with / ? # or @ goes into CLICKHOUSE_PASSWORD."
_WRONG_USER = (192, 193, 194, 516)  # UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED
_UNKNOWN_DATABASE = 81

# what it logs, tracebacks among it, is raised too; a program that configures logging still sees it
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Address:
    """Where a DSN points. `path` is for the embedded engine (None: in memory), the rest for a server."""

    embedded: bool
    path: Path | None = None
    host: str = ""
    port: int = 0
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = ""
    tls: bool = False

    def __str__(self) -> str:
        """The DSN with its password masked."""
        if self.embedded:
            return f"chdb://{self.path or 'memory'}"
        secret = ":***" if self.password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"clickhouse{'s' * self.tls}://{quote(self.user)}{secret}@{host}:{self.port}/{quote(self.database)}"


def parse_dsn(dsn: str) -> Address:
    """Reads a DSN; a server's password comes from CLICKHOUSE_PASSWORD where the DSN holds none.

    Raises:
        WrongUse: It is none of the forms; the message masks a password.
    """

    def wrong(why: str, write: str = _FORMS) -> WrongUse:
        return WrongUse(Problem("database.dsn", re.sub(r"(//[^:@/]*):.*@", r"\1:***@", dsn), why, write))

    if dsn == "chdb://memory":
        return Address(embedded=True)
    if dsn.startswith("chdb://"):
        location = dsn.removeprefix("chdb://")
        if not location.startswith(("/", "./", "../")):
            raise wrong("not a place for the embedded engine")
        return Address(embedded=True, path=Path(os.path.realpath(location)))
    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong("its host or port cannot be read", _SECRET) from None
    if parts.scheme not in ("clickhouse", "clickhouses"):
        raise wrong("not a DSN that sqlft knows")
    if not host:
        raise wrong("it names no host")
    if "@" in parts.path + parts.query + parts.fragment:
        raise wrong("not a DSN", _SECRET)
    if parts.query or parts.fragment:
        raise wrong("a DSN takes no options", "Leave out everything from ? or # on.")
    tls = parts.scheme == "clickhouses"
    return Address(
        embedded=False,
        host=host,
        port=port or (8443 if tls else 8123),
        user=unquote(parts.username or "default"),
        password=unquote(parts.password) if parts.password else os.environ.get("CLICKHOUSE_PASSWORD", ""),
        database=unquote(parts.path.strip("/")),
        tls=tls,
    )


class Database:
    """A trusted handle on one database. A server's handle may be shared by threads; an embedded one takes turns."""

    def __init__(self, address: Address, client: Any) -> None:
        self.address = address
        self._client = client
        quotes = client.server_settings.get(_QUOTE_FLOATS)
        self._hides_floats = quotes is None or (quotes.readonly == 1 and quotes.value != "1")
        self._turn = threading.Lock() if address.embedded else nullcontext()

    def __repr__(self) -> str:
        return f"Database({self.dsn})"

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def dsn(self) -> str:
        """The DSN, password masked."""
        return str(self.address)

    @property
    def engine_version(self) -> str:
        return str(self._client.server_version)

    @classmethod
    def connect(cls, dsn: str, *, settings: Mapping[str, Any] | None = None, timeout: float = 1800) -> Database:
        """Connects, asking the engine once.

        Args:
            dsn: See `parse_dsn`.
            settings: ClickHouse settings of every query on this handle, applied in their order.
            timeout: Seconds that one query may stay silent, on a server.

        Raises:
            WrongUse: The DSN is none.
            ConnectError: Unreachable, wrong user or password, no such database, or another embedded folder is open.
            QueryError: The engine refuses a setting.
        """
        address = parse_dsn(dsn)
        from clickhouse_connect import common, get_client
        from clickhouse_connect.driver.exceptions import Error

        common.set_setting("max_error_size", 0)
        try:
            if address.embedded:
                client = get_client(
                    interface="chdb", path=str(address.path) if address.path else None, show_clickhouse_errors="scrub"
                )
            else:
                client = get_client(
                    interface="https" if address.tls else "http",
                    host=address.host,
                    port=address.port,
                    username=address.user,
                    password=address.password,
                    database=address.database or None,
                    connect_timeout=CONNECT_SECONDS,
                    send_receive_timeout=int(timeout),
                    autogenerate_session_id=False,
                    show_clickhouse_errors="scrub",
                )
        except Error as error:
            raise _connect_error(address, error) from None
        database = cls(address, client)
        wire = {} if database._hides_floats else {_QUOTE_FLOATS: 1}
        for name, value in {**wire, **(settings or {})}.items():
            try:
                client.set_client_setting(name, value)
            except Error as error:
                database.close()
                raise database._query_error(error) from None
        return database

    def may_set(self, setting: str) -> bool:
        """Whether this user may change that setting; a user with readonly=1 may change none."""
        known = self._client.server_settings.get(setting)
        return known is not None and not known.readonly

    def run(self, sql: str, settings: Mapping[str, Any] | None = None) -> Result:
        """Runs one statement as it was written; only a trailing FORMAT clause is taken off.

        Raises:
            QueryError: ClickHouse's own error.
            ConnectError: The server went away.
        """
        if statements(sql) > 1:
            raise QueryError("More than one statement; write one.", 62, "SYNTAX_ERROR")
        query, format_name = split_format(sql)
        started = time.perf_counter()
        result = read_result(self._send(query, settings, "JSONCompact"), time.perf_counter() - started, format_name)
        if self._hides_floats and may_hide_floats(result):
            body = self._send(query, settings, "JSONCompactStrings")
            result = read_result(body, result.elapsed, format_name, texts=True)
        return result

    def command(self, sql: str) -> None:
        """Runs a statement that returns nothing: DDL, INSERT … SELECT."""
        self._send(sql, None, None)

    def close(self) -> None:
        self._client.close()

    def _send(self, sql: str, settings: Mapping[str, Any] | None, format_name: str | None) -> bytes:
        from clickhouse_connect.driver.exceptions import Error

        with self._turn:
            try:
                body: bytes = self._client.raw_query(sql, settings=dict(settings or {}), fmt=format_name)
            except Error as error:
                if self.address.embedded:
                    # chdb 4.4 hands the rows of a query that failed half-way to the next query on the connection
                    self._client.raw_query("SELECT 1")
                raise self._query_error(error) from None
        return body

    def _query_error(self, error: Any) -> QueryError | ConnectError:
        if error.code:
            return QueryError.parse(str(error), error.code)
        if "is readonly" in str(error):
            return QueryError(str(error), 164, "READONLY", kind="refused")
        if self.address.embedded:
            return QueryError.parse(str(error))
        if "ReadTimeoutError" in _causes(error):
            return QueryError(f"No answer from {self.dsn} in time.", kind="timeout")
        return _connect_error(self.address, error)


def _connect_error(address: Address, error: Any) -> ConnectError:
    from urllib3.exceptions import HTTPError

    text = str(error)
    if busy := re.search(r"already initialized with path '([^']*)'", text):
        place = "chdb://memory" if busy[1] == ":memory:" else f"chdb://{busy[1]}"
        return ConnectError(
            f"This process has {place} open, and the embedded engine takes one place per process: "
            f"close it before {address}, or use another process."
        )
    if address.embedded:
        if "EmbeddedServer: . " in text:  # chdb 4.4 writes why to standard error only
            return ConnectError(f"{address} is in use by another process: wait until it ends, or use another folder.")
        reason = re.sub(r".*(filesystem error: )|, Stack trace.*", "", text, flags=re.DOTALL)
        return ConnectError(f"The embedded engine cannot open {address}: {reason}; use another folder.")
    place, causes = f"{address.host}:{address.port}", _causes(error)
    if error.code in _WRONG_USER:
        return ConnectError(
            f"{place} refuses the user '{address.user}' or the password: "
            "write another user into the DSN, or set CLICKHOUSE_PASSWORD."
        )
    if error.code == _UNKNOWN_DATABASE:
        return ConnectError(
            f"{place} has no database '{address.database}' for the user '{address.user}': write another into the DSN."
        )
    if error.code:
        return ConnectError(f"{place} answers, but not our first questions: {QueryError.parse(text, error.code)}")
    if "NameResolutionError" in causes:
        return ConnectError(f"There is no host '{address.host}': correct the DSN.")
    if "SSLError" in causes:
        return ConnectError(
            f"{place}: the TLS handshake fails: write clickhouse:// for a server without TLS, "
            "or point SSL_CERT_FILE at the authority that signed its certificate."
        )
    if isinstance(error.__cause__, HTTPError):
        return ConnectError(
            f"Nothing answers at {place} within {CONNECT_SECONDS} s: start the server, or correct the DSN "
            "(HTTP is usually on port 8123, with TLS on 8443)."
        )
    return ConnectError(
        f"{place} answers, but not as ClickHouse's HTTP interface does: correct the port (usually 8123, with TLS 8443)."
    )


def _causes(error: BaseException | None) -> str:
    """The class names of an error's chain, and of the reason that urllib3 keeps inside."""
    names = []
    while error is not None:
        names.append(type(error).__name__)
        error = getattr(error, "reason", None) or error.__cause__
        error = error if isinstance(error, BaseException) else None
    return " ".join(names)
