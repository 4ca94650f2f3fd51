"""Values around the literals of queries: there a right query and a near miss part."""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlglot import exp

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Like, exp.ILike)
_TYPE = re.compile(
    r"(?:Nullable\(|LowCardinality\()*(?P<sign>U?)(?P<name>Int|Float|Decimal|Date|String|Bool)(?P<size>\d*)"
)
_NUMBER = re.compile(r"\d+(\.\d+)?")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(?: .*)?")
YEARS = range(1971, 2105)
"""What every type of date can hold."""


def literals_by_column(trees: Iterable[exp.Query]) -> dict[str, set[str]]:
    """The literals that statements compare each column with, directly, in a function's argument or by an alias."""
    found: dict[str, set[str]] = defaultdict(set)
    for tree in trees:
        meant = {alias.alias: _names(alias, alias) for alias in tree.find_all(exp.Alias)}
        for node in tree.find_all(*_COMPARISONS):
            select = node.find_ancestor(exp.Select)
            said = {item.this for item in node.find_all(exp.Literal) if item.find_ancestor(exp.Select) is select}
            for name in _names(node, node):
                for column in (name, *meant.get(name, ())):
                    found[column] |= said
    return found


def _names(node: exp.Expr, within: exp.Expr) -> set[str]:
    select = within.find_ancestor(exp.Select)
    return {column.name for column in node.find_all(exp.Column) if column.find_ancestor(exp.Select) is select}


def edges(kind: str, literals: Collection[str], values: Sequence[Any] | None) -> list[Any]:
    """Cells of a column at and around the literals that it is compared with: one more, one less, another case.

    Args:
        kind: The column's type.
        literals: From `literals_by_column`.
        values: All values of the column, where they are known: then these, and those that are asked for more often.
    """
    found = _TYPE.match(kind)
    if not found or not literals:
        return []
    if values is not None:
        known = known_values(kind, values)
        return sorted([*known, *[value for value in known if str(value) in literals] * len(known)])
    if found["name"] == "Date":
        cells: set[Any] = {str(day) for text in literals for day in _days(text)}
        if kind[found.start("name") :].startswith("DateTime"):
            cells = {f"{day} {time}" for day in cells for time in ("00:00:00", "12:00:00", "23:59:59")}
    elif found["name"] == "String":
        bare = {text.strip("%") for text in literals}
        cells = {text for one in bare for text in (one, f"{one}x", f"x{one}", one.swapcase())}
    elif found["name"] == "Bool":
        cells = {False, True}
    elif found["name"] == "Int":
        top = 2 ** (int(found["size"]) - (not found["sign"]))
        cells = {int(float(text)) + step for text in literals if _NUMBER.fullmatch(text) for step in (-1, 0, 1)}
        cells = {number for number in cells if -top * (not found["sign"]) <= number < top}
    else:
        cells = {float(text) + step for text in literals if _NUMBER.fullmatch(text) for step in (-1, 0, 1)}
    return sorted(cells)


def known_values(kind: str, values: Sequence[Any]) -> list[Any]:
    """All values of a column: those at hand, and both of a flag that happens to be always the same."""
    return [0, 1] if "Int8" in kind and set(values) <= {0, 1} else list(values)


def _days(text: str) -> Iterator[datetime.date]:
    """The day, the one before and the one after; of a year, or a month that begins there, the ends and some between."""
    one = datetime.timedelta(days=1)
    try:
        if text.isdecimal() and int(text) in YEARS:
            year = int(text)
            for first in (datetime.date(year, 1, 1), datetime.date(year + 1, 1, 1)):
                yield from (first - one, first)
            yield from (datetime.date(year, 5, 11), datetime.date(year, 9, 24))
        elif (found := _DAY.fullmatch(text)) and int(text[:4]) in YEARS:
            day = datetime.date.fromisoformat(found[1])
            yield from (day - one, day, day + one)
            if day.day == 1:
                end = (day + 31 * one).replace(day=1)
                yield from (day + 2 * one, day + 10 * one, day + 18 * one, end - one, end)
    except ValueError:  # no day of the calendar
        return
