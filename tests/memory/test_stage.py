"""From a recipe and a file to a memory on disk: what is learned, kept, resumed, refused and deleted."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import sqlft
from sqlft.card import Column, SchemaCard, Table
from sqlft.inference import LocalModel
from sqlft.memory import Use, load_memory, stage
from sqlft.memory.stage import memorize_facts, write_facts
from sqlft.memory.store import list_facts
from sqlft.problems import SqlftError, WrongUse
from sqlft.prompts import render_chat
from sqlft.recipe import Generation, load_recipe
from sqlft.records import Example, write_jsonl
from tests.inference.test_local import make_adapter
from tests.memory.conftest import ANSWERS, make_facts, make_used
from tests.tiny import make_tiny

CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="age", type="UInt64", term="age")])])
GOLDEN = "Who is oldest of all?"


@pytest.fixture(scope="module")
def sharp(tiny_base, tmp_path_factory):
    """A base on disk whose head is sure of itself; one of random weights is not."""
    folder = tmp_path_factory.mktemp("sharp") / "base"
    shutil.copytree(tiny_base, folder)
    weights = load_file(folder / "model.safetensors")
    save_file(
        weights | {"lm_head.weight": 30 * weights["lm_head.weight"]}, folder / "model.safetensors", {"format": "pt"}
    )
    return folder


@pytest.fixture
def recipe(sharp, tmp_path, monkeypatch):
    """Reads a recipe with overrides; the working directory is its folder, with facts.jsonl in it."""
    monkeypatch.chdir(tmp_path)
    CARD.save(tmp_path / "card.yaml")
    write_jsonl(tmp_path / "seeds.jsonl", [Example(question="How many users are there?", sql="SELECT 1")])
    write_jsonl(tmp_path / "golden.jsonl", [Example(question=GOLDEN, sql="SELECT max(age) FROM shop.users")])
    write_jsonl(tmp_path / "facts.jsonl", make_facts())
    given = {
        "name": "run",
        "schema": "card.yaml",
        "seeds": "seeds.jsonl",
        "golden": "golden.jsonl",
        "model": {"base": str(sharp), "quantization": "none", "dtype": "float32"},
        "memory": {"variants": 1, "learning_rate": 2e-2},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(given))
    return lambda *overrides: load_recipe(Path("recipe.yaml"), overrides)


def answers(recipe, names, adapter=None):
    """What the memory in the run's folder answers."""
    model = LocalModel.load(recipe.model, recipe.base, {"one": adapter} if adapter else None)
    load_memory(model, recipe.memory_dir(bool(adapter)))
    chats = [render_chat(CARD, f"Tell me {name}'s code.", recipe.prompt) for name in names]
    found = model.generate(
        chats, Generation(max_new_tokens=24), recipe.prompt.date, adapter="one" if adapter else None, memory=True
    )
    return [own[0].text for own in found]


def rows(recipe, names):
    held = json.loads((recipe.memory_dir(False) / "memory.json").read_text())
    file = load_file(recipe.memory_dir(False) / held["experts"])
    ids = file["ids"].tolist()
    return [file["experts"][ids.index(held["taken"][name])] for name in names]


def test_facts_of_a_file_are_recalled_and_more_can_be_appended(recipe):
    told = []
    found = memorize_facts(recipe(), "facts.jsonl", progress=lambda *given: told.append(given))
    assert (found.facts, found.exact, found.new, found.missing) == (4, 4, 4, {})
    assert found.folder == Path("runs/run/memory/base") and found.bytes > 4 * 1000
    assert told[-1][0] == "questions recalled" and told[-1][1] == told[-1][2] and "epoch" in told[-1][3]
    assert answers(recipe(), ANSWERS) == list(ANSWERS.values())
    before = rows(recipe(), ANSWERS)
    write_jsonl(Path("more.jsonl"), [f.model_copy(update={"id": "Venlo"}) for f in make_facts_of("Venlo", "7 users")])
    more = memorize_facts(recipe(), "more.jsonl")
    assert (more.facts, more.exact, more.new) == (5, 5, 1)
    assert answers(recipe(), ["Venlo", "Quill"]) == ["7 users", ANSWERS["Quill"]]
    assert all(torch.equal(a, b) for a, b in zip(before, rows(recipe(), ANSWERS), strict=True))
    again = memorize_facts(recipe(), "more.jsonl")
    assert (again.new, again.learned.epochs) == (0, 0)


def make_facts_of(name, answer):
    return [make_facts(["Quill"])[0].model_copy(update={"answer": answer, "phrasings": phrasings(name)})]


