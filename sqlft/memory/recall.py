"""Experts at work: what they add to a model's MLPs, for the rows of a batch that opened some."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


class Recall:
    """The experts of a batch's rows.

    A row without any goes through the model as if this were not there: its numbers are not touched, not even by adding
    zero. Experts work from a prompt's last token on, so that what was read before is the same with and without them:
    the cache of a schema serves both.

    Args:
        factors: (open rows, experts, layers, 2, rank, width), zero where a row has fewer experts than another.
        rows: For each row of the batch its place in `factors`; -1 for a row that opened nothing.
        layers: The model's layers that they stand beside.
        everywhere: They work on all tokens of a call, not on its last alone: training feeds an answer at once.
    """

    def __init__(self, factors: Tensor, rows: Sequence[int], layers: Sequence[int], everywhere: bool = False) -> None:
        down, up = factors.unbind(3)  # (open, experts, layers, rank, width)
        self._down, self._up = (t.permute(2, 0, 1, 3, 4).flatten(2, 3) for t in (down, up))
        self._layers = layers
        self._tokens = slice(None) if everywhere else slice(-1, None)
        self._rows = torch.tensor(rows, device=factors.device)
        self._open = (self._rows >= 0).nonzero()[:, 0]

    def take(self, rows: Tensor) -> None:
        """The batch goes on with these of its rows, in this order."""
        self._rows = self._rows[rows]
        self._open = (self._rows >= 0).nonzero()[:, 0]

    @contextlib.contextmanager
    def beside(self, model: Any) -> Iterator[None]:
        """The model has the experts while this lasts."""
        blocks = find_blocks(model)
        hooks = [blocks[layer].mlp.register_forward_hook(self._hook(place)) for place, layer in enumerate(self._layers)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, place: int) -> Any:
        def add(_module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if not len(self._open):
                return output
            own = self._rows[self._open]
            asked = inputs[0][self._open, self._tokens].float()
            delta = (asked @ self._down[place, own].mT) @ self._up[place, own]
            output = output.clone()
            output[self._open, self._tokens] += delta.to(output.dtype)
            return output

        return add


def find_blocks(model: Any) -> Any:
    """The blocks of a Llama-shaped model, whatever it is wrapped in.

    Raises:
        AttributeError: It has none.
    """
    while not hasattr(model, "layers"):
        model = model.model
    return model.layers
