"""Memory beside a base in NF4, and beside models that are Llama-shaped but no Llama."""

import pytest
import torch
from transformers import AutoModelForCausalLM, MistralConfig, Qwen2Config

from sqlft.inference import LocalModel
from sqlft.inference.load import load_base, load_tokenizer
from sqlft.memory.recall import find_blocks
from sqlft.recipe import Model as ModelSection
from tests.memory.conftest import ANSWERS, ask, learn, make_facts

QUESTIONS = [f"Tell me {name}'s code." for name in ANSWERS]
STRANGER = ["How many users are there in France?"]


def load(folder, quantization="none"):
    found = load_base(ModelSection(base=str(folder), quantization=quantization, dtype="float32"), str(folder))
    with torch.no_grad():  # as in conftest: random heads are flat
        found.model.get_output_embeddings().weight.mul_(30)
    return LocalModel(found)


def check(model):
    without = ask(model, [*QUESTIONS, *STRANGER], memory=False)
    model.memory, learned = learn(model, make_facts())
    assert (learned.unlearned, learned.unopened) == ({}, [])
    assert ask(model, QUESTIONS) == list(ANSWERS.values()) != without[:-1]
    assert ask(model, STRANGER) == without[-1:]


def test_a_base_in_nf4_recalls_facts_too(tiny_base):
    model = load(tiny_base, "nf4")
    assert type(find_blocks(model.base.model)[0].mlp.up_proj).__name__ == "Linear4bit"
    check(model)


@pytest.mark.parametrize("config", [Qwen2Config, MistralConfig])
def test_other_models_of_llamas_shape_recall_facts_too(config, tiny_base, tmp_path):
    tokenizer = load_tokenizer(tiny_base)
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    shape = config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
        initializer_range=0.2,
    )
    AutoModelForCausalLM.from_config(shape).save_pretrained(tmp_path)
    model = load(tmp_path)
    assert type(model.base.model).__name__.startswith(config.__name__.removesuffix("Config"))
    check(model)
