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
    """A condition, `{c}` standing for its column. `before` stands in front of the noun, `after` behind it; one is empty."""

    source: Source
    column: str
    sql: str
    after: str = ""
    before: str = ""


# in words, one of each row is drawn; w the column's words, v a value, a and b two, n a number
IS = """in {v}|on {v}|from {v}|at {v}|for {v}|with {v}|of {v}|via {v}|with {w} {v}|whose {w} is {v}|where the {w} is {v}|in the {v} {w}
|with {v} as {w}|using {v}|of {w} {v}|under {v}|having {w} {v}"""
IN_THREE = (
    "whose {w} is {a}, {b} or {c}|in {a}, {b} or {c}|with {w} {a}, {b} or {c}|from {a}, {b} or {c}|for {a}, {b} and {c}"
)
IN = "whose {w} is {a} or {b}|in {a} or {b}|with {w} {a} or {b}|for {a} and {b}"
IS_NOT = "whose {w} is not {v}|not in {v}|excluding {v}|other than {v}|outside {v}|not from {v}|not on {v}|of any {w} but {v}"
FLAG = "that are {w}|that were {w}|marked as {w}|flagged {w}"
NO_FLAG = "that are not {w}|that were not {w}|not marked {w}|which are not {w}"
BETWEEN = """with {w} from {a} to {b}|with {w} between {a} and {b}|whose {w} is {a} to {b}|of {w} {a}-{b}|in the {w} range {a} to {b}
|with a {w} of {a} to {b}"""
AT_LEAST = """with {w} of {n} or more|with {w} at least {n}|whose {w} is {n} or higher|with a minimum {w} of {n}|with {w} {n}+
|where {w} is no less than {n}|with {w} {n} and over|with {w} {n} and up"""
OVER = """with {w} over {n}|whose {w} exceeds {n}|with {w} above {n}|with more than {n} {w}|where {w} is greater than {n}
|with a {w} higher than {n}"""
UNDER = "with {w} under {n}|whose {w} is below {n}|with less than {n} {w}|where {w} is lower than {n}|with a {w} smaller than {n}"
AT_MOST = (
    "with {w} up to {n}|with {w} {n} and under|with {w} {n} or lower|whose {w} is at most {n}|with {w} no more than {n}"
)
YEAR = "in {y}|during {y}|in the year {y}|throughout {y}|of {y}|for {y}|dated {y}"
MONTH = """in {m} {y}|during {m} {y}|in {m} of {y}|of {m} {y}|for {m} {y}|in the month of {m} {y}|in {y}-{mm:02d}|dated {m} {y}"""
QUARTER = "in Q{q} {y}|during Q{q} of {y}|in quarter {q} of {y}|for Q{q} {y}|in the {nth} quarter of {y}"
RANGE = "between {day} and {end}|from {day} to {end}|dated {day} to {end}|from {day} through {end}"
MONTHS = "from {m} to {n} {y}|between {m} and {n} {y}|from {m} through {n} of {y}|from {m} {y} to {n} {z}|between {m} {y} and {n} {z}"
WEEKEND = "at the weekend|on weekends|on a Saturday or Sunday|falling on a weekend|on Saturday and Sunday"
WORKDAY = "on weekdays|from Monday to Friday|on working days"
SINCE = "since {y}|from {y} on|from the start of {y}|in {y} or later"
BEFORE_MONTH = "before {m} {y}|up to the end of the month before {m} {y}|earlier than {m} {y}"
BEFORE_YEAR = "before {y}|earlier than {y}|prior to {y}"
DAY = "on {day}|dated {day}|on {m} {d}, {y}|on {d} {m} {y}"


def plain(name: str) -> str:
    return name.replace("_", " ")


