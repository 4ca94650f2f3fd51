"""Attention of rows that stand in one sequence behind the prefix that they share, without what the mask would hide.

Under a mask over the whole sequence every suffix is multiplied with every other one, in vain: of eight suffixes of 63
tokens behind 279, two thirds of all products. Here the prefix attends to itself, and the suffixes, side by side as a
batch, to the prefix and to themselves.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

NAME = "sqlft_blocks"
Layout = tuple[tuple[int, tuple[int, ...]], ...]
"""Of each sequence: the prefix's tokens, and each suffix's."""


def owners(layout: Layout, width: int) -> Tensor:
    """Whose each token is: 0 the prefix's, n the nth suffix's, -1 nobody's; shape (sequences, width).

    A token sees what stands before it in the sequence and is the prefix's or of its own suffix.
    """
    found = torch.full((len(layout), width), -1)
    for line, (start, lengths) in zip(found, layout, strict=True):
        own = torch.repeat_interleave(torch.arange(1 + len(lengths)), torch.tensor([start, *lengths]))
        line[: len(own)] = own
    return found


def attend(
    _module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _attention_mask: Tensor | None,
    *,
    scaling: float,
    sqlft_layout: Layout,
    dropout: float = 0.0,
    **_kwargs: Any,
) -> tuple[Tensor, None]:
    """Shapes: query (sequences, heads, length, size); key and value the same with fewer heads; what is returned
    (sequences, length, heads, size), zero where a sequence is padded."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (t.repeat_interleave(groups, 1) for t in (key, value))
    lines = []
    for parts, (start, lengths) in zip(zip(query, key, value, strict=True), sqlft_layout, strict=True):
        end = start + sum(lengths)
        q, k, v = (t[None, :, :start] for t in parts)
        first = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, dropout_p=dropout)
        width = torch.arange(max(lengths), device=query.device)
        real = width < torch.tensor(lengths, device=query.device)[:, None]
        padded = [
            t.new_zeros(*real.shape, *t.shape[::2]).index_put((real,), t[:, start:end].transpose(0, 1)).transpose(1, 2)
            for t in parts
        ]
        keys, values = (
            torch.cat([t[:, :start].expand(len(lengths), -1, -1, -1), own], 2)
            for t, own in zip(parts[1:], padded[1:], strict=True)
        )
        seen = F.pad(width[None] <= width[:, None], (start, 0), value=True)
        rest = F.scaled_dot_product_attention(
            padded[0], keys, values, attn_mask=seen, scale=scaling, dropout_p=dropout
        ).transpose(1, 2)[real]
        lines.append(F.pad(torch.cat([first[0].transpose(0, 1), rest]), (0, 0, 0, 0, 0, query.shape[2] - end)))
    return torch.stack(lines), None


AttentionInterface.register(NAME, attend)
