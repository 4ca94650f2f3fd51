"""Findings as a person reads them: a table of the codes, then the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sqlft.dataset.lint.run import LintReport

LEVELS = ("error", "warning", "note")
STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def findings_table(report: LintReport) -> Iterator[RenderableType]:
    """Yields a line for each finding, then how many there are of each code."""
    rows = Table(box=None, pad_edge=False, show_edge=False)
    for name in ("row", "level", "code", "evidence", "fix"):
        rows.add_column(name, justify="right" if name == "row" else "left", overflow="fold")
    for one in report.findings:
        evidence = f"{one.evidence} (golden: {one.golden})" if one.golden else one.evidence
        rows.add_row(
            str(one.row), Text(one.level, STYLES[one.level]), one.code, Text(_plain(evidence)), Text(_plain(one.fix))
        )
    counts = Table(box=box.SIMPLE_HEAD)
    for name in ("level", "code", "findings"):
        counts.add_column(name, justify="right" if name == "findings" else "left")
    found = Counter((one.level, one.code) for one in report.findings)
    for (level, code), count in sorted(found.items(), key=lambda item: (LEVELS.index(item[0][0]), -item[1])):
        counts.add_row(Text(level, STYLES[level]), code, f"{count:,}")
    if report.findings:
        yield rows
        yield counts
    else:
        yield "Nothing found."


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
