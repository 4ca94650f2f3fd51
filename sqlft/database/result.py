"""What a query returned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Result:
    """A table as ClickHouse sent it.

    Cells are what JSONCompact carries, read exactly: int of any width, float (nan, inf included), str (Decimal, Date,
    DateTime, UUID, Enum, String), bool, None, list (Array, Tuple), dict (Map, named Tuple). `types` says what they are.

    Attributes:
        columns: Names, in order; a name may stand twice.
        types: ClickHouse's types, one a column; empty where unknown (a result read from a file).
        rows: One tuple a row.
        totals: The WITH TOTALS row, where the query asked for one.
        extremes: The two rows of SET extremes = 1, min and max.
        elapsed: Seconds.
        total_rows: Rows that the query gave; more than len(rows) where the limit cut them.
        format: The FORMAT clause that was taken off, upper case, or empty.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    types: list[str] = field(default_factory=list)
    totals: tuple[Any, ...] | None = None
    extremes: tuple[tuple[Any, ...], tuple[Any, ...]] | None = None
    elapsed: float = 0.0
    total_rows: int | None = None
    format: str = ""

    @property
    def too_large(self) -> bool:
        """The row limit cut this result."""
        return self.total_rows is not None and self.total_rows > len(self.rows)
