"""Spans of time: those that SQL asks for, and those that a question names."""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from sqlft.dataset.lint.lexicon import alternatives, pattern, words
from sqlft.dataset.lint.pair import Pair, Use

DAY = datetime.timedelta(days=1)
_UNIT_MONTHS = {"trunc:month": 1, "trunc:quarter": 3, "trunc:year": 12}


@dataclass(frozen=True)
class Period:
    """Days from `start` up to `end`, which is no longer part of it."""

    start: datetime.date
    end: datetime.date

    @property
    def years(self) -> set[int]:
        return set(range(self.start.year, (self.end - DAY).year + 1))

    @property
    def months(self) -> set[int]:
        """The months that it touches, 1 to 12."""
        first, last = self.start.year * 12 + self.start.month, (self.end - DAY).year * 12 + (self.end - DAY).month
        return {(month - 1) % 12 + 1 for month in range(first, min(last, first + 11) + 1)}

    @property
    def whole_years(self) -> bool:
        return (self.start.month, self.start.day, self.end.month, self.end.day) == (1, 1, 1, 1)


@dataclass(frozen=True)
class Times:
    """What SQL says of time.

    Attributes:
        spans: Bounded on both sides.
        edges: Bounded on one side: the days on both sides of the bound.
        months: Months of any year, as toMonth gives them.
    """

    spans: tuple[Period, ...]
    edges: tuple[Period, ...]
    months: frozenset[int]

    def __bool__(self) -> bool:
        return bool(self.spans or self.edges or self.months)

    @property
    def years(self) -> set[int]:
        return set().union(*(span.years for span in (*self.spans, *self.edges)))

    @property
    def narrow(self) -> list[Period]:
        """Spans and edges that are finer than whole years."""
        return [span for span in self.spans if not span.whole_years] + list(self.edges)


