"""Which prediction column is which gold column: a one-to-one mapping under which the rows are the same multiset.

Rows carry a label. Without an order all labels are equal; with one, rows that may permute share theirs. The prediction
has to be contained in gold, label by label, so that gold may hold more rows than are asked for (all those that tie at
a LIMIT). A mapping is grown column by column, and dropped as soon as the rows so far no longer fit; columns and rows
are never sorted on their own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from sqlft.comparison.cells import Cell, same
from sqlft.comparison.columns import Grid, Pair

Mapping = list[int]

_STEPS = 20_000
_ROW_PAIRS = 4_000_000


class Undecided(Exception):
    """The search was given up: the columns are too many and too alike, or the numbers too close to each other."""


class Search:
    """Looks for mappings between the two sides of a grid.

    Args:
        grid: Both sides, read.
        gold_labels: One label for each gold row.
        prediction_labels: One for each prediction row.
        allowed: Which gold column may be which prediction column; any where None.
    """

    def __init__(
        self,
        grid: Grid,
        gold_labels: Sequence[int],
        prediction_labels: Sequence[int],
        allowed: Callable[[int, int], bool] | None = None,
    ) -> None:
        self.grid, self.allowed = grid, allowed
        self.labels = list(gold_labels), list(prediction_labels)
        self.steps = 0
        self._partners: dict[tuple[int, bool], list[int]] = {}

    def run(self) -> Mapping | None:
        """The first mapping found, gold column i to prediction column mapping[i], or None where there is none.

        Raises:
            Undecided: Neither a mapping nor the proof that there is none was found in reasonable time.
        """
        return self._straight() or self._run(tolerant=False) or self._run(tolerant=True)

    def partners(self, i: int, tolerant: bool = True) -> list[int]:
        """Prediction columns that hold gold column i's cells under the same labels, whatever the other columns hold."""
        key = (i, tolerant)
        if key not in self._partners:
            self._partners[key] = [j for j in self.grid.preference(i) if self._fits(i, j, tolerant)]
        return self._partners[key]

    def _fits(self, i: int, j: int, tolerant: bool) -> bool:
        if self.allowed and not self.allowed(i, j):
            return False
        if tolerant and len(self.labels[0]) == len(self.labels[1]) and self.grid.hopeless(i, j):
            return False
        ids = self.grid.tolerant(i, j) if tolerant else self.grid.exact(i, j)
        if ids.prediction and ids.prediction[0] not in ids.gold:
            return False
        ours, theirs = _refine(self.labels, ids)
        return _contained(theirs, ours) and (not ids.loose or self._rows_pair({i: j}, ours, theirs))

    def _straight(self) -> Mapping | None:
        """The mapping that the names suggest, which is most often the one."""
        mapping = self.grid.by_name
        if self.allowed or len(mapping) < self.grid.gold.width:
            return None
        keys = self.labels
        for i, j in enumerate(mapping):
            keys = _refine(keys, self.grid.exact(i, j))
        return mapping if _contained(keys[1], keys[0]) else None

    def _run(self, tolerant: bool) -> Mapping | None:
        candidates = []
        for i in range(self.grid.gold.width):
            candidates.append(self.partners(i, tolerant))
            if not candidates[-1]:
                return None
        order = sorted(range(len(candidates)), key=lambda i: len(candidates[i]))
        return self._grow(order, candidates, {}, *self.labels, tolerant)

    def _grow(
        self,
        order: list[int],
        candidates: list[list[int]],
        chosen: dict[int, int],
        gold: list[int],
        prediction: list[int],
        tolerant: bool,
    ) -> Mapping | None:
        if len(chosen) == len(order):
            fits = not tolerant or self._rows_pair(chosen, gold, prediction)
            return [chosen[i] for i in range(len(order))] if fits else None
        i = order[len(chosen)]
        tried: list[tuple[Pair, list[Cell], list[type]]] = []
        for j in candidates[i]:
            pair = self.grid.tolerant(i, j) if tolerant else self.grid.exact(i, j)
            theirs = self.grid.cells(i, j)[1]
            # columns that are equal are one choice; of two that are only near to gold's one may be wanted elsewhere
            choice = pair, theirs, list(map(type, theirs))
            if j in chosen.values() or (not pair.loose and choice in tried):
                continue
            tried.append(choice)
            self.steps += 1
            if self.steps > _STEPS:
                raise Undecided
            left, right = _refine((gold, prediction), pair)
            if _contained(right, left):
                found = self._grow(order, candidates, {**chosen, i: j}, left, right, tolerant)
                if found:
                    return found
        return None

    def _rows_pair(self, chosen: dict[int, int], gold: Sequence[Any], prediction: Sequence[Any]) -> bool:
        loose = [self.grid.cells(i, j) for i, j in chosen.items() if self.grid.tolerant(i, j).loose]
        if not loose:
            return True
        bins: dict[Any, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
        for side, keys in enumerate((gold, prediction)):
            for key, row in zip(keys, zip(*(cells[side] for cells in loose), strict=True), strict=True):
                bins[key][side].append(row)
        return all(_pairable(*rows) for rows in bins.values())


def _refine(keys: tuple[list[int], list[int]], pair: Pair) -> tuple[list[int], list[int]]:
    """A number for each row on either side, the same where the keys and the cells are."""
    numbers: dict[Any, int] = {}
    ours = [numbers.setdefault(key, len(numbers)) for key in zip(keys[0], pair.gold, strict=True)]
    return ours, [numbers.setdefault(key, len(numbers)) for key in zip(keys[1], pair.prediction, strict=True)]


def _contained(part: list[int], whole: list[int]) -> bool:
    if len(part) == len(whole):
        return sorted(part) == sorted(whole)
    return Counter(part) <= Counter(whole)


def _pairable(gold: list[tuple[Cell, ...]], prediction: list[tuple[Cell, ...]]) -> bool:
    if Counter(gold) == Counter(prediction):
        return True
    if len(gold) == len(prediction) and all(len(row) == 1 and isinstance(row[0], float) for row in gold + prediction):
        return all(map(same, sorted(gold), sorted(prediction)))  # what is near is near in order, too
    if len(gold) * len(prediction) > _ROW_PAIRS:
        raise Undecided
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    near = csr_array([[same(ours, theirs) for theirs in gold] for ours in prediction], dtype=bool)
    return bool((maximum_bipartite_matching(near, perm_type="column") >= 0).all())
