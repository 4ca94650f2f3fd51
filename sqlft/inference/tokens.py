"""From a rendered chat to token ids: one function for training and inference, with the checks that raise.

What it guards against has happened: a second BOS (trl #1400, #3853), a prompt that is no prefix of the row (trl #5213,
#6105), rows cut at the end, which is where the SQL is (trl #6668), an end token that is never learned (unsloth #416),
a date that changes daily.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlft.problems import Problem, WrongUse
from sqlft.prompts import date_string

Chat = list[dict[str, str]]


@dataclass(frozen=True)
class Row:
    """Token ids of one chat.

    Attributes:
        completion: Ends with the end-of-turn token; empty where no answer was given.
        prefix: How many of the prompt's first ids all chats of the call with the same system message share: at least
            one, and less than the prompt has.
    """

    id: str
    prompt: list[int]
    completion: list[int]
    prefix: int = 0

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


def tokenize_chats(
    tokenizer: Any, chats: Sequence[Chat], ids: Sequence[str], date: datetime.date, context: int, room: int = 0
) -> list[Row]:
    """Tokenises chats, checking every row; nothing is ever cut.

    Args:
        tokenizer: With the chat template of its model.
        chats: From `sqlft.prompts.render_chat`; for training with an assistant's turn at the end.
        ids: What to call each chat in an error.
        date: The template's `date_string`, pinned by the recipe.
        context: Tokens that the model can hold.
        room: Tokens that must be left for an answer.

    Raises:
        WrongUse: All rows at once that break a rule: one BOS, no special token inside a text, the prompt a prefix of
            the row, the end-of-turn token last, not longer than the context.
    """
    special = set(tokenizer.all_special_tokens) | set(tokenizer.get_added_vocab())
    day = date_string(date)
    asked = [chat[:-1] if chat[-1]["role"] == "assistant" else chat for chat in chats]
    prompts = _ids(tokenizer, asked, day, True)
    wholes = _ids(tokenizer, chats, day, False)
    rows, problems = [], []
    for chat, name, prompt, whole in zip(chats, ids, prompts, wholes, strict=True):
        answered = chat[-1]["role"] == "assistant"
        try:
            completion = _completion(tokenizer, prompt, whole) if answered else []
            row = Row(name, prompt, completion)
            _check(tokenizer, row, chat, special)
            if len(row) + room > context:
                room_text = f" and {room} for the answer" if room else ""
                raise ValueError(
                    f"{len(row)} tokens{room_text} do not fit into the context of {context}, and no row is cut",
                    "Shorten the schema card (prompt.card: compact), or leave this example out.",
                )
            rows.append(row)
        except ValueError as error:
            problems.append(Problem(f"example {name}", "tokens", *error.args))
    if problems:
        raise WrongUse(problems)
    return _with_prefixes(rows, [chat[0]["content"] if chat[0]["role"] == "system" else "" for chat in chats])


def fits(tokenizer: Any, chat: Chat, date: datetime.date, context: int, room: int) -> bool:
    """Whether a chat leaves that much room for an answer."""
    try:
        tokenize_chats(tokenizer, [chat], ["chat"], date, context, room)
    except WrongUse:
        return False
    return True


def _with_prefixes(rows: list[Row], systems: Sequence[str]) -> list[Row]:
    keys = [(row.prompt[0], system) for row, system in zip(rows, systems, strict=True)]
    prompts = defaultdict(list)
    for key, row in zip(keys, rows, strict=True):
        prompts[key].append(row.prompt)
    lengths = {}
    for key, found in prompts.items():
        first, last = min(found), max(found)  # in order, these two differ soonest
        same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
        lengths[key] = min(same, min(map(len, found)) - 1)
    return [replace(row, prefix=lengths[key]) for key, row in zip(keys, rows, strict=True)]


def keep_apart(row: Row, last: int) -> Row:
    """The row with so many of its prompt's last tokens, at least, outside the prefix."""
    return replace(row, prefix=min(row.prefix, len(row.prompt) - last))


def summarize_lengths(rows: Sequence[Row]) -> dict[str, float]:
    """Rows, tokens, supervised tokens, and the shortest, median, 95% and longest row."""
    lengths = sorted(map(len, rows))
    return {
        "rows": len(rows),
        "tokens": sum(lengths),
        "supervised": sum(len(row.completion) for row in rows),
        "shortest": lengths[0],
        "median": lengths[len(lengths) // 2],
        "p95": lengths[int(0.95 * (len(lengths) - 1))],
        "longest": lengths[-1],
    }


def _ids(tokenizer: Any, chats: Sequence[Chat], day: str, ask: bool) -> list[list[int]]:
    texts = [
        tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=ask, date_string=day)
        for chat in chats
    ]
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    return ids


def _completion(tokenizer: Any, prompt: list[int], whole: list[int]) -> list[int]:
    if whole[: len(prompt)] != prompt:
        same = next(i for i, (a, b) in enumerate(zip(prompt, [*whole, None], strict=False)) if a != b)
        raise ValueError(
            f"the prompt is no prefix of prompt and answer; they part at token {same}",
            "Use a template that keeps the prompt.",
        )
    completion = whole[len(prompt) :]
    end = len(completion) - 1
    while end >= 0 and completion[end] != tokenizer.eos_token_id and not tokenizer.decode([completion[end]]).strip():
        end -= 1
    if end < 0 or completion[end] != tokenizer.eos_token_id:
        raise ValueError(
            f"the answer does not end with {tokenizer.eos_token}, so the model would never learn to stop",
            "Set eos_token to the end of a turn in tokenizer_config.json.",
        )
    return completion[: end + 1]


def _check(tokenizer: Any, row: Row, chat: Chat, special: set[str]) -> None:
    begin = tokenizer.bos_token_id
    count = (row.prompt + row.completion).count(begin)
    if found := sorted(token for token in special if any(token in message["content"] for message in chat)):
        raise ValueError(f"the text holds the special token {found[0]}", "Take it out.")
    if begin is not None and (count != 1 or row.prompt[0] != begin):
        raise ValueError(
            f"{count} {tokenizer.bos_token} instead of one at the beginning", "Use a template that writes one."
        )
    if row.completion and len(row.completion) < 2:
        raise ValueError("the answer is empty", "Give it a SQL.")
