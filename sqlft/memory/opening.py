"""What a question opened, and where in its prompt that stands."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sqlft.inference.tokens import Chat
from sqlft.problems import Problem, WrongUse
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
        used: Whether the question wants the facts inside another answer, and not by themselves.
    """

    facts: list[str]
    question: int = 1
    names: list[list[int]] | None = None
    used: bool = False


def locate_words(tokenizer: Any, chat: Chat, date: datetime.date) -> tuple[int, list[list[int]]]:
    """Tokens from the question's first one to the prompt's end, and which tokens each of its words has, counted back.

    Args:
        tokenizer: With the chat template of its model, and offsets.
        chat: Ends with the question.
        date: The chat template's.

    Raises:
        WrongUse: The template changes the question, or the tokenizer knows no places (it is not a fast one).
    """
    if not tokenizer.is_fast:
        why = "it does not say where a token stands, which facts with uses need"
        raise WrongUse(Problem("tokenizer", type(tokenizer).__name__, why, "Use its fast version (tokenizer.json)."))
    question, day = chat[-1]["content"].strip(), date_string(date)

    def render(content: str) -> str:
        turns = [*chat[:-1], {**chat[-1], "content": content}]
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, date_string=day)
        return text

    # what stands after a question is what two others have in common; its own words may stand there, too
    text, one, other = render(question), render("a"), render("b")
    tail = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(reversed(one), reversed(other), strict=False)))
    begin = len(text) - tail - len(question)
    if text[begin : begin + len(question)] != question:
        why = "it changes what is asked, so that no name can be found in it"
        raise WrongUse(Problem("chat template", repr(question[:60]), why, "Use one that leaves texts as they are."))
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    count = len(spans)
    within = [n for n, (_, end) in enumerate(spans) if end > begin]

    def tokens(start: int, end: int) -> list[int]:
        return [count - n for n in within if spans[n][0] < begin + end and spans[n][1] > begin + start]

    return count - within[0], [tokens(*word.span()) for word in re.finditer(r"\w+", question)]


def place_names(words: Sequence[list[int]], places: Sequence[set[int]]) -> list[list[int]]:
    """For each fact the tokens of those of the question's words that name it."""
    return [sorted({token for place in own if place < len(words) for token in words[place]}) for own in places]
