"""A frozen clock: today(), now() and their kin as literals of one day, so that an answer does not change overnight.

By tokens: everything else stays as it was written. now() is noon of that day: at almost every real moment too, a query
that confuses now() with today() gives another answer.
"""

from __future__ import annotations

import datetime

from sqlft.database.clauses import Token, ends_an_expression, tokens
from sqlft.database.errors import QueryRefused

_ANY_CASE = frozenset(
    "today curdate current_date now current_timestamp localtimestamp localtime now64 utctimestamp utc_timestamp".split()
)
_EXACT_CASE = frozenset("yesterday nowInBlock nowInBlock64".split())
# ClickHouse 26 takes these without brackets, where no column has the name
_BARE = {"today", "curdate", "current_date", "now", "current_timestamp", "localtimestamp", "localtime"}
# and these mean the clock to every SQL
_STANDARD = {"current_date", "current_timestamp", "localtimestamp", "localtime"}


def freeze(sql: str, date: datetime.date) -> str:
    """Writes literals of that day for every call of the clock.

    Raises:
        QueryRefused: today or now without brackets, which may be the clock or a column.
    """
    found = [token for token in tokens(sql) if token.kind not in ("blank", "comment")]
    named = {found[place].text for place in range(1, len(found)) if _is_named(found, place)}
    text, end, place = [], 0, 0
    while place < len(found):
        token = found[place]
        name = token.text.strip('`"')
        name = name if name in _EXACT_CASE or name.lower() not in _ANY_CASE else name.lower()
        last, literal = place, ""
        if name in _ANY_CASE | _EXACT_CASE and [after.text for after in found[place + 1 : place + 2]] == ["("]:
            last, arguments = _arguments(sql, found, place + 1)
            literal = _literal(name, arguments, date)
        elif token.kind == "word" and name in _BARE and token.text not in named and not _is_part(found, place):
            if name not in _STANDARD:
                raise QueryRefused(
                    f"{token.text} without brackets may be the clock or a column: write {token.text}(), or the column "
                    "after its table's name."
                )
            literal = _literal(name, [], date)
        if literal:
            text += [sql[end : token.start], literal]
            end = found[last].start + len(found[last].text)
        place = last + 1
    return "".join(text) + sql[end:]


def _is_named(found: list[Token], place: int) -> bool:
    """Whether an alias or the name of a WITH stands there."""
    before, after = found[place - 1], found[place + 1 : place + 3]
    alias = before.upper == "AS" or (found[place].kind == "word" and ends_an_expression(before))
    return alias or [token.text.upper() for token in after] == ["AS", "("]


def _is_part(found: list[Token], place: int) -> bool:
    """Whether a table's or a column's name of several parts stands there, or a table's."""
    around = {token.text for token in found[max(0, place - 1) : place + 2]}
    return "." in around or (place > 0 and found[place - 1].upper in ("FROM", "JOIN"))


def _arguments(sql: str, found: list[Token], place: int) -> tuple[int, list[str]]:
    """Where the bracket that opens there is closed, and the texts between, split at its commas."""
    depth, start, arguments = 0, found[place].start + 1, []
    for index in range(place, len(found)):
        token = found[index]
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if depth == 0 or (depth == 1 and token.text == ","):
            arguments.append(sql[start : token.start].strip())
            start = token.start + 1
        if depth == 0:
            return index, [argument for argument in arguments if argument]
    return place, []  # not closed: ClickHouse will say so


def _literal(name: str, arguments: list[str], date: datetime.date) -> str:
    moment = f"'{date} 12:00:00'"
    if name in ("today", "curdate", "current_date"):
        return f"toDate('{date}')"
    if name == "yesterday":
        return f"toDate('{date - datetime.timedelta(days=1)}')"
    if name in ("utctimestamp", "utc_timestamp"):
        return f"toDateTime({moment}, 'UTC')"
    if name == "localtime":
        return "CAST('12:00:00', 'Time')"
    if name in ("now64", "nowInBlock64"):
        return f"toDateTime64({', '.join([moment, *(arguments or ['3'])])})"
    return f"toDateTime({', '.join([moment, *arguments])})"
