"""Bytes of a training step on one GPU, part by part. Every figure is an estimate until a GPU has measured it.

Written h for hidden, f for the MLP's inner width, q for the width of a token's queries, r for the adapter's rank, e for
the bytes of an activation (2; 4 in float32), T for a micro-batch's tokens, padding included. What a layer keeps for its
backward pass was read off the saved tensors of transformers 5.23 and peft 0.21, and a test compares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlft.recipe import Model, Recipe
from sqlft.training.plan.shape import Shape

CONTEXT = 500 * 2**20
"""What CUDA and its libraries take before the first tensor; assumed."""
BLOCK, NESTED = 64, 256
"""Weights that share an NF4 scale, and scales that share one in turn (bitsandbytes)."""
TILE_TOKENS, TILE_WORDS = 4096, 32768
"""TRL 1.16 makes the logits of so many learned tokens and words at a time."""
Parts = dict[str, int]


@dataclass(frozen=True)
class MicroBatch:
    """What one forward pass takes.

    Attributes:
        sequences: Their number, each padded to `width` tokens.
        learned: Tokens that are learned.
        row_tokens: Tokens of the rows as they are, a shared prefix counted in each.
        layout: (prefix, lengths of the suffixes) of each sequence that shares one and attends block by block.
    """

    sequences: int
    width: int
    learned: int
    row_tokens: int
    layout: tuple[tuple[int, tuple[int, ...]], ...] = ()

    @property
    def tokens(self) -> int:
        """All that are computed, padding included."""
        return self.sequences * self.width


def base_bytes(shape: Shape, model: Model) -> int:
    """The frozen weights.

    In NF4 each linear layer but the head takes half a byte a weight, and a scale for each 64 weights: 4 bytes, or with
    double quantisation 1 byte, 4 for each 256 scales, and 1,028 for their code and offset; and 64 for NF4's own code.
    Everything else keeps `model.dtype`.
    """
    size = 4 if model.dtype == "float32" else 2
    if model.quantization == "none":
        return size * shape.base
    total = size * (shape.base - sum(shape.linear))
    for weights in shape.linear:
        scales = math.ceil(weights / BLOCK)
        twice = scales + 4 * math.ceil(scales / NESTED) + 1028
        total += math.ceil(weights / 2) + 64 + (twice if model.double_quantization else 4 * scales)
    return total


def optimizer_bytes(shape: Shape, optim: str) -> int:
    """Adam's two moments: 8 bytes a trained weight; in 8 bits 2, and two scales of 4 bytes for each 256 weights.

    bitsandbytes keeps matrices of less than 4,096 weights in 32 bits. Paged states count as if all were on the GPU,
    and any other optimizer as Adam.
    """
    if "8bit" not in optim:
        return 8 * shape.trainable
    return sum(2 * n + 8 * math.ceil(n / 256) if n >= 4096 else 8 * n for n in shape.weights)


def layer_bytes(shape: Shape, recipe: Recipe, batch: MicroBatch) -> int:
    """What one layer keeps for its backward pass.

    Two norms keep their input in float32 (8hT). The MLP keeps gate, its activation, up and their product (4feT).
    Attention keeps what `_attention_bytes` says. Each adapter keeps its r hidden values (reT) and its input; where the
    base is in 16 bits and not quantised, peft casts that input to float32 and autocast back, a copy for each adapter,
    and otherwise q, k and v share one, and gate and up.
    """
    e, copied = _activation(recipe), _copies(recipe)
    seen, inputs = shape.adapted, 0
    for group in ({"q_proj", "k_proj", "v_proj"}, {"gate_proj", "up_proj"}):
        inputs += (len(seen & group) if copied else bool(seen & group)) * shape.hidden
    low = shape.matrices // shape.layers * recipe.lora.r
    a_token = 8 * shape.hidden + e * (4 * shape.inner + inputs + low)
    return a_token * batch.tokens + _attention_bytes(shape, recipe, batch)


def _attention_bytes(shape: Shape, recipe: Recipe, batch: MicroBatch) -> int:
    """Queries, keys and values repeated for all heads, the result and its log-sums (4 bytes a head), o_proj's input.

    Rows as they are: 4qeT, the result being o_proj's input where that is not copied. Block by block, of a prefix p and
    n suffixes of at most m tokens: 3q of all tokens; the suffixes' queries and results, and the keys and values that
    each sees, 2q(nm + n(p + m)); the prefix's result; o_proj's input.
    """
    e, q = _activation(recipe), shape.queries
    if not batch.layout:
        copies = 5 if _copies(recipe) and "o_proj" in shape.adapted else 4
        return (copies * e * q + 4 * shape.heads) * batch.tokens
    total = 4 * e * q * batch.tokens
    for prefix, lengths in batch.layout:
        n, m = len(lengths), max(lengths)
        total += e * q * (prefix + 2 * n * m + 2 * n * (prefix + m)) + 4 * shape.heads * (prefix + n * m)
    return total


def peak_parts(
    shape: Shape, recipe: Recipe, batch: MicroBatch, *, optim: str, checkpointing: bool, accumulation: int, gpus: int
) -> Parts:
    """Bytes by part at the moment that takes most; their sum is the peak.

    Three moments are compared: the loss (all kept activations and the tiles of the logits), the backward pass of the
    last layer (all of them, and what that layer works with), and of the first (its own, and all gradients). With
    checkpointing only each layer's input (heT) is kept, and the layer at work computes the rest again.
    """
    e, tokens = _activation(recipe), batch.tokens
    gradients = 4 * shape.trainable
    fixed = {
        "base": base_bytes(shape, recipe.model),
        "adapter": 4 * shape.trainable,
        "optimizer": optimizer_bytes(shape, optim),
        "gradient buckets": gradients if gpus > 1 else 0,
        "CUDA": CONTEXT,
    }
    casts = 2 * shape.trainable if e == 2 else 0  # autocast keeps its 16-bit copies until the forward pass ends
    layer, entry = layer_bytes(shape, recipe, batch), e * shape.hidden * tokens
    kept = shape.layers * (entry if checkpointing else layer)
    again = layer if checkpointing else 0
    carried = gradients if accumulation > 1 else 0
    own = {"layer recomputed": again, "layer's backward": work_bytes(shape, recipe, batch)}
    moments = [
        {"activations": kept, "logits and loss": loss_bytes(shape, recipe, batch), "adapter in 16 bits": casts}
        | {"gradients": carried},
        {"activations": kept, **own, "gradients": max(carried, gradients // shape.layers)}
        | {"adapter in 16 bits": 0 if checkpointing else casts},
        {"activations": entry if checkpointing else layer, **own, "gradients": gradients},
    ]
    moment = max(moments, key=lambda parts: sum(parts.values()))
    return {name: size for name, size in (fixed | moment).items() if size}


def loss_bytes(shape: Shape, recipe: Recipe, batch: MicroBatch) -> int:
    """The last norm's input in float32 and its output ((4 + e)hT), and of the S learned tokens hidden states and their
    gradients ((2e + 4)hS) and a tile of logits, e bytes for each of 4,096 tokens at most by 32,768 words."""
    e, h = _activation(recipe), shape.hidden
    tile = e * min(batch.learned, TILE_TOKENS) * TILE_WORDS
    return (4 + e) * h * batch.tokens + (2 * e + 4) * h * batch.learned + tile


def work_bytes(shape: Shape, recipe: Recipe, batch: MicroBatch) -> int:
    """What the backward pass of an MLP holds beside what was kept: two gradients of its inner width (2feT; 5feT where
    an adapter's input is cast, and its gradient cast back), that of the layer's output (heT), and in NF4 the largest
    matrix in 16 bits."""
    e, wide = _activation(recipe), 5 if _copies(recipe) else 2
    matrix = e * max(shape.linear) if recipe.model.quantization == "nf4" else 0
    return e * (wide * shape.inner + shape.hidden) * batch.tokens + matrix


def _activation(recipe: Recipe) -> int:
    return 4 if recipe.model.dtype == "float32" else 2


def _copies(recipe: Recipe) -> bool:
    return recipe.model.quantization == "none" and recipe.model.dtype != "float32"
