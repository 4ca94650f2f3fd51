"""Operations against those that torch counts, and a table of GPUs in which each figure has its source."""

from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from sqlft.recipe import Model, Recipe
from sqlft.recipe.sections import Lora
from sqlft.training.plan.memory import MicroBatch
from sqlft.training.plan.shape import read_shape
from sqlft.training.plan.speed import count_flops, read_gpus, step_seconds


def recipe_of(base: str, **model: object) -> Recipe:
    section = Model(base=base, **{"quantization": "none", "dtype": "float32", **model})
    return Recipe(schema="card.yaml", seeds="s", golden="g", model=section, lora=Lora(r=8, alpha=16))


@pytest.mark.parametrize("checkpointing", [False, True])
def test_operations_are_those_that_torch_counts(tmp_path, checkpointing):
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=256,
        intermediate_size=896,
        num_hidden_layers=2,
        num_attention_heads=8,
        num_key_value_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    recipe = recipe_of(str(tmp_path))
    shape, _ = read_shape(recipe)
    model = LlamaForCausalLM.from_pretrained(tmp_path)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear")).train()
    if checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable()
    with FlopCounterMode(display=False) as counter:
        model.base_model.model.model(
            input_ids=torch.full((2, 100), 7), use_cache=False
        ).last_hidden_state.sum().backward()
    batch = MicroBatch(2, 100, 0, 200)
    assert count_flops(shape, recipe, batch, checkpointing) == pytest.approx(counter.get_total_flops(), rel=0.05)


@pytest.fixture(scope="module")
def llama():
    recipe = recipe_of("meta-llama/Llama-3.1-8B-Instruct", quantization="nf4", dtype="bfloat16")
    return read_shape(recipe)[0], recipe


def test_sharing_saves_most_of_the_operations(llama):
    shared = MicroBatch(1, 3704, 1920, 19200, ((500, (100,) * 32),))
    whole = MicroBatch(32, 600, 1920, 19200)
    assert 4 < count_flops(*llama, whole, True) / count_flops(*llama, shared, True) < 5.2


def test_a_faster_gpu_and_a_higher_share_of_it_take_less_time(llama):
    batch = MicroBatch(1, 3704, 1920, 19200, ((500, (100,) * 32),))
    gpus = {gpu.name: gpu for gpu in read_gpus()}
    slow, fast = (step_seconds(*llama, batch, gpus[name], 0.35, checkpointing=True) for name in ("L4", "H100 SXM"))
    assert slow > 5 * fast
    assert fast > step_seconds(*llama, batch, gpus["H100 SXM"], 0.5, checkpointing=True)
    twice = replace(batch, sequences=2, learned=3840, layout=batch.layout * 2)
    assert step_seconds(*llama, twice, gpus["L4"], 0.35, checkpointing=True) < 2 * slow  # the weights are read once


def test_every_size_that_is_planned_for_has_a_gpu_and_every_figure_its_source():
    gpus = read_gpus()
    assert {gpu.memory for gpu in gpus} == {12, 16, 24, 40, 80, 141}
    assert [gpu.memory for gpu in gpus] == sorted(gpu.memory for gpu in gpus)
    assert all(gpu.price and gpu.datasheet and (gpu.as_of == "unknown" or gpu.as_of[:4] == "2026") for gpu in gpus)
