"""Decoding on one's own device: the prefix that prompts share is read once, and rows that have ended leave the batch.

transformers' `generate` reads the schema again for every question, copies all keys and values at every token, and goes
on until the last row has ended. Here the prefix's keys and values exist once, whatever the batch: every row attends to
them and to its own in one softmax (after Juravsky et al. 2024, "Hydragen: High-Throughput LLM Inference with Shared
Prefixes", https://arxiv.org/abs/2402.05099). Greedy answers are those of `generate`, token by token (a test compares
them in float32).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.generation import LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from sqlft.recipe import Generation

Prefix = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer: (heads, tokens, size) each."""
_SHARING = ("llama", "mistral", "qwen2", "qwen3")
"""Model types whose attention was read: all of it goes through transformers' interface, and nothing else bends it."""
_SPARSE = 0.75
"""Share of a batch's rows below which those that have ended are taken out, which copies the cache."""
_NAME = "sqlft_shared_prefix"


class Recall(Protocol):
    """What a memory adds to a model for the rows of a batch. See `sqlft.memory.recall`."""

    def take(self, rows: Tensor) -> None: ...

    def beside(self, model: Any) -> contextlib.AbstractContextManager[None]: ...


def can_share(model: Any) -> bool:
    """Whether a model's rows can attend to a prefix beside their own tokens."""
    config = model.config
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    return config.model_type in _SHARING and config._attn_implementation == "sdpa" and not windowed


def read_prefix(model: Any, ids: Sequence[int]) -> Prefix:
    """The keys and values of a prefix, which serve every prompt that begins with it. Call it in inference mode."""
    cache = DynamicCache()
    inputs = torch.tensor([list(ids)], device=model.device)
    model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
    layers: Any = cache.layers
    return [(layer.keys[0], layer.values[0]) for layer in layers]


