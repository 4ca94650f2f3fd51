"""Mixture of memory experts as the paper describes it: measured beside what `sqlft memorize` makes, not to be used.

At every layer cross attention from each token's hidden state to a flat bank of keys retrieves a few LoRA experts, whose
updates are added (Li et al. 2024, "Banishing LLM Hallucinations Requires Rethinking Generalization", arXiv 2406.17642,
section 5). Keys and queries are trained together with the experts first, for about an epoch, and frozen then, so that a
fact meets the same experts each time. There is no gate: every token of every question passes through the bank. The
paper gives no rank, no size of a key and no place of the experts; here they have rank 1 and stand beside the MLPs.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from sqlft.memory.recall import find_blocks

KEY = 64


class Experts(nn.Module):
    """One layer's bank: keys, the query's projection, and LoRA experts of rank 1, B zero at first.

    Args:
        count: Experts.
        retrieved: Of them, at each token.
        width: The model's.
    """

    def __init__(self, count: int, retrieved: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, KEY, bias=False)
        self.keys = nn.Parameter(torch.randn(count, KEY))
        self.down = nn.Embedding(count, width, sparse=True)
        self.up = nn.Embedding(count, width, sparse=True)
        nn.init.normal_(self.down.weight, std=1 / math.sqrt(width))
        nn.init.zeros_(self.up.weight)
        self._retrieved = retrieved

    def forward(self, hidden: Tensor) -> Tensor:
        """(rows, tokens, width) to the update of each token, of the same shape."""
        best = (self.query(hidden) @ self.keys.T / math.sqrt(KEY)).topk(self._retrieved)
        inner = (self.down(best.indices) @ hidden[..., None])[..., 0]
        update: Tensor = ((best.values.softmax(-1) * inner)[..., None, :] @ self.up(best.indices))[..., 0, :]
        return update


class PaperMemory(nn.Module):
    """Banks of experts at all layers of a Llama-shaped model.

    Args:
        model: Frozen by this.
        count: Experts of each layer.
        retrieved: Of them, at each token and layer.
        seed: Of keys and experts.
    """

    def __init__(self, model: Any, count: int = 1024, retrieved: int = 32, seed: int = 0) -> None:
        super().__init__()
        model.requires_grad_(False)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            width = model.config.hidden_size
            self.banks = [Experts(count, retrieved, width) for _ in find_blocks(model)]
        self.layers = nn.ModuleList(self.banks)

    @property
    def router(self) -> list[Tensor]:
        """What is trained in the first phase alone."""
        return [weight for bank in self.banks for weight in (bank.query.weight, bank.keys)]

    @property
    def experts(self) -> list[Tensor]:
        """What is trained in both; its gradients are sparse: experts that were not retrieved have none."""
        return [weight for bank in self.banks for weight in (bank.down.weight, bank.up.weight)]

    @contextlib.contextmanager
    def beside(self, model: Any) -> Iterator[None]:
        """The model has the banks while this lasts."""
        blocks = zip(find_blocks(model), self.banks, strict=True)
        hooks = [
            block.mlp.register_forward_hook(lambda _module, inputs, output, bank=bank: output + bank(inputs[0]))
            for block, bank in blocks
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
