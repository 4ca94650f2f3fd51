"""Every part of the memory that a plan names, against what torch, peft and bitsandbytes really hold."""

import weakref
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import LlamaConfig, LlamaForCausalLM

from sqlft.inference.load import load_base
from sqlft.recipe import Model, Recipe
from sqlft.recipe.sections import Lora
from sqlft.training.blocks import NAME
from sqlft.training.plan.memory import (
    MicroBatch,
    base_bytes,
    layer_bytes,
    loss_bytes,
    optimizer_bytes,
    peak_parts,
    work_bytes,
)
from sqlft.training.plan.shape import Shape, read_shape
from sqlft.training.sft import Collator
from sqlft.training.sharing import SharedCollator
from tests.tiny import make_tiny

LAYERS = 2
BATCH = MicroBatch(1, 3704, 1920, 19200, ((500, (100,) * 32),))


def recipe_of(base: str, **model: object) -> Recipe:
    section = Model(base=base, **{"quantization": "none", "dtype": "float32", **model})
    return Recipe(schema="card.yaml", seeds="s", golden="g", model=section, lora=Lora(r=8, alpha=16))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A random Llama that is wide enough for what is kept a token to be far less than what is kept a unit."""
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=256,
        intermediate_size=896,
        num_hidden_layers=LAYERS,
        num_attention_heads=8,
        num_key_value_heads=2,
    )
    folder = tmp_path_factory.mktemp("wide")
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def llama():
    return read_shape(recipe_of("meta-llama/Llama-3.1-8B-Instruct"))[0]


def rows(*lengths: int, prefix: int = 80) -> list[dict]:
    return [
        {"input_ids": [7] * (prefix + n), "labels": [-100] * (prefix + n // 2) + [7] * (n - n // 2), "prefix": prefix}
        for n in lengths
    ]


def adapted(wide: str, dtype: torch.dtype, checkpointing: bool = False):
    model = get_peft_model(
        LlamaForCausalLM.from_pretrained(wide, dtype=dtype),
        LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear"),
    ).train()
    if checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    return model


def kept_bytes(model, batch, autocast: bool) -> int:
    """Bytes of the storages that a forward pass of the layers keeps for the backward one, weights left out."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    inputs = {key: value for key, value in batch.items() if key not in ("labels", "row_tokens")}
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
    ):
        out = model.base_model.model.model(**inputs, use_cache=False).last_hidden_state
    assert out.requires_grad
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_layer_keeps_what_torch_keeps(wide, blocks, dtype):
    recipe = recipe_of(wide, dtype=dtype)
    shape, _ = read_shape(recipe)
    model = adapted(wide, getattr(torch, dtype))
    if blocks:
        model.config._attn_implementation = NAME
    made = (SharedCollator(0, 10**6, blocks=True) if blocks else Collator(0))(rows(40, 40, 48, 33, 40, 47))
    layout = tuple((prefix, tuple(own)) for prefix, own in made.get("sqlft_layout", ()))
    batch = MicroBatch(*made["input_ids"].shape, 0, 0, layout)
    found = kept_bytes(model, made, dtype != "float32")
    norm = 4 * shape.hidden * batch.tokens  # the last norm's, which belongs to the loss
    assert LAYERS * layer_bytes(shape, recipe, batch) + norm == pytest.approx(found, rel=0.06)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_with_checkpointing_a_layers_input_is_all_that_is_kept(wide, dtype):
    model = adapted(wide, getattr(torch, dtype), checkpointing=True)
    made = Collator(0)(rows(40, 40, 48, 33))
    size, tokens = (4 if dtype == "float32" else 2), made["input_ids"].numel()
    found = kept_bytes(model, made, dtype != "float32")
    assert (LAYERS * size + 4) * 256 * tokens == pytest.approx(found, rel=0.06)
    recipe = recipe_of(wide, dtype=dtype)
    batch = MicroBatch(*made["input_ids"].shape, 10, 0)
    parts = peak(read_shape(recipe)[0], recipe, batch)
    assert parts["activations"] in (LAYERS * size * 256 * tokens, size * 256 * tokens)


