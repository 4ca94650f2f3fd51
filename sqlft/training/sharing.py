"""Reads the beginning that rows share once: a batch's rows with one system message become one sequence.

The sequence is the shared prefix and then the rows' suffixes side by side; each suffix sees the prefix and itself, and
its positions go on where the prefix ends. Loss and gradients are those of whole rows (a test holds them to 1e-5), for a
fraction of the work where the schema is most of a row. The same idea serves reinforcement learning, where many answers
share a question: Liu et al. 2025, "Prefix Grouper: Efficient GRPO Training through Shared-Prefix Forward",
https://arxiv.org/abs/2506.05433.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from sqlft.inference.decode import can_share
from sqlft.inference.tokens import Row
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe
from sqlft.training.blocks import NAME, owners
from sqlft.training.rows import as_dataset

ENOUGH = 0.3
"""Share of all tokens above which `training.shared_prefix: auto` shares."""
Item = dict[str, Any]
"""A row of the dataset: input_ids, labels, prefix."""


@dataclass
class SharedCollator:
    """Makes one batch of sequences, each at most `budget` tokens long unless one row alone is longer.

    Attributes:
        pad: The pad token.
        budget: Tokens of a sequence: see `best_budget`.
        blocks: The model attends by a layout (`sqlft.training.blocks` or `flex`), and needs no mask.
        process: Of `processes`, which are all given the same rows: each makes a batch of its share.

    Returns:
        input_ids, labels and position_ids (sequences, length); sqlft_layout, or attention_mask (sequences, 1, length,
        length), true where a token sees another; row_tokens, the tokens that the rows have as they are.
    """

    pad: int
    budget: int
    blocks: bool = False
    process: int = 0
    processes: int = 1

    def __call__(self, rows: Sequence[Item]) -> dict[str, Any]:
        own = self.spread(rows)[self.process] if self.processes > 1 else rows
        # a process without a row, at an epoch's end, learns nothing from another's
        batch = self._batch(own or [{**rows[0], "labels": [-100] * len(rows[0]["labels"])}])
        return {**batch, "row_tokens": torch.tensor(sum(len(row["input_ids"]) for row in own))}

    def spread(self, rows: Sequence[Item]) -> list[list[Item]]:
        """A step's rows for each process, the tokens that these compute as equal as can be.

        Each row goes where least is computed with it, so that no process computes more than any other and the longest
        row; the first rows of all schemas come first, so that a schema is read by several only where that evens out.
        """
        groups = sorted((sorted(group, key=_suffix, reverse=True) for group in _groups(rows)), key=len, reverse=True)
        shares: list[list[Item]] = [[] for _ in range(self.processes)]
        loads = [0] * self.processes
        held = [[(0, 0)] * len(groups) for _ in shares]
        heads = [(number, group[0]) for number, group in enumerate(groups)]
        rest = [(number, row) for number, group in enumerate(groups) for row in group[1:]]
        for number, row in heads + sorted(rest, key=lambda pair: _suffix(pair[1]), reverse=True):
            grown = [(own[number][0] + 1, own[number][1] + _suffix(row)) for own in held]
            with_it = [
                load + self._tokens(row["prefix"], *new) - self._tokens(row["prefix"], *own[number])
                for load, new, own in zip(loads, grown, held, strict=True)
            ]
            least = with_it.index(min(with_it))
            loads[least], held[least][number] = with_it[least], grown[least]
            shares[least].append(row)
        return shares

    def _batch(self, rows: Sequence[Item]) -> dict[str, Any]:
        sequences = [sequence for group in _groups(rows) for sequence in self._parted(group)]
        lengths = [s[0]["prefix"] + sum(_suffix(row) for row in s) for s in sequences]
        width = -(-max(lengths) // 8) * 8  # CUDA's kernels want rows of a mask aligned
        ids = torch.full((len(sequences), width), self.pad)
        labels = torch.full_like(ids, -100)
        positions = torch.zeros_like(ids)
        for line, sequence in enumerate(sequences):
            start = sequence[0]["prefix"]
            ids[line, :start] = torch.tensor(sequence[0]["input_ids"][:start])
            positions[line, :start] = torch.arange(start)
            place = start
            for row in sequence:
                end = place + _suffix(row)
                ids[line, place:end] = torch.tensor(row["input_ids"][start:])
                labels[line, place:end] = torch.tensor(row["labels"][start:])
                positions[line, place:end] = torch.arange(start, len(row["input_ids"]))
                place = end
        layout = tuple((int(sequence[0]["prefix"]), tuple(map(_suffix, sequence))) for sequence in sequences)
        seen = {"sqlft_layout": layout} if self.blocks else {"attention_mask": _mask(owners(layout, width))}
        return {"input_ids": ids, "labels": labels, "position_ids": positions, **seen}

    def _parts(self, prefix: int, rows: int, suffixes: int) -> int:
        return min(rows, math.ceil(suffixes / max(1, self.budget - prefix)))

    def _tokens(self, prefix: int, rows: int, suffixes: int) -> int:
        return suffixes + prefix * self._parts(prefix, rows, suffixes)

    def _parted(self, group: list[Item]) -> list[list[Item]]:
        """A group in as few sequences as the budget allows, their tokens as equal as can be."""
        parts = self._parts(group[0]["prefix"], len(group), sum(map(_suffix, group)))
        found: list[list[Item]] = [[] for _ in range(parts)]
        sizes = [0] * parts
        for row in sorted(group, key=_suffix, reverse=True):
            least = sizes.index(min(sizes))
            found[least].append(row)
            sizes[least] += _suffix(row)
        return found


def _mask(own: torch.Tensor) -> torch.Tensor:
    seen = (own[:, None, :] == 0) | (own[:, None, :] == own[:, :, None])
    return seen[:, None].tril()


def _suffix(row: Item) -> int:
    return len(row["input_ids"]) - int(row["prefix"])


def _groups(rows: Sequence[Item]) -> list[list[Item]]:
    groups: dict[tuple[int, ...], list[Item]] = defaultdict(list)
    for row in rows:
        groups[tuple(row["input_ids"][: row["prefix"]])].append(row)
    return list(groups.values())


def shared_share(rows: Sequence[Row]) -> float:
    """Share of all tokens that stand in a prefix which another row has too."""
    groups: dict[tuple[int, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row.prompt[: row.prefix])].append(row)
    shared = sum(row.prefix for group in groups.values() if len(group) > 1 for row in group)
    return shared / max(1, sum(map(len, rows)))


def best_budget(rows: Sequence[Row], config: Any) -> int:
    """Tokens of a sequence at which a row costs least.

    A long sequence shares its prefix among many suffixes, which the mask keeps apart but attention computes all the
    same. With p tokens of prefix, s of a suffix and r the length at which attention costs as much as all products with
    weights (2 hidden + 1.5 intermediate, for a Llama), a row costs (p + k s)(1 + (p + k s) / r) / k in a sequence of k;
    the best k is p / s * sqrt(1 + r / p).

    Args:
        rows: Of the training set.
        config: The base's, for hidden_size and intermediate_size.
    """
    prefix = sum(row.prefix for row in rows) / len(rows)
    suffix = sum(len(row) - row.prefix for row in rows) / len(rows)
    reach = 2 * config.hidden_size + 1.5 * config.intermediate_size
    return math.ceil(prefix + max(1.0, math.sqrt(prefix * (prefix + reach)) / suffix) * suffix)


def sees_apart(model: Any, collate: SharedCollator, rows: Sequence[Item]) -> bool:
    """Whether a model gives two rows the same log-probabilities side by side as each alone.

    It does not where its attention ignores the mask (eager attention) or the positions.
    """
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.1
    pair = sorted(rows, key=_suffix)[:2]
    together, alone = collate(pair), [replace(collate, budget=0)([row]) for row in pair]
    was_training = model.training
    model.eval()
    with torch.no_grad(), forked(model.device):
        found = [torch.cat([_learned(model, batch) for batch in batches]) for batches in ([together], alone)]
    model.train(was_training)
    differences = (found[0].sort().values - found[1].sort().values).abs()
    return bool(differences.max() < tolerance)


def forked(device: torch.device) -> Any:
    """Keeps the random numbers of the CPU and of this process' own device; torch's default would wake up all GPUs."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _learned(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    inputs = {key: value for key, value in batch.items() if key not in ("labels", "row_tokens")}
    inputs = {k: v.to(model.device) if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}
    log_probs = model(**inputs, use_cache=False).logits[:, :-1].float().log_softmax(-1)
    targets = batch["labels"][:, 1:].to(model.device)
    return log_probs.gather(-1, targets.clamp(min=0)[..., None])[..., 0][targets >= 0]


