"""A built dataset as the rows that TRL trains on: conversational prompt and completion.

https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sqlft.card import SchemaCard
from sqlft.prompts import date_string, render_chat
from sqlft.recipe import Prompt, Recipe
from sqlft.records import Example, read_examples, write_jsonl

Message = dict[str, str]


class ChatRow(BaseModel):
    """What `sqlft train` renders of an example, as TRL's SFTTrainer takes it.

    Attributes:
        prompt: The system message (schema) and the user's (question).
        completion: The assistant's (SQL); TRL learns this alone.
        chat_template_kwargs: TRL hands it to the chat template: the date that Llama's writes into each prompt.
    """

    prompt: list[Message]
    completion: list[Message]
    chat_template_kwargs: dict[str, Any]

    @classmethod
    def of(cls, example: Example, card: SchemaCard, prompt: Prompt) -> ChatRow:
        """The example's row; the SQL and the question stand in it untouched."""
        *asked, answer = render_chat(card, example.question, prompt, example.sql)
        date = {"date_string": date_string(prompt.date)}
        return cls(prompt=asked, completion=[answer], chat_template_kwargs=date)


def write_chat_rows(recipe: Recipe) -> Path:
    """Writes train and validation of the recipe's run once more, as runs/NAME/dataset/trl/{train,validation}.jsonl.

    Returns:
        The folder. A part without examples has no file there: `datasets` reads no empty one.

    Raises:
        WrongUse: The dataset has not been built.
    """
    folder = recipe.run_dir / "dataset"
    card = SchemaCard.load(recipe.schema_)
    for part in ("train", "validation"):
        path = folder / "trl" / f"{part}.jsonl"
        path.unlink(missing_ok=True)
        if examples := read_examples(folder / f"{part}.jsonl"):
            write_jsonl(path, (ChatRow.of(example, card, recipe.prompt) for example in examples))
    return folder / "trl"
