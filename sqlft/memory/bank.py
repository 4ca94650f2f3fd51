"""Experts: low-rank updates beside the MLPs of some layers, one row of numbers each; and which of them a fact has.

An expert adds B A x to an MLP's output, where x is its input; B is zero for one that was never trained. Two shapes,
which differ in who shares an expert: in the first, a fact has one of its own, of rank r. In the second the bank has a
fixed number of rank 1, and a fact has the k whose product keys are nearest to its own (Lample et al. 2019, "Large
Memory Layers with Product Keys"; He 2024, "Mixture of a Million Experts"): two facts may meet in one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

KEY = 64
"""Dimensions of a product key; each half of it is looked up in a list of its own."""


@dataclass
class Rows:
    """Rows of numbers by their number, of which only those that were ever written exist.

    Attributes:
        shape: Of one row: (layers, 2, rank, width), A and B of each layer.
        ids: Numbers of the rows that are kept, ascending.
        values: Those rows, (rows, *shape); a tensor, or an array that is mapped from a file and read row by row.
        places: Where each of `ids` stands in `values`.
        changed: Rows that were written since, by number.
    """

    shape: tuple[int, int, int, int]
    ids: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    values: Any = None
    places: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    changed: dict[int, Tensor] = field(default_factory=dict)

    def read(self, numbers: Sequence[int]) -> Tensor:
        """Rows, (numbers, *shape), in float32; fresh ones where nothing was ever written."""
        found = torch.empty(len(numbers), *self.shape)
        places = torch.searchsorted(self.ids, torch.tensor(numbers, dtype=torch.long)).tolist()
        for n, (number, place) in enumerate(zip(numbers, places, strict=True)):
            if number in self.changed:
                found[n] = self.changed[number]
            elif place < len(self.ids) and int(self.ids[place]) == number:
                found[n] = torch.from_numpy(np.array(self.values[int(self.places[place])]))
            else:
                found[n] = self._fresh(number)
        return found

    def write(self, numbers: Sequence[int], rows: Tensor) -> None:
        self.changed |= dict(zip(numbers, rows.detach().float().cpu().clone(), strict=True))

    def drop(self, numbers: Sequence[int]) -> None:
        """Rows that are as if they had never been written."""
        gone = set(numbers)
        self.changed = {number: row for number, row in self.changed.items() if number not in gone}
        keep = ~torch.isin(self.ids, torch.tensor(numbers, dtype=torch.long))
        self.ids, self.places = self.ids[keep], self.places[keep]

    @property
    def numbers(self) -> list[int]:
        """Of all rows that exist, ascending."""
        return sorted({*self.ids.tolist(), *self.changed})

    def _fresh(self, number: int) -> Tensor:
        layers, _, rank, width = self.shape
        noise = torch.Generator().manual_seed(number)
        row = torch.zeros(self.shape)
        row[:, 0] = torch.randn(layers, rank, width, generator=noise) / math.sqrt(width)
        return row


@dataclass
class Own:
    """One expert a fact, appended and deleted one by one."""

    kind = "experts"
    taken: dict[str, int] = field(default_factory=dict)
    after: int = 0

    def add(self, keys: dict[str, Tensor]) -> None:
        for name in keys:
            self.taken[name], self.after = self.after, self.after + 1

    def drop(self, names: Sequence[str]) -> list[int]:
        """Forgets facts; the experts that are free then."""
        return [self.taken.pop(name) for name in names]

    def of(self, name: str) -> list[int]:
        return [self.taken[name]]


@dataclass
class ProductKeys:
    """A bank of `side` squared experts, of which each fact has the `retrieved` nearest to its key."""

    kind = "product_keys"
    side: int
    retrieved: int
    seed: int = 0
    taken: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        noise = torch.Generator().manual_seed(self.seed)
        self._halves = torch.randn(2, self.side, KEY // 2, generator=noise)

    def add(self, keys: dict[str, Tensor]) -> None:
        self.taken |= {name: self.nearest(key) for name, key in keys.items()}

    def nearest(self, key: Tensor) -> list[int]:
        """Numbers of the experts whose keys have the greatest products with `key`: 2 sqrt(n) products, not n."""
        k = min(self.retrieved, self.side)
        first, second = ((half @ part).topk(k) for half, part in zip(self._halves, key.chunk(2), strict=True))
        sums = first.values[:, None] + second.values[None]
        best = sums.flatten().topk(min(self.retrieved, sums.numel())).indices
        return (first.indices[best // k] * self.side + second.indices[best % k]).tolist()

    def drop(self, names: Sequence[str]) -> list[int]:
        """Forgets facts; the experts that no other fact has."""
        freed = {number for name in names for number in self.taken.pop(name)}
        return sorted(freed - {number for kept in self.taken.values() for number in kept})

    def of(self, name: str) -> list[int]:
        return self.taken[name]

    @property
    def collisions(self) -> float:
        """Share of the facts' experts that another fact has too."""
        every = [number for numbers in self.taken.values() for number in numbers]
        return 1 - len(set(every)) / len(every) if every else 0.0


Shape = Own | ProductKeys


def fact_key(words: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """A fact's key: the weighted mean of its words' vectors, of unit length, padded or cut to `KEY` dimensions."""
    whole = sum((weights[word] * vector for word, vector in words.items()), torch.zeros(1))
    # whitened dimensions come with growing variance: the last ones say most
    key = torch.nn.functional.pad(whole, (max(0, KEY - len(whole)), 0))[-KEY:]
    return torch.nn.functional.normalize(key, dim=0)


def name_layers(count: int, most: int) -> list[int]:
    """At most so many of a model's layers, evenly spaced, the last among them."""
    return sorted({round((n + 1) * count / min(count, most)) - 1 for n in range(min(count, most))})
