"""What relaxed forgives in a column of numbers: rounding, percent for a ratio, one side that approximates.

An ease moves both columns to where the tolerance that all numbers have means the wider one, so that everything else,
the pairing of rows above all, stays as it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from sqlft.comparison.cells import Cell, is_number, same

_LEAST_DECIMALS = 2
_APPROXIMATE = 0.02
_ABSOLUTE = 1e-9 * (1 - 1e-6)  # the tolerance of `cells.near`, less what multiplying costs
_ROUNDS = re.compile(r"\b(?:round\w*|toDecimal\d+)\s*\(.*?,\s*([2-9])\s*\)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Ease:
    """How each side's numbers are moved, the reasons that a match then carries, how far exact numbers may be apart."""

    reasons: tuple[str, ...]
    gold: Callable[[float], Cell]
    prediction: Callable[[float], Cell]
    scale: float = 1
    apart: float = math.inf

    def move(self, gold: list[Cell], prediction: list[Cell]) -> tuple[list[Cell], list[Cell]]:
        """Both columns, their numbers moved and all else as it is."""
        return _moved(self.gold, gold), _moved(self.prediction, prediction)

    def near(self, gold: Cell, prediction: Cell) -> bool:
        """Whether two exact numbers are as near as they have to be, without the tolerance of floats."""
        return abs(_float(gold) - _float(prediction) * self.scale) <= self.apart + 1e-12 * abs(_float(gold))


def find_ease(gold: list[Cell], prediction: list[Cell], sql: str, approximate: bool) -> Ease | None:
    """The least ease under which the numbers of two columns are the same, whatever rows they stand in.

    Args:
        gold: Read cells.
        prediction: Likewise.
        sql: The prediction's; it says to how many decimals 12.5 was rounded.
        approximate: Whether one of the columns comes from an approximate function.
    """
    ours, theirs = (list(filter(is_number, cells)) for cells in (gold, prediction))
    if not ours or len(ours) != len(theirs):
        return None
    inexact = any(isinstance(cell, float) for cell in ours + theirs)
    for ease in _eases(ours, theirs, sql, approximate):
        sides = (sorted(side) for side in ease.move(ours, theirs))
        if all(map(same, *sides)) and (inexact or all(map(ease.near, sorted(ours), sorted(theirs)))):
            return ease
    return None


def _eases(gold: list[Cell], prediction: list[Cell], sql: str, approximate: bool) -> Iterator[Ease]:
    if not all(isinstance(cell, int) for cell in gold + prediction):
        scales = [scale for scale, ratios in ((100.0, prediction), (0.01, gold)) if not _whole(ratios)]
        yield from (_scaled(scale, 1.0, 0.0, ()) for scale in scales)
        decimals = max(map(_decimals, prediction))
        if decimals < _LEAST_DECIMALS and (stated := _ROUNDS.search(sql)):
            decimals = int(stated[1])
        if decimals >= _LEAST_DECIMALS:
            half = 0.5 * 10.0**-decimals
            for scale in (1.0, *scales):
                yield _scaled(scale, _ABSOLUTE / (half * scale), half * scale, ("rounded",))
    if approximate:
        yield Ease(("approximate",), _logarithm, _logarithm)


def _scaled(scale: float, unit: float, apart: float, reasons: tuple[str, ...]) -> Ease:
    reasons = (*reasons, "scaled_100") if scale != 1 else reasons
    return Ease(reasons, lambda cell: cell * unit, lambda cell: cell * scale * unit, scale, apart)


def _logarithm(cell: float) -> Cell:
    if cell == 0 or not math.isfinite(cell):
        return (cell, 0.0)
    return (math.copysign(1, cell), math.log(abs(cell)) * _ABSOLUTE / _APPROXIMATE)


def _whole(cells: list[Cell]) -> bool:
    """Whether no ratio stands there: 3 for 300 is a wrong count."""
    return all(isinstance(cell, int) for cell in cells)


def _decimals(cell: Cell) -> int:
    number = Decimal(repr(cell)) if isinstance(cell, float) else Decimal(cell)
    return max(0, -int(number.normalize().as_tuple().exponent)) if number.is_finite() else 0


def _moved(move: Callable[[float], Cell], cells: list[Cell]) -> list[Cell]:
    return [move(_float(cell)) if is_number(cell) else cell for cell in cells]


def _float(cell: Cell) -> float:
    try:
        return float(cell)
    except OverflowError:  # an integer beyond every float
        return math.inf
