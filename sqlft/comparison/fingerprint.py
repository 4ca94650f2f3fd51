"""A short hash of what a result says, for records: the same rows have the same one, in whatever order they come."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from sqlft.comparison.cells import Cell, reader
from sqlft.database import Result


def fingerprint(result: Result) -> str:
    """Sixteen hex digits; empty where the row limit cut the result, as which rows were kept may change.

    Rows are a multiset, the columns' order counts and their names do not. Numbers are written with nine significant
    digits, so that sums of floats that differ with the number of threads are the same but for rare bad luck: two
    fingerprints that differ are a reason to compare the results, not the comparison.
    """
    if result.too_large:
        return ""
    readers = [reader(kind, "") for kind in result.types or [""] * len(result.columns)]

    def write(row: tuple[Cell, ...]) -> str:
        return _text(tuple(read(cell) for read, cell in zip(readers, row, strict=True)))

    said = "\n".join(
        [*sorted(map(write, result.rows)), "totals", *map(write, [result.totals] if result.totals else [])]
    )
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _text(cell: Cell) -> str:
    if isinstance(cell, tuple):
        return f"({', '.join(map(_text, cell))})"
    if isinstance(cell, str):
        return repr(cell)
    if isinstance(cell, float | Decimal):
        return f"{float(cell) + 0.0:.9g}"  # -0.0 is 0.0
    return str(int(cell)) if isinstance(cell, int) else str(cell)
