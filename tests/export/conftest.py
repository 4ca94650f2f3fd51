"""A run of a tiny base: an adapter of random weights, a golden set, and its evaluation."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sqlft.card import SchemaCard
from sqlft.database import Database
from sqlft.evaluation import evaluate
from sqlft.export.source import Source, read_source
from sqlft.prompts import hash_prompt
from sqlft.recipe import load_recipe
from sqlft.records import Example, write_jsonl
from tests.inference.test_local import CARD, make_adapter
from tests.tiny import tiny_base  # noqa: F401

EXAMPLES = [
    Example(question=f"How many users are {age}?", sql=f"SELECT count() FROM shop.users WHERE age = {age}")
    for age in range(20, 24)
]


@pytest.fixture(scope="session")
def make_run(tmp_path_factory, tiny_base) -> Callable[[str], Path]:  # noqa: F811
    """The folder of a recipe.yaml and its run, by the base's quantization; made once."""
    made: dict[str, Path] = {}

    def make(quantization: str) -> Path:
        if quantization in made:
            return made[quantization]
        folder = tmp_path_factory.mktemp("exported")
        CARD.save(folder / "card.yaml")
        write_jsonl(folder / "golden.jsonl", EXAMPLES)
        recipe = {
            "name": "tiny",
            "database": {"dsn": f"chdb://{folder}/shop"},
            "schema": "card.yaml",
            "seeds": "seeds.jsonl",
            "golden": "golden.jsonl",
            "model": {"base": str(tiny_base), "quantization": quantization, "dtype": "float32"},
            "generation": {"max_new_tokens": 8},
        }
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        with Database.connect(f"chdb://{folder}/shop") as database:
            database.command("CREATE DATABASE shop")
            ages = "SELECT toUInt64(18 + number % 9) AS age FROM numbers(50)"
            database.command(f"CREATE TABLE shop.users ENGINE = MergeTree ORDER BY age AS {ages}")
        prompt = hash_prompt(SchemaCard.load(folder / "card.yaml"), load_recipe(folder / "recipe.yaml").prompt)
        identity = {"prompt_sha256": prompt, "data_sha256": {"train": "5eed" * 16}}
        adapter = make_adapter(tiny_base, folder / "runs/tiny/adapter", 1, quantization, identity=identity)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            evaluate(load_recipe("recipe.yaml"), [adapter])
        return made.setdefault(quantization, folder)

    return make


@pytest.fixture
def source(make_run, monkeypatch) -> Source:
    """The unquantised run; the working directory is its folder."""
    monkeypatch.chdir(make_run("none"))
    return read_source("recipe.yaml")
