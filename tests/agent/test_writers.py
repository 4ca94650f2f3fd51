"""Answers are kept by all that they depend on; a real tiny base and a stub of an endpoint write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sqlft.agent import EndpointWriter, LocalWriter, Remembered
from sqlft.card import Column, SchemaCard, Table
from sqlft.dataset.journal import Journal
from sqlft.inference import Answer, LocalModel
from sqlft.inference.tokens import Chat
from sqlft.prompts import render_chat
from sqlft.recipe import Generation, Recipe
from tests.openai_stub import OpenAIStub
from tests.tiny import tiny_base

__all__ = ["tiny_base"]

CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="id", type="UInt64")])])
GREEDY = Generation(max_new_tokens=6, batch_size=2)


def chats(recipe: Recipe, *questions: str, shown: Sequence[tuple[str, str]] = ()) -> list[Chat]:
    return [render_chat(CARD, question, recipe.prompt, shown=shown) for question in questions]


@pytest.fixture
def recipe(tiny_base: Path) -> Recipe:
    model = {"base": str(tiny_base), "quantization": "none", "dtype": "float32"}
    names = {"schema": Path("schema.yaml"), "seeds": Path("seeds.jsonl"), "golden": Path("golden.jsonl")}
    return Recipe(name="tiny", model=model, agent={"gpu_hour_usd": 36}, **names)


@pytest.fixture
def adapters(tmp_path: Path) -> list[Path]:
    """Two folders whose weights differ; nothing loads them here."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        (folder / "adapter_config.json").write_text("{}")
        (folder / "adapter_model.safetensors").write_bytes(folder.name.encode())
    return folders


def refuse() -> LocalModel:
    raise AssertionError("the base was loaded")


def test_the_base_writes_once_and_is_not_even_loaded_again(recipe: Recipe, tmp_path: Path) -> None:
    asked = chats(recipe, "How many users are there?", "Spain?", "a", "a")
    told: list[tuple[int, int]] = []
    with Journal(tmp_path / "journal.jsonl") as journal:
        local = LocalWriter(recipe, None, lambda: LocalModel.load(recipe.model, recipe.base))
        first = Remembered(local, journal, lambda done, of: told.append((done, of))).write(asked, GREEDY)
    with Journal(tmp_path / "journal.jsonl") as journal:
        again = Remembered(LocalWriter(recipe, None, refuse), journal).write(asked, GREEDY)
    assert first == again and [len(found) for found in first] == [1] * 4
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]  # the last two are one chat
    answer = first[0][0]
    assert local.dollars(answer) == pytest.approx(answer.seconds / 100)


