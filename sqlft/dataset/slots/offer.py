"""What a card offers to slots: sets of tables that a construct can be asked about, periods, terms."""

from __future__ import annotations

import calendar
import datetime
import random
import re

from sqlft.card import Column, SchemaCard, Table
from sqlft.dataset.slots.axes import Construct

_NUMBER = re.compile(r"(Nullable\()?(U?Int|Float|Decimal)")
_DATE = re.compile(r"(Nullable\()?Date")


def table_sets(card: SchemaCard, construct: Construct, level: str) -> list[tuple[str, ...]]:
    """The tables that a pair of that construct and level may be about: one, or two that a relation joins."""
    single = [(table.name,) for table in card.tables]
    ends = [(relation.left.rpartition(".")[0], relation.right.rpartition(".")[0]) for relation in card.relations]
    joined = list(dict.fromkeys(pair for pair in ends if pair[0] != pair[1]))
    if "relation" in construct.needs:
        single = []
    elif level == "easy":
        joined = []
    found: list[tuple[str, ...]] = [*single, *joined]
    if "date" in construct.needs:
        found = [names for names in found if dated(card, names)]
    if "number" in construct.needs:
        found = [names for names in found if any(_has_number(card.table(name)) for name in names)]
    return found


def dated(card: SchemaCard, tables: tuple[str, ...]) -> list[Column]:
    """The date columns of these tables whose range the card gives."""
    columns = [column for name in tables for column in card.table(name).columns if _DATE.match(column.type)]
    return [column for column in columns if _day(column.min) and _day(column.max)]


def terms(card: SchemaCard, tables: tuple[str, ...]) -> list[str]:
    """The glossary's terms that these tables can answer."""
    return [term.term for term in card.glossary if not term.table or term.table in tables]


def period(column: Column, kind: str, rng: random.Random) -> str:
    """A period of that kind in words, within the column's range; a kind that the range is too short for is clipped."""
    first, last = _day(column.min), _day(column.max)
    assert first and last  # `dated` gave the column
    day = first + datetime.timedelta(rng.randint(0, (last - first).days))
    month = f"{calendar.month_name[day.month]} {day.year}"
    match kind:
        case "year":
            return str(day.year)
        case "quarter":
            return f"the {('first', 'second', 'third', 'fourth')[(day.month - 1) // 3]} quarter of {day.year}"
        case "month":
            return month
        case "since":
            return f"since {month}"
        case "range":
            end = min(last, day + datetime.timedelta(rng.randint(6, 120)))
            return f"from {_words(day)} to {_words(end)}"
    return ""


def _has_number(table: Table) -> bool:
    keys = {*table.key, *(column.name for column in table.columns if column.name.lower().endswith("id"))}
    return any(_NUMBER.match(c.type) and c.values is None and c.name not in keys for c in table.columns)


def _day(value: object) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _words(day: datetime.date) -> str:
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"