def month_of(year: int, month: int, count: int = 1) -> Period:
    last = year * 12 + month - 1 + count
    return Period(datetime.date(year, month, 1), datetime.date(last // 12, last % 12 + 1, 1))


def period_of(use: Use) -> Period | None:
    """The time that a literal names where it is compared with a date; None where it names none."""
    value, function = use.value, use.function
    if isinstance(value, float):
        number = int(value)
        if function in ("toyear", "toisoyear", "year") and 1900 <= number <= 2200:
            return month_of(number, 1, 12)
        if function == "toyyyymm" and 1 <= number % 100 <= 12 and number > 190000:
            return month_of(number // 100, number % 100)
        if function == "toyyyymmdd" and number > 19000000:
            return _day(f"{number // 10000}-{number // 100 % 100:02d}-{number % 100:02d}")
        return None
    found = re.fullmatch(r"\s*(\d{4})-(\d\d)(?:-(\d\d))?(?:[ T].*)?\s*", value)
    if not found:
        only_year = re.fullmatch(r"(19|20)\d\d", value)
        return month_of(int(value), 1, 12) if only_year and function not in ("", "lower") else None
    year, month = int(found[1]), int(found[2])
    if not (1 <= month <= 12 and year > 0):
        return None
    if not found[3]:
        return month_of(year, month)
    if use.operator == "=" and function in _UNIT_MONTHS:
        return month_of(year, month, _UNIT_MONTHS[function])
    if use.operator == "=" and function in ("trunc:week", "tomonday") and (day := _day(value)):
        return Period(day.start, day.start + 7 * DAY)
    return _day(value)


def _day(text: str) -> Period | None:
    try:
        day = datetime.date.fromisoformat(text.strip()[:10])
    except ValueError:
        return None
    return Period(day, day + DAY)


def times(pair: Pair) -> Times:
    """Reads the SQL's spans: equalities, and pairs of bounds that one AND joins."""
    spans, edges, months = [], [], set()
    bounds: dict[tuple[int, str], list[tuple[Use, Period]]] = {}
    for use in pair.uses:
        if use.function in ("tomonth", "month") and isinstance(use.value, float):
            months |= _count_from(use, 12)
        elif use.function in ("toquarter", "quarter") and isinstance(use.value, float):
            months |= {month for quarter in _count_from(use, 4) for month in range(3 * quarter - 2, 3 * quarter + 1)}
        elif (period := period_of(use)) is not None and (use.column is None or "Date" in use.column.type):
            if use.operator == "=":
                spans.append(period)
            elif use.operator != "!=":
                name = use.column.name if use.column else ""
                bounds.setdefault((_conjunction(use.node), name), []).append((use, period))
    for group in bounds.values():
        lows = [p.start if u.operator == ">=" else p.end for u, p in group if u.operator in (">", ">=")]
        highs = [p.end if u.operator == "<=" else p.start for u, p in group if u.operator in ("<", "<=")]
        if lows and highs and max(lows) < min(highs):
            spans.append(Period(max(lows), min(highs)))
        else:
            for use, period in group:
                year = use.function == "toyear"
                before = DAY if use.operator in (">=", "<") else datetime.timedelta()
                after = DAY if use.operator in (">", "<=") else datetime.timedelta()
                one_day = Period(period.start - before, period.end + after)
                edges.append(one_day if year or period.end - period.start == DAY else Period(one_day.start, period.end))
    return Times(tuple(spans), tuple(edges), frozenset(months))


def _count_from(use: Use, last: int) -> set[int]:
    number = int(use.value)
    start, end = {">=": (number, last), ">": (number + 1, last), "<=": (1, number), "<": (1, number - 1)}.get(
        use.operator, (number, number)
    )
    return {n for n in range(start, end + 1) if 1 <= n <= last}


def _conjunction(node: exp.Expr) -> int:
    """The AND that a comparison stands in, as far up as ANDs go."""
    top: exp.Expr = node
    while isinstance(top.parent, exp.And | exp.Paren):
        top = top.parent
    return id(top)


_NAMES = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_SHORT = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
_MONTH = "|".join(sorted({*_NAMES, *_SHORT}, key=len, reverse=True))
_BEFORE = alternatives("before_month")
_MONTH_SAID = re.compile(rf"\b({_MONTH})\b\.?")
_AMBIGUOUS = frozenset(words("ambiguous_months"))
_ORDINALS = words("ordinals")
_SEASONS = words("seasons")
_RELATIVE = pattern("relative")
_YEAR, _AMOUNT, _NO_AMOUNT = pattern("year"), words("amount"), words("no_amount")
_ONWARD = pattern("onward")


@dataclass(frozen=True)
class Said:
    """What a question says of time.

    Attributes:
        years: Those that it names; `between` those that lie between two of them.
        months: Each group of months that it names: a month, a quarter, a season.
        other_months: What an ordinal on its own may mean: '… of the first quarter, and in the second'.
        relative: It counts from today; `onward`: it looks ahead or back from a time that it names.
    """

    years: frozenset[int]
    between: frozenset[int]
    months: tuple[frozenset[int], ...]
    other_months: frozenset[int]
    relative: bool
    onward: bool


def read_question(text: str) -> Said:
    """Reads years, months, quarters, halves and seasons; see `Said`.

    Args:
        text: The question in lower case.
    """
    years = {int(year) for year in _YEAR.findall(text)}
    years |= {int(y) for y in re.findall(r"\b(?:fy|h[12]|q[1-4])[ -]?((?:19|20)\d\d)\b", text)}
    years |= {
        int(y) for y in re.findall(r"\b((?:19|20)\d\d)[-/.]\d\d?\b|\b\d\d?[-/.]((?:19|20)\d\d)\b", text) for y in y if y
    }
    years |= {2000 + int(y) for y in re.findall(r"(?<!\w)'(\d\d)\b", text)}
    years = {year for year in years if not re.search(_AMOUNT % year, text) or re.search(_NO_AMOUNT % year, text)}
    between = {
        year
        for one, other in re.findall(r"\b((?:19|20)\d\d)\s*(?:-|–|to|through|until|and|till)\s*((?:19|20)\d\d)\b", text)
        for year in range(int(one), int(other) + 1)
    }
    months: list[frozenset[int]] = []
    for found in _MONTH_SAID.finditer(text):
        word, before, after = found[1], text[: found.start()], text[found.end() :]
        dated = re.match(r"'?,? ?(of |in )?'?\d", after) or re.search(rf"(^|\b|[\W]){_BEFORE}\s*$", before)
        if word not in _AMBIGUOUS or dated:
            months.append(frozenset({_number(word)}))
    if (
        len(months) >= 2
        and re.search(
            rf"({_MONTH})[^.?]{{0,12}}?(-|–|\bto\b|\bthrough\b|\buntil\b|\btill\b|\band\b)[^.?]{{0,12}}?({_MONTH})",
            text,
        )
        and not re.search(r"both|compare|versus|vs|difference|change", text)
    ):
        first, last = min(months[0]), min(months[1])
        months.append(
            frozenset(m if m <= 12 else m - 12 for m in range(first, (last if last >= first else last + 12) + 1))
        )
    for number in re.findall(r"\b(?:19|20)\d\d[-/.](\d\d?)\b|\b(\d\d?)[-/.](?:19|20)\d\d\b", text):
        month = int(number[0] or number[1])
        if 1 <= month <= 12:
            months.append(frozenset({month}))
    for day, month in re.findall(r"\b(\d\d?)[./](\d\d?)[./](?:19|20)\d\d\b", text):
        months.append(frozenset({int(day), int(month)}))
    quarters = {int(n) for n in re.findall(r"\bq([1-4])\b", text)} | {int(n) for n in re.findall(r"\b([1-4])q\d", text)}
    quarters |= _named(text, "quarter")
    months += [frozenset(range(3 * quarter - 2, 3 * quarter + 1)) for quarter in sorted(quarters)]
    halves = {int(n) for n in re.findall(r"\bh([12])\b", text)}
    halves |= {half for half in _named(text, "hal(?:f|ves)") if half < 3}
    months += [frozenset(range(6 * half - 5, 6 * half + 1)) for half in sorted(halves)]
    months += [frozenset(inside) for word, inside in _SEASONS.items() if re.search(rf"\b{word}", text)]
    loose = {n for word, n in _ORDINALS.items() if re.search(rf"\b{word}\b(?!-)", text)}
    other = {month for n in loose for month in range(3 * n - 2, 3 * n + 1)} if quarters else set()
    other |= {month for n in loose if n < 3 for month in range(6 * n - 5, 6 * n + 1)} if halves else set()
    return Said(
        frozenset(years),
        frozenset(between),
        tuple(months),
        frozenset(other),
        bool(_RELATIVE.search(text)),
        bool(_ONWARD.search(text)),
    )


def _named(text: str, unit: str) -> set[int]:
    return {n for word, n in _ORDINALS.items() if re.search(rf"\b{word} (and \w+ )?{unit}", text)}


def days_of(text: str) -> list[datetime.date]:
    """The days that a question names in full: '15 may 2023', 'may 15th, 2023', '2023-05-15'."""
    found = [(y, m, d) for y, m, d in re.findall(r"\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b", text)]
    first = rf"\b(\d\d?)(?:st|nd|rd|th)?(?: of)? ({_MONTH})\.?,? ((?:19|20)\d\d)\b"
    found += [(y, _number(m), d) for d, m, y in re.findall(first, text)]
    second = rf"\b({_MONTH})\.? (\d\d?)(?:st|nd|rd|th)?,? ((?:19|20)\d\d)\b"
    found += [(y, _number(m), d) for m, d, y in re.findall(second, text)]
    days = []
    for year, month, day in found:
        try:
            days.append(datetime.date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return days


def _number(month: str) -> int:
    return _NAMES.get(month) or _SHORT[month]


def covers(spans: Iterable[Period], months: Iterable[int]) -> bool:
    """Whether one of the spans touches one of the months."""
    wanted = set(months)
    return any(span.months & wanted for span in spans)
