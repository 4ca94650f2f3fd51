"""Reads ClickHouse's JSONCompact into exact Python cells, guided by the columns' types.

What the JSON says of a number depends on the server's version and profile (64-bit integers quoted or not, decimals as
numbers), so the type decides, never the look. Where the profile writes null for nan and inf and the user may not change
it, JSONCompactStrings tells them apart, and is read here too. Text that is not UTF-8 arrives with replacement
characters: ClickHouse's own JSON formats do that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from sqlft.database.result import Result

Decoder = Callable[[Any], Any]

_INTEGER = re.compile(r"U?Int\d+$|Interval\w+$")
_TEXT = re.compile(r"(Fixed)?String|Date|Time|UUID|Enum|IPv|Bool|Nothing")
_FLOAT = re.compile(r"B?Float\d+$")


class _Number(str):
    """A JSON number with a fraction or exponent, as it was written."""


def _in_order(body: bytes) -> bytes:
    """The document of WITH TOTALS over no rows, which 26.9 writes with the totals before its beginning."""
    start = body.find(b'{\n\t"meta"')
    head, opening = body[:start], b'"data":\n\t[\n'
    return body[start:].replace(opening, opening + head, 1) if start > 0 else body


def read_result(body: bytes, elapsed: float = 0.0, format_name: str = "", texts: bool = False) -> Result:
    """Reads one JSONCompact document; an empty body is the result without columns of a statement that returns none.

    Args:
        body: What the engine sent.
        elapsed: Seconds, for the result.
        format_name: The FORMAT clause that was taken off, for the result.
        texts: The document is JSONCompactStrings.
    """
    if not body:
        return Result([], [], elapsed=elapsed, format=format_name)
    if not body.startswith(b"{"):
        body = _in_order(body)
    document = json.loads(body, parse_float=_Number if b"Decimal" in body else None)
    types = [column["type"] for column in document["meta"]]
    readers = [_text_decoder(kind) if texts else _decoder(kind) for kind in types]
    decoders = [(place, decode) for place, decode in enumerate(readers) if decode]

    def row(cells: list[Any]) -> tuple[Any, ...]:
        for place, decode in decoders:
            if cells[place] is not None:
                cells[place] = decode(cells[place])
        return tuple(cells)

    rows = [row(cells) for cells in document["data"]]
    extremes = document.get("extremes")
    return Result(
        columns=[column["name"] for column in document["meta"]],
        types=types,
        rows=rows,
        totals=row(document["totals"]) if "totals" in document else None,
        extremes=(row(extremes["min"]), row(extremes["max"])) if extremes else None,
        elapsed=elapsed,
        total_rows=len(rows),
        format=format_name,
    )


def may_hide_floats(result: Result) -> bool:
    """Whether a column with floats holds a NULL, which may have been nan or inf where the profile quotes neither."""
    places = [place for place, kind in enumerate(result.types) if "Float" in kind]
    blocks = [*result.rows, *([result.totals] if result.totals else []), *(result.extremes or ())]
    return any("None" in repr(row[place]) for row in blocks for place in places)


def split_type(kind: str) -> tuple[str, list[str]]:
    """Splits 'Map(String, Array(UInt8))' into 'Map' and its arguments, ['String', 'Array(UInt8)']."""
    name, bracket, inside = kind.partition("(")
    if not bracket:
        return kind, []
    arguments, depth, quote, start = [], 0, "", 0
    inside = inside[:-1]
    skip = False
    for place, letter in enumerate(inside):
        if skip:
            skip = False
        elif quote:
            skip = letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "'`\"":
            quote = letter
        elif letter == "," and depth == 0:
            arguments.append(inside[start:place].strip())
            start = place + 1
        else:
            depth += {"(": 1, ")": -1}.get(letter, 0)
    return name, [*arguments, inside[start:].strip()]


def _decoder(kind: str) -> Decoder | None:
    """What turns a cell that is not NULL into its Python value; None where it is that already."""
    name, arguments = split_type(kind)
    if name in ("Nullable", "LowCardinality"):
        return _decoder(arguments[0])
    if name == "SimpleAggregateFunction":
        return _decoder(arguments[-1])
    if _INTEGER.match(name):
        return int
    if _FLOAT.match(name):
        return float
    if name.startswith("Decimal"):
        return str
    if name == "Array":
        return _of_list(_decoder(arguments[0]))
    if name == "Tuple":
        return _of_tuple([_element(argument) for argument in arguments])
    if name == "Map":
        return _of_map(_decoder(arguments[0]) or str, _decoder(arguments[1]))
    return None if _TEXT.match(name) else _untyped


def _element(argument: str) -> tuple[str, Decoder | None]:
    """A tuple's element is a type, or a name and a type."""
    name = re.match(r"(`(?:[^`\\]|\\.)*`|\w+)\s+(?=\w)", argument)
    return (name[1].strip("`"), _decoder(argument[name.end() :])) if name else ("", _decoder(argument))


