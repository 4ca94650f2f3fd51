"""Which cells of two results differ, as far as a page shows them: for the eye, the verdict being the comparator's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlft.evaluation.results import Preview, cell_texts
from sqlft.records import Verdict

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", re.IGNORECASE)
Row = Sequence[str | None]
Marks = list[list[bool]]


def mark_cells(gold: Preview, ours: Preview, verdict: Verdict) -> tuple[Marks, Marks]:
    """Marks the cells of either result that the other has not in their place, those of the totals last.

    Columns are paired by name, then by what stands in them, then by place; rows by their cells. Where a result was cut
    for the page, only the rows are marked that the verdict's evidence names.
    """
    if gold.row_count > len(gold.rows) or ours.row_count > len(ours.rows):
        return _named(gold, verdict, "gold_rows"), _named(ours, verdict, "prediction_rows")
    columns = _pair_columns(gold, ours)
    marks = [[[True] * len(row) for row in side.rows] for side in (gold, ours)]
    for place, other in _pair_rows(gold.rows, ours.rows, columns, in_order="order" in verdict.reasons):
        for i, j in columns:
            same = _plain(gold.rows[place][i]) == _plain(ours.rows[other][j])
            marks[0][place][i] = marks[1][other][j] = not same
    totals = [[True] * len(side.totals) if side.totals else [] for side in (gold, ours)]
    if gold.totals and ours.totals:
        for i, j in columns:
            totals[0][i] = totals[1][j] = _plain(gold.totals[i]) != _plain(ours.totals[j])
    return [*marks[0], totals[0]], [*marks[1], totals[1]]


def _named(side: Preview, verdict: Verdict, key: str) -> Marks:
    named: Any = verdict.evidence.get(key, [])
    rows = [cell_texts(row) for row in named if isinstance(row, list | tuple)] if isinstance(named, list) else []
    return [*([row in rows] * len(row) for row in side.rows), [False] * len(side.totals or [])]


def _pair_columns(gold: Preview, ours: Preview) -> list[tuple[int, int]]:
    values = [[Counter(_plain(row[i]) for row in side.rows) for i in range(len(side.columns))] for side in (gold, ours)]
    ranked = sorted(
        (
            (-(name == other), -(values[0][i] & values[1][j]).total(), abs(i - j), i, j)
            for i, name in enumerate(map(str.casefold, gold.columns))
            for j, other in enumerate(map(str.casefold, ours.columns))
        )
    )
    pairs: list[tuple[int, int]] = []
    for *_, i, j in ranked:
        if all(i != pair[0] and j != pair[1] for pair in pairs):
            pairs.append((i, j))
    return pairs


def _pair_rows(
    gold: Sequence[Row], ours: Sequence[Row], columns: Sequence[tuple[int, int]], in_order: bool
) -> list[tuple[int, int]]:
    """Rows with most cells in common first; rows with none in common have no partner, unless they are alone."""
    if in_order or len(gold) == len(ours) == 1:
        return [(place, place) for place in range(min(len(gold), len(ours)))]
    ranked = sorted(
        (-sum(_plain(row[i]) == _plain(other[j]) for i, j in columns), abs(place - at), place, at)
        for place, row in enumerate(gold)
        for at, other in enumerate(ours)
    )
    pairs: list[tuple[int, int]] = []
    for common, _, place, at in ranked:
        if common and all(place != pair[0] and at != pair[1] for pair in pairs):
            pairs.append((place, at))
    return pairs


def _plain(cell: str | None) -> str | int | float | None:
    """A cell as it is compared: whole numbers in full, others by nine digits, whatever they are written as."""
    if cell is None or not NUMBER.fullmatch(cell):
        return cell
    return int(cell) if cell.lstrip("-").isdigit() else float(f"{float(cell):.9g}")
