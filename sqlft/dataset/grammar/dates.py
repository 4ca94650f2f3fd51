"""Conditions on days: each by name, with its SQL and the ways to say it."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable

from sqlft.dataset.grammar.roles import Field, Unavailable
from sqlft.dataset.grammar.words import MONTHS

Dated = tuple[str, tuple[str, ...]]
_ORDINALS = ("first", "second", "third", "fourth")


def date_condition(rng: random.Random, role: str, item: Field, column: str = "") -> Dated:
    """Draws a condition of that role.

    Args:
        item: The date column, whose range the days are drawn from.
        column: What the SQL compares, where it is not `item` itself.

    Returns:
        The SQL, and its wordings, of which the first is the plainest.

    Raises:
        Unavailable: The column's range is too short.
    """
    return DATES[role](rng, item, column or (item.day if role in ("since", "before", "range", "day") else item.sql))


def _month(rng: random.Random, item: Field, column: str) -> Dated:
    day = _start(rng, item, "month")
    words = (f"in {_named(day)}", f"during {_named(day)}", f"in {day:%b %Y}", f"in {day:%Y-%m}")
    return f"toStartOfMonth({column}) = '{day}'", words


def _quarter(rng: random.Random, item: Field, column: str) -> Dated:
    day = _start(rng, item, "quarter")
    number = (day.month + 2) // 3
    short, long = f"Q{number} {day.year}", f"the {_ORDINALS[number - 1]} quarter of {day.year}"
    return f"toStartOfQuarter({column}) = '{day}'", (f"in {short}", f"during {short}", f"in {long}")


def _year(rng: random.Random, item: Field, column: str) -> Dated:
    year = _start(rng, item, "year").year
    return f"toYear({column}) = {year}", (f"in {year}", f"during {year}", f"in the year {year}")


def _since(rng: random.Random, item: Field, column: str) -> Dated:
    day = _start(rng, item, rng.choice(("month", "year")), later=True)
    words = str(day.year) if day.month == 1 else _named(day)
    return f"{column} >= '{day}'", (f"since {words}", f"from {words} on", f"since the start of {words}")


def _before(rng: random.Random, item: Field, column: str) -> Dated:
    day = _start(rng, item, rng.choice(("month", "year")), later=True)
    words = str(day.year) if day.month == 1 else _named(day)
    return f"{column} < '{day}'", (f"before {words}", f"earlier than {words}", f"prior to {words}")


def _range(rng: random.Random, item: Field, column: str) -> Dated:
    start = _start(rng, item, "month")
    last = start.year * 12 + start.month - 1 + rng.choice((1, 2, 3, 5))
    end = datetime.date(last // 12, last % 12 + 1, 28)
    end = (end + datetime.timedelta(4)).replace(day=1) - datetime.timedelta(1)
    if end > item.days[1]:
        raise Unavailable
    months = f"from {_named(start) if start.year != end.year else MONTHS[start.month - 1]} to {_named(end)}"
    return f"{column} BETWEEN '{start}' AND '{end}'", (f"between {start} and {end}", f"from {start} to {end}", months)


def _day(rng: random.Random, item: Field, column: str) -> Dated:
    first, last = item.days
    day = first + datetime.timedelta(rng.randrange((last - first).days + 1))
    return f"{column} = '{day}'", (f"on {day}", f"on {MONTHS[day.month - 1]} {day.day}, {day.year}")


def _weekend(rng: random.Random, item: Field, column: str) -> Dated:
    return f"toDayOfWeek({column}) >= 6", ("on weekends", "on Saturdays and Sundays", "at the weekend")


DATES: dict[str, Callable[[random.Random, Field, str], Dated]] = {
    "month": _month,
    "quarter": _quarter,
    "year": _year,
    "since": _since,
    "before": _before,
    "range": _range,
    "day": _day,
    "weekend": _weekend,
}


def _named(day: datetime.date) -> str:
    return f"{MONTHS[day.month - 1]} {day.year}"


def _start(rng: random.Random, item: Field, unit: str, later: bool = False) -> datetime.date:
    """The first day of a month, quarter or year that the column reaches; `later` leaves out the first one."""
    first, last = item.days
    size = {"month": 1, "quarter": 3, "year": 12}[unit]
    low = (first.year * 12 + first.month - 1) // size + later
    high = (last.year * 12 + last.month - 1) // size
    if high < low:
        raise Unavailable
    months = rng.randint(low, high) * size
    return datetime.date(months // 12, months % 12 + 1, 1)
