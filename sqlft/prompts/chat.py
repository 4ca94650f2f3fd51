"""Renders chats: one function for training, inference and serving, so that they cannot differ."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import jinja2

from sqlft.card import SchemaCard
from sqlft.recipe import Prompt


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("sqlft", "prompts"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=False,
    )


def render_prompt(name: str, **values: Any) -> str:
    """Renders sqlft/prompts/NAME.jinja, blanks at both ends stripped."""
    return _environment().get_template(f"{name}.jinja").render(**values).strip()


def render_chat(
    card: SchemaCard, question: str, prompt: Prompt, sql: str | None = None, shown: Sequence[tuple[str, str]] = ()
) -> list[dict[str, str]]:
    """The chat about one question: system (schema), user (question) and, for training, assistant (SQL).

    Args:
        card: The database's schema card; the system message depends on it and on `prompt` alone, so that all chats
            about one database share their beginning.
        question: The user's words, untouched.
        prompt: The recipe's `prompt` section. `date_string(prompt.date)` goes to the chat template beside it.
        sql: The answer; None leaves the assistant's turn to the model.
        shown: Questions and their SQL that stand before it, as turns of their own.
    """
    asked = {"full": prompt.card == "full", "format_clause": prompt.format_clause, "decline": prompt.decline}
    system = render_prompt("system", card=card, **asked)
    messages = [{"role": "system", "content": system}]
    for before, answer in shown:
        messages += [{"role": "user", "content": before}, {"role": "assistant", "content": answer}]
    messages.append({"role": "user", "content": question})
    if sql is not None:
        messages.append({"role": "assistant", "content": sql})
    return messages


def date_string(date: datetime.date) -> str:
    """The date as Llama-3.1's chat template writes it into each prompt, where it is handed on as `date_string`."""
    return date.strftime("%d %b %Y")


def hash_prompt(card: SchemaCard, prompt: Prompt) -> str:
    """SHA-256 of all that chats about one database have in common: the system message and the template's date."""
    system = render_chat(card, "", prompt)[0]["content"]
    return hashlib.sha256(f"{prompt.date}\n{system}".encode()).hexdigest()
