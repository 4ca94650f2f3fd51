"""ClickHouse: connect, introspect, and the gate that model-written SQL goes through.

The gate is loaded when it is first asked for: it brings a SQL parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlft.database.connect import Database
from sqlft.database.errors import ConnectError, QueryError, QueryRefused
from sqlft.database.introspect import introspect
from sqlft.database.result import Result

if TYPE_CHECKING:
    from sqlft.database.gate import Gate, open_gate

__all__ = ["ConnectError", "Database", "Gate", "QueryError", "QueryRefused", "Result", "introspect", "open_gate"]


def __getattr__(name: str) -> Any:
    if name in ("Gate", "open_gate"):
        from sqlft.database import gate

        return getattr(gate, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
