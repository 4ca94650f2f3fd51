"""The rows for TRL: `datasets` reads them, and TRL's own trainer makes of them what ours does."""

import pytest
import yaml

from sqlft.card import Column, SchemaCard, Table
from sqlft.dataset.chat_rows import write_chat_rows
from sqlft.prompts import render_chat
from sqlft.recipe import Recipe, load_recipe
from sqlft.records import Example, write_jsonl
from tests.tiny import tiny_base  # noqa: F401

CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="age", type="UInt64", min=18, max=90)])])
EXAMPLES = [
    Example(question=f"How many are {age}?  ", sql=f"SELECT count() FROM shop.users WHERE age = {age}\n-- all")
    for age in range(6)
]


@pytest.fixture
def recipe(tmp_path, monkeypatch, tiny_base) -> Recipe:  # noqa: F811
    monkeypatch.chdir(tmp_path)
    CARD.save(tmp_path / "card.yaml")
    write_jsonl(tmp_path / "runs/run/dataset/train.jsonl", EXAMPLES[:4], whole=True)
    write_jsonl(tmp_path / "runs/run/dataset/validation.jsonl", EXAMPLES[4:], whole=True)
    given = {"name": "run", "schema": "card.yaml", "seeds": "s.jsonl", "golden": "g.jsonl"}
    given |= {"model": {"base": str(tiny_base)}, "prompt": {"date": "2023-05-06"}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(given))
    return load_recipe("recipe.yaml")


def load(folder, cache, **files):
    from datasets import load_dataset

    return load_dataset("json", data_files={k: str(folder / v) for k, v in files.items()}, cache_dir=str(cache))


def test_a_row_is_the_chat_that_training_renders(recipe, tmp_path):
    folder = write_chat_rows(recipe)
    read = load(folder, tmp_path / "cache", train="train.jsonl", validation="validation.jsonl")
    assert (read["train"].num_rows, read["validation"].num_rows) == (4, 2)
    for row, example in zip(read["train"], EXAMPLES, strict=False):
        assert row["prompt"] + row["completion"] == render_chat(CARD, example.question, recipe.prompt, example.sql)
        assert [message["role"] for message in row["completion"]] == ["assistant"]
        assert row["chat_template_kwargs"] == {"date_string": "06 May 2023"}


def test_a_part_without_examples_has_no_file_even_where_it_had_one(recipe, tmp_path):
    write_chat_rows(recipe)
    write_jsonl(tmp_path / "runs/run/dataset/validation.jsonl", [])
    assert [path.name for path in write_chat_rows(recipe).iterdir()] == ["train.jsonl"]


def test_trl_takes_the_rows_and_makes_the_same_tokens_of_them(recipe, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer
    from trl.data_utils import is_conversational

    from sqlft.training.rows import tokenize_examples

    rows = load(write_chat_rows(recipe), tmp_path / "cache", train="train.jsonl")["train"]
    assert is_conversational(rows[0])
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(recipe.model.base),
        SFTConfig(str(tmp_path / "out"), max_length=None, use_cpu=True, bf16=False, report_to=[]),
        train_dataset=rows,
        processing_class=AutoTokenizer.from_pretrained(recipe.model.base),
    )
    ours = tokenize_examples(recipe, EXAMPLES[:4])
    theirs = [(row["input_ids"], row["labels"]) for row in trainer.train_dataset]
    assert theirs == [(row.prompt + row.completion, [-100] * len(row.prompt) + row.completion) for row in ours]