def quote(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def random_filter(rng: random.Random, source: Source) -> Filter | None:
    """A condition on one of the source's columns, or None where the kind that was drawn has none."""
    kinds = (
        (5, source.categories, _category),
        (2, source.flags, _flag),
        (3, source.measures, _measure),
        (4, source.dates, _date),
    )
    _, columns, write = rng.choices(kinds, [weight for weight, _, _ in kinds])[0]
    if not columns:
        return None
    column = rng.choice(columns)
    sql, after, before = write(rng, column)
    return Filter(source, column.name, sql, after, before)


def _say(rng: random.Random, texts: str, **parts: object) -> str:
    return rng.choice(texts.replace("\n", "").split("|")).format(**parts)


def _category(rng: random.Random, column: Column) -> tuple[str, str, str]:
    values = [str(v) for v in column.values or []]
    word, value = plain(column.name), rng.choice(values)
    roll = rng.random()
    if roll < 0.05 and len(values) > 3:
        some = rng.sample(values, 3)
        return (
            f"{{c}} IN ({', '.join(map(quote, some))})",
            _say(rng, IN_THREE, w=word, a=some[0], b=some[1], c=some[2]),
            "",
        )
    if roll < 0.12 and len(values) > 2:
        one, two = rng.sample(values, 2)
        return f"{{c}} IN ({quote(one)}, {quote(two)})", _say(rng, IN, w=word, a=one, b=two), ""
    if roll < 0.2:
        return f"{{c}} != {quote(value)}", _say(rng, IS_NOT, w=word, v=value), ""
    if roll < 0.38:
        return f"{{c}} = {quote(value)}", "", value
    return f"{{c}} = {quote(value)}", _say(rng, IS, w=word, v=value), ""


def _flag(rng: random.Random, column: Column) -> tuple[str, str, str]:
    word = plain(column.description or column.name)
    if rng.random() < 0.3:
        if rng.random() < 0.4:
            return "{c} = 0", "", rng.choice((f"non-{word}", f"not {word}"))
        return "{c} = 0", _say(rng, NO_FLAG, w=word), ""
    if rng.random() < 0.6:
        return "{c} = 1", "", word
    return "{c} = 1", _say(rng, FLAG, w=word), ""


def _measure(rng: random.Random, column: Column) -> tuple[str, str, str]:
    word, low, high = plain(column.name), int(column.min or 0), int(column.max or 1)
    n = rng.randint(low + 1, max(low + 1, high - 1)) if rng.random() < 0.8 else rng.choice((0, 10, 25, 50, 100))
    roll = rng.random()
    if roll < 0.2 and high - low > 4:
        a, b = sorted(rng.sample(range(low, high + 1), 2))
        return f"{{c}} BETWEEN {a} AND {b}", _say(rng, BETWEEN, w=word, a=a, b=b), ""
    for share, sign, texts in ((0.4, ">=", AT_LEAST), (0.7, ">", OVER), (0.9, "<", UNDER), (1, "<=", AT_MOST)):
        if roll < share:
            return f"{{c}} {sign} {n}", _say(rng, texts, w=word, n=n), ""
    raise AssertionError(roll)


def _date(rng: random.Random, column: Column) -> tuple[str, str, str]:
    first, last = (datetime.date.fromisoformat(str(v)) for v in (column.min, column.max))
    day = first + datetime.timedelta(days=rng.randint(0, (last - first).days))
    end = min(last, day + datetime.timedelta(days=rng.randint(3, 200)))
    year, month, quarter = day.year, day.month, (day.month - 1) // 3 + 1
    kinds = (
        (28, f"toYear({{c}}) = {year}", YEAR),
        (34, f"toStartOfMonth({{c}}) = '{year}-{month:02d}-01'", MONTH),
        (12, f"toStartOfQuarter({{c}}) = '{year}-{3 * quarter - 2:02d}-01'", QUARTER),
        (8, f"{{c}} BETWEEN '{day}' AND '{end}'", RANGE),
        (6, f"{{c}} >= '{year}-01-01'", SINCE),
        (5, f"{{c}} < '{year}-{month:02d}-01'", BEFORE_MONTH),
        (3, f"{{c}} < '{year}-01-01'", BEFORE_YEAR),
        (4, f"{{c}} = '{day}'", DAY),
        (6, "toDayOfWeek({c}) >= 6", WEEKEND),
        (1, "toDayOfWeek({c}) <= 5", WORKDAY),
    )
    if rng.random() < 0.05:
        return _months(rng, day)
    if rng.random() < 0.03:
        return "toDayOfWeek({c}) >= 6", "", "weekend"
    _, sql, texts = rng.choices(kinds, [weight for weight, _, _ in kinds])[0]
    name = rng.choice((calendar.month_name[month], calendar.month_name[month], calendar.month_abbr[month]))
    nth = ("first", "second", "third", "fourth")[quarter - 1]
    return sql, _say(rng, texts, y=year, m=name, mm=month, q=quarter, nth=nth, day=day, end=end, d=day.day), ""


def _months(rng: random.Random, day: datetime.date) -> tuple[str, str, str]:
    """Whole months from the day's on, of one year or of two."""
    count = rng.randint(1, 6)
    months = day.year * 12 + day.month - 1 + count
    year, month = months // 12, months % 12 + 1
    texts = MONTHS.split("|")[3 if year > day.year else 0 :]
    words = _say(
        rng, "|".join(texts), m=calendar.month_name[day.month], n=calendar.month_name[month], y=day.year, z=year
    )
    end = f"{year}-{month:02d}-{calendar.monthrange(year, month)[1]}"
    return f"{{c}} BETWEEN '{day.year}-{day.month:02d}-01' AND '{end}'", words, ""
