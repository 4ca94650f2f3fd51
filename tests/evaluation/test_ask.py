"""Generation for an evaluation, on a real model of random weights."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sqlft.card import Column, SchemaCard, Table
from sqlft.evaluation.memories import ask_memories, check_memories, find_memories, hash_memories
from sqlft.evaluation.pipeline import ask, load_model
from sqlft.evaluation.questions import find_leaks
from sqlft.problems import WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example
from tests.evaluation.made import question
from tests.inference.test_local import make_adapter
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


def test_a_model_with_a_memory_is_asked_beside_itself_and_says_what_was_opened(
    recipe: Recipe, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlft.memory import Fact, Memory, save_memory

    monkeypatch.chdir(tmp_path)
    model = load_model(recipe, {"a": adapter}, lambda *_: None)
    with pytest.raises(WrongUse, match=r"runs/tiny/memory: there is none.*sqlft memorize"):
        find_memories(recipe, {"a": adapter})
    for tuned in (False, True):
        memory = Memory.make(model.base.model, model.base.tokenizer, recipe.memory)
        memory.add([Fact(id="spain", answer="ES", phrasings=["How many users are there in Spain?", "Count Spain."])])
        save_memory(memory, model, recipe.memory_dir(tuned), "a" if tuned else None)
    memories = find_memories(recipe, {"a": adapter})
    other = make_adapter(Path(recipe.base), tmp_path / "other", seed=7)
    assert list(memories) == ["base", "a"] == list(find_memories(recipe, {"b": other, "a": adapter}))
    assert list(find_memories(recipe, {})) == ["base"]
    with pytest.raises(WrongUse, match="made beside none of b, c"):
        find_memories(recipe, {"b": other, "c": other})
    stages: list[str] = []

    def advance(name: str) -> Callable[[int], None]:
        return lambda _done: stages.append(name)

    found = ask_memories(model, memories, recipe, CARD, EXAMPLES, advance)
    assert {name: {p.model for p in given} for name, given in found.items()} == {
        "memory": {"memory"},
        "a+memory": {"a+memory"},
    }
    assert [p.facts for p in found["memory"]] == [[], [], ["spain"]]
    without = ask(model, recipe, CARD, EXAMPLES, "", lambda *_: None)
    for own, name in (("base", "memory"), ("a", "a+memory")):  # nothing is learned yet, so nothing may change
        assert [p.text for p in found[name]] == [p.text for p in without[own]]
    assert set(stages) == {"memory", "a+memory"}
    assert len(hash_memories(memories.values())["memories"]) == 2 and hash_memories([]) == {}
    asked = [question(0), question(1, question=EXAMPLES[1].question), question(2, question="Count spain", sql="es")]
    leakage = find_leaks(asked, [folder / "memory.json" for folder in memories.values()])
    assert leakage is not None and leakage.rows == 4  # what a memory holds has been seen, as a training file has
    assert [one.leaked for one in asked] == [[], [], ["question", "sql"]]
    check_memories(model, memories.values())
    with pytest.raises(WrongUse, match="beside an adapter that is not loaded"):
        check_memories(load_model(recipe, {}, lambda *_: None), memories.values())
