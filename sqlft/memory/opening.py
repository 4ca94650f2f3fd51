"""What a question opened, and where in its prompt that stands."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlft.inference.tokens import Chat
from sqlft.prompts import date_string


@dataclass(frozen=True)
class Opening:
    """The facts that a question opened.

    Tokens are counted back from the prompt's end, whose last one is 1: so they stay where they are when prompts are
    padded on the left, or when what comes first is read once for many.

    Attributes:
        facts: Their ids, the surest first.
        question: Tokens from the question's first one to the prompt's end.
        names: For each fact the tokens of the words that name it.
    """

    facts: list[str]
    question: int = 1
    names: list[list[int]] | None = None


def locate_words(tokenizer: Any, chat: Chat, date: datetime.date) -> tuple[int, list[list[int]]]:
    """Tokens from the question's first one to the prompt's end, and which tokens each of its words has, counted back.

    Args:
        tokenizer: With the chat template of its model, and offsets.
        chat: Ends with the question.
        date: The chat template's.
    """
    text = tokenizer.apply_chat_template(
        chat, tokenize=False, add_generation_prompt=True, date_string=date_string(date)
    )
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    question = chat[-1]["content"].strip()
    begin = text.rindex(question)
    count = len(spans)
    within = [n for n, (_, end) in enumerate(spans) if end > begin]

    def tokens(start: int, end: int) -> list[int]:
        return [count - n for n in within if spans[n][0] < begin + end and spans[n][1] > begin + start]

    return count - within[0], [tokens(*word.span()) for word in re.finditer(r"\w+", question)]


def place_names(words: Sequence[list[int]], places: Sequence[set[int]]) -> list[list[int]]:
    """For each fact the tokens of those of the question's words that name it."""
    return [sorted({token for place in own if place < len(words) for token in words[place]}) for own in places]
