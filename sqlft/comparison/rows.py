"""Two results row by row: do they say the same, strictly or relaxed, and if not, what is amiss."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

from sqlft.comparison.cells import Cell, is_empty, is_number, reader, same
from sqlft.comparison.columns import Eases, Grid, Table
from sqlft.comparison.easing import find_ease
from sqlft.comparison.mapping import Mapping, Search
from sqlft.comparison.order import Outline, approximate_columns, read_outline, unsorted_arrays
from sqlft.database.result import Result

_SHOWN = 3  # rows of evidence
_ORDERS = re.compile(r"\border\b", re.IGNORECASE)


@dataclass(frozen=True)
class Pool:
    """All rows that gold may show, where it shows a choice of them.

    Attributes:
        rows: At least gold's own.
        labels: One for each of these rows; rows with the same label may stand for each other.
        chosen: The labels of gold's own rows, in their order.
        reason: What a match that needs the choice is marked with.
    """

    rows: list[tuple[Any, ...]]
    labels: list[int]
    chosen: list[int]
    reason: str


@dataclass
class Outcome:
    """What a comparison found. `mapping` is None where strict and relaxed are both false."""

    strict: bool
    relaxed: bool
    reasons: list[str] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)
    mapping: Mapping | None = None


def as_table(result: Result, rows: Sequence[Any] | None = None) -> Table:
    """A result's columns with its rows, or with others of the same columns."""
    types = result.types or [""] * len(result.columns)
    return Table(result.columns, types, result.rows if rows is None else rows)


