"""The ladder from a recipe to files: every step on an endpoint's stub, the database being the embedded engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import sqlft
from sqlft.card import Column, SchemaCard, Table
from sqlft.database import Gate
from sqlft.evaluation import Results, climb, ladder_table, pipeline
from sqlft.evaluation.ladder import choose_steps
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import Recipe, load_recipe
from sqlft.records import Example, write_jsonl
from tests.few_users import DAY, gate
from tests.openai_stub import Fault, OpenAIStub

__all__ = ["gate"]

GOLDEN = {
    "How many users are there?": "SELECT count() FROM shop.users",
    "How many are from France?": "SELECT count() FROM shop.users WHERE country = 'France'",
    "Which ids are below 3?": "SELECT id FROM shop.users WHERE id < 3",
}


def say(body: dict[str, Any]) -> str:
    """Right about the first; about the second once it has heard the error; about the third once it has seen a seed."""
    turns = [message["content"] for message in body["messages"]]
    if "users are there" in turns[-1]:
        return GOLDEN["How many users are there?"]
    if "from France" in turns[-1]:
        return "SELECT count() FROM shop.users WHERE " + (
            "country = 'France'" if "cannot run" in turns[-1] else "land = 1"
        )
    return f"SELECT id FROM shop.users WHERE id < {3 if any('below 7' in turn for turn in turns) else 4}"


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub(say, tokens=(1000, 100)) as stub:
        yield stub


@pytest.fixture
def recipe(gate: Gate, stub: OpenAIStub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "open_gate", lambda dsn, **options: nullcontext(gate))
    monkeypatch.setattr(pipeline, "load_model", None)  # nothing here may load one
    columns = [Column(name="id", type="UInt64"), Column(name="country", type="String")]
    SchemaCard(tables=[Table(name="shop.users", columns=columns)]).save(tmp_path / "schema.yaml")
    write_jsonl(tmp_path / "golden.jsonl", [Example(question=q, sql=s, level="easy") for q, s in GOLDEN.items()])
    seeds = [Example(question="Oldest?", sql="SELECT 1"), Example(question="Which ids are below 7?", sql="SELECT 2")]
    write_jsonl(tmp_path / "seeds.jsonl", seeds)
    steps = ["zero_shot", "reflect", "rag", "rag+reflect"]
    return Recipe(
        name="shop",
        schema=tmp_path / "schema.yaml",
        seeds=tmp_path / "seeds.jsonl",
        golden=tmp_path / "golden.jsonl",
        prompt={"date": DAY},
        agent={"shots": 1, "prices": {"m": [1.0, 1.0, 10.0]}},
        evaluation={"ladder": [{"step": step, "model": "m", "base_url": stub.url} for step in steps]},
    )


def test_every_step_is_measured_by_itself_and_against_the_first(recipe: Recipe, stub: OpenAIStub) -> None:
    told: list[str] = []
    found = climb(recipe, progress=lambda stage, *_: told.append(stage))
    by_name = {step.name: step for step in found.models}
    assert list(by_name) == ["zero_shot m", "reflect m", "rag m", "rag+reflect m"]
    assert [step.strict.k for step in found.models] == [1, 2, 2, 3]
    assert [step.attempts for step in found.models] == [3, 4, 3, 4]
    test = by_name["rag+reflect m"].against_base
    assert test is not None and (test.base, test.fixed, test.broken) == ("zero_shot m", 2, 0)
    assert found.base.against_base is None
    # zero_shot's and rag's answers are the first round of the steps with reflection
    assert len(stub.requests) == 3 + 1 + 3 + 1
    assert {"gold queries, golden", "answers of rag m", "verdicts, golden"} <= set(told)


def test_dollars_add_up_from_answers_to_what_a_right_one_costs(recipe: Recipe) -> None:
    found = climb(recipe)
    call = (1000 * 1.0 + 100 * 10.0) / 1e6
    reflect = found.models[1]
    assert [a.dollars for a in found.answers["reflect m"]] == pytest.approx([call, 2 * call, call])
    assert reflect.dollars == pytest.approx(4 * call)
    assert reflect.dollars_per_right == pytest.approx(4 * call / 2)
    assert (reflect.prompt_tokens, reflect.completion_tokens) == (4000, 400)
    recipe.agent.prices.clear()
    unpriced = climb(recipe).models[1]
    assert unpriced.dollars is None and unpriced.dollars_per_right is None


def test_a_second_run_asks_nobody_and_finds_the_same(recipe: Recipe, stub: OpenAIStub) -> None:
    first = climb(recipe)
    calls = len(stub.requests)
    second = climb(recipe)
    assert len(stub.requests) == calls
    assert second.model_dump(exclude={"created"}) == first.model_dump(exclude={"created"})
    assert second.answers == first.answers


def test_what_was_answered_before_a_fault_is_not_asked_again(recipe: Recipe, stub: OpenAIStub) -> None:
    recipe.evaluation.ladder = recipe.evaluation.ladder[:1]
    stub.faults.extend([None, None, Fault(400, '{"error": {"message": "no"}}')])
    with pytest.raises(SqlftError, match="refuses the request"):
        climb(recipe)
    answered = len(stub.requests)
    assert 0 < answered < 3
    with (Path("runs/shop/ladder") / "responses.jsonl").open("a") as journal:
        journal.write('{"key": "half a li')  # as a kill leaves it
    assert climb(recipe).base.strict.k == 1
    assert len(stub.requests) == 3


def test_verdicts_are_made_anew_without_asking_anybody(recipe: Recipe, stub: OpenAIStub) -> None:
    first = climb(recipe)
    calls = len(stub.requests)
    (Path("runs/shop/ladder") / "responses.jsonl").unlink()
    golden = [Example(question=q, sql=s) for q, s in GOLDEN.items()]
    golden[2].sql = "SELECT id FROM shop.users WHERE id < 4"  # what was right is mended
    write_jsonl(recipe.golden, golden)
    first.settings["memories"] = {"then": "0123"}  # and not the one that there is now
    first.save(first.folder)
    again = climb(recipe, rescore=True)
    assert again.settings["memories"] == {"then": "0123"}
    assert len(stub.requests) == calls
    assert [step.strict.k for step in again.models] == [2, 3, 1, 2]
    assert [step.attempts for step in again.models] == [step.attempts for step in first.models]
    assert again.answers["reflect m"][1].earlier == first.answers["reflect m"][1].earlier != []
    write_jsonl(recipe.golden, golden[:2])
    with pytest.raises(WrongUse, match="it holds other questions: 3, and now there are 2"):
        climb(recipe, rescore=True)
    with pytest.raises(WrongUse, match="results"):
        climb(recipe, on=str(recipe.seeds), rescore=True)


def test_everything_is_kept_in_a_folder_of_the_set(recipe: Recipe) -> None:
    found = climb(recipe, limit=2)
    folder = Path("runs/shop/ladder/golden")
    assert found.folder == folder and Results.load(folder).answers == found.answers
    settings = json.loads((folder / "results.json").read_text())["settings"]
    assert settings["agent"]["shots"] == 1 and settings["ladder"][3]["step"] == "rag+reflect"


def test_the_page_stands_beside_the_results_with_the_steps_and_their_price(recipe: Recipe) -> None:
    folder = sqlft.ladder(recipe).folder or Path()
    page = (folder / "report.html").read_text()
    assert "rag+reflect m 3 of 3" in page and "What a right answer costs, in dollars. zero_shot m: $0.006" in page
    assert "Given up before: " in page and "land = 1" in page
    assert (folder / "results.csv").read_text().splitlines()[0].endswith("seconds,dollars")


def test_a_question_that_is_a_seed_is_a_leak_where_seeds_are_shown(recipe: Recipe) -> None:
    asked = [*(Example(question=q, sql=s) for q, s in GOLDEN.items()), Example(question="Oldest?", sql="SELECT 5")]
    write_jsonl(recipe.golden, asked)
    found = climb(recipe)
    assert found.leakage is not None and found.leakage.by_question == 1
    assert found.warnings[0].startswith("LEAKAGE: 1 of 4")
    recipe.evaluation.ladder = recipe.evaluation.ladder[:2]
    assert climb(recipe).leakage is None


def test_the_table_has_a_row_a_step_with_interval_attempts_and_price(recipe: Recipe) -> None:
    console = Console(width=200, record=True)
    console.print(ladder_table(climb(recipe)))
    text = console.export_text()
    row = next(line for line in text.splitlines() if "rag+reflect m" in line)
    assert "100.0% (3 of 3)" in row and "43.9 to 100.0%" in row and "+66.7 points" in row and "p = " in row
    assert "1.33" in row and "0.0027" in row


def steps(tmp_path: Path, ladder: str) -> Recipe:
    path = tmp_path / "r.yaml"
    path.write_text(f"schema: s.yaml\nseeds: s.jsonl\ngolden: g.jsonl\nevaluation:\n  ladder: {ladder}\n")
    return load_recipe(path)


def test_without_names_all_steps_are_measured_as_far_as_there_is_an_adapter(tmp_path: Path) -> None:
    assert len(choose_steps(steps(tmp_path, "[]"), True)) == 9
    assert [s.name for s in choose_steps(steps(tmp_path, "[]"), False)][-1] == "rag+reflect"


def test_steps_with_memory_are_measured_where_one_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def names(ladder: str, adapter: bool = True) -> list[str]:
        return [step.name for step in choose_steps(steps(tmp_path, ladder), adapter)]

    assert not [name for name in names("[]") if "memory" in name]
    with pytest.raises(WrongUse, match=r"step memory: there is no memory.*sqlft memorize"):
        names("[zero_shot, memory]")
    for own in ("base", "adapter"):
        (tmp_path / "runs/r/memory" / own).mkdir(parents=True)
        (tmp_path / "runs/r/memory" / own / "memory.json").write_text("{}")
        assert ("adapter+memory" in names("[]")) is (own == "adapter") and "memory" in names("[]")
    assert "adapter+memory" not in names("[]", adapter=False)
    with pytest.raises(WrongUse, match="a memory is loaded on the local base"):
        names("[{step: memory, model: gpt-4o}]")


def test_steps_that_cannot_be_are_said_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"(?s)r\.yaml:5: step rag: .*once.*r\.yaml:5: step adapter\+vote: .*no adapter"):
        choose_steps(steps(tmp_path, "[rag, adapter+vote, rag]"), False)
    for ladder, said in {
        "[zero]": "zero_shot",
        "[{step: rag, modle: m}]": "Did you mean `model`",
        "[{step: rag, base_url: http://localhost/v1}]": "base_url without model",
        "[{step: adapter, model: gpt-4o}]": "an adapter is loaded on the local base",
    }.items():
        with pytest.raises(WrongUse, match=said):
            steps(tmp_path, ladder)
