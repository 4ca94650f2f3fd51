"""An adapter merged into its base: into unquantised weights, whatever it was trained on, and no other base's."""

import pytest
import torch
from safetensors.torch import load_file

from sqlft.inference.merge import merge_adapter
from sqlft.problems import WrongUse
from sqlft.recipe import Model
from tests.inference.test_local import make_adapter
from tests.tiny import make_tiny, tiny_base

__all__ = ["tiny_base"]

LAYER = "model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_of_a_quantized_base_is_added_to_the_unquantized_weights(tiny_base, tmp_path, dtype):
    adapter = make_adapter(tiny_base, tmp_path / "adapter", 1, "nf4")
    merge_adapter(Model(quantization="nf4", dtype=dtype), str(tiny_base), adapter, tmp_path / "whole")
    weights = load_file(adapter / "adapter_model.safetensors")
    a, b = (weights[f"base_model.model.{LAYER}.lora_{part}.weight"] for part in "AB")
    base = load_file(tiny_base / "model.safetensors")[f"{LAYER}.weight"]
    found = load_file(tmp_path / "whole/model.safetensors")[f"{LAYER}.weight"]
    wanted = base + b @ a * (8 / 4)  # PEFT's lora_alpha by its r
    assert found.dtype == getattr(torch, dtype) and not torch.equal(found.float(), base)
    tolerance = 0.02 if dtype == "bfloat16" else 1e-5  # NF4 is off by more than the latter
    assert torch.allclose(found.float(), wanted, rtol=tolerance, atol=tolerance)


def test_an_adapter_of_another_base_is_not_merged(tiny_base, tmp_path):
    other = make_tiny(tmp_path / "other", seed=1)
    adapter = make_adapter(other, tmp_path / "adapter", 1)
    with pytest.raises(WrongUse, match="has other weights"):
        merge_adapter(Model(quantization="none", dtype="float32"), str(tiny_base), adapter, tmp_path / "whole")
