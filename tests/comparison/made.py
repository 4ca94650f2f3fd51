"""Results made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlft.database.result import Result


def result(*rows: Sequence[Any], columns: str = "", types: Sequence[str] = (), **more: Any) -> Result:
    """A result of these rows; columns are named a, b, c … where not given."""
    names = columns.split() or [chr(97 + place) for place in range(len(rows[0]))]
    return Result(names, [tuple(row) for row in rows], list(types), **more)


def column(*cells: Any, type_name: str = "") -> Result:
    """A result of one column."""
    return result(*[(cell,) for cell in cells], types=[type_name] if type_name else ())
