"""Experts at work: what they add to a model's MLPs, for the rows of a batch that opened some."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sqlft.memory.conductor import Conductor


@dataclass(frozen=True)
class Opened:
    """One row that opened something.

    Attributes:
        experts: Places of its experts among `Recall`'s factors, of each fact.
        question: See `sqlft.memory.opening.Opening`.
        names: As there.
        used: As there.
    """

    experts: list[list[int]]
    question: int = 1
    names: list[list[int]] | None = None
    used: bool = False


class Recall:
    """The experts of a batch's rows.

    A row without any goes through the model as if this were not there: its numbers are not touched, not even by adding
    zero. Experts work from a prompt's last token on, and the conductor from the question's first, where facts are used:
    what was read of the schema is the same with and without them, and serves both.

    Args:
        factors: (experts, layers, 2, rank, width).
        rows: What each row of the batch opened; None where it opened nothing.
        layers: The model's layers that they stand beside.
        conductor: What all facts share; None where nothing was fitted.
        answers: Tokens of answers in the model's first call, from the prompt's last one on: training feeds them all.
    """

    def __init__(
        self,
        factors: Tensor,
        rows: Sequence[Opened | None],
        layers: Sequence[int],
        conductor: Conductor | None = None,
        answers: int = 1,
    ) -> None:
        device, none = factors.device, len(factors)
        self._layers, self._conductor, self._answers = layers, conductor, answers
        self._open = torch.tensor([n for n, row in enumerate(rows) if row], dtype=torch.long, device=device)
        opened = [row for row in rows if row]
        self._rows = len(rows)
        flat = [[expert for own in row.experts for expert in own] for row in opened]
        width = max(map(len, flat), default=0)
        padded = torch.cat([factors, torch.zeros_like(factors[:1])])
        chosen = padded[torch.tensor([own + [none] * (width - len(own)) for own in flat], device=device)]
        down, up = chosen.unbind(3)  # (open, experts, layers, rank, width)
        self._down, self._up = (t.permute(2, 0, 1, 3, 4).flatten(2, 3) for t in (down, up))
        self._questions = [row.question for row in opened]
        self._shared = conductor is not None and any(len(row.experts) > 1 for row in opened)
        facts = max((len(row.experts) for row in opened), default=0)
        whose = [[n for n, own in enumerate(row.experts) for _ in own] for row in opened]
        whose = [own + [0] * (width - len(own)) for own in whose]  # experts that are none add nothing, whoever has them
        self._whose = torch.tensor(whose, device=device).repeat_interleave(factors.shape[3], -1)
        self._there = torch.tensor([[n < len(row.experts) for n in range(facts)] for row in opened], device=device)
        self._names = [row.names or [] for row in opened]
        self._used = torch.tensor([row.used for row in opened], device=device)
        self._keys: dict[int, Tensor] = {}

    def take(self, rows: Tensor) -> None:
        """The batch goes on with these of its rows, in this order; a row may be taken several times."""
        place = torch.full((self._rows,), -1, device=self._open.device)
        place[self._open] = torch.arange(len(self._open), device=place.device)
        found = place[rows.to(place.device)]
        self._open, kept = (found >= 0).nonzero()[:, 0], found[found >= 0]
        self._rows = len(rows)
        self._down, self._up = self._down[:, kept], self._up[:, kept]
        self._whose, self._there, self._used = self._whose[kept], self._there[kept], self._used[kept]
        self._keys = {layer: keys[kept] for layer, keys in self._keys.items()}

    @contextlib.contextmanager
    def beside(self, model: Any) -> Iterator[None]:
        """The model has the experts while this lasts; its first call reads the prompts, or what of them is left."""
        blocks, self._fresh = find_blocks(model), set(range(len(self._layers)))
        hooks = [blocks[layer].mlp.register_forward_hook(self._hook(place)) for place, layer in enumerate(self._layers)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(self, place: int) -> Any:
        def add(_module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            first = place in self._fresh
            self._fresh.discard(place)
            if not len(self._open):
                return output
            hidden = inputs[0][self._open].float()
            before = max(0, hidden.shape[1] - self._answers) if first else 0
            output = output.clone()
            output[self._open] += self._delta(place, hidden, before, first).to(output.dtype)
            return output

        return add

    def _delta(self, place: int, hidden: Tensor, before: int, first: bool) -> Tensor:
        """What is added: the experts' after `before` tokens, and to uses the conductor's from the question on."""
        answer = hidden[:, before:]
        inner = answer @ self._down[place].mT
        if self._shared and self._conductor:
            if first:
                self._keys[place] = self._conductor.keys(place, hidden, self._mark_names(hidden))
            turns = self._conductor.turns(place, answer, self._keys[place], self._there)
            inner = inner * turns.gather(-1, self._whose[:, None].expand(-1, answer.shape[1], -1))
        own = inner @ self._up[place]
        if not self._conductor or not self._used.any():
            return torch.cat([torch.zeros_like(hidden[:, :before]), own], 1)
        read = self._conductor.update(place, hidden) * self._used[:, None, None]
        if before:
            at = torch.arange(hidden.shape[1], device=hidden.device) - (hidden.shape[1] - self._answers + 1)
            since = torch.tensor(self._questions, device=hidden.device)
            read = read * (at >= -since[:, None])[..., None]
        return torch.cat([read[:, :before], read[:, before:] + own], 1)

    def _mark_names(self, hidden: Tensor) -> Tensor:
        """(open, tokens, facts): 1 where a token is of a fact's name."""
        marks = torch.zeros(*hidden.shape[:2], self._there.shape[1])
        end = hidden.shape[1] - self._answers + 1  # the prompt's last token stands before
        for row, names in enumerate(self._names):
            for fact, tokens in enumerate(names):
                marks[row, [end - token for token in tokens if token <= end], fact] = 1
        return marks.to(hidden)


def find_blocks(model: Any) -> Any:
    """The blocks of a Llama-shaped model, whatever it is wrapped in.

    Raises:
        AttributeError: It has none.
    """
    while not hasattr(model, "layers"):
        model = model.model
    return model.layers