def test_seeds_that_are_shown_reach_the_base(recipe: Recipe, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        local = Remembered(LocalWriter(recipe, None, lambda: LocalModel.load(recipe.model, recipe.base)), journal)
        shown = [("Spain?", "SELECT country FROM shop.users")]
        plain, longer = (local.write(chats(recipe, "a", shown=s), GREEDY)[0][0] for s in ((), shown))
    assert longer.prompt_tokens > plain.prompt_tokens + 10


def test_samples_read_the_prompt_once(recipe: Recipe, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.jsonl") as journal:
        local = Remembered(LocalWriter(recipe, None, lambda: LocalModel.load(recipe.model, recipe.base)), journal)
        sampled = GREEDY.model_copy(update={"samples": 3, "temperature": 2.0})
        (found,) = local.write(chats(recipe, "a"), sampled)
    assert len({answer.text for answer in found}) > 1
    assert [answer.prompt_tokens > 0 for answer in found] == [True, False, False]


def test_other_weights_another_chat_or_another_decoding_are_asked_anew(
    recipe: Recipe, adapters: list[Path], tmp_path: Path
) -> None:
    asked: list[int] = []

    class Counting(LocalWriter):
        def write(self, chats: Sequence[Chat], generation: Generation, keep: Any) -> None:
            asked.append(len(chats))
            for place in range(len(chats)):
                keep(place, [Answer("SELECT 1", 1, 1, 0.1, True)])

    with Journal(tmp_path / "journal.jsonl") as journal:

        def write(adapter: Path | None, question: str, generation: Generation = GREEDY, of: Recipe = recipe) -> None:
            named = ("a", adapter) if adapter else None
            Remembered(Counting(of, named, refuse), journal).write(chats(of, question), generation)

        write(None, "a")
        for adapter in adapters:
            write(adapter, "a")
        write(adapters[0], "b")
        write(adapters[0], "b", GREEDY.model_copy(update={"max_new_tokens": 7}))
        write(None, "a", of=recipe.model_copy(update={"model": recipe.model.model_copy(update={"dtype": "bfloat16"})}))
        assert asked == [1] * 6
        write(adapters[1], "a", GREEDY.model_copy(update={"batch_size": 1}))
        assert asked == [1] * 6
        (adapters[1] / "adapter_model.safetensors").write_bytes(b"trained anew")
        write(adapters[1], "a")
        assert asked == [1] * 7


def test_a_memory_is_loaded_before_it_is_asked_and_a_new_save_of_it_is_asked_anew(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[Path], bool]] = []
    loaded: list[Path] = []

    class Model:
        def generate(self, chats: Sequence[Chat], *_: Any, memory: bool, keep: Any, **more: Any) -> None:
            asked.append((list(loaded), memory))
            for place in range(len(chats)):
                keep(place, [Answer("SELECT 1", 1, 1, 0.1, True, facts=["revenue"] if memory else None)])

    monkeypatch.setattr("sqlft.memory.load_memory", lambda model, folder: loaded.append(folder))
    folder = tmp_path / "memory"
    folder.mkdir()
    model: Any = Model()

    def write(memory: Path | None) -> Answer:
        with Journal(tmp_path / "journal.jsonl") as journal:
            local = LocalWriter(recipe, None, lambda: model, memory)
            return Remembered(local, journal).write(chats(recipe, "a"), GREEDY)[0][0]

    (folder / "memory.json").write_text("one")
    assert [write(None).facts, write(folder).facts, write(folder).facts] == [None, ["revenue"], ["revenue"]]
    assert asked == [([], False), ([folder], True)]
    (folder / "memory.json").write_text("two")
    write(folder)
    assert len(asked) == 3


def test_what_was_written_before_a_fault_is_kept(recipe: Recipe, tmp_path: Path) -> None:
    class Dying(LocalWriter):
        def write(self, chats: Sequence[Chat], generation: Generation, keep: Any) -> None:
            keep(0, [Answer("SELECT 1", 1, 1, 0.1, True)])
            raise KeyboardInterrupt

    asked = chats(recipe, "a", "b")
    with Journal(tmp_path / "journal.jsonl") as journal, pytest.raises(KeyboardInterrupt):
        Remembered(Dying(recipe, None, refuse), journal).write(asked, GREEDY)
    with Journal(tmp_path / "journal.jsonl") as journal:
        Remembered(LocalWriter(recipe, None, refuse), journal).write(asked[:1], GREEDY)
        with pytest.raises(AssertionError, match="was loaded"):
            Remembered(LocalWriter(recipe, None, refuse), journal).write(asked, GREEDY)


def test_a_chat_longer_than_the_context_does_not_fit(recipe: Recipe) -> None:
    local = LocalWriter(recipe, None, refuse)
    short, long = chats(recipe, "a", "a " * 2000)
    assert local.fits(short, GREEDY) and not local.fits(long, GREEDY)


def test_an_endpoint_is_told_the_day_and_the_decoding_and_its_price_is_the_recipes(
    recipe: Recipe, tmp_path: Path
) -> None:
    recipe.agent.prices["my-model"] = (1.0, 0.5, 2.0)
    with OpenAIStub(lambda body: "SELECT 1", tokens=(1000, 500)) as stub, Journal(tmp_path / "j.jsonl") as journal:
        writer = EndpointWriter(recipe, "my-model", stub.url)
        sampled = Generation(temperature=0.7, samples=2, max_new_tokens=99)
        (found,) = Remembered(writer, journal).write(chats(recipe, "How many?"), sampled)
    assert [answer.text for answer in found] == ["SELECT 1"] * 2
    first = stub.requests[0]
    assert len(stub.requests) == 2 and (first["temperature"], first["max_tokens"]) == (0.7, 99)
    assert first["messages"][0]["content"].startswith("Today Date: 31 Dec 2024\n\nAnswer the question")
    assert "response_format" not in first
    assert writer.dollars(found[0]) == pytest.approx((1000 * 1 + 500 * 2) / 1e6)
    assert EndpointWriter(recipe, "gpt-4o", stub.url).dollars(found[0]) == pytest.approx((1000 * 2.5 + 500 * 10) / 1e6)
    assert EndpointWriter(recipe, "unheard-of", stub.url).dollars(found[0]) is None
