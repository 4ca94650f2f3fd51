"""How long the steps take on common GPUs: products by a peak rate that is never reached, and weights by bandwidth."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from sqlft.recipe import Recipe
from sqlft.training.plan.memory import MicroBatch
from sqlft.training.plan.shape import Shape

MFU = {"none": 0.4, "nf4": 0.35}
"""Share of a GPU's peak rate that training reaches, by the base's quantization; assumed, and to be measured."""


class Gpu(BaseModel):
    """A row of gpus.yaml, whose head says what each column holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str
    memory: int
    tflops: float
    bandwidth: float
    dollars: float
    as_of: str
    price: str
    datasheet: str
    bfloat16: bool = True


def read_gpus() -> list[Gpu]:
    """The GPUs that plans are made for, the smallest first."""
    path = Path(__file__).with_name("gpus.yaml")
    return TypeAdapter(list[Gpu]).validate_python(yaml.load(path.read_text(), Loader=yaml.BaseLoader))


def count_flops(shape: Shape, recipe: Recipe, batch: MicroBatch, checkpointing: bool) -> int:
    """Floating-point operations of a micro-batch, a multiplication and an addition being two.

    Forward, a token takes 2 for each weight of a linear layer or adapter, and attention 4 for each unit of the queries'
    width and each token seen, of which causal kernels skip half; checkpointing does all of it again. Backward, the
    frozen base wants the gradients of its inputs alone, once the forward's cost; adapters and attention twice. The head
    works on learned tokens alone, three times: its logits, those again for the gradient, and the gradient.
    """
    base, adapter = 2 * sum(shape.linear) * batch.tokens, 2 * shape.trainable * batch.tokens
    seen = batch.sequences * batch.width**2 / 2
    if batch.layout:
        seen = sum(p * p / 2 + len(own) * max(own) * (p + max(own)) for p, own in batch.layout)
    attention = int(4 * shape.layers * shape.queries * seen)
    forward = base + adapter + attention
    backward = base + 2 * adapter + 2 * attention
    head = 3 * 2 * shape.vocabulary * shape.hidden * batch.learned
    return forward * (1 + checkpointing) + backward + head


def step_seconds(
    shape: Shape, recipe: Recipe, batch: MicroBatch, gpu: Gpu, mfu: float, *, checkpointing: bool
) -> float:
    """Seconds of a micro-batch: its operations at a share of the peak rate, and what each pass reads of the weights.

    A pass reads 2 bytes a weight; in NF4 it reads half a byte, writes 2 and reads them again. Launching kernels is not
    reckoned: a base of some million parameters is slower than this.
    """
    a_weight = 4.5 if recipe.model.quantization == "nf4" else 4 if recipe.model.dtype == "float32" else 2
    read = (2 + checkpointing) * a_weight * sum(shape.linear) / (gpu.bandwidth * 1e9)
    return count_flops(shape, recipe, batch, checkpointing) / (gpu.tflops * 1e12 * mfu) + read
