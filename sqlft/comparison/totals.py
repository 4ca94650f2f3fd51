"""Totals: a block of their own, and what to make of a result that has them where the other has not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlft.comparison.cells import Cell, is_empty, reader, same
from sqlft.comparison.rows import Outcome, RowComparison
from sqlft.database.result import Result

_LABELS = (str, type(None))  # what stands in a totals row beside the figures: 'Total', '', NULL


def compare_one_sided(gold: Result, prediction: Result, *rest: Any) -> Outcome:
    """Compares two results of which exactly one has totals.

    The same totals as an ordinary row of the other side (ROLLUP, UNION) are relaxed (`totals_as_row`). Otherwise gold's
    are missing (`missing_totals`), and the prediction's are too much for strict alone (`extra_totals`).

    Args:
        gold: What should be.
        prediction: What is.
        rest: What `RowComparison` takes besides.
    """
    asked = gold.totals is not None
    bare_gold, bare_prediction = replace(gold, totals=None), replace(prediction, totals=None)
    if len(gold.rows) - len(prediction.rows) == (-1 if asked else 1):
        with_totals, plain = (gold, bare_prediction) if asked else (prediction, bare_gold)
        for place, shorter in _each_left_out(plain):
            pair = (bare_gold, shorter) if asked else (shorter, bare_prediction)
            if not shorter.rows or not _could_be(with_totals, plain.rows[place]):
                continue
            outcome = RowComparison(*pair, *rest).outcome()
            if outcome.mapping is not None and _agree(with_totals, plain, plain.rows[place], outcome.mapping, asked):
                return replace(outcome, strict=False, reasons=[*outcome.reasons, "totals_as_row"])
    outcome = RowComparison(bare_gold, bare_prediction, *rest).outcome()
    reason = "missing_totals" if asked else "extra_totals"
    return replace(outcome, strict=False, relaxed=outcome.relaxed and not asked, reasons=[*outcome.reasons, reason])


def _each_left_out(result: Result) -> Iterator[tuple[int, Result]]:
    for place in reversed(range(len(result.rows))):
        yield place, replace(result, rows=result.rows[:place] + result.rows[place + 1 :])


def _could_be(with_totals: Result, row: tuple[Any, ...]) -> bool:
    """Cheaply: every figure of the totals stands somewhere in the row."""
    cells = [reader("", "")(cell) for cell in row]
    figures = [cell for cell in _read(with_totals, with_totals.totals or ()) if not is_empty(cell)]
    return bool(figures) and all(any(same(figure, cell) for cell in cells) for figure in figures)


def _agree(with_totals: Result, plain: Result, row: tuple[Any, ...], mapping: list[int], asked: bool) -> bool:
    totals, cells = _read(with_totals, with_totals.totals or ()), _read(plain, row)
    pairs = ((i, j) if asked else (j, i) for i, j in enumerate(mapping))
    return all(
        same(totals[i], cells[j]) or (is_empty(totals[i]) and (is_empty(cells[j]) or isinstance(cells[j], _LABELS)))
        for i, j in pairs
    )


def _read(result: Result, row: tuple[Any, ...]) -> list[Cell]:
    types = result.types or [""] * len(row)
    return [reader(kind, "")(cell) for kind, cell in zip(types, row, strict=True)]
