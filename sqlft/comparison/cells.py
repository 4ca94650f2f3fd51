"""Cells: what a value of each ClickHouse type means, and when two values are the same.

A cell is read once, by its column's type, into a plain value: int, float or Decimal, str, None, `NAN`, or a tuple of
such (arrays, tuples, maps). Dates and times become text without what midnight and trailing zeros add, so that a Date
is its own midnight. Columns without a type, as results from files have, are read by the look of each cell, and so are
cells that do not fit their column's type.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Cell = Any
Family = Literal["number", "text", "temporal", "nested", "unknown"]


class _Mark:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


NAN = _Mark("nan")  # one value, since a float NaN is not equal to itself
_MAP = _Mark("map")  # begins the tuple that a map is read into, so that no array equals it

_NUMBERS = (int, float, Decimal)
_WRAPPERS = ("Nullable", "LowCardinality", "SimpleAggregateFunction")
_ARGUMENTS = dict.fromkeys((*_WRAPPERS, "Array"), 1) | {"Map": 2}
_TYPE_MARK = re.compile(r"'(?:[^'\\]|\\.|'')*'|[(),]")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?Z?")
_ZONE = re.compile(r"DateTime(?:64\(\d+(?:, *'([^']*)')?\)|\('([^']*)'\))?")
_NAMED = re.compile(r"(`[^`]*`|\w+)\s+(\S.*)", re.DOTALL)


def same(a: Cell, b: Cell) -> bool:
    """Whether two read cells say the same. Symmetric, but not transitive: floats are equal to 1e-6 relative or 1e-9."""
    if a == b:
        return True
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, str):
        return is_number(b) and a in decimal_texts(b)
    if isinstance(b, str):
        return is_number(a) and b in decimal_texts(a)
    return (isinstance(a, float) or isinstance(b, float)) and is_number(a) and is_number(b) and near(a, b)


def is_number(cell: Cell) -> bool:
    """Whether a read cell is a number (bool is one; `NAN` is not)."""
    return isinstance(cell, _NUMBERS)


def near(a: Cell, b: Cell) -> bool:
    """Whether two numbers differ by at most 1e-6 of the larger, or 1e-9."""
    try:
        return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)
    except OverflowError:  # an integer beyond every float
        return False


def decimal_texts(number: int | float | Decimal) -> set[str]:
    """The texts that write a number exactly: 3 is '3'; the float 3.0 is '3.0', and '3' as ClickHouse writes it."""
    if isinstance(number, int):
        return {str(int(number))}
    number = number + 0.0 if isinstance(number, float) else number  # -0.0 is 0.0
    plain = f"{number if isinstance(number, Decimal) else Decimal(repr(number)):f}"
    return {str(number), plain, plain.rstrip("0").rstrip(".") if "." in plain else plain}


def is_empty(cell: Cell) -> bool:
    """Whether a read cell is what an aggregate over nothing gives: NULL, zero, NaN, empty text, an array of such."""
    return all(map(is_empty, cell)) if isinstance(cell, tuple) else cell in (None, NAN, "", 0)


def family(type_name: str) -> Family:
    """The family of a ClickHouse type, its wrappers taken off; 'unknown' for an empty or a dynamic type."""
    name, arguments = _parse(type_name)
    if name in _WRAPPERS:
        return family(arguments[-1])
    if re.match(r"U?Int\d|Float|BFloat|Decimal|Bool|Interval", name):
        return "number"
    if name in ("Date", "Date32", "DateTime", "DateTime64"):
        return "temporal"
    if name in ("Array", "Tuple", "Map", "Nested"):
        return "nested"
    return "unknown" if name in ("", "Dynamic", "Variant", "JSON", "Object", "Nothing") else "text"


@lru_cache(maxsize=4096)
def reader(type_name: str, other: str) -> Callable[[Cell], Cell]:
    """How a column's cells are read when they stand against a column of another type.

    The other type matters for times (two zones: both are read as instants; a type without a zone is taken as UTC) and
    for text (against a date, or an unknown type, text that looks like a time is read as one).

    Args:
        type_name: ClickHouse's type, or '' to go by the look of each cell.
        other: The type on the other side.
    """
    zones, other_zones = _zones(type_name), _zones(other)
    instants = bool(zones and other_zones and zones != other_zones)
    return _reader(type_name, instants, infer=family(other) in ("unknown", "temporal"))


@lru_cache(maxsize=4096)
def _reader(type_name: str, instants: bool, infer: bool) -> Callable[[Cell], Cell]:
    name, arguments = _parse(type_name)
    kind = family(type_name)
    if name in _WRAPPERS:
        return _reader(arguments[-1], instants, infer)
    if kind == "unknown" or (kind == "text" and infer and name != "FixedString"):
        return _by_look
    read: Callable[[Cell], Cell]
    if name.startswith("Decimal"):
        read = _decimal
    elif kind == "number":
        read = _float if "Float" in name else _int
    elif kind == "temporal":
        zone = next(iter(_zones(type_name)), "") if instants else ""

        def read(cell: Cell) -> Cell:
            return _moment(cell, zone)
    elif name == "FixedString":

        def read(cell: Cell) -> Cell:
            return cell.rstrip("\0")
    elif name == "Array":
        read = _sequence(_reader(arguments[0], instants, infer))
    elif name in ("Tuple", "Nested"):
        read = _places(arguments, instants, infer)
        read = _sequence(read) if name == "Nested" else read
    elif name == "Map":
        value = _reader(arguments[1], instants, infer)

        def read(cell: Cell) -> Cell:
            return (_MAP, *sorted((str(key), value(item)) for key, item in cell.items()))
    else:

        def read(cell: Cell) -> Cell:
            return cell if isinstance(cell, str) else _by_look(cell)

    def read_fitting(cell: Cell) -> Cell:
        try:
            return None if cell is None else read(cell)
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError):
            return _by_look(cell)

    return read_fitting


def _sequence(read: Callable[[Cell], Cell]) -> Callable[[Cell], Cell]:
    return lambda cell: tuple(map(read, cell))


def _places(arguments: list[str], instants: bool, infer: bool) -> Callable[[Cell], Cell]:
    named = [found.groups() if (found := _NAMED.fullmatch(part)) else ("", part) for part in arguments]
    names = [name.strip("`") or str(place) for place, (name, _) in enumerate(named, 1)]
    readers = [_reader(kind, instants, infer) for _, kind in named]

    def read(cell: Cell) -> Cell:
        values = [cell[name] for name in names] if isinstance(cell, dict) else cell
        return tuple(read(value) for read, value in zip(readers, values, strict=True))

    return read


def _by_look(cell: Cell) -> Cell:
    kind = type(cell)
    if kind is str:
        if len(cell) >= 19 and cell[4] == "-" and _TIME.fullmatch(cell):
            return _moment(cell, "")
        return cell.rstrip("\0") if cell.endswith("\0") else cell
    if kind is float:
        return NAN if cell != cell else cell
    if kind is list or kind is tuple:
        return tuple(map(_by_look, cell))
    if kind is dict:
        return (_MAP, *sorted((key, _by_look(item)) for key, item in cell.items()))
    return cell


def _int(cell: Cell) -> Cell:
    return int(cell) if isinstance(cell, str) else _by_look(cell)


def _float(cell: Cell) -> Cell:
    number = float(cell)
    return NAN if number != number else number


def _decimal(cell: Cell) -> Cell:
    return Decimal(cell if isinstance(cell, str) else repr(cell))


def _moment(cell: Cell, zone: str) -> Cell:
    found = _TIME.fullmatch(cell) if isinstance(cell, str) else None
    if not found:
        return cell if isinstance(cell, str) else _by_look(cell)
    text, fraction = f"{found[1]} {found[2]}", (found[3] or "").rstrip("0").rstrip(".")
    if zone:
        try:
            local = datetime.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
            text = local.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
        except (ZoneInfoNotFoundError, OverflowError):
            pass
    return text[:10] if not fraction and text.endswith(" 00:00:00") else text + fraction


def _zones(type_name: str) -> frozenset[str]:
    return frozenset(scaled or plain or "UTC" for scaled, plain in _ZONE.findall(type_name))


@lru_cache(maxsize=4096)
def _parse(type_name: str) -> tuple[str, list[str]]:
    """'Map(String, Array(UInt8))' -> ('Map', ['String', 'Array(UInt8)']); a container of nothing is an unknown type."""
    name, _, inside = type_name.strip().partition("(")
    arguments, depth, start = [], 0, 0
    for found in _TYPE_MARK.finditer(inside):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if (found[0] == "," and depth == 0) or (found[0] == ")" and depth == -1):
            arguments.append(inside[start : found.start()].strip())
            start = found.end()
    return (name, arguments) if len(arguments) >= _ARGUMENTS.get(name, 0) else ("", [])
