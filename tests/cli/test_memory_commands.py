"""The commands about memory tuning: what they hand on, print and exit with."""

import json
from pathlib import Path

import pytest

import sqlft
from tests.cli.conftest import TINY


def test_facts_are_derived_and_counted(run, tmp_path):
    code, out, _ = run("facts", TINY, "--out", "facts.jsonl", "--json")
    found = json.loads(out)
    assert code == 0 and found["facts"] == (tmp_path / "facts.jsonl").read_text().count("\n") > 50
    assert found["phrasings"] >= 3 * found["facts"]


def test_memorize_exits_with_1_and_names_the_facts_that_did_not_get_there(run, monkeypatch):
    from sqlft.memory import Learned
    from sqlft.memory.stage import Memorized

    given = []

    def memorize(recipe, facts, adapter):
        given.append((recipe.memory.epochs, str(facts), adapter))
        missing = {} if recipe.memory.epochs > 1 else {"term buyer": 0.41}
        return Memorized(Path("runs/x"), 4, 4 - len(missing), 2, 1, 8000, Learned(missing, [], 7, 1.5))

    monkeypatch.setattr(sqlft, "memorize", memorize)
    code, out, err = run("memorize", TINY, "--facts", "f.jsonl", "--adapter", "a")
    assert code == 0 and err == "" and "2,000" in out and "epochs" in out and "left to the model" in out
    code, out, err = run("memorize", TINY, "memory.epochs=1", "--facts", "f.jsonl", "--json")
    assert (code, json.loads(out)["missing"]) == (1, {"term buyer": "the least sure token of an answer has 0.41"})
    code, _, err = run("memorize", TINY, "memory.epochs=1", "--facts", "f.jsonl")
    assert code == 1 and "not recalled with margin: term buyer: the least sure token" in err
    assert given[0] == (100, "f.jsonl", "a") and given[1] == (1, "f.jsonl", None)


@pytest.mark.parametrize("options", [[], ["--list", "--delete", "a"], ["--facts", "f", "--list"]])
def test_memorize_does_one_thing_at_a_time(run, options):
    code, _, err = run("memorize", TINY, *options)
    assert code == 2 and "exactly one of them" in err


def test_held_facts_are_listed_and_deleted(run, monkeypatch):
    from sqlft.memory import Fact
    from sqlft.memory.store import Held

    asked = []

    def held_facts(recipe, adapter, delete):
        asked.append((adapter, delete))
        return [
            Held(Fact(id="a", answer="42", phrasings=["What?"]), True, True),
            Held(Fact(id="b", answer="7", phrasings=["?"]), False, False),
        ]

    monkeypatch.setattr(sqlft, "held_facts", held_facts)
    code, out, _ = run("memorize", TINY, "--list")
    assert code == 0 and "42 (uses: the model's)" in out and "7 (not exact)" in out
    found = json.loads(run("memorize", TINY, "--delete", "x", "--delete", "y", "--adapter", "n", "--json")[1])
    assert [(fact["exact"], fact["left"]) for fact in found] == [(True, True), (False, False)]
    assert asked[1] == ("n", ["x", "y"])


def test_listing_a_memory_that_is_not_there_is_wrong_use(run):
    code, _, err = run("memorize", TINY, "--list")
    assert code == 2 and "there is no memory.json" in err
