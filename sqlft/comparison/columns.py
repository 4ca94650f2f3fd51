"""Two columns side by side: which of their cells are the same, as small integers that can be counted.

Tolerant equality is not transitive, so it cannot be hashed as it is. All cells of both columns are put into classes:
cells that are the same, and cells joined by a chain of such, share one. Where every class is tight, that is, all of
its members are the same as each other, counting classes decides. Where one is not, the pair is `loose` and the rows
in that class are to be matched cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from sqlft.comparison.cells import NAN, Cell, decimal_texts, family, is_number, near, reader, same
from sqlft.comparison.easing import Ease

Eases = Mapping[tuple[int, int], Ease]

_FIRSTS = frozenset("-0123456789iI")  # what the text of a number begins with, infinity's included


@dataclass(frozen=True)
class Pair:
    """A gold column against a prediction column: one id for each cell; `loose` where equal ids need not be the same."""

    gold: list[Any]
    prediction: list[Any]
    loose: bool = False


@dataclass(frozen=True)
class Table:
    """One side: names, types ('' where unknown) and rows, all of one width."""

    names: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def width(self) -> int:
        return len(self.names)


class Grid:
    """Every gold column against every prediction column, read and classed on demand.

    Args:
        gold: The gold side.
        prediction: The prediction side.
        bags: Gold columns whose arrays have no order of their own.
        eases: What is forgiven in which pairs of columns.
    """

    def __init__(
        self, gold: Table, prediction: Table, bags: frozenset[int] = frozenset(), eases: Eases | None = None
    ) -> None:
        self.gold, self.prediction, self.bags, self.eases = gold, prediction, bags, eases or {}
        self._raw = (list(zip(*gold.rows, strict=True)), list(zip(*prediction.rows, strict=True)))
        self._names = [name.casefold() for name in prediction.names]
        self._read: dict[tuple[int, int, str, str], list[Cell]] = {}
        self._cells: dict[tuple[int, int], tuple[list[Cell], list[Cell]]] = {}
        self._exact: dict[tuple[int, int], Pair] = {}
        self._classed: dict[tuple[int, int], Pair] = {}

    def cells(self, i: int, j: int) -> tuple[list[Cell], list[Cell]]:
        """Gold column i and prediction column j, each read with an eye on the other's type."""
        if (i, j) not in self._cells:
            ours, theirs = self.gold.types[i], self.prediction.types[j]
            cells = self._column(0, i, ours, theirs), self._column(1, j, theirs, ours)
            self._cells[i, j] = self.eases[i, j].move(*cells) if (i, j) in self.eases else cells
        return self._cells[i, j]

    def _column(self, side: int, place: int, own: str, other: str) -> list[Cell]:
        key = (side, place, own, other)
        if key not in self._read:
            self._read[key] = list(map(reader(own, other), self._raw[side][place])) if self._raw[side] else []
        return self._read[key]

    def exact(self, i: int, j: int) -> Pair:
        """The pair with Python's own equality: enough for most results, and far cheaper."""
        if (i, j) not in self._exact:
            gold, prediction = self.cells(i, j)
            if i in self.bags:
                gold, prediction = list(map(_bag, gold)), list(map(_bag, prediction))
            self._exact[i, j] = Pair(gold, prediction)
        return self._exact[i, j]

    def tolerant(self, i: int, j: int) -> Pair:
        """The pair with the tolerance for floats and the coercion of text."""
        if (i, j) not in self._classed:
            gold, prediction = self.cells(i, j)
            kinds = set(map(type, gold)) | set(map(type, prediction))
            mixed = float in kinds or tuple in kinds or (str in kinds and len(kinds - {str, type(None), type(NAN)}) > 0)
            self._classed[i, j] = _classes(gold, prediction, i in self.bags) if mixed else self.exact(i, j)
        return self._classed[i, j]

    def hopeless(self, i: int, j: int) -> bool:
        """Cheaply: no tolerance makes these columns of equal length the same."""
        gold, prediction = self.cells(i, j)
        numbers = _only_numbers(gold), _only_numbers(prediction)
        if all(numbers):
            return not all(map(near, sorted(gold), sorted(prediction)))
        return any(numbers) and not all(map(_number_like, prediction if numbers[0] else gold))

    def coerced(self, i: int, j: int) -> bool:
        """Whether text stands for numbers or times between the two columns."""
        gold, prediction = self.cells(i, j)
        families = {family(self.gold.types[i]), family(self.prediction.types[j])}
        return _count_texts(gold) != _count_texts(prediction) or families == {"text", "temporal"}

    @cached_property
    def by_name(self) -> list[int]:
        """The first columns of both sides paired by name, then by place; no prediction column twice."""
        free = list(range(self.prediction.width))
        chosen = []
        for i in range(min(self.gold.width, self.prediction.width)):
            chosen.append(next(j for j in self.preference(i) if j in free))
            free.remove(chosen[-1])
        return chosen

    def preference(self, i: int) -> list[int]:
        """Prediction columns in the order they are tried for gold column i: the same name, the same place, the rest."""
        name, names = self.gold.names[i].casefold(), self._names
        return sorted(range(len(names)), key=lambda j: (names[j] != name, j != i))


def _classes(gold: list[Cell], prediction: list[Cell], bag: bool) -> Pair:
    leaves = {(isinstance(leaf, float), leaf) for leaf in _leaves(chain(gold, prediction))}
    numbers = sorted(leaf for _, leaf in leaves if is_number(leaf))
    texts = {leaf for _, leaf in leaves if isinstance(leaf, str)}
    ids: dict[Cell, int] = {}
    loose = False
    for number, members in enumerate(_chains(numbers)):
        written = set().union(*map(decimal_texts, members)) & texts if texts else set()
        ids |= dict.fromkeys([*members, *written], number)
        tight = sum(not isinstance(member, float) for member in members) <= 1 and same(members[0], members[-1])
        alike = not written or (len(written) == 1 and all(written <= decimal_texts(member) for member in members))
        loose |= not (tight and alike)

    def identify(cell: Cell) -> Cell:
        return tuple(map(identify, cell)) if isinstance(cell, tuple) else ids.get(cell, cell)

    ours, theirs = list(map(identify, gold)), list(map(identify, prediction))
    if bag:  # its elements are in no order that a closer look could compare them in
        return Pair(list(map(_bag, ours)), list(map(_bag, theirs)))
    return Pair(ours, theirs, loose)


def _chains(numbers: list[Cell]) -> Iterator[list[Cell]]:
    chained: list[Cell] = []
    last_float = None
    for number in numbers:
        if chained and not same(chained[-1], number) and not (last_float is not None and same(last_float, number)):
            yield chained
            chained = []
        chained.append(number)
        last_float = number if isinstance(number, float) else last_float
    if chained:
        yield chained


def _leaves(cells: Iterable[Cell]) -> Iterator[Cell]:
    for cell in cells:
        if isinstance(cell, tuple):
            yield from _leaves(cell)
        else:
            yield cell


def _bag(cell: Cell) -> Cell:
    return tuple(sorted(cell, key=repr)) if isinstance(cell, tuple) else cell


def _count_texts(cells: list[Cell]) -> int:
    kinds = list(map(type, cells))
    return sum(isinstance(leaf, str) for leaf in _leaves(cells)) if tuple in kinds else kinds.count(str)


def _only_numbers(cells: list[Cell]) -> bool:
    return all(map(is_number, cells))


def _number_like(cell: Cell) -> bool:
    return is_number(cell) or (isinstance(cell, str) and cell[:1] in _FIRSTS)
