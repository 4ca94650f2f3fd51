"""What the command line prints: tables, JSON that any program reads, and text that cannot steer a terminal."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from sqlft.database.result import Result

WIDE = 10_000


def show(*parts: RenderableType) -> None:
    """Prints to standard output; where that is no terminal, nothing is folded or cut to a width."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    for part in parts:
        console.print(part)


def show_json(value: Any) -> None:
    """Prints one JSON document: NaN and infinities as the strings that ClickHouse writes, integers in full."""
    print(json.dumps(_plain(value), ensure_ascii=False, allow_nan=False))


def result_table(result: Result) -> Table:
    """A query's rows, and its totals below a line."""
    numbers = [kind.removeprefix("Nullable(").startswith(("Int", "UInt", "Float", "Decimal")) for kind in result.types]
    table = Table(box=box.SIMPLE_HEAD, show_footer=result.totals is not None)
    for index, name in enumerate(result.columns):
        total = Text(_cell(result.totals[index])) if result.totals else ""
        table.add_column(
            Text(printable(name)), total, justify="right" if index < len(numbers) and numbers[index] else "left"
        )
    for row in result.rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


def result_json(result: Result) -> dict[str, Any]:
    """{columns, types, rows}, and totals where the query asked for them."""
    found: dict[str, Any] = {"columns": result.columns, "types": result.types, "rows": result.rows}
    return found if result.totals is None else found | {"totals": result.totals}


def facts(pairs: Iterable[tuple[str, Any]], title: str = "") -> Table:
    """Two columns: what, and how much."""
    table = Table(box=None, show_header=False, title=title or None, title_justify="left", pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, Text(f"{value:,}" if isinstance(value, int) else printable(str(value))))
    return table


def printable(text: str) -> str:
    """Text of a database or a model without control characters, which could steer the reader's terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list | dict | tuple):
        return printable(json.dumps(_plain(value), ensure_ascii=False))
    return printable(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value