def shares(recipe: Recipe, model: Any, rows: Sequence[Row], pad: int, args: Any) -> tuple[SharedCollator | None, str]:
    """Decides whether training shares prefixes, by `training.shared_prefix`; auto: where it pays.

    Returns:
        The collator, None where rows stay whole; and what was decided, in words.

    Raises:
        WrongUse: It was asked for, and cannot be exact here.
    """
    wanted = recipe.training.get("shared_prefix", "auto")
    if wanted is False:
        return None, "rows stay whole, as training.shared_prefix says"
    share, blocks = shared_share(rows), can_share(model)
    collate = SharedCollator(pad, best_budget(rows, model.config), blocks)
    before, obstacle = model.config._attn_implementation, ""
    if blocks:
        model.config._attn_implementation = NAME
    if recipe.model.attention != "sdpa":
        obstacle = f"model.attention: {recipe.model.attention} takes no mask of pairs of tokens. Write sdpa"
    elif not sees_apart(model, collate, as_dataset(sorted(rows, key=len)[:2]).to_list()):
        obstacle = f"{recipe.model.base} does not keep rows apart when a mask asks for it. Write false"
    if obstacle and wanted is True:
        raise WrongUse(Problem(recipe.where("training", "shared_prefix"), "`training.shared_prefix: true`", obstacle))
    if obstacle or not pays(wanted, share, args):
        model.config._attn_implementation = before
    if obstacle:
        return None, f"rows stay whole: {obstacle.partition('. ')[0]}"
    if not pays(wanted, share, args):
        why = f"{share:.0%} of their tokens are shared" if share < ENOUGH else "a batch of one has nothing to share"
        return None, f"rows stay whole: {why}"
    return (
        collate,
        f"{share:.0%} of all tokens are prefixes that rows share: read once, {collate.budget} tokens at a time",
    )


def pays(wanted: Any, share: float, args: Any) -> bool:
    """Whether rows share, by `training.shared_prefix`, the `shared_share` of their tokens and the size of a batch."""
    return wanted is True or (share >= ENOUGH and args.per_device_train_batch_size > 1)