class RowComparison:
    """Compares two results that both have rows, and the blocks beside them: totals and extremes where both have them.

    Args:
        gold: What should be.
        prediction: What is.
        ordered: Whether gold's order counts; None to read it from its SQL.
        gold_sql: Gold's statement, for order and arrays; may be empty.
        prediction_sql: The prediction's, to tell whether it too takes the first of tied rows; may be empty.
        pool: The choice that gold has, where a database was asked for it.
        eases: What is forgiven in which pairs of columns.
    """

    def __init__(
        self,
        gold: Result,
        prediction: Result,
        ordered: bool | None = None,
        gold_sql: str = "",
        prediction_sql: str = "",
        pool: Pool | None = None,
        eases: Eases | None = None,
    ) -> None:
        self.gold, self.prediction, self.pool, self.eases = gold, prediction, pool, eases or {}
        self.ordered, self.gold_sql, self.prediction_sql = ordered, gold_sql, prediction_sql
        self.beside: list[tuple[Any, Any]] = []
        if gold.totals is not None and prediction.totals is not None:
            self.beside.append((gold.totals, prediction.totals))
        if gold.extremes is not None and prediction.extremes is not None:
            self.beside += zip(gold.extremes, prediction.extremes, strict=True)

    def outcome(self) -> Outcome:
        """Decides.

        Raises:
            Undecided: The columns could not be told apart in reasonable time.
        """
        gap = len(self.prediction.columns) - len(self.gold.columns)
        reasons = ["missing_columns"] if gap < 0 else ["extra_columns"] if gap > 0 else []
        if len(self.gold.rows) != len(self.prediction.rows):
            return self._different([*reasons, "row_count"])
        if gap < 0:
            return self._different(reasons)
        found, notes = self._settle()
        forgiven: list[str] = []
        if found is None and (eases := self._find_eases()):
            rest = (self.ordered, self.gold_sql, self.prediction_sql, self.pool, eases)
            found, notes = RowComparison(self.gold, self.prediction, *rest)._settle()
            used = (eases[pair].reasons for pair in enumerate(found or []) if pair in eases)
            forgiven = list(dict.fromkeys(chain.from_iterable(used)))
        if found is None:
            return self._different(reasons + notes)
        notes += ["type_coerced"] * any(self._grid.coerced(i, j) for i, j in enumerate(found))
        notes += ["degenerate"] * all(is_empty(cell) for i, j in enumerate(found) for cell in self._grid.cells(i, j)[0])
        strict = not reasons and "order" not in notes and not forgiven
        return Outcome(strict, relaxed=True, reasons=reasons + notes + forgiven, mapping=found)

    def _find_eases(self) -> Eases:
        """What would make a gold column that has no partner the same as a column of the prediction."""
        rough = [approximate_columns(sql, width) for sql, width in (
            (self.gold_sql, len(self.gold.columns)), (self.prediction_sql, len(self.prediction.columns)))]  # fmt: skip
        found = {}
        for i in range(len(self.gold.columns)):
            for j in range(len(self.prediction.columns)) if not self._alike.partners(i) else ():
                ease = find_ease(*self._grid.cells(i, j), self.prediction_sql, i in rough[0] or j in rough[1])
                if ease:
                    found[i, j] = ease
        return found

    def _settle(self) -> tuple[Mapping | None, list[str]]:
        typed = self.gold.types and self.prediction.types and self.gold.types != self.prediction.types
        if not typed and self.gold.rows == self.prediction.rows and all(ours == theirs for ours, theirs in self.beside):
            return list(range(len(self.gold.columns))), []
        if self.pool:
            table = as_table(self.gold, [*self.pool.rows, *(ours for ours, _ in self.beside)])
            grid = Grid(table, self._grid.prediction, self._bags, self.eases)
            found = self._search(self.pool.labels, self.pool.chosen, grid)
            if found is None:
                return None, ["order"] * (self._alike.run() is not None)
            return found, [self.pool.reason] * (self._search(self.pool.chosen) is None)
        found = self._alike.run()
        if self.ordered is False or not (self.ordered or _ORDERS.search(self.gold_sql)):
            return found, []
        if found is None:
            return self._tied()
        if all(all(map(same, *self._grid.cells(i, j))) for i, j in enumerate(found)) or self._labels is None:
            return found, []
        settled = self._search(self._labels)
        if settled is not None:
            return settled, []
        if self._keys is None and self.gold_sql:  # relaxed cannot know that it was no tie
            return found, ["order", "order_keys_hidden"]
        tied, notes = self._tied()
        return (tied, notes) if tied is not None else (None, ["order"])

    def _search(self, labels: list[int], chosen: list[int] | None = None, grid: Grid | None = None) -> Mapping | None:
        beside = list(range(-len(self.beside), 0))
        return Search(grid or self._grid, labels + beside, (labels if chosen is None else chosen) + beside).run()

    @cached_property
    def _alike(self) -> Search:
        """The search that takes the rows in any order."""
        labels = [0] * len(self.gold.rows) + list(range(-len(self.beside), 0))
        others = [0] * len(self.prediction.rows) + list(range(-len(self.beside), 0))
        return Search(self._grid, labels, others)

    @cached_property
    def _grid(self) -> Grid:
        gold = as_table(self.gold, [*self.gold.rows, *(ours for ours, _ in self.beside)])
        prediction = as_table(self.prediction, [*self.prediction.rows, *(theirs for _, theirs in self.beside)])
        return Grid(gold, prediction, self._bags, self.eases)

    @cached_property
    def _bags(self) -> frozenset[int]:
        arrays = any(isinstance(cell, list | tuple) for cell in self.gold.rows[0])
        return unsorted_arrays(self.gold_sql, len(self.gold.columns)) if arrays else frozenset()

    @cached_property
    def _gold_cells(self) -> list[list[Cell]]:
        types = self.gold.types or [""] * len(self.gold.columns)
        columns = zip(*self.gold.rows, strict=True)
        return [list(map(reader(kind, ""), column)) for kind, column in zip(types, columns, strict=True)]

    @cached_property
    def _outline(self) -> Outline | None:
        return read_outline(self.gold_sql)

    @cached_property
    def _keys(self) -> list[int] | None:
        """Output columns that gold is ordered by; None where it is not, or does not show one of its keys."""
        if self._outline is None or not self._outline.keys:
            return None
        shown = self._outline.visible_keys(self.gold.columns)
        return None if None in shown else [place for places in shown if places for place in places]

    @cached_property
    def _labels(self) -> list[int] | None:
        """A number for each gold row, the same for neighbours that tie; None where no order is asked for."""
        if not self._keys:
            hidden = self._keys is None and self._outline is not None and self._outline.keys
            return list(range(len(self.gold.rows))) if self.ordered or hidden else None
        rows = list(zip(*(self._gold_cells[key] for key in self._keys), strict=True))
        return label_ties(rows)

    def _tied(self) -> tuple[Mapping | None, list[str]]:
        """Allows other rows with the key of gold's last where a LIMIT cut, which is all that two results can show."""
        limit = self._outline.limit if self._outline else None
        if not limit or limit.count != len(self.gold.rows) or not self._keys or not self._labels:
            return None, []
        head = self._labels.index(self._labels[-1])
        keys, labels = set(self._keys), self._labels + list(range(-len(self.beside), 0))
        whole = Search(self._grid, labels, labels)
        partners = {key: whole.partners(key) for key in keys}

        def allowed(i: int, j: int) -> bool:
            if i in keys:
                return j in partners[i]
            ours, theirs = ({_kind(cell) for cell in cells[head:]} for cells in self._grid.cells(i, j))
            return bool(ours & theirs) or "NoneType" in ours | theirs

        sides = [as_table(side, side.rows[:head]) for side in (self.gold, self.prediction)]
        grid = Grid(sides[0], sides[1], self._bags, self.eases)
        found = Search(grid, labels[:head], labels[:head], allowed).run()
        if found is None or not self._takes_as_many({found[key] for key in keys}):
            return None, []
        return found, ["tie_at_limit"]

    def _takes_as_many(self, keys: set[int]) -> bool:
        """Whether the prediction, too, takes the first so many rows by these of its columns; or its SQL is unknown."""
        outline = read_outline(self.prediction_sql)
        if not self.prediction_sql:
            return True
        if not outline or not outline.limit or not self._outline or not self._outline.limit:
            return False
        if (outline.limit.count, outline.limit.offset) != (self._outline.limit.count, self._outline.limit.offset):
            return False
        shown = outline.visible_keys(self.prediction.columns) if outline.keys else [None]
        return keys == {place for places in shown for place in ([-1] if places is None else places)}

    def _different(self, reasons: list[str]) -> Outcome:
        if self.beside:
            bare = [replace(side, totals=None, extremes=None) for side in (self.gold, self.prediction)]
            rest = (self.ordered, self.gold_sql, self.prediction_sql, self.pool)
            outcome = RowComparison(bare[0], bare[1], *rest).outcome()
            shown = {"totals": [self.gold.totals, self.prediction.totals]} if outcome.relaxed else outcome.evidence
            return Outcome(False, False, outcome.reasons + ["totals"] * outcome.relaxed, shown)
        if "order" in reasons:
            return Outcome(False, False, reasons)
        evidence: dict[str, Any] = {}
        if "row_count" in reasons:
            evidence["row_count"] = [len(self.gold.rows), len(self.prediction.rows)]
        if len(self.gold.columns) == len(self.prediction.columns) and self._same_without_duplicates():
            reasons = [*reasons, "duplicates"]
        elif "row_count" not in reasons:
            evidence["columns"] = [name for i, name in enumerate(self.gold.columns) if not self._alike.partners(i)]
            lost = "missing_columns" if evidence["columns"] else "rows"
            reasons = reasons if "missing_columns" in reasons else [*reasons, lost]
        evidence |= self._unpaired()
        return Outcome(False, False, reasons, evidence)

    def _same_without_duplicates(self) -> bool:
        sides = [
            list(dict(zip(rows, side.rows, strict=True)).values())
            for rows, side in zip(self._by_name, (self.gold, self.prediction), strict=True)
        ]
        fewer = len(sides[0]) < len(self.gold.rows) or len(sides[1]) < len(self.prediction.rows)
        if not fewer or len(sides[0]) != len(sides[1]):
            return False
        alike = [0] * len(sides[0])
        grid = Grid(as_table(self.gold, sides[0]), as_table(self.prediction, sides[1]), self._bags)
        return Search(grid, alike, alike).run() is not None

    @cached_property
    def _by_name(self) -> tuple[list[Any], list[Any]]:
        """The rows of both sides, read, the columns paired by name, then by place."""
        pairs = [self._grid.exact(i, j) for i, j in enumerate(self._grid.by_name)]
        ours = list(zip(*(pair.gold for pair in pairs), strict=True))
        return ours, list(zip(*(pair.prediction for pair in pairs), strict=True))

    def _unpaired(self) -> dict[str, Any]:
        """The first rows of either side that the other lacks."""
        ours, theirs = self._by_name
        missing, surplus = _without(self.gold.rows, ours, theirs), _without(self.prediction.rows, theirs, ours)
        return {
            "gold_rows": _shown(missing),
            "prediction_rows": _shown(surplus),
        }


def label_ties(rows: Sequence[tuple[Cell, ...]]) -> list[int]:
    """A number for each row of keys, the same for neighbours whose keys are the same."""
    labels = [0] * min(1, len(rows))
    for above, below in pairwise(rows):
        labels.append(labels[-1] + (not all(map(same, above, below))))
    return labels


def _without(rows: Sequence[Any], cells: list[Any], other: list[Any]) -> list[Any]:
    left = Counter(other)
    found: list[Any] = []
    for row, key in zip(rows, cells, strict=False):
        if left[key] > 0:
            left[key] -= 1
        elif len(found) < _SHOWN:
            found.append(row)
    return found


def _shown(cell: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(cell, list | tuple):
        return list(map(_shown, cell))
    return str(cell) if isinstance(cell, float) and not math.isfinite(cell) else cell


def _kind(cell: Cell) -> str:
    return "number" if is_number(cell) else type(cell).__name__
