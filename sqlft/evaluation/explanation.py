"""What a query does, in words, from the parse tree that a diagnosis reads; and what its writer has assumed.

Names are in small letters there, aliases are replaced by what they stand for, and conditions on dates are the days that
they hold, however they are written.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlft.card import Column, SchemaCard
from sqlft.database.clock import freeze
from sqlft.evaluation.diagnosis import find_flags
from sqlft.evaluation.diagnosis.conditions import Condition, plain
from sqlft.evaluation.diagnosis.shape import Shape, read_shape

CLOCK = re.compile(r"\b(today|now|yesterday|current_date|current_timestamp|curdate)\b\s*\(?", re.IGNORECASE)
WORDS = [
    (r"trunc:(\w+)\(([\w.]+)\)", r"the \1 of \2"),
    (r"\btoyear\(([\w.]+)\)", r"the year of \1"),
    (r"\btomonth\(([\w.]+)\)", r"the month of \1"),
    (r"\btodayofweek\(([\w.]+)\)", r"the day of the week of \1 (Monday is 1)"),
    (r"\bcount\(\)", "the number of rows"),
    (r"\b(?:uniqexact|uniq|count distinct)\(([\w.]+)\)", r"the number of different \1"),
    (r"\bsum\(([\w.]+)\)", r"the sum of \1"),
    (r"\bavg\(([\w.]+)\)", r"the average of \1"),
    (r"\bmin\(([\w.]+)\)", r"the least \1"),
    (r"\bmax\(([\w.]+)\)", r"the greatest \1"),
]


@dataclass(frozen=True)
class Explanation:
    """Sentences about a query: what it does, in the order in which it does it, and what it takes for granted."""

    does: list[str]
    assumes: list[str]


def explain(sql: str, card: SchemaCard, date: datetime.date) -> Explanation | None:
    """Explains a query that ran.

    Args:
        sql: As it was written.
        card: What the database holds.
        date: The day that today() means.

    Returns:
        None where the parser cannot take it apart.
    """
    shape = read_shape(freeze(sql, date), find_flags(card))
    return None if shape is None else Explanation([*_does(shape, sql)], [*_assumes(shape, sql, card, date)])


def _does(shape: Shape, sql: str) -> Iterator[str]:
    tables = sorted(shape.tables)
    yield f"It reads {_listed(tables)}." if tables else "It reads no table."
    for (kind, keys), times in shape.joins.items():
        kept = {"": "", "left": ", keeping those of the first table that have no match"}.get(kind, f" ({kind})")
        yield f"Joins rows{f' where {keys}' * bool(keys)}{kept}{f', {times} times' * (times > 1)}."
    if shape.conditions:
        yield f"It keeps what fits: {'; '.join(dict.fromkeys(_say(str(c)) for c in shape.conditions))}."
    if shape.keys:
        yield f"It groups by {_listed(map(_say, shape.keys))}."
    if shape.distinct:
        yield f"Each different {_listed(map(_say, shape.distinct))} counts once."
    shown = [
        f"{item.factor:g} times " * (item.factor != 1) + (_say(item.text) if item.text != "*" else "all columns")
        for item in shape.items
    ]
    yield f"It gives {_listed(shown)}{', rounded' * any(item.rounded for item in shape.items)}."
    if shape.order:
        sorting = [_say(key) + ", greatest first" * descending for key, descending in shape.order]
        yield f"It sorts by {'; then by '.join(sorting)}."
    for limit in shape.limits:
        count, _, by = limit.partition(" by ")
        yield f"It stops after {count} rows{f' of each {_say(by)}' * bool(by)}."
    if shape.totals:
        yield "It adds a row of totals."
    if len(re.findall(r"\bselect\b", sql, re.IGNORECASE)) > 1:
        yield "Its inner queries are told together with the outer one."


def _assumes(shape: Shape, sql: str, card: SchemaCard, date: datetime.date) -> Iterator[str]:
    read = [table for table in card.tables if table.name.rpartition(".")[2].lower() in shape.tables]
    columns = {column.name.lower(): column for table in read for column in table.columns}
    for condition in {str(c): c for c in shape.conditions}.values():
        yield from _assumed(condition, columns)
    dates = [column for column in columns.values() if re.search(r"\bDate", column.type)]
    filters = [*map(str, shape.conditions), *(condition for a in shape.aggregates for condition in a.conditions)]
    if dates and not any(re.search(rf"\b{re.escape(c.name.lower())}\b", str(text)) for c in dates for text in filters):
        spans = [f"{column.name} from {column.min} to {column.max}" for column in dates if column.min and column.max]
        yield f"No period: all days count{f' ({_listed(spans)} by the schema card)' * bool(spans)}."
    if CLOCK.search(sql):
        yield f"Today is {date}, as prompt.date says."
    if shape.limits and shape.order:
        yield "Rows that tie with the last one are left out."


def _assumed(condition: Condition, columns: dict[str, Column]) -> Iterator[str]:
    if condition.operator == "within":
        yield f"The period: {_say(str(condition))}."
    column = columns.get(condition.subject)
    if condition.operator in ("in", "not in") and column and any(isinstance(v, str) for v in column.values or []):
        known = {str(value) for value in column.values or []}
        for value in sorted(value.strip("'") for value in condition.values):
            where = "one of the values" if value in known else "none of the values"
            yield f"{column.name} is compared with {value!r}, {where} that the schema card lists."
    elif condition.operator in ("<", "<=", ">", ">=", "like", "in", "not in"):
        yield f"The bound or value: {_say(str(condition))}."


def _say(text: str) -> str:
    text = plain(text).strip()
    for pattern, words in WORDS:
        text = re.sub(pattern, words, text)
    return text.replace("the number of rows if ", "the number of rows with ")


def _listed(parts: Iterable[str]) -> str:
    texts = [*parts]
    return f"{', '.join(texts[:-1])} and {texts[-1]}" if len(texts) > 1 else "".join(texts)
