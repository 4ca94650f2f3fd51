"""A run as it lies on the disk, without a model: an adapter's files, a golden set, and an evaluation of the adapter."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from sqlft.card import Column, SchemaCard, Table
from sqlft.evaluation.questions import sha256
from sqlft.export.source import Source, read_source
from sqlft.prompts import hash_prompt
from sqlft.recipe import load_recipe
from sqlft.records import Example, write_jsonl
from tests.evaluation.made import plain

ROOT = Path(__file__).parent.parent.parent
CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="age", type="UInt64")])])
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def write_run(folder: Path, adapter: dict[str, object] | None = None) -> Path:
    """Writes recipe.yaml and runs/tiny into `folder`; `adapter` joins its configuration."""
    CARD.save(folder / "card.yaml")
    write_jsonl(folder / "golden.jsonl", [Example(question="Who is oldest?", sql="SELECT max(age) FROM shop.users")])
    paths = {"schema": "card.yaml", "seeds": "seeds.jsonl", "golden": "golden.jsonl"}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"name": "tiny", **paths}))
    place = folder / "runs/tiny/adapter"
    place.mkdir(parents=True)
    for name in TOKENIZER:
        shutil.copy(ROOT / "data/tiny-base" / name, place)
    config = {"r": 12, "lora_alpha": 24, "base_model_name_or_path": "elsewhere"} | (adapter or {})
    (place / "adapter_config.json").write_text(json.dumps(config))
    (place / "adapter_model.safetensors").write_bytes(b"weights")
    prompt = hash_prompt(CARD, load_recipe(folder / "recipe.yaml").prompt)
    identity = {"prompt_sha256": prompt, "base_sha256": "ba5e" * 16, "data_sha256": {"train": "5eed" * 16}}
    (place / "sqlft.json").write_text(json.dumps(identity))
    settings = {
        "adapters": {"tiny": f"runs/tiny/adapter {sha256(place / 'adapter_model.safetensors')}"},
        "questions_sha256": sha256(folder / "golden.jsonl"),
        "stress": 0,
    }
    found = plain({"base": "mxxxxxxxxx", "tiny": "mmmmmmxxxx"}, on="golden", settings=settings)
    found.save(folder / "runs/tiny/evaluation/golden")
    return folder


@pytest.fixture
def source(tmp_path, monkeypatch) -> Source:
    """The run; the working directory is its folder."""
    monkeypatch.chdir(write_run(tmp_path))
    monkeypatch.setattr("sqlft.export.card.find_licence", lambda base: "llama3.1")
    return read_source("recipe.yaml")
