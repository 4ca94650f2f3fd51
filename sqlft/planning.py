"""What a run will take and cost, before anything is paid: parameters, memory, tokens, hours, dollars, the teacher."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from statistics import fmean
from typing import Any

from rich import box
from rich.table import Table

from sqlft.card import SchemaCard
from sqlft.console import facts
from sqlft.dataset.teacher import estimate_cost
from sqlft.dataset.written import Estimate
from sqlft.recipe import Recipe
from sqlft.records import read_examples

SIZES = (12, 16, 24, 40, 80, 141)
"""GB of common GPUs."""
PAGED = "paged_adamw_8bit"
UNCHECKED = (
    "counts are exact where rows and tokens are the run's own; bytes, hours and dollars are estimates, and none of "
    "them has been checked against a GPU yet (docs/performance.md)"
)


@dataclass(frozen=True)
class OnGpu:
    """A run on one kind of GPU: what it takes there, whether it fits or not."""

    name: str
    memory: int
    fits: bool
    hours: float
    dollars: float
    tokens_per_second: float
    price: str
    as_of: str
    hint: str = ""


@dataclass(frozen=True)
class Plan:
    """What `make_plan` reckons.

    Attributes:
        rows: To train on; `rows_from` says where they and their tokens come from.
        shared: Rows share their prefix, `share` of all tokens being in one.
        step_tokens: Of a step, in all processes: the rows' own (`rows`), and those that are computed, padding included,
            with sharing (`shared`) and without (`whole`).
        memory: Bytes by part at the peak, on each GPU.
        changes: For sizes in GB that it does not fit: overrides with which it does; None where nothing helps.
        teacher: What its calls will cost; None where the grammar writes, or all is written.
    """

    name: str
    base: str
    base_parameters: int
    trainable_parameters: int
    rows: int
    rows_from: str
    exact: bool
    shared: bool
    share: float
    batch: int
    steps: int
    step_tokens: dict[str, int]
    memory: dict[str, int]
    fits: dict[int, bool]
    changes: dict[int, list[str] | None]
    processes: int
    mfu: float
    gpus: list[OnGpu]
    teacher: Estimate | None
    notes: list[str] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """Bytes on each GPU at the most."""
        return sum(self.memory.values())

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "peak": self.peak, "estimates": UNCHECKED}

    def tables(self) -> Iterator[Table]:
        """Facts, memory by part, what fits where, and GPUs."""
        tokens = self.step_tokens
        yield facts(
            [
                ("base", f"{self.base}, {self.base_parameters:,} parameters"),
                ("trained", f"{self.trainable_parameters:,} parameters"),
                ("rows", f"{self.rows:,}, {self.batch} a step; {self.rows_from}"),
                (
                    "tokens a step",
                    f"{tokens['shared']:,} where rows share their prefix, {tokens['whole']:,} where they stay whole; "
                    f"{self.share:.0%} of the rows' are shared, and this run {'shares' if self.shared else 'does not'}",
                ),
                ("steps", self.steps),
                ("teacher", self.teacher or "nothing: no call is left to make"),
            ]
        )
        memory = Table("memory at the peak, estimated", box=box.SIMPLE_HEAD)
        memory.add_column("GiB", justify="right")
        for name, size in [*self.memory.items(), ("all", self.peak)]:
            memory.add_row(name, f"{size / 2**30:.2f}")
        yield memory
        fits = Table("GB", "fits", box=box.SIMPLE_HEAD)
        for size, there in self.fits.items():
            changes = self.changes.get(size)
            fits.add_row(str(size), "yes" if there else f"with {' '.join(changes)}" if changes else "no")
        yield fits
        title = f"On {self.processes} of these, estimated; {self.mfu:.0%} of the peak rate assumed"
        speed = Table("GPU", "GB", "hours", "dollars", "tokens/s", "", box=box.SIMPLE_HEAD, title=title)
        for gpu in self.gpus:
            figures = [f"{gpu.hours:.3f}", f"{gpu.dollars:.2f}", f"{gpu.tokens_per_second:,.0f}"]
            speed.add_row(gpu.name, str(gpu.memory), *(figures if gpu.fits else ["", "", ""]), gpu.hint)
        yield speed


def make_plan(recipe: Recipe, *, processes: int = 1, mfu: float | None = None) -> Plan:
    """Reckons what a run takes; reads no weight, asks nobody and writes nothing.

    Args:
        recipe: The run.
        processes: GPUs that train side by side, each with the whole base (DDP).
        mfu: Share of a GPU's peak rate that training reaches; assumed by the base's quantization where None.

    Raises:
        WrongUse: The recipe, its files or its rows are such that training would refuse them.
        SqlftError: The base's configuration cannot be had.
    """
    from sqlft.training import sftconfig
    from sqlft.training.plan.memory import MicroBatch, peak_parts
    from sqlft.training.plan.shape import read_shape
    from sqlft.training.plan.speed import MFU, read_gpus, step_seconds
    from sqlft.training.plan.workload import count_steps, draw_batches, read_workload
    from sqlft.training.sharing import pays, shared_share

    card, seeds = SchemaCard.load(recipe.schema_), read_examples(recipe.seeds)
    args = sftconfig(recipe)
    shape, tokenizer = read_shape(recipe)
    workload = read_workload(recipe, tokenizer)
    batch, accumulation = args.per_device_train_batch_size, args.gradient_accumulation_steps
    share = shared_share(workload.rows)
    wanted = recipe.training.get("shared_prefix", "auto")
    shared = wanted is not False and recipe.model.attention == "sdpa" and pays(wanted, share, args)
    steps = count_steps(workload.count, batch, accumulation, processes, args.num_train_epochs, args.max_steps)

    @cache
    def drawn(rows: int, sharing: bool) -> list[MicroBatch]:
        return draw_batches(workload, shape, rows, recipe.seed, shared=sharing)

    def parts(change: dict[str, Any]) -> dict[str, int]:
        rows = change.get("batch", batch)
        alike = drawn(rows, shared and (rows > 1 or wanted is True))  # auto shares no batch of one
        section = recipe.model.model_copy(
            update={"quantization": change.get("quantization", recipe.model.quantization)}
        )
        return peak_parts(
            shape,
            recipe.model_copy(update={"model": section}),
            max(alike, key=lambda one: one.tokens),
            optim=change.get("optim", str(getattr(args.optim, "value", args.optim))),
            checkpointing=change.get("checkpointing", bool(args.activation_checkpointing)),
            accumulation=change.get("accumulation", accumulation),
            gpus=processes,
        )

    memory = parts({})
    peak = sum(memory.values())
    fits = {size: peak <= size * 1e9 for size in SIZES}
    tries = [(change, sum(parts(change).values())) for change in _changes(recipe, args)] if not fits[SIZES[0]] else []
    changes = {
        size: next((_overrides(change) for change, needs in tries if needs <= size * 1e9), None)
        for size in SIZES
        if not fits[size]
    }
    batches = drawn(batch, shared)
    in_epoch = count_steps(workload.count, batch, 1, processes, 1, 0)
    a_step = in_epoch / count_steps(workload.count, batch, accumulation, processes, 1, 0)  # the last has fewer
    tokens = {
        "rows": [one.row_tokens for one in batches],
        "shared": [one.tokens for one in drawn(batch, True)],
        "whole": [one.tokens for one in drawn(batch, False)],
    }
    step_tokens = {name: round(processes * a_step * fmean(found)) for name, found in tokens.items()}
    reached = mfu or MFU[recipe.model.quantization]
    gpus = []
    for gpu in read_gpus():
        there = bool(args.activation_checkpointing)
        seconds = [step_seconds(shape, recipe, one, gpu, reached, checkpointing=there) for one in batches]
        hours = steps * a_step * fmean(seconds) / 3600
        hint = "" if gpu.bfloat16 or recipe.model.dtype != "bfloat16" else "write model.dtype=float16"
        enough = peak <= gpu.memory * 1e9
        rate = step_tokens["rows"] * steps / max(hours * 3600, 1e-9)
        dollars = hours * processes * gpu.dollars
        hint = hint if enough else "does not fit"
        gpus.append(OnGpu(gpu.name, gpu.memory, enough, hours, dollars, rate, gpu.price, gpu.as_of, hint))
    return Plan(
        name=recipe.name,
        base=recipe.base,
        base_parameters=shape.base,
        trainable_parameters=shape.trainable,
        rows=workload.count,
        rows_from=workload.source,
        exact=workload.exact,
        shared=shared,
        share=share,
        batch=batch * accumulation * processes,
        steps=steps,
        step_tokens=step_tokens,
        memory=memory,
        fits=fits,
        changes=changes,
        processes=processes,
        mfu=reached,
        gpus=gpus,
        teacher=estimate_cost(recipe, card, seeds),
        notes=[UNCHECKED],
    )


def _changes(recipe: Recipe, args: Any) -> Iterator[dict[str, Any]]:
    """What makes a step smaller and leaves its result as it is, but for rounding; the least change first."""
    batch, accumulation = args.per_device_train_batch_size, args.gradient_accumulation_steps
    same: dict[str, Any] = {} if args.activation_checkpointing else {"checkpointing": True}
    for section in [{}, {"quantization": "nf4"}] if recipe.model.quantization == "none" else [{}]:
        for halved in range(batch.bit_length()):
            if batch % 2**halved:
                break
            less = {"batch": batch >> halved, "accumulation": accumulation << halved} if halved else {}
            for optim in ({}, {"optim": PAGED}):
                yield same | section | less | optim


def _overrides(change: dict[str, Any]) -> list[str]:
    keys = {
        "checkpointing": "training.gradient_checkpointing",
        "quantization": "model.quantization",
        "batch": "training.per_device_train_batch_size",
        "accumulation": "training.gradient_accumulation_steps",
        "optim": "training.optim",
    }
    return [f"{keys[name]}={str(value).lower()}" for name, value in change.items()]
