"""Which attention is the fastest for these rows, this model and this GPU is measured before the first step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from sqlft.inference.tokens import Row
from sqlft.training import blocks, flex
from sqlft.training.rows import as_dataset
from sqlft.training.sharing import SharedCollator, forked, sees_apart

DEVICES = ("cuda",)
"""Where a trial is worth its seconds: on CPUs `blocks` was the fastest that was measured, and flex cannot train."""
WAYS = {"blocks": blocks.NAME, "flex": flex.NAME, "mask": "sdpa"}
"""Attention block by block, FlexAttention, and a boolean mask over whole sequences; the first is the default."""


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        chosen: One of `WAYS`.
        seconds: Of each way that works, in the slowest process.
        dropped: Why the others do not.
    """

    chosen: str
    seconds: dict[str, float]
    dropped: dict[str, str]

    def __str__(self) -> str:
        times = ", ".join(f"{way} {seconds:.3f} s" for way, seconds in self.seconds.items()) or "nothing worked"
        notes = "".join(f"; {way} was dropped: {why}" for way, why in self.dropped.items())
        return f"attention by {self.chosen}; the first rows forward and backward: {times}{notes}"


def try_ways(
    begin: Callable[[str], None],
    learn: Callable[[], None],
    agree: Callable[[list[float]], list[float]] = list,
    clock: Callable[[], float] = time.perf_counter,
) -> Trial:
    """Times `learn` under each way, after one run that compiles; what raises is dropped, whatever it raises.

    Args:
        begin: Sets a way.
        learn: Forward and backward, to their end.
        agree: Makes of this process' seconds, infinite where a way failed, those of all.
        clock: Seconds.
    """
    seconds: list[float] = []
    dropped: dict[str, str] = {}
    for way in WAYS:
        try:
            begin(way)
            learn()
            began = clock()
            learn()
            seconds.append(clock() - began)
        except Exception as error:  # compilers of kernels raise all kinds
            seconds.append(math.inf)
            dropped[way] = (str(error).strip().partition("\n")[0] or type(error).__name__)[:200]
    known = {way: time for way, time in zip(WAYS, agree(seconds), strict=True) if math.isfinite(time)}
    dropped |= {way: "it failed in another process" for way in WAYS if way not in known and way not in dropped}
    chosen = min(known, key=known.__getitem__, default=next(iter(WAYS)))
    return Trial(chosen, {way: round(time, 4) for way, time in known.items()}, dropped)


def choose_attention(trainer: Any, collate: SharedCollator, rows: Sequence[Row]) -> tuple[SharedCollator, Trial]:
    """Tries the ways on the first two batches, as they will be trained on; neither weights nor random numbers move.

    Returns:
        The collator for the way that was the fastest, which the model attends by from now on.
    """
    model, args = trainer.model, trainer.args
    size = args.per_device_train_batch_size
    items = as_dataset(rows[: 2 * size]).to_list()
    if args.activation_checkpointing:
        options = dict(args.activation_checkpointing_kwargs or {})
        apart = {key: options.pop(key) for key in ("every_n_layers", "offload") if key in options}
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options or None, **apart)
    model.train()
    batches: list[dict[str, Any]] = []

    def collator(way: str) -> SharedCollator:
        return replace(collate, blocks=way != "mask")

    def begin(way: str) -> None:
        nonlocal batches
        model.config._attn_implementation = WAYS[way]
        if args.device.type == "cuda":
            torch.cuda.empty_cache()
        if not sees_apart(model, collator(way), items[:2]):
            raise ValueError("it does not keep rows apart")
        parts = (items[:size], items[size:])
        batches = [trainer._prepare_inputs(collator(way)(part)) for part in parts if part]
        for batch in batches:
            del batch["row_tokens"]

    def learn() -> None:
        for batch in batches:
            with trainer.accelerator.autocast():
                found = model(**batch, use_cache=False, fused_lm_head=True)
            (-found.log_probs.sum() / found.label_mask.sum()).backward()
            model.zero_grad()
        if args.device.type == "cuda":
            torch.cuda.synchronize()

    def agree(seconds: list[float]) -> list[float]:
        all_seconds: Any = torch.tensor(seconds, device=args.device)
        if args.world_size > 1:
            torch.distributed.all_reduce(all_seconds, torch.distributed.ReduceOp.MAX)
        return list(all_seconds.tolist())

    with forked(args.device):
        trial = try_ways(begin, learn, agree)
    model.zero_grad()
    model.config._attn_implementation = WAYS[trial.chosen]
    if args.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return collator(trial.chosen), trial
