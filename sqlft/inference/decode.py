"""Decoding on one's own device: the prefix that prompts share is read once, and rows that have ended leave the batch.

transformers' `generate` reads the schema again for every question, copies all keys and values at every token, and goes
on until the last row has ended. Greedy answers are the same, token by token (a test compares them in float32).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.generation import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from sqlft.recipe import Generation

KeysAndValues = list[tuple[Tensor, Tensor]]
"""Of each layer: (1, heads, tokens, size) each."""
_SPARSE = 0.75
"""Share of a batch's rows below which those that have ended are taken out, which copies the cache."""


class _Roomy(DynamicLayer):
    """A layer's keys and values, with room at the end into which new ones are written."""

    def __init__(self, keys: Tensor, values: Tensor, rows: int, room: int) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self._length = keys.shape[-2]
        self._whole = tuple(
            torch.cat([t.expand(rows, -1, -1, -1), t.new_empty(rows, t.shape[1], room, t.shape[3])], 2)
            for t in (keys, values)
        )
        self._show()

    def _show(self) -> tuple[Tensor, Tensor]:
        keys, values = (whole[:, :, : self._length] for whole in self._whole)
        self.keys, self.values = keys, values
        return keys, values

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        place = slice(self._length, self._length + key_states.shape[-2])
        for whole, new in zip(self._whole, (key_states, value_states), strict=True):
            whole[:, :, place] = new
        self._length = place.stop
        return self._show()

    def take(self, rows: Tensor) -> None:
        """Keeps these rows, in this order; a row may be taken several times."""
        self._whole = tuple(whole[rows] for whole in self._whole)
        self._show()


def read_prefix(model: Any, ids: Sequence[int]) -> KeysAndValues:
    """The keys and values of a prefix, which serve every prompt that begins with it. Call it in inference mode."""
    cache: Any = DynamicCache()
    inputs = torch.tensor([list(ids)], device=model.device)
    model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return [(layer.keys, layer.values) for layer in cache.layers]


def decode(
    model: Any,
    prefix: KeysAndValues,
    suffixes: Sequence[Sequence[int]],
    generation: Generation,
    pad: int,
    ends: set[int],
) -> list[list[int]]:
    """Answers prompts that begin with one prefix. Call it in inference mode.

    Args:
        model: The base, an adapter on or off.
        prefix: From `read_prefix`, by the same model and adapter.
        suffixes: What follows the prefix in each prompt; none is empty.
        generation: temperature, top_p, samples, max_new_tokens; greedy at temperature 0.
        pad: The pad token.
        ends: Tokens that end an answer.

    Returns:
        `generation.samples` answers a prompt, one after the other; the token that ended an answer is its last.
    """
    device, start = model.device, prefix[0][0].shape[-2]
    width, rows = max(map(len, suffixes)), len(suffixes)
    room = width + generation.max_new_tokens
    cache: Any = DynamicCache()
    cache.layers = [_Roomy(keys, values, rows, room) for keys, values in prefix]
    ids = torch.tensor([[pad] * (width - len(s)) + list(s) for s in suffixes], device=device)
    mask = torch.ones(rows, start + room, dtype=torch.long, device=device)
    for row, suffix in enumerate(suffixes):
        mask[row, start : start + width - len(suffix)] = 0
    positions = (mask.cumsum(1) - 1)[:, start : start + width]
    filled, places = start + width, positions[:, -1]

    def ask(ids: Tensor, positions: Tensor) -> Tensor:
        seen = mask[:, :filled]
        output = model(ids, attention_mask=seen, position_ids=positions, past_key_values=cache, logits_to_keep=1)
        logits: Tensor = output.logits[:, -1]
        return logits

    def take(rows: Tensor) -> None:
        nonlocal mask, places
        for layer in cache.layers:
            layer.take(rows)
        mask, places = mask[rows], places[rows]

    logits = ask(ids, positions)
    if generation.samples > 1:
        every = torch.arange(rows, device=device).repeat_interleave(generation.samples)
        take(every)
        logits = logits[every]
    answers: list[list[int]] = [[] for _ in range(len(logits))]
    owners = list(range(len(answers)))
    going = [True] * len(owners)
    for left in reversed(range(generation.max_new_tokens)):
        tokens = _choose(logits, generation)
        for row, token in enumerate(tokens.tolist()):
            if going[row]:
                answers[owners[row]].append(token)
                going[row] = token not in ends
        if not left or not any(going):
            return answers
        if sum(going) < _SPARSE * len(going):
            keep = torch.tensor([row for row, goes in enumerate(going) if goes], device=device)
            take(keep)
            tokens, owners = tokens[keep], [owners[row] for row in keep.tolist()]
            going = [True] * len(owners)
        filled, places = filled + 1, places + 1
        logits = ask(tokens[:, None], places[:, None])
    raise AssertionError("the loop returns at its last turn")


def _choose(logits: Tensor, generation: Generation) -> Tensor:
    if generation.temperature == 0:
        return logits.argmax(-1)
    warpers = LogitsProcessorList([TemperatureLogitsWarper(float(generation.temperature))])
    if generation.top_p < 1:
        warpers.append(TopPLogitsWarper(generation.top_p))
    scores = warpers(torch.empty(0), logits.float())  # type: ignore[arg-type]
    return scores.softmax(-1).multinomial(1)[:, 0]
