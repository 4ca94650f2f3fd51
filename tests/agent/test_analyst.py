"""From a question to an answer: on a stub of an endpoint and on a tiny base, the database being the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import sqlft
from sqlft.agent import open_analyst, open_analysts
from sqlft.card import Column, SchemaCard, Table
from sqlft.database import Gate
from sqlft.inference import LocalModel
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example, write_jsonl
from tests.few_users import DAY, gate
from tests.inference.test_local import make_adapter
from tests.openai_stub import Fault, OpenAIStub
from tests.tiny import tiny_base

__all__ = ["gate", "tiny_base"]

COUNT = "SELECT count() AS users FROM shop.users"
SAYS = {
    "How many users?": COUNT,
    "How many by country?": "SELECT country, count() AS users FROM shop.users GROUP BY country ORDER BY country",
    "Delete them.": "INSERT INTO shop.users SELECT * FROM shop.users",
    "Drop them.": "DROP TABLE shop.users",
    "Who is on Mars?": "SELECT id FROM shop.users WHERE country = 'Mars'",
    "The weather?": "The tables do not record the weather.",
    "Tell a joke.": "Knock knock.",
    "Land?": "SELECT land FROM shop.users",
}


def say(body: dict[str, Any]) -> str:
    """SQL from the table; better SQL to the land once it has heard the error; figures as they stand."""
    turn = body["messages"][-1]["content"]
    if "The database's answer" in turn:
        cell = turn.partition("a row a line:\nusers\n")[2].partition("\n")[0]
        return "There are 99 users." if "by country" in turn else f"There are {cell} of them."
    if "cannot run" in turn and "land" in str(body["messages"]):
        return "SELECT count() FROM shop.users WHERE country = 'France'"
    return next(sql for question, sql in SAYS.items() if question in turn)


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub(say, tokens=(1000, 100)) as stub:
        yield stub


@pytest.fixture
def recipe(gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sqlft.dataset.queries.open_gate", lambda dsn, **options: nullcontext(gate))
    columns = [Column(name="id", type="UInt64"), Column(name="country", type="String")]
    SchemaCard(tables=[Table(name="shop.users", columns=columns)]).save(tmp_path / "schema.yaml")
    write_jsonl(tmp_path / "seeds.jsonl", [Example(question="Oldest?", sql="SELECT 1")])
    return Recipe(
        name="shop",
        schema=tmp_path / "schema.yaml",
        seeds=tmp_path / "seeds.jsonl",
        golden=tmp_path / "golden.jsonl",
        model={"base": "none", "quantization": "none", "dtype": "float32"},
        generation={"max_new_tokens": 6},
        prompt={"date": DAY},
    )


@pytest.fixture
def tiny(recipe: Recipe, tiny_base: Path) -> Recipe:
    recipe.model.base = str(tiny_base)
    return recipe


def test_an_answer_has_its_sentence_sql_table_and_time(recipe: Recipe, stub: OpenAIStub) -> None:
    reply = sqlft.ask(recipe, "How many users?", endpoint=stub.url, model="m")
    assert reply.result is not None and reply.result.rows == [(20,)] and reply.sql == COUNT
    assert (reply.sentence, reply.told_by) == ("There are 20 of them.", "m")
    assert (reply.prediction.attempts, reply.prediction.model, reply.declined) == (1, "m", False)
    assert reply.seconds >= reply.result.elapsed > 0 and reply.chart is None


def test_a_sentence_with_a_figure_of_its_own_gives_way_to_the_template(recipe: Recipe, stub: OpenAIStub) -> None:
    reply = sqlft.ask(recipe, "How many by country?", endpoint=stub.url, model="m")
    assert reply.told_by == "template" and reply.sentence.startswith("There are 2 rows; users is greatest")
    assert reply.chart is not None and reply.chart.labels == ["France", "Spain"]


def test_an_endpoint_that_fails_at_the_sentence_costs_no_answer(recipe: Recipe, stub: OpenAIStub) -> None:
    stub.faults.extend([None, Fault(400)])
    with open_analyst(recipe, endpoint=stub.url, model="m") as analyst:
        reply = analyst.ask("How many users?")
    assert reply.sentence == "The answer is 20 (users)." and "the sentence is the template's" in analyst.notes[-1]


def test_an_error_is_thought_over(recipe: Recipe, stub: OpenAIStub) -> None:
    reply = sqlft.ask(recipe, "Land?", endpoint=stub.url, model="m")
    assert reply.prediction.attempts == 2 and [old.sql for old in reply.prediction.earlier] == [SAYS["Land?"]]
    assert reply.result is not None and reply.result.rows == [(13,)]


def test_the_recipe_says_what_is_done_beside_asking(recipe: Recipe, stub: OpenAIStub) -> None:
    recipe.agent.ask, recipe.agent.samples = ["rag", "vote"], 3
    reply = sqlft.ask(recipe, "How many users?", endpoint=stub.url, model="m")
    asked = [r for r in stub.requests if "The database's answer" not in str(r)]
    assert reply.prediction.votes == len(asked) == 3 and asked[0]["temperature"] == 0.7
    assert [m["content"] for m in asked[0]["messages"]][1:] == ["Oldest?", "SELECT 1", "How many users?"]
    recipe.agent.ask = []
    assert sqlft.ask(recipe, "Land?", endpoint=stub.url, model="m").prediction.attempts == 1


def test_a_result_without_rows_is_an_answer(recipe: Recipe, stub: OpenAIStub) -> None:
    reply = sqlft.ask(recipe, "Who is on Mars?", endpoint=stub.url, model="m")
    assert reply.result is not None and "gave no rows" in reply.sentence and reply.prediction.attempts == 3


@pytest.mark.parametrize(
    ("question", "declined", "why"),
    [
        ("Delete them.", False, "was refused: Only SELECT may run here"),
        ("Drop them.", False, "wrote no SQL"),
        ("The weather?", True, "says that the database cannot answer this: The tables do not record"),
        ("Tell a joke.", False, "wrote no SQL, but 'Knock knock.'"),
    ],
)
def test_where_no_answer_came_a_sentence_says_why(
    recipe: Recipe, stub: OpenAIStub, gate: Gate, question: str, declined: bool, why: str
) -> None:
    reply = sqlft.ask(recipe, question, endpoint=stub.url, model="m")
    assert reply.result is None and reply.declined is declined and why in reply.sentence
    assert gate.run(COUNT).rows == [(20,)]


def test_a_question_is_written_once_and_run_each_time(recipe: Recipe, stub: OpenAIStub) -> None:
    with open_analyst(recipe, endpoint=stub.url, model="m") as analyst:
        first = analyst.ask("How many users?")
    with open_analyst(recipe, endpoint=stub.url, model="m") as analyst:
        again = analyst.ask("  How many users?\n")
    assert len(stub.requests) == 2 and first.sql == again.sql and again.result is not first.result


def test_the_local_base_answers_where_no_server_is_named(tiny: Recipe) -> None:
    with open_analyst(tiny) as analyst:
        reply = analyst.ask("How many users?")
        assert analyst.teller is None
    assert reply.prediction.model == "base" and reply.prediction.completion_tokens > 0
    assert reply.result is None and reply.sentence  # its weights are random


def test_those_side_by_side_share_one_loaded_model_and_what_was_written(
    tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, load = [], LocalModel.load
    monkeypatch.setattr(LocalModel, "load", lambda *given: (loads.append(given), load(*given))[1])
    with open_analysts(tiny, [None, None]) as (one, other):
        first, kept = one.ask("How many users?"), (tiny.run_dir / "ask" / "responses.jsonl").read_bytes()
        again = other.ask("How many users?")
        assert (tiny.run_dir / "ask" / "responses.jsonl").read_bytes() == kept
        other.ask("How many by country?")
    assert len(loads) == 1 and first.prediction.text == again.prediction.text


def test_of_several_adapters_the_one_beside_which_it_was_made_has_the_memory(tiny: Recipe, tmp_path: Path) -> None:
    from sqlft.memory import Fact, Memory, save_memory

    one, other = (make_adapter(Path(tiny.base), tmp_path / name, seed=seed) for seed, name in enumerate("ab"))
    model = LocalModel.load(tiny.model, tiny.base, {"a": one})
    memory = Memory.make(model.base.model, model.base.tokenizer, tiny.memory)
    memory.add([Fact(id="users", answer=COUNT, phrasings=["How many users?"])])
    save_memory(memory, model, tiny.memory_dir(True), "a")
    with open_analysts(tiny, [None, ("b", other), ("a", one)], memory=True) as analysts:
        remembering = [analyst.ask("How many users?").prediction.facts is not None for analyst in analysts]
    assert remembering == [False, False, True]


@pytest.mark.parametrize("listed", [True, False])
def test_a_server_that_holds_the_base_reads_the_prompt_that_was_trained_on(tiny: Recipe, listed: bool) -> None:
    """One that lists nothing is asked all the same where the name is written."""
    models, model = ({tiny.model.base: 1024}, None) if listed else ({}, tiny.model.base)
    with OpenAIStub(say, models=models, tokens=None) as stub, pytest.raises(SqlftError, match="another prompt"):
        sqlft.ask(tiny, "How many users?", endpoint=stub.url, model=model)


@pytest.mark.parametrize(
    ("models", "model", "why"),
    [({"llama": 1024}, None, "llama"), ({"llama": 1024}, "none", "llama"), ({}, None, "nothing that it lists")],
)
def test_a_name_that_is_not_served_is_said_with_those_that_are(
    recipe: Recipe, models: dict[str, int], model: str | None, why: str
) -> None:
    with OpenAIStub(say, models=models) as stub, pytest.raises(WrongUse, match=rf"it serves {why}\. .*--model"):
        sqlft.ask(recipe, "How many users?", endpoint=stub.url, model=model)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"memory": True}, "there is none"),
        ({"model": "m"}, "names a model of a server"),
        ({"endpoint": "http://127.0.0.1:1/v1", "model": "m", "memory": True}, "in the local model alone"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_loaded(recipe: Recipe, options: dict[str, Any], why: str) -> None:
    with pytest.raises(WrongUse, match=why):
        sqlft.ask(recipe, "How many users?", **options)


def test_no_question_is_wrong_use(recipe: Recipe, stub: OpenAIStub) -> None:
    with pytest.raises(WrongUse, match="no question"):
        sqlft.ask(recipe, " ", endpoint=stub.url, model="m")
