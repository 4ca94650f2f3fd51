"""What can go wrong between sqlft and ClickHouse."""

from __future__ import annotations

import re
from typing import Literal

from sqlft.problems import SqlftError

Kind = Literal["error", "refused", "timeout", "crashed", "limit"]

_KINDS: dict[int, Kind] = {
    158: "limit",  # TOO_MANY_ROWS
    159: "timeout",  # TIMEOUT_EXCEEDED
    160: "timeout",  # TOO_SLOW
    164: "refused",  # READONLY
    241: "limit",  # MEMORY_LIMIT_EXCEEDED
    307: "limit",  # TOO_MANY_BYTES
    396: "limit",  # TOO_MANY_ROWS_OR_BYTES
    497: "refused",  # ACCESS_DENIED
}
_PREFIX = re.compile(r"^.*?Code: \d+\. DB::Exception: (?:Code: \d+\. DB::Exception: )*", re.DOTALL)
_NAME = re.compile(r"\s*\(([A-Z][A-Z0-9_]+)\)\s*(?:\(version .*)?$", re.DOTALL)
_HINT = re.compile(r"Maybe you meant:? (\[[^\]]*\]|\S+?)\??\.?(?=\s|$)")


class ConnectError(SqlftError):
    """The database cannot be reached, or refuses the user; the message says what to do."""


class QueryError(SqlftError):
    """A query failed. It survives pickling, so that a child process can send it.

    Attributes:
        message: ClickHouse's own sentence, without code, name and version.
        code: ClickHouse's error code; 0 where the failure is not ClickHouse's.
        name: ClickHouse's name of the error, such as UNKNOWN_IDENTIFIER; empty where there is none.
        hint: Names that ClickHouse thinks were meant, joined by commas; empty where there are none.
        kind: 'error' (the SQL is wrong), 'refused' (not allowed), 'timeout', 'crashed', 'limit' (rows, bytes, memory).
    """

    def __init__(self, message: str, code: int = 0, name: str = "", hint: str = "", kind: Kind = "error") -> None:
        super().__init__(message, code, name, hint, kind)
        self.message = message
        self.code = code
        self.name = name
        self.hint = hint
        self.kind = kind

    def __str__(self) -> str:
        return f"{self.name} ({self.code}): {self.message}" if self.name else self.message

    @classmethod
    def parse(cls, text: str, code: int | None = None) -> QueryError:
        """Reads an error as ClickHouse writes it: 'Code: 47. DB::Exception: … (UNKNOWN_IDENTIFIER) (version …)'."""
        found = re.search(r"Code: (\d+)\.", text)
        code = code or (int(found[1]) if found else 0)
        message = " ".join(_PREFIX.sub("", text).split())
        name = _NAME.search(message)
        message = _NAME.sub("", message)
        hint = _HINT.search(message)
        names = (re.findall(r"'([^']*)'", hint[1]) or [hint[1]]) if hint else []
        return cls(message, code, name[1] if name else "", ", ".join(names), _KINDS.get(code, "error"))


class QueryRefused(QueryError):
    """The static gate said no; nothing was sent to the database."""

    def __init__(self, message: str, code: int = 0, name: str = "", hint: str = "", kind: Kind = "refused") -> None:
        super().__init__(message, code, name, hint, kind)