def decode(
    model: Any,
    prefix: Prefix | None,
    suffixes: Sequence[Sequence[int]],
    generation: Generation,
    pad: int,
    ends: set[int],
    recall: Recall | None = None,
) -> list[list[int]]:
    """Answers prompts that begin with one prefix. Call it in inference mode.

    Args:
        model: The base, an adapter on or off.
        prefix: From `read_prefix`, by the same model and adapter, where `can_share`; None where the suffixes are all.
        suffixes: What follows the prefix in each prompt; none is empty.
        generation: temperature, top_p, samples, max_new_tokens; greedy at temperature 0.
        pad: The pad token.
        ends: Tokens that end an answer.
        recall: What a memory adds after the prefix, which is read without it.

    Returns:
        `generation.samples` answers a prompt, one after the other; the token that ended an answer is its last.
    """
    device, start = model.device, prefix[0][0].shape[1] if prefix else 0
    width, rows = max(map(len, suffixes)), len(suffixes)
    room = width + generation.max_new_tokens
    cache: Any = DynamicCache()
    cache.layers = [_Roomy(room) for _ in range(model.config.num_hidden_layers)]
    ids = torch.tensor([[pad] * (width - len(s)) + list(s) for s in suffixes], device=device)
    real = torch.ones(rows, room, dtype=torch.bool, device=device)
    for row, suffix in enumerate(suffixes):
        real[row, : width - len(suffix)] = False
    positions = start + (real.cumsum(1) - 1).clamp(min=0)[:, :width]
    filled, places = width, positions[:, -1]

    def ask(ids: Tensor, positions: Tensor) -> Tensor:
        seen: dict[str, Any] = {"attention_mask": real[:, :filled]}
        if prefix:
            causal = torch.ones(ids.shape[1], filled, dtype=torch.bool, device=device).tril(filled - ids.shape[1])
            seen = {"attention_mask": real[:, None, None, :filled] & causal, "sqlft_prefix": prefix}
        output = model(ids, **seen, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits: Tensor = output.logits[:, -1]
        return logits

    def take(rows: Tensor) -> None:
        nonlocal real, places
        for layer in cache.layers:
            layer.take(rows)
        real, places = real[rows], places[rows]
        if recall:
            recall.take(rows)

    with attending(model, prefix is not None), recall.beside(model) if recall else contextlib.nullcontext():
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
                break
            if sum(going) < _SPARSE * len(going):
                keep = torch.tensor([row for row, goes in enumerate(going) if goes], device=device)
                take(keep)
                tokens, owners = tokens[keep], [owners[row] for row in keep.tolist()]
                going = [True] * len(owners)
            filled, places = filled + 1, places + 1
            logits = ask(tokens[:, None], places[:, None])
    return answers


class _Roomy(DynamicLayer):
    """A layer's keys and values with room for all that will come, into which new ones are written."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room, self._length = room, 0
        self._whole: tuple[Tensor, ...] = ()

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        new = (key_states, value_states)
        if not self._whole:
            self._whole = tuple(t.new_empty(*t.shape[:2], self._room, t.shape[3]) for t in new)
            self.is_initialized = True
        place = slice(self._length, self._length + key_states.shape[2])
        for whole, states in zip(self._whole, new, strict=True):
            whole[:, :, place] = states
        self._length = place.stop
        return self._show()

    def _show(self) -> tuple[Tensor, Tensor]:
        keys, values = (whole[:, :, : self._length] for whole in self._whole)
        self.keys, self.values = keys, values
        return keys, values

    def take(self, rows: Tensor) -> None:
        """Keeps these rows, in this order; a row may be taken several times."""
        self._whole = tuple(whole[rows] for whole in self._whole)
        self._show()


@contextlib.contextmanager
def attending(model: Any, shared: bool) -> Iterator[None]:
    """Rows attend to a prefix beside their own tokens, where they share one: the model takes it as `sqlft_prefix`."""
    before = model.config._attn_implementation
    model.config._attn_implementation = _NAME if shared else before
    try:
        yield
    finally:
        model.config._attn_implementation = before


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    *,
    scaling: float,
    sqlft_prefix: Prefix,
    **_kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of each row to the prefix, which is one for all, and to its own tokens, in one softmax.

    Shapes: query (rows, heads, length, size); key and value (rows, key heads, tokens, size); attention_mask (rows, 1,
    length, tokens), true where a row's token sees another.
    """
    rows, heads, length, size = query.shape
    groups = key.shape[1]
    asked = query.reshape(rows, groups, -1, size)  # the queries of a key head, side by side
    keys, values = sqlft_prefix[module.layer_idx]
    together = asked.transpose(0, 1).reshape(groups, -1, size)
    before = (together @ keys.transpose(1, 2)).view(groups, rows, -1, keys.shape[1]).transpose(0, 1)
    own = asked @ key.transpose(2, 3)
    own = own.masked_fill(~attention_mask.repeat(1, 1, heads // groups, 1), torch.finfo(own.dtype).min)
    weights = (torch.cat([before, own], -1) * scaling).softmax(-1, dtype=torch.float32).to(query.dtype)
    first, second = weights.split([keys.shape[1], key.shape[2]], -1)
    mixed = (first.transpose(0, 1).reshape(groups, -1, keys.shape[1]) @ values).view(groups, rows, -1, size)
    mixed = mixed.transpose(0, 1) + second @ value
    return mixed.reshape(rows, heads, length, size).transpose(1, 2), None


AttentionInterface.register(_NAME, _attend)


def _choose(logits: Tensor, generation: Generation) -> Tensor:
    if generation.temperature == 0:
        return logits.argmax(-1)
    warpers = LogitsProcessorList([TemperatureLogitsWarper(float(generation.temperature))])
    if generation.top_p < 1:
        warpers.append(TopPLogitsWarper(generation.top_p))
    scores = warpers(torch.empty(0), logits.float())  # type: ignore[arg-type]
    return scores.softmax(-1).multinomial(1)[:, 0]
