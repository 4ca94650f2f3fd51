"""ClickHouse's lexer, as far as cutting a statement needs it: text may hold strings and comments.

After src/Parsers/Lexer.cpp of ClickHouse: comments nest since 26.x and did not before, heredocs and typographic quotes
are strings, `//` opens a comment as `--` does, `#` only before a blank or `!`.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal, cast

TokenKind = Literal["blank", "comment", "string", "quoted", "number", "word", "symbol", "broken"]

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
  | (?P<comment>(?:--|//)[^\n]*|\#[ !][^\n]*|/\*)
  | (?P<string>'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|‘[^’]*’)
  | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|“[^”]*”)
  | (?P<number>\d[\w.]*)
  | (?P<word>[A-Za-z_][\w$]*)
  | (?P<broken>['`"‘“])
  | (?P<symbol>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_KEPT = 4096  # statements: those of a set that is cleaned, about 40 MB of tokens
# after one of these a word is an operand, not the beginning of a clause
_OPERAND_NEXT = re.compile(
    "SELECT|DISTINCT|BY|WHERE|PREWHERE|HAVING|QUALIFY|AND|OR|NOT|ON|AS|FROM|JOIN|USING|I?LIKE|BETWEEN|WHEN|THEN|ELSE"
    "|CASE|WITH|LIMIT|OFFSET|INTERVAL|IN|IS|DIV|MOD"
)


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `broken`: a string or comment without an end, or a comment in a comment, which versions read apart."""

    kind: TokenKind
    text: str
    start: int

    @property
    def upper(self) -> str:
        """The word in upper case; empty for anything but a word."""
        return self.text.upper() if self.kind == "word" else ""


@functools.lru_cache(_KEPT)
def tokens(sql: str) -> tuple[Token, ...]:
    """Every token of the text; their texts joined are the text.

    A statement is read by its tokens many times while a set is cleaned, so the last ones are kept.
    """
    found, position = [], 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        assert match, "the last alternative matches any character"
        kind, end = cast(TokenKind, match.lastgroup), match.end()
        if match[0] == "/*":
            kind, end = _block_comment(sql, position)
        elif kind == "broken":
            end = len(sql)
        found.append(Token(kind, sql[position:end], position))
        position = end
    return tuple(found)


def _block_comment(sql: str, start: int) -> tuple[TokenKind, int]:
    depth, deepest = 0, 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        deepest = max(depth, deepest)
        if depth == 0:
            return "comment" if deepest == 1 else "broken", edge.end()
    return "broken", len(sql)


@functools.lru_cache(_KEPT)
def split_format(sql: str) -> tuple[str, str]:
    """Takes the trailing FORMAT clause and semicolons off a statement, by tokens.

    Returns:
        The statement without them, every other character as it was, and the format's name in upper case or ''.
    """
    code = [token for token in tokens(sql) if token.kind not in ("blank", "comment")]
    while code and code[-1].text == ";":
        sql = sql[: code[-1].start] + sql[code[-1].start + 1 :]
        code.pop()
    depth = 0
    for index in range(len(code) - 2, 0, -1):
        token, name, after = code[index], code[index + 1], code[index + 2 : index + 3]
        depth += {")": 1, "(": -1}.get(name.text, 0)
        if depth or token.upper != "FORMAT" or name.kind not in ("word", "quoted") or name.upper in ("ASC", "DESC"):
            continue
        if after and after[0].upper != "SETTINGS":
            continue
        if ends_an_expression(code[index - 1]):
            return sql[: token.start] + sql[name.start + len(name.text) :], name.text.strip('`"').upper()
    return sql, ""


def ends_an_expression(token: Token) -> bool:
    """Whether an operand may end there, so that what follows is an operator, a clause or an alias."""
    if token.kind == "symbol":
        return token.text in ")]}*"
    return not _OPERAND_NEXT.fullmatch(token.upper)


def statements(sql: str) -> int:
    """How many statements the text holds, empty ones left out."""
    count, filled = 0, False
    for token in tokens(sql):
        if token.text == ";":
            filled = False
        elif not filled and token.kind not in ("blank", "comment"):
            count, filled = count + 1, True
    return count