def _of_list(decode: Decoder | None) -> Decoder | None:
    return (lambda cells: [None if cell is None else decode(cell) for cell in cells]) if decode else None


def _of_tuple(elements: list[tuple[str, Decoder | None]]) -> Decoder:
    names = [name for name, _ in elements]

    def tuple_cell(cells: Any) -> Any:
        pairs = zip(cells.values() if isinstance(cells, dict) else cells, elements, strict=True)
        values = [cell if cell is None or not decode else decode(cell) for cell, (_, decode) in pairs]
        return dict(zip(names, values, strict=True)) if all(names) else values

    return tuple_cell


def _of_map(key: Decoder, value: Decoder | None) -> Decoder:
    return lambda cells: {key(k): v if v is None or not value else value(v) for k, v in cells.items()}


def _untyped(cell: Any) -> Any:
    if isinstance(cell, _Number):
        return float(cell)
    if isinstance(cell, list):
        return [_untyped(item) for item in cell]
    if isinstance(cell, dict):
        return {key: _untyped(item) for key, item in cell.items()}
    return cell


def _text_decoder(kind: str) -> Decoder:
    """What reads a cell of JSONCompactStrings: ClickHouse's own text of the value."""
    name, arguments = split_type(kind)
    decode = _decoder(kind)
    if name in ("Array", "Tuple", "Map"):
        return lambda text: (decode or list)(_nested(text))
    if name == "Nullable":
        inner = _text_decoder(arguments[0])
        return lambda text: None if text == "ᴺᵁᴸᴸ" else inner(text)
    if name == "LowCardinality":
        return _text_decoder(arguments[0])
    if name == "Bool":
        return lambda text: text == "true"
    return decode if decode and decode is not _untyped else str


_PIECE = re.compile(r"\s*(?:'((?:[^'\\]|\\.|'')*)'|([\[({])|([\])}])|([:,])|([^\[\](){}:,'\s]+))")


def _nested(text: str) -> Any:
    """Reads ClickHouse's text of an array, tuple or map; numbers stay text, for the typed decoders."""
    stack: list[tuple[str, list[Any]]] = [("", [])]
    for string, opening, closing, between, bare in _PIECE.findall(text):
        if opening:
            stack.append((opening, []))
        elif closing:
            bracket, items = stack.pop()
            stack[-1][1].append(dict(zip(items[::2], items[1::2], strict=True)) if bracket == "{" else items)
        elif bare:
            stack[-1][1].append({"NULL": None, "true": True, "false": False}.get(bare, bare))
        elif not between:
            stack[-1][1].append(_unescaped(string))
    return stack[0][1][0]


def _unescaped(text: str) -> str:
    plain = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}
    return re.sub(r"\\(.)|''", lambda found: plain.get(found[1], found[1]) if found[1] else "'", text, flags=re.DOTALL)
