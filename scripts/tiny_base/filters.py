"""Conditions on a row: each in words and in SQL."""

from __future__ import annotations

import calendar
import datetime
import random
from dataclasses import dataclass

from sqlft.card import Column
from tiny_base.schemas import Source


@dataclass(frozen=True)
class Filter:
    """A condition. `before` stands in front of the noun, `after` behind it; one of the two is empty."""

    source: Source
    column: str
    sql: str
    after: str = ""
    before: str = ""


def plain(name: str) -> str:
    return name.replace("_", " ")


def quote(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def random_filter(rng: random.Random, source: Source) -> Filter | None:
    """A condition on one of the source's columns, or None where the kind that was drawn has none."""
    kind = rng.choices(("category", "flag", "measure", "date"), (5, 2, 3, 4))[0]
    columns = {"category": source.categories, "flag": source.flags, "measure": source.measures, "date": source.dates}[kind]
    if not columns:
        return None
    return {"category": _category, "flag": _flag, "measure": _measure, "date": _date}[kind](rng, source, rng.choice(columns))


def _category(rng: random.Random, source: Source, column: Column) -> Filter:
    values = [str(v) for v in column.values or []]
    word, value = plain(column.name), rng.choice(values)
    roll = rng.random()
    if roll < 0.12 and len(values) > 2:
        one, two = rng.sample(values, 2)
        text = rng.choice((f"whose {word} is {one} or {two}", f"in {one} or {two}", f"with {word} {one} or {two}", f"for {one} and {two}"))
        return Filter(source, column.name, f"{{c}} IN ({quote(one)}, {quote(two)})", text)
    if roll < 0.2:
        text = rng.choice((f"whose {word} is not {value}", f"not in {value}", f"excluding {value}", f"other than {value}", f"outside {value}"))
        return Filter(source, column.name, f"{{c}} != {quote(value)}", text)
    if roll < 0.38:
        return Filter(source, column.name, f"{{c}} = {quote(value)}", before=value)
    text = rng.choice(
        (f"in {value}", f"on {value}", f"from {value}", f"at {value}", f"for {value}", f"with {value}", f"of {value}", f"via {value}",
         f"with {word} {value}", f"whose {word} is {value}", f"where the {word} is {value}", f"in the {value} {word}",
         f"with {value} as {word}", f"using {value}", f"of {word} {value}", f"under {value}", f"having {word} {value}")
    )  # fmt: skip
    return Filter(source, column.name, f"{{c}} = {quote(value)}", text)


def _flag(rng: random.Random, source: Source, column: Column) -> Filter:
    word = plain(column.description or column.name)
    if rng.random() < 0.3:
        text = rng.choice((f"that are not {word}", f"that were not {word}", f"not marked {word}", f"which are not {word}"))
        if rng.random() < 0.4:
            return Filter(source, column.name, "{c} = 0", before=rng.choice((f"non-{word}", f"not {word}")))
        return Filter(source, column.name, "{c} = 0", text)
    if rng.random() < 0.6:
        return Filter(source, column.name, "{c} = 1", before=word)
    return Filter(source, column.name, "{c} = 1", rng.choice((f"that are {word}", f"that were {word}", f"marked as {word}", f"flagged {word}")))


def _measure(rng: random.Random, source: Source, column: Column) -> Filter:
    word, low, high = plain(column.name), int(column.min or 0), int(column.max or 1)
    n = rng.randint(low + 1, max(low + 1, high - 1)) if rng.random() < 0.8 else rng.choice((0, 10, 25, 50, 100))
    roll = rng.random()
    if roll < 0.2 and high - low > 4:
        a, b = sorted(rng.sample(range(low, high + 1), 2))
        text = rng.choice((f"with {word} from {a} to {b}", f"with {word} between {a} and {b}", f"whose {word} is {a} to {b}", f"of {word} {a}-{b}",
                           f"in the {word} range {a} to {b}", f"with a {word} of {a} to {b}"))  # fmt: skip
        return Filter(source, column.name, f"{{c}} BETWEEN {a} AND {b}", text)
    if roll < 0.4:
        text = rng.choice((f"with {word} of {n} or more", f"with {word} at least {n}", f"whose {word} is {n} or higher", f"with a minimum {word} of {n}",
                           f"with {word} {n}+", f"where {word} is no less than {n}"))  # fmt: skip
        return Filter(source, column.name, f"{{c}} >= {n}", text)
    if roll < 0.7:
        text = rng.choice((f"with {word} over {n}", f"whose {word} exceeds {n}", f"with {word} above {n}", f"with more than {n} {word}",
                           f"where {word} is greater than {n}", f"with a {word} higher than {n}"))  # fmt: skip
        return Filter(source, column.name, f"{{c}} > {n}", text)
    if roll < 0.9:
        text = rng.choice((f"with {word} under {n}", f"whose {word} is below {n}", f"with less than {n} {word}", f"where {word} is lower than {n}",
                           f"with a {word} smaller than {n}"))  # fmt: skip
        return Filter(source, column.name, f"{{c}} < {n}", text)
    return Filter(source, column.name, f"{{c}} <= {n}", rng.choice((f"with {word} up to {n}", f"whose {word} is at most {n}", f"with {word} no more than {n}")))


def _date(rng: random.Random, source: Source, column: Column) -> Filter:
    first, last = (datetime.date.fromisoformat(str(v)) for v in (column.min, column.max))
    day = first + datetime.timedelta(days=rng.randint(0, (last - first).days))
    year, month = day.year, day.month
    name = rng.choice((calendar.month_name[month], calendar.month_name[month], calendar.month_abbr[month]))
    quarter = (month - 1) // 3 + 1
    roll = rng.random()
    if roll < 0.28:
        text = rng.choice((f"in {year}", f"during {year}", f"in the year {year}", f"throughout {year}", f"of {year}", f"for {year}", f"dated {year}"))
        return Filter(source, column.name, f"toYear({{c}}) = {year}", text)
    if roll < 0.62:
        text = rng.choice((f"in {name} {year}", f"during {name} {year}", f"in {name} of {year}", f"of {name} {year}", f"for {name} {year}",
                           f"in the month of {name} {year}", f"in {year}-{month:02d}", f"dated {name} {year}"))  # fmt: skip
        return Filter(source, column.name, f"toStartOfMonth({{c}}) = '{year}-{month:02d}-01'", text)
    if roll < 0.74:
        text = rng.choice((f"in Q{quarter} {year}", f"during Q{quarter} of {year}", f"in quarter {quarter} of {year}", f"for Q{quarter} {year}",
                           f"in the {('first', 'second', 'third', 'fourth')[quarter - 1]} quarter of {year}"))  # fmt: skip
        return Filter(source, column.name, f"toStartOfQuarter({{c}}) = '{year}-{3 * quarter - 2:02d}-01'", text)
    if roll < 0.82:
        end = min(last, day + datetime.timedelta(days=rng.randint(3, 200)))
        text = rng.choice((f"between {day} and {end}", f"from {day} to {end}", f"dated {day} to {end}", f"from {day} through {end}"))
        return Filter(source, column.name, f"{{c}} BETWEEN '{day}' AND '{end}'", text)
    if roll < 0.88:
        text = rng.choice((f"since {year}", f"from {year} on", f"from the start of {year}", f"in {year} or later"))
        return Filter(source, column.name, f"{{c}} >= '{year}-01-01'", text)
    if roll < 0.93:
        text = rng.choice((f"before {name} {year}", f"up to the end of the month before {name} {year}", f"earlier than {name} {year}"))
        return Filter(source, column.name, f"{{c}} < '{year}-{month:02d}-01'", text)
    if roll < 0.96:
        return Filter(source, column.name, f"{{c}} < '{year}-01-01'", rng.choice((f"before {year}", f"earlier than {year}", f"prior to {year}")))
    return Filter(source, column.name, f"{{c}} = '{day}'", rng.choice((f"on {day}", f"dated {day}", f"on {name} {day.day}, {year}", f"on {day.day} {name} {year}")))
