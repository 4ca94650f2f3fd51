"""What the command line prints: tables, JSON that any program reads, and text that cannot steer a terminal."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from sqlft.database.result import Result

if TYPE_CHECKING:
    from sqlft.agent.chart import Chart

WIDE = 10_000
LONGEST_BAR = 40


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
    """{columns, types, rows}, and totals where the query asked for them, as `show_json` prints them."""
    found: dict[str, Any] = {"columns": result.columns, "types": result.types, "rows": result.rows}
    plain: dict[str, Any] = _plain(found if result.totals is None else found | {"totals": result.totals})
    return plain


def result_csv(result: Result) -> str:
    """RFC 4180, a header first, NULL as an empty cell. No text begins as a spreadsheet's formula does."""
    file = io.StringIO()
    lines = csv.writer(file)
    lines.writerow(map(_inert, result.columns))
    texts = [not re.match(r"(Nullable\()?(Decimal|Date|Time)", kind) for kind in result.types]
    for row in result.rows:
        lines.writerow(
            "" if cell is None else _inert(_cell(cell)) if text and not isinstance(cell, int | float) else cell
            for cell, text in zip(row, texts, strict=True)
        )
    return file.getvalue()


def highlighted(sql: str) -> Text:
    """SQL in colours, where the terminal has any."""
    text = Syntax("", "sql", theme="ansi_dark", background_color="default").highlight(printable(sql.strip()))
    text.rstrip()
    text.justify, text.no_wrap = "default", False  # else each line is filled up to the width
    return text


def bars(chart: Chart) -> Table:
    """A bar a row, as long as its number is great; what is below zero is drawn lighter."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for justify in ("left", "left", "right"):
        table.add_column(justify=justify, overflow="fold")
    most = max(map(abs, chart.values)) or 1
    for label, value, shown in zip(chart.labels, chart.values, chart.shown, strict=True):
        bar = ("█" if value >= 0 else "░") * round(LONGEST_BAR * abs(value) / most) or ("▏" if value else "")
        table.add_row(Text(printable(label)), Text(bar), Text(shown))
    return table


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


def _inert(text: str) -> str:
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value
