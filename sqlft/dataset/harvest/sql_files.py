"""Statements from .sql files: one after another, with the question that a comment above them asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlft.database.clauses import Token, tokens
from sqlft.dataset.harvest.statements import Found
from sqlft.problems import Problem, WrongUse

_ASKS = re.compile(
    r"(how|what|which|who|whose|when|where|is|are|do|does|did|show|list|give|find|count|compare|name|tell)\b.*"
    r"|.*\?",
    re.IGNORECASE,
)
_MARKED = re.compile(r"(question|q)\s*:\s*", re.IGNORECASE)


def read_sql_files(paths: Sequence[Path]) -> list[Found]:
    """Reads all statements.

    Raises:
        WrongUse: Every file that cannot be read.
    """
    found: list[Found] = []
    problems = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else f"not UTF-8 ({error})"
            problems.append(Problem(str(path), "FILE", str(why), "Write the path of a file of SQL."))
            continue
        statements = list(split_statements(text))
        found += [Found(sql, last=f"{path}:{line}", question=question) for sql, question, line in statements]
        if not statements:
            problems.append(Problem(str(path), "FILE", "it holds no statement", "Write the path of a file of SQL."))
    if problems:
        raise WrongUse(problems)
    return found


def split_statements(text: str) -> Iterator[tuple[str, str, int]]:
    """Yields each statement without its semicolon, the question above it or '', and the line on which it begins."""
    comments: list[str] = []
    code: list[Token] = []
    for token in [*tokens(text), Token("symbol", ";", len(text))]:
        if token.text == ";":
            if code:
                yield "".join(t.text for t in code).strip(), _question(comments), 1 + text.count("\n", 0, code[0].start)
            comments, code = [], []
        elif code or token.kind not in ("blank", "comment"):
            code.append(token)
        elif token.kind == "comment":
            comments.append(token.text)
        elif token.text.count("\n") > 1:
            comments = []  # an empty line: what stands above it is about the file


def _question(comments: Sequence[str]) -> str:
    """What the comments ask, where they ask: a word that asks or bids first, a question mark last, or 'question:'."""
    lines = [line for comment in comments for line in _lines(comment)]
    text = " ".join(line for line in lines if line)
    for place, line in enumerate(lines):
        if marked := _MARKED.match(line):
            return " ".join([line[marked.end() :], *lines[place + 1 :]]).strip()
    return text if _ASKS.fullmatch(text) else ""


def _lines(comment: str) -> list[str]:
    if comment.startswith("/*"):
        comment = comment.removeprefix("/*").removesuffix("*/")
        return [line.strip().lstrip("*").strip() for line in comment.splitlines()]
    return [comment.lstrip("-/#!").strip()]
