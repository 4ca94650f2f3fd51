"""Attention of rows behind a shared prefix by FlexAttention, which computes no block of tokens that nobody sees.

Dong et al. 2024, "Flex Attention: A Programming Model for Generating Optimized Attention Kernels",
https://arxiv.org/abs/2412.05496. It trains on CUDA alone; whether it is faster there than `sqlft.training.blocks` is
measured (`sqlft.training.trial`). Kernels are compiled for a length, so that lengths are rounded up here, where nothing
but attention pays for it; the mask of a batch is made once and serves all layers.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import AttentionInterface

from sqlft.training.blocks import Layout, owners

NAME = "sqlft_flex"
_BLOCK = 128


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
    """Shapes as `sqlft.training.blocks.attend`.

    Raises:
        ValueError: Dropout of attention, which there is none of here.
    """
    if dropout:
        raise ValueError("FlexAttention has no dropout")
    length = query.shape[2]
    width = rounded(length)
    mask = block_mask(sqlft_layout, width, query.device)
    padded = [F.pad(t, (0, 0, 0, width - length)) for t in (query, key, value)]
    call: Any = _compiled() if query.is_cuda else flex_attention
    found: Tensor = call(*padded, block_mask=mask, scale=scaling, enable_gqa=query.shape[1] != key.shape[1])
    return found[:, :, :length].transpose(1, 2), None


def rounded(length: int) -> int:
    """A length rounded up to whole blocks, and to an eighth of its power of two: few lengths, few compilations."""
    step = max(_BLOCK, 2 ** (length.bit_length() - 4))
    return -(-length // step) * step


@lru_cache(maxsize=8)
def block_mask(layout: Layout, width: int, device: torch.device) -> BlockMask:
    """The mask of a batch of this layout; what stands beyond a sequence's rows is seen by no row."""
    own = owners(layout, width).to(device)

    def sees(line: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return ((own[line, key] == 0) | (own[line, key] == own[line, query])) & (key <= query)

    return create_block_mask(sees, len(layout), None, width, width, device=device)


@cache
def _compiled() -> Any:
    # beyond the limit torch goes on uncompiled, which holds all products at once and says so in a warning alone
    compiler: Any = torch.compile  # its overloads leave the limit out
    return compiler(flex_attention, recompile_limit=64)


AttentionInterface.register(NAME, attend)
