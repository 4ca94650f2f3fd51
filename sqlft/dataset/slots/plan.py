"""Plans slots in rounds, each going where the rounds before left coverage thin.

A round is planned from the seed, from what survived cleaning of all rounds but the last one, and from what that last
one asked for. So its plan depends neither on the order in which answers come nor on when a build was killed; and
calls need not wait for a round's end, as that of the round before is all that must be known.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from sqlft.card import SchemaCard
from sqlft.dataset.slots.axes import Construct, axes
from sqlft.dataset.slots.failures import ABOUT_ANYTHING, Failure
from sqlft.dataset.slots.offer import dated, period, table_sets, terms
from sqlft.problems import SqlftError
from sqlft.records import Level, Slot

T = TypeVar("T")
Counts = Counter[tuple[object, ...]]
Cell = tuple[Construct, Level]
_PLAIN = 0.5  # the part of slots without a term of the glossary
_LOST = 0.5  # what a dropped pair counts, so that a cell whose pairs never survive gets twice its share and no more


class Plan:
    """Says what request number i asks for.

    Args:
        card: The database's schema card.
        seed: Of all that is drawn.
        size: Requests in a round.
        pairs: Pairs that a request asks for.
        failures: Categories to draw from; all that the card offers where there are none.

    Raises:
        SqlftError: The card has no table.
    """

    def __init__(self, card: SchemaCard, seed: int, size: int, pairs: int, failures: Sequence[Failure] = ()) -> None:
        self._card, self._seed, self._pairs, self._failures = card, seed, pairs, failures
        self.size = size
        self._rounds: list[list[Slot]] = []
        self._kept: list[int] = []
        self._sets = {
            (construct.name, level): sets
            for construct in axes().constructs
            for level in construct.levels
            if (sets := table_sets(card, construct, level))
        }
        self.cells: list[Cell] = [(axes().find_construct(name), level) for name, level in self._sets]
        if not self.cells:
            raise SqlftError("The schema card has no table to ask about.")

    @property
    def open_round(self) -> range:
        """The numbers of the first round that `learn` has not been told of."""
        return range(len(self._kept), len(self._kept) + self.size)

    def ready(self, number: int) -> bool:
        """Enough is known to say what that request asks for."""
        return number // self.size <= len(self._kept) // self.size + 1

    def slot(self, number: int) -> Slot:
        """What request `number` asks for; `ready` must have said yes."""
        assert self.ready(number)
        while len(self._rounds) * self.size <= number:
            self._rounds.append(self._plan(len(self._rounds)))
        return self._rounds[number // self.size][number % self.size]

    def learn(self, kept: Sequence[int]) -> None:
        """Takes in how many pairs of each request in `open_round` survived cleaning."""
        assert len(kept) == self.size
        self._kept += kept

    def _plan(self, number: int) -> list[Slot]:
        rng = random.Random(f"{self._seed} round {number}")
        counts: Counts = Counter()
        before = [slot for slots in self._rounds for slot in slots]
        known = self._kept[: max(0, number - 1) * self.size]
        for place, slot in enumerate(before):
            kept = known[place] if place < len(known) else self._pairs
            self._count(counts, slot, kept + _LOST * max(0, self._pairs - kept))
        slots = []
        for _ in range(self.size):
            slots.append(self._draw(rng, counts))
            self._count(counts, slots[-1], self._pairs)
        return slots

    def _count(self, counts: Counts, slot: Slot, pairs: float) -> None:
        for key in (
            ("cell", slot.construct, slot.level),
            ("tables", *slot.tables),
            ("style", slot.style),
            ("window", slot.window),
            ("term", slot.term),
            ("category", slot.category),
        ):
            counts[key] += pairs  # type: ignore[assignment]  # a Counter adds up floats too

    def _draw(self, rng: random.Random, counts: Counts) -> Slot:
        failure = None
        if self._failures and rng.randrange(ABOUT_ANYTHING):
            failure = _least(self._failures, lambda f: counts["category", f.category] / self._weight(f.category), rng)
        construct, level = self._cell(failure, rng, counts)
        sets = self._sets[construct.name, level]
        if failure and failure.tables:
            names = tuple(name for name in self._card.table_names if name in failure.tables)
        else:
            names = _least(sets, lambda names: counts["tables", *names] / self._width(names), rng)
        windows = list(axes().windows) if dated(self._card, names) else ["all"]
        window = _least(windows, lambda kind: counts["window", kind], rng)
        dates = period(rng.choice(dated(self._card, names)), window, rng) if window != "all" else ""
        style = _least(list(axes().styles), lambda style: counts["style", style], rng)
        offered = failure.terms if failure else terms(self._card, names)
        plain = rng.random() < _PLAIN and not failure
        term = _least(offered, lambda term: counts["term", term], rng) if offered and not plain else ""
        return Slot(
            level=level,
            construct=construct.name,
            tables=list(names),
            style=style,
            window=window,
            dates=dates,
            term=term,
            category=failure.category if failure else "",
        )

    def _cell(self, failure: Failure | None, rng: random.Random, counts: Counts) -> Cell:
        wanted = [cell for cell in self.cells if not failure or failure.construct_ in ("", cell[0].name)]
        levels = Counter(level for _, level in self.cells)

        def covered(cell: Cell) -> float:
            construct, level = cell
            return counts["cell", construct.name, level] * levels[level] / axes().levels[level].share

        return _least(wanted or self.cells, covered, rng)

    def _width(self, names: tuple[str, ...]) -> float:
        """Columns of a table, or the mean of two: a wide table bears more questions."""
        return sum(len(self._card.table(name).columns) for name in names) / len(names)

    def _weight(self, category: str) -> int:
        return sum(failure.count for failure in self._failures if failure.category == category)


def _least(items: Iterable[T], count: Callable[[T], float], rng: random.Random) -> T:
    """The item with the smallest count, drawn among those that share it."""
    counted = [(count(item), item) for item in items]
    least = min(number for number, _ in counted)
    return rng.choice([item for number, item in counted if number == least])
