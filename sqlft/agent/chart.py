"""What can be drawn of a result: one label or date a row, and one number."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from sqlft.database import Result

FEWEST, MOST = 2, 40
_WRAPPED = re.compile(r"^(?:Nullable|LowCardinality)\((.*)\)$")
_NUMBER = re.compile(r"U?Int|B?Float|Decimal")
_LABEL = re.compile(r"String|FixedString|Enum|Date|Bool|UUID|IPv")
_PERIOD = re.compile(r"year|quarter|month|week|day|date|hour", re.IGNORECASE)


@dataclass(frozen=True)
class Chart:
    """A row a bar, or, over time, a row a point.

    Attributes:
        label: The labels' column.
        number: The numbers' column.
        labels: As text; they differ.
        values: Finite.
        shown: The values as they were written.
        over_time: The labels are dates or parts of them, in their order.
    """

    label: str
    number: str
    labels: list[str]
    values: list[float]
    shown: list[str]
    over_time: bool


def choose_chart(result: Result) -> Chart | None:
    """The chart that fits a result; None where none does, or rows were cut off."""
    rows, types = result.rows, [*map(_bare, result.types)]
    if not FEWEST <= len(rows) <= MOST or len(types) != 2 or result.too_large:
        return None
    periods = [bool("Int" in kind and _PERIOD.search(name)) for kind, name in zip(types, result.columns, strict=True)]
    sides = [
        (label, 1 - label)
        for label in (0, 1)
        if _NUMBER.match(types[1 - label])
        and (_LABEL.match(types[label]) or (periods[label] and not periods[1 - label]))
    ]
    if not sides:
        return None
    label, number = sides[0]
    values = [number_of(row[number], types[number]) for row in rows]
    labels = ["NULL" if row[label] is None else str(row[label]) for row in rows]
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if len(finite) < len(rows) or len({*labels}) < len(rows):
        return None
    keys = [row[label] for row in rows]
    timely = types[label].startswith("Date") or not _LABEL.match(types[label])
    over_time = timely and None not in keys and keys == sorted(keys)
    shown = [f"{row[number]:,.6g}" if isinstance(row[number], float) else str(row[number]) for row in rows]
    return Chart(result.columns[label], result.columns[number], labels, finite, shown, over_time)


def number_of(value: Any, kind: str) -> float | None:
    """A cell as a number; None where it is none. Decimals come as text, so the type decides."""
    if value is None or isinstance(value, bool | list | dict):
        return None
    return float(value) if not isinstance(value, str) or _bare(kind).startswith("Decimal") else None


def _bare(kind: str) -> str:
    while found := _WRAPPED.match(kind):
        kind = found[1]
    return kind
