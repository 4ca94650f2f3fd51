"""A recipe over a tiny base and forty examples, in a folder of its own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sqlft.card import Column, SchemaCard, Table
from sqlft.recipe import Recipe, load_recipe
from sqlft.records import Example, write_jsonl
from tests.tiny import tiny_base  # noqa: F401

CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="age", type="UInt64", min=18, max=90)])])
EXAMPLES = [
    Example(
        question=f"How many users are {age}{' years old' * (age % 3)}?",
        sql=f"SELECT count() FROM shop.users WHERE age = {age}",
    )
    for age in range(40)
]
TRAINING = {
    "max_steps": 6,
    "learning_rate": 0.01,
    "per_device_train_batch_size": 8,
    "save_steps": 1,
    "eval_steps": 2,
    "gradient_checkpointing": False,
    "use_cpu": True,
    "bf16": False,
}


def write_recipe(folder: Path, base: Path) -> Path:
    """Writes a recipe named `run`, its card and its dataset into `folder`."""
    CARD.save(folder / "card.yaml")
    write_jsonl(folder / "seeds.jsonl", EXAMPLES[:1])
    write_jsonl(folder / "golden.jsonl", [Example(question="Who is oldest?", sql="SELECT max(age) FROM shop.users")])
    write_jsonl(folder / "runs/run/dataset/train.jsonl", EXAMPLES[:32])
    write_jsonl(folder / "runs/run/dataset/validation.jsonl", EXAMPLES[32:])
    recipe = {
        "name": "run",
        "schema": "card.yaml",
        "seeds": "seeds.jsonl",
        "golden": "golden.jsonl",
        "model": {"base": str(base), "quantization": "nf4", "dtype": "float32"},
        "lora": {"r": 4, "alpha": 8, "dropout": 0.1},
        "training": TRAINING,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


@pytest.fixture
def make_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_base: Path) -> Callable[..., Recipe]:  # noqa: F811
    """Reads the recipe with overrides; the working directory is its folder."""
    monkeypatch.chdir(tmp_path)
    path = write_recipe(tmp_path, tiny_base)
    return lambda *overrides: load_recipe(path.name, overrides)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:  # noqa: F811
    """The folder in which a run over NF4 was trained without a break; not to be written to."""
    from sqlft.training import train

    folder = tmp_path_factory.mktemp("trained")
    path = write_recipe(folder, tiny_base)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HF_TOKEN", "hf_thissecret")
        patch.setenv("CLICKHOUSE_PASSWORD", "hf_thissecret")
        train(load_recipe(path.name))
    return folder


@pytest.fixture
def copied(trained: Path, make_recipe: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A finished run, copied, to be broken and resumed."""
    shutil.rmtree("runs")
    shutil.copytree(trained / "runs", "runs")
    return make_recipe