def phrasings(name):
    return [f"What is the code of {name}?", f"Tell me {name}'s code."]


def test_a_fact_that_changed_is_learned_anew_and_the_others_are_left(recipe):
    memorize_facts(recipe(), "facts.jsonl")
    before = rows(recipe(), ["Marlow"])
    write_jsonl(Path("facts.jsonl"), [f.model_copy(update={"id": "Quill"}) for f in make_facts_of("Quill", "9 rows")])
    found = memorize_facts(recipe(), "facts.jsonl")
    assert (found.facts, found.new) == (4, 1)
    assert answers(recipe(), ["Quill", "Marlow"]) == ["9 rows", ANSWERS["Marlow"]]
    assert torch.equal(before[0], rows(recipe(), ["Marlow"])[0])


def test_a_killed_run_goes_on_and_loses_no_finished_fact(recipe, monkeypatch):
    monkeypatch.setattr(stage, "SAVE_EVERY", 0.0)
    epochs = []

    def stop(name, done, of, note):
        """As a kill would, in the epoch after the one in which a first fact is finished and saved."""
        if name == "questions recalled":
            file = Path("runs/run/memory/base")
            if epochs and any(one.exact for one in list_facts(file)):
                raise KeyboardInterrupt
            epochs.append(done)

    with pytest.raises(KeyboardInterrupt):
        memorize_facts(recipe(), "facts.jsonl", progress=stop)
    finished = sorted(one.fact.id for one in list_facts(Path("runs/run/memory/base")) if one.exact)
    assert 0 < len(finished) < 4
    before = rows(recipe(), finished)
    found = memorize_facts(recipe(), "facts.jsonl")
    assert (found.exact, found.new) == (4, 4 - len(finished))
    assert all(torch.equal(a, b) for a, b in zip(before, rows(recipe(), finished), strict=True))
    assert answers(recipe(), ANSWERS) == list(ANSWERS.values())


def test_a_run_that_is_killed_while_the_conductor_is_fitted_goes_on_with_all_facts(recipe, monkeypatch):
    monkeypatch.setattr(stage, "SAVE_EVERY", 0.0)
    facts = make_used()
    write_jsonl(Path("facts.jsonl"), facts)

    def stop(name, _done, _of, note):
        if note == "epoch 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memorize_facts(recipe("memory.variants=0"), "facts.jsonl", progress=stop)
    assert json.loads(Path("runs/run/memory/base/memory.json").read_text()).get("fitted", False) is False
    found = memorize_facts(recipe("memory.variants=0"), "facts.jsonl")
    assert (found.exact, found.missing) == (4, {})
    assert json.loads(Path("runs/run/memory/base/memory.json").read_text())["fitted"] is True
    assert answers(recipe(), ANSWERS) == list(ANSWERS.values())
    with pytest.raises(WrongUse, match="shared_rank than the recipe says"):
        memorize_facts(recipe("memory.shared_rank=4"), "facts.jsonl")


def test_a_budget_that_is_too_small_lists_facts_by_name_and_the_next_run_finishes_them(recipe):
    found = memorize_facts(recipe("memory.epochs=1"), "facts.jsonl")
    assert set(found.missing) == set(ANSWERS) and found.exact == 0
    assert all("least sure token" in why for why in found.missing.values())
    assert memorize_facts(recipe(), "facts.jsonl").exact == 4


def test_what_leaks_the_golden_set_is_refused_before_the_base_is_loaded_unless_allowed(recipe, monkeypatch):
    write_jsonl(Path("facts.jsonl"), [make_facts(["Quill"])[0].model_copy(update={"phrasings": [GOLDEN.upper()]})])
    with monkeypatch.context() as patch:
        patch.setattr(LocalModel, "load", None)
        with pytest.raises(WrongUse, match=r"fact Quill.*an evaluation asks"):
            memorize_facts(recipe(), "facts.jsonl")
    assert memorize_facts(recipe("allow_leakage=true"), "facts.jsonl").facts == 1


def test_a_phrasing_longer_than_the_context_is_refused_by_name_and_nothing_is_written(recipe):
    long = make_facts(["Quill"])[0].model_copy(update={"phrasings": ["What is Quill " + "really " * 900 + "?"]})
    write_jsonl(Path("facts.jsonl"), [long, *make_facts(["Marlow"])])
    with pytest.raises(WrongUse, match=r"of fact Quill.*do not fit into the context of 1024"):
        memorize_facts(recipe(), "facts.jsonl")
    assert not Path("runs/run/memory").exists()


