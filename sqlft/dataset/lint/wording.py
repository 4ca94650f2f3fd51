"""Questions as they are compared: without case, marks and polite openings, or with their literals masked."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

from sqlft.card import SchemaCard
from sqlft.database.clauses import split_format, tokens
from sqlft.dataset.lint.lexicon import alternatives, pattern

_OPENING = pattern("opening")
_SMALL = pattern("small_words")
_LITERAL = alternatives("literal")


def fold(question: str) -> str:
    """The question's letters and digits in lower case, one blank between words."""
    text = unicodedata.normalize("NFKC", question).casefold()
    return " ".join(re.sub(r"[^\w%]+|_", " ", text).split())


def gist(question: str) -> str:
    """What is left of the folded question without its opening ('how many', 'show me the number of') and small words."""
    text = folded = fold(question)
    while (shorter := _OPENING.sub("", text, count=1)) != text:
        text = shorter
    text = _SMALL.sub("", text).strip()
    return text if len(text) >= 12 else folded


def literals(question: str, values: Sequence[str] = ()) -> tuple[str, ...]:
    """The literals that a question names, in order."""
    return tuple(_pattern(tuple(values)).findall(fold(question)))


def mask(question: str, values: Sequence[str] = ()) -> str:
    """The folded question with '#' for every literal: numbers, months, and the values given."""
    return re.sub(r"#( #)*", "#", _pattern(tuple(values)).sub("#", fold(question)))


def template(sql: str) -> str:
    """The SQL's tokens in lower case with '?' for every literal, without FORMAT and comments."""
    parts = []
    for token in tokens(split_format(sql)[0]):
        if token.kind in ("string", "number"):
            parts.append("?")
        elif token.kind not in ("blank", "comment") and token.text != ";":
            parts.append(token.text.lower())
    return " ".join(parts)


def named_values(card: SchemaCard | None) -> list[str]:
    """The values that the card lists of its columns, as words of a question: numbers left out."""
    listed = [str(value) for table in card.tables for c in table.columns for value in c.values or []] if card else []
    return [value for value in listed if not value.isdigit()]


@functools.lru_cache(4)
def _pattern(values: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(fold(value)) for value in sorted(values, key=len, reverse=True) if value)
    return re.compile(rf"\b(?:{_LITERAL}{'|' + names if names else ''})\b")
