"""An evaluation on a server: from a recipe to files, with a stub that answers as a real model of random weights."""

from pathlib import Path

import pytest

from sqlft.database import Database
from sqlft.evaluation import evaluate
from sqlft.evaluation.served import open_server
from sqlft.inference import LocalModel
from sqlft.problems import SqlftError
from sqlft.recipe import Recipe
from sqlft.records import Example, write_jsonl
from tests.inference.test_local import CARD, FLOAT, make_adapter
from tests.inference.test_served import Serving
from tests.tiny import tiny_base

__all__ = ["tiny_base"]

EXAMPLES = [
    Example(question=f"How many users are {age}?", sql=f"SELECT count() FROM shop.users WHERE age = {age}")
    for age in range(20, 26)
]


@pytest.fixture(scope="module")
def adapter(tiny_base, tmp_path_factory):
    return make_adapter(tiny_base, tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="module")
def model(tiny_base, adapter):
    return LocalModel.load(FLOAT, str(tiny_base), {"one": adapter})


@pytest.fixture
def make_recipe(tiny_base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CARD.save(tmp_path / "card.yaml")
    write_jsonl(tmp_path / "golden.jsonl", EXAMPLES)
    model = {"base": str(tiny_base), "quantization": "none", "dtype": "float32"}
    paths = {"schema": Path("card.yaml"), "seeds": Path("seeds.jsonl"), "golden": Path("golden.jsonl")}
    database = {"dsn": f"chdb://{tmp_path}/shop"}

    def make(url, **endpoint):
        served = {"endpoint": {"base_url": url, **endpoint}} if url else {}
        generation = {"max_new_tokens": 8}
        return Recipe(name="tiny", database=database, model=model, generation=generation, evaluation=served, **paths)

    return make


def opened(recipe, adapter):
    return open_server(recipe, CARD, {"one": adapter}, EXAMPLES, lambda *_: None)


def test_the_share_of_answers_that_agree_is_said(make_recipe, model, adapter):
    with Serving(model, {model.base.name: None, "one": "one"}).stub() as stub:
        server = opened(make_recipe(stub.url, check_agreement=4), adapter)
    said = f"Answers come from vLLM at {stub.url}; the local model gives the same: base 4 of 4, one 4 of 4."
    assert server.warnings == [said] and len(stub.requests) == 8


@pytest.mark.parametrize("served", [{"base": None, "one": None}, {"base": "one", "one": "one"}])
def test_a_server_that_holds_other_weights_is_refused(make_recipe, model, adapter, served):
    names = {model.base.name: served["base"], "one": served["one"]}
    wrong = "one" if served["one"] is None else "base"
    with Serving(model, names).stub() as stub:
        with pytest.raises(SqlftError, match=rf"{wrong} says the same to 0 of 4 questions, and 90% is the least"):
            opened(make_recipe(stub.url, check_agreement=4), adapter)
        assert opened(make_recipe(stub.url, check_agreement=4, least_agreement=0), adapter).adapters


def test_an_evaluation_on_a_server_says_so_and_looks_for_adapters_that_do_nothing(make_recipe, model, adapter):
    recipe = make_recipe("")
    with Database.connect(recipe.database.dsn) as database:
        database.command("CREATE DATABASE shop")
        database.command(
            "CREATE TABLE shop.users ENGINE = MergeTree ORDER BY age AS SELECT 18 + number % 9 AS age FROM numbers(50)"
        )
    with Serving(model, {model.base.name: None, adapter.name: None}).stub() as stub:
        served = evaluate(make_recipe(stub.url), [adapter])
    here = evaluate(recipe, [adapter])
    assert served.settings["engine"] == f"vLLM at {stub.url}" and here.settings["engine"] == "local"
    assert [a.text for a in served.answers["base"]] == [a.text for a in here.answers["base"]]
    assert any("does nothing" in warning for warning in served.warnings)
    assert any(f"Answers come from vLLM at {stub.url}: that it holds" in warning for warning in served.warnings)
    assert not any("does nothing" in warning or "vLLM" in warning for warning in here.warnings)
