"""Generation for an evaluation, on a real model of random weights."""

from pathlib import Path

import pytest

from sqlft.card import Column, SchemaCard, Table
from sqlft.evaluation.pipeline import ask, load_model
from sqlft.recipe import Recipe
from sqlft.records import Example
from tests.tiny import tiny_base

__all__ = ["tiny_base"]

CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="id", type="UInt64")])])
EXAMPLES = [
    Example(question=f"How many users are there in {place}?", sql="SELECT 1") for place in ("France", "a", "Spain")
]


@pytest.fixture
def recipe(tiny_base: Path) -> Recipe:
    model = {"base": str(tiny_base), "quantization": "none", "dtype": "float32"}
    generation = {"max_new_tokens": 12, "batch_size": 2}
    names = {"schema": Path("schema.yaml"), "seeds": Path("seeds.jsonl"), "golden": Path("golden.jsonl")}
    return Recipe(name="tiny", model=model, generation=generation, **names)


@pytest.fixture
def adapter(tiny_base: Path, tmp_path: Path) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_the_base_is_the_adapter_switched_off_and_all_are_asked_alike(recipe: Recipe, adapter: Path) -> None:
    stages: dict[str, list[int]] = {}
    model = load_model(recipe, {"a": adapter}, lambda *_: None)
    found = ask(model, recipe, CARD, EXAMPLES, "", lambda stage, done, *_: stages.setdefault(stage, []).append(done))
    alone = ask(load_model(recipe, {}, lambda *_: None), recipe, CARD, EXAMPLES, "", lambda *_: None)
    assert list(found) == ["base", "a"]
    assert [p.text for p in found["base"]] == [p.text for p in alone["base"]]
    assert [p.text for p in found["base"]] != [p.text for p in found["a"]]
    for name, given in found.items():
        assert [p.id for p in given] == [e.id for e in EXAMPLES]
        assert {p.model for p in given} == {name}
        assert [p.prompt_tokens for p in given] == [p.prompt_tokens for p in alone["base"]]
    assert stages["answers of a"] == [2, 3]
    assert any("taken on trust" in note for note in model.warnings)


def test_every_sample_of_each_question_is_taken_one_after_the_other(recipe: Recipe) -> None:
    recipe.generation = recipe.generation.model_copy(update={"samples": 3, "temperature": 0.7})
    found = ask(load_model(recipe, {}, lambda *_: None), recipe, CARD, EXAMPLES, "", lambda *_: None)
    assert [p.id for p in found["base"]] == [example.id for example in EXAMPLES for _ in range(3)]