class Held(TorchDispatchMode):
    """Counts the bytes of all storages that are alive, and the most that ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.alive = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in (leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)):
            self.add(tensor.untyped_storage())
        self.most = max(self.most, self.now)
        return out

    def add(self, storage) -> None:
        key, size = id(storage), storage.nbytes()
        if key not in self.alive:
            self.now += size
            self.alive[key] = weakref.ref(storage, lambda _: self.drop(key, size))

    def drop(self, key: int, size: int) -> None:
        self.now -= size
        del self.alive[key]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_peak_is_that_of_a_real_step(wide, dtype, blocks, checkpointing):
    recipe = recipe_of(wide, dtype=dtype)
    shape, _ = read_shape(recipe)
    model = adapted(wide, getattr(torch, dtype), checkpointing)
    if blocks:
        model.config._attn_implementation = NAME
    made = (SharedCollator(0, 10**6, blocks=True) if blocks else Collator(0))(rows(*([40, 44, 48, 36] * 2)))
    layout = tuple((prefix, tuple(own)) for prefix, own in made.get("sqlft_layout", ()))
    inputs = {key: value for key, value in made.items() if key not in ("labels", "row_tokens")}
    weights = [weight.untyped_storage() for weight in model.parameters()]
    with Held() as held:
        for storage in weights:
            held.add(storage)
        before = held.now
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype != "float32"):
            out = model.base_model.model.model(**inputs, use_cache=False).last_hidden_state
        out.float().mean().backward()
    parts = peak(shape, recipe, MicroBatch(*made["input_ids"].shape, 0, 0, layout), checkpointing=checkpointing)
    state = sum(parts[name] for name in ("base", "adapter", "optimizer", "CUDA"))
    assert sum(parts.values()) - state == pytest.approx(held.most - before, rel=0.06)


def peak(shape: Shape, recipe: Recipe, batch: MicroBatch = BATCH, **changes: object) -> dict[str, int]:
    usual = {"optim": "adamw_torch_fused", "checkpointing": True, "accumulation": 1, "gpus": 1}
    return peak_parts(shape, recipe, batch, **{**usual, **changes})


@pytest.mark.parametrize(("quantization", "double"), [("none", True), ("nf4", True), ("nf4", False)])
def test_the_base_takes_what_is_loaded(tmp_path, quantization, double):
    base = str(make_tiny(tmp_path, hidden=64))
    recipe = recipe_of(base, quantization=quantization, double_quantization=double)
    model = load_base(recipe.model, base).model
    found = sum(weight.untyped_storage().nbytes() for weight in model.parameters())
    for state in (weight.quant_state for weight in model.parameters() if hasattr(weight, "quant_state")):
        found += state.absmax.nbytes + state.code.nbytes
        if double:
            found += state.state2.absmax.nbytes + state.state2.code.nbytes + state.offset.nbytes
    assert base_bytes(read_shape(recipe)[0], recipe.model) == found


def test_adapter_gradients_and_moments_take_what_torch_holds(wide):
    recipe = recipe_of(wide)
    shape, _ = read_shape(recipe)
    model = adapted(wide, torch.float32)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained)
    model(input_ids=torch.full((1, 8), 7), labels=torch.full((1, 8), 7)).loss.backward()
    optimizer.step()
    moments = sum(v.nbytes for state in optimizer.state.values() for v in state.values() if v.dim())
    parts = peak(shape, recipe, accumulation=2)
    assert sum(weight.nbytes for weight in trained) == parts["adapter"]
    assert sum(weight.grad.nbytes for weight in trained) == parts["gradients"]
    assert moments == parts["optimizer"]


def test_adam_in_eight_bits_takes_what_bitsandbytes_holds():
    from bitsandbytes.optim import AdamW8bit

    weights = [torch.nn.Parameter(torch.ones(n)) for n in (100, 4096, 5000)]
    optimizer = AdamW8bit(weights)
    for number, weight in enumerate(weights):
        optimizer.init_state({"params": weights, **optimizer.defaults}, weight, 0, number)
    names = ("state1", "state2", "absmax1", "absmax2")
    found = sum(state[name].nbytes for state in optimizer.state.values() for name in names if name in state)
    shape = SimpleNamespace(weights=(100, 4096, 5000))
    assert optimizer_bytes(shape, "paged_adamw_8bit") == found


@pytest.mark.parametrize("checkpointing", [True, False])
def test_twice_the_rows_keep_twice_the_activations(llama, checkpointing):
    recipe = recipe_of("meta-llama/Llama-3.1-8B-Instruct", quantization="nf4", dtype="bfloat16")
    twice = replace(BATCH, sequences=2, learned=3840, layout=BATCH.layout * 2)
    one, two = (peak(llama, recipe, batch, checkpointing=checkpointing) for batch in (BATCH, twice))
    assert two["activations"] == 2 * one["activations"]
    assert {name: one[name] for name in ("base", "adapter", "optimizer", "CUDA")} == {
        name: two[name] for name in ("base", "adapter", "optimizer", "CUDA")
    }
    assert layer_bytes(llama, recipe, twice) == 2 * layer_bytes(llama, recipe, BATCH)


def test_each_lever_makes_the_peak_smaller(llama):
    nf4 = recipe_of("meta-llama/Llama-3.1-8B-Instruct", quantization="nf4", dtype="bfloat16")
    plain = recipe_of("meta-llama/Llama-3.1-8B-Instruct", dtype="bfloat16")
    quarter = MicroBatch(1, 1304, 480, 4800, ((500, (100,) * 8),))
    sizes = [
        sum(peak(llama, plain, checkpointing=False).values()),
        sum(peak(llama, plain).values()),
        sum(peak(llama, nf4).values()),
        sum(peak(llama, nf4, optim="paged_adamw_8bit").values()),
        sum(peak(llama, nf4, quarter, optim="paged_adamw_8bit", accumulation=4).values()),
    ]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 5
    assert 6 * 2**30 < sizes[-1] < 8 * 2**30  # the article's shape on NF4


def test_several_gpus_hold_gradients_once_more(llama):
    recipe = recipe_of("meta-llama/Llama-3.1-8B-Instruct", quantization="nf4", dtype="bfloat16")
    assert peak(llama, recipe, gpus=2)["gradient buckets"] == 4 * llama.trainable
    assert "gradient buckets" not in peak(llama, recipe)


def test_few_learned_tokens_need_few_logits(llama):
    recipe = recipe_of("meta-llama/Llama-3.1-8B-Instruct", dtype="bfloat16")
    less = replace(BATCH, learned=192)
    assert loss_bytes(llama, recipe, BATCH) - loss_bytes(llama, recipe, less) == 1728 * (2 * 32768 + 8 * 4096)
    assert work_bytes(llama, recipe, BATCH) == work_bytes(llama, recipe, less)