def test_a_fact_that_contradicts_one_that_is_held_is_refused(recipe):
    memorize_facts(recipe(), "facts.jsonl")
    write_jsonl(Path("other.jsonl"), [make_facts(["Quill"])[0].model_copy(update={"id": "other", "answer": "8"})])
    with pytest.raises(WrongUse, match="facts Quill and other"):
        memorize_facts(recipe(), "other.jsonl")


def test_a_memory_of_another_shape_or_base_is_refused(recipe, tmp_path):
    memorize_facts(recipe("memory.epochs=1"), "facts.jsonl")
    for override in ("memory.rank=2", "memory.layers=1", "memory.shape=product_keys", "memory.at_once=3"):
        with pytest.raises(WrongUse, match="another shape, rank, layers, experts, retrieved, at_once or shared_rank"):
            memorize_facts(recipe(override), "facts.jsonl")
    wider = make_tiny(tmp_path / "wider", hidden=64)
    with pytest.raises(WrongUse, match="other weights"):
        memorize_facts(recipe(f"model.base={wider}"), "facts.jsonl")


def test_a_memory_beside_an_adapter_has_a_folder_of_its_own(recipe, sharp, tmp_path):
    adapter = make_adapter(sharp, tmp_path / "adapter", scale=0.05)
    found = memorize_facts(recipe(), "facts.jsonl", adapter)
    assert found.missing == {} and found.folder == Path("runs/run/memory/adapter")
    assert answers(recipe(), ANSWERS, adapter) == list(ANSWERS.values())
    assert not recipe().memory_dir(False).exists()


def test_facts_are_listed_and_deleted_through_the_api(recipe):
    memorize_facts(recipe(), "facts.jsonl")
    held = sqlft.held_facts(recipe())
    assert {one.fact.id: one[1:] for one in held} == dict.fromkeys(ANSWERS, (True, False))
    assert [one.fact.id for one in sqlft.held_facts(recipe(), delete=["Quill"])] == ["Marlow", "Tessen", "Orrin"]
    assert answers(recipe(), ["Quill", "Marlow"])[0] != ANSWERS["Quill"]
    said = sqlft.load(recipe(), memory=True).predict("Tell me Marlow's code.")
    assert (said.text, said.facts) == (ANSWERS["Marlow"], ["Marlow"])
    assert sqlft.load(recipe()).predict("Tell me Marlow's code.").facts is None
    with pytest.raises(WrongUse, match="none of that id"):
        sqlft.held_facts(recipe(), delete=["Quill"])


def test_two_processes_are_refused_in_one_sentence(recipe, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SqlftError, match="2 processes were started, and a memory is made by one"):
        memorize_facts(recipe(), "facts.jsonl")


def test_facts_of_the_card_are_written_and_read_back(recipe):
    found = write_facts(recipe(), Path("derived.jsonl"))
    assert [fact.id for fact in found] == ["column shop.users age"]
    assert memorize_facts(recipe(), "derived.jsonl").missing == {}


def test_what_is_left_is_exact_though_it_is_asked_for_in_words_of_a_use(recipe, monkeypatch):
    monkeypatch.setattr(stage, "find_known", lambda _model, items, _size: {item.fact for item in items if item.use})
    uses = [Use(question=f"What is the code of Marlow in {year}?", answer=str(year)) for year in range(2020, 2024)]
    marlow = make_facts(["Marlow"])[0].model_copy(update={"uses": uses})
    write_jsonl(Path("facts.jsonl"), [marlow, *make_facts(["Quill"])])
    found = memorize_facts(recipe(), "facts.jsonl")
    assert (found.left, found.exact, found.missing) == (1, 2, {})


def test_what_the_model_uses_right_is_left_to_it_and_said(recipe, monkeypatch):
    monkeypatch.setattr(stage, "find_known", lambda _model, items, _size: {i.fact for i in items} & {"Marlow", "Orrin"})
    write_jsonl(Path("facts.jsonl"), make_used())
    found = memorize_facts(recipe("memory.variants=0"), "facts.jsonl")
    assert (found.left, found.to_json()["left"], found.missing) == (2, 2, {})
    held = {one.fact.id: one.left for one in list_facts(Path("runs/run/memory/base"))}
    assert held == {"Marlow": True, "Quill": False, "Tessen": False, "Orrin": True}
    monkeypatch.setattr(stage, "find_known", None)  # nothing is new: nobody is asked again
    assert memorize_facts(recipe("memory.variants=0"), "facts.jsonl").new == 0
    assert answers(recipe(), ANSWERS) == list(ANSWERS.values())
