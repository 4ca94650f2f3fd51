"""From runs/NAME/dataset to checked rows of token ids, before any weight is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlft.card import SchemaCard
from sqlft.inference.load import base_folder, load_context, load_tokenizer
from sqlft.inference.tokens import Row, summarize_lengths, tokenize_chats
from sqlft.problems import Problem, WrongUse
from sqlft.prompts import render_chat
from sqlft.recipe import Recipe
from sqlft.records import Example, read_examples

SPLITS = ("train", "validation")


def read_splits(recipe: Recipe) -> dict[str, list[Example]]:
    """Reads the training and the validation split; the latter may be empty or absent.

    Raises:
        WrongUse: Nothing to train on, or a line that is no example.
    """
    files = {split: recipe.run_dir / "dataset" / f"{split}.jsonl" for split in SPLITS}
    splits = {split: read_examples(path) if path.is_file() else [] for split, path in files.items()}
    if not splits["train"]:
        why = "it is empty" if files["train"].is_file() else "it is not there"
        raise WrongUse(Problem(str(files["train"]), "training data", why, f"Run `sqlft build {recipe.path}` first."))
    return splits


def tokenize_examples(recipe: Recipe, examples: Sequence[Example]) -> list[Row]:
    """Renders and tokenises examples as training does; needs the base's tokenizer and configuration alone.

    Raises:
        WrongUse: Every row that breaks a rule of `tokenize_chats`, such as one longer than the context.
        SqlftError: No access to the base.
    """
    folder = base_folder(recipe.model, recipe.base, weights=False)
    card = SchemaCard.load(recipe.schema_)
    chats = [render_chat(card, example.question, recipe.prompt, example.sql) for example in examples]
    ids = [example.id for example in examples]
    return tokenize_chats(load_tokenizer(folder), chats, ids, recipe.prompt.date, load_context(folder))


def describe_rows(rows: dict[str, list[Row]]) -> str:
    """One sentence on how many rows there are, how long they are and how much of them is learned."""
    lengths = summarize_lengths(rows["train"])
    return (
        f"{lengths['rows']} rows to train on, {len(rows['validation'])} to validate; "
        f"{lengths['shortest']} to {lengths['longest']} tokens, median {lengths['median']}; "
        f"{lengths['supervised'] / lengths['tokens']:.0%} of all tokens are learned"
    )


def as_dataset(rows: Sequence[Row]) -> Any:
    """A datasets.Dataset of input_ids, labels and prefix, the number of first ids that rows share.

    The prompt's labels are -100, so that only the answer is learned.
    """
    from datasets import Dataset

    return Dataset.from_list(
        [
            {
                "input_ids": row.prompt + row.completion,
                "labels": [-100] * len(row.prompt) + row.completion,
                "prefix": row.prefix,
            }
            for row in rows
        ]
    )
