"""SQL whose answer changes although the data does not: the clock's day, and functions that approximate."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from sqlft.database.clauses import Token, tokens
from sqlft.database.clock import freeze
from sqlft.database.errors import QueryRefused
from sqlft.dataset.lint.lexicon import words
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark

_CLOCK = frozenset(words("clock"))
EXACT = words("exact")
"""An exact function for each that approximates."""

_INEXACT = frozenset(words("inexact"))
_SAMPLED = {name.lower(): exact for name, exact in EXACT.items()}


def relative_dates(pair: Pair, date: datetime.date) -> Iterator[Remark]:
    """today(), now() and their kin: the answer is another one tomorrow."""
    found = [name for name in _calls(pair.sql) if name.text.lower() in _CLOCK]
    if found:
        try:
            fixed = freeze(pair.sql, date)
        except QueryRefused:
            fixed = ""
        yield Remark("relative_date", "warning", f"{found[0].text}: the answer changes with the day",
                     f"Name a day, as {date}.", (pair.sql, fixed) if fixed else None)  # fmt: skip


def approximations(pair: Pair) -> Iterator[Remark]:
    """Aggregates that sample or sketch, so that two runs may differ."""
    for call in _calls(pair.sql):
        name = call.text.lower()
        if name in _SAMPLED:
            exact = _SAMPLED[name]
            yield Remark("approximate", "warning", f"{call.text} approximates", f"Write {exact}.", (call.text, exact))
            return
        if name in _INEXACT:
            yield Remark("approximate", "warning", f"{call.text} may give another answer in every run")
            return


def _calls(sql: str) -> list[Token]:
    code = [token for token in tokens(sql) if token.kind not in ("blank", "comment")]
    after = [*code[1:], None]
    bare = ("current_date", "current_timestamp", "localtimestamp")
    return [
        token
        for token, follows in zip(code, after, strict=True)
        if token.kind == "word" and ((follows and follows.text == "(") or token.text.lower() in bare)
    ]
