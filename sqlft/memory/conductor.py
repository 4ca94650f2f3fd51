"""What all facts share: how what an expert knows is put into an answer, and whose turn it is where several are open.

An expert that is trained alone says its own answer and nothing else; two of them at once write neither. The conductor
is a low-rank update of its own beside the same MLPs, on a question's tokens and on its answer's, for questions that
opened something. And where a question opened several facts each token of the answer attends to the words that name
them, as tokens attend to each other (Vaswani et al. 2017, "Attention Is All You Need"): the weight of a name is the
weight of its expert. The conductor is fitted together with the first facts that have uses, and frozen then: facts that
come later, or that are taken out, leave it and each other as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SIZE = 32
"""Of the queries and keys by which experts take turns."""


@dataclass
class Conductor:
    """One for each of a model's layers that experts stand beside.

    Attributes:
        down: (layers, rank, width), A of the update.
        up: (layers, rank, width), B of it, zero at first.
        query: (layers, SIZE, width), of an answer's tokens.
        key: (layers, SIZE, width), of names.
        fitted: Whether it is frozen.
    """

    down: Tensor
    up: Tensor
    query: Tensor
    key: Tensor
    fitted: bool = False

    @classmethod
    def make(cls, layers: int, rank: int, width: int, seed: int = 0) -> Conductor:
        noise = torch.Generator().manual_seed(seed)
        down, query, key = (
            torch.randn(layers, size, width, generator=noise) / math.sqrt(width) for size in (rank, SIZE, SIZE)
        )
        return cls(down, torch.zeros(layers, rank, width), query, key)

    @property
    def weights(self) -> dict[str, Tensor]:
        return {"down": self.down, "up": self.up, "query": self.query, "key": self.key}

    def to(self, device: torch.device | str) -> Conductor:
        return Conductor(**{name: weight.to(device) for name, weight in self.weights.items()}, fitted=self.fitted)

    def update(self, layer: int, hidden: Tensor) -> Tensor:
        """What it adds to an MLP whose input this is: (rows, tokens, width)."""
        return hidden @ self.down[layer].T @ self.up[layer]

    def keys(self, layer: int, hidden: Tensor, names: Tensor) -> Tensor:
        """Of each name the mean of its tokens, (rows, facts, SIZE).

        Args:
            layer: Of those that experts stand beside.
            hidden: (rows, tokens, width).
            names: (rows, tokens, facts), 1 where a token is of a fact's name.
        """
        mean = (names.mT @ hidden) / names.sum(1).clamp(min=1)[..., None]
        return mean @ self.key[layer].T

    def turns(self, layer: int, hidden: Tensor, keys: Tensor, there: Tensor) -> Tensor:
        """How much each of a row's facts has to say at each token: (rows, tokens, facts), 1 in all.

        Args:
            layer: Of those that experts stand beside.
            hidden: (rows, tokens, width).
            keys: See `keys`.
            there: (rows, facts), false where a row opened fewer than another.
        """
        products = (hidden @ self.query[layer].T) @ keys.mT / math.sqrt(SIZE)
        return products.masked_fill(~there[:, None], -torch.inf).softmax(-1)
