"""Conditions as they are compared: what is compared, how, and with which values; periods as the days that they hold."""

from __future__ import annotations

import calendar
import datetime
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

NUMBERED = {"todayofweek": 7, "tomonth": 12, "toquarter": 4}
NEGATED = {"in": "not in", "<": ">=", "<=": ">", "like": "not like", "is": "is not"}
NEGATED |= {other: one for one, other in NEGATED.items()}
_AGGREGATE = re.compile(r"⟦[^⟦⟧⟪⟫]*⟧|⟪[^⟦⟧⟪⟫]*⟫")
INNER = str.maketrans("⟦⟧", "⟪⟫")
_UNMARKED = str.maketrans("", "", "⟦⟧⟪⟫")
_MONTHS = {"year": 12, "quarter": 3, "month": 1}


@dataclass(frozen=True)
class Condition:
    """One of the conditions that AND joins.

    Attributes:
        subject: What is compared; the whole condition where it is no comparison.
        operator: 'in', 'not in', '<', '<=', '>', '>=', 'like', 'within' for days, or '' for no comparison.
        values: What it is compared with; for 'within' one 'FIRST..LAST', either of which may be missing.
    """

    subject: str
    operator: str = ""
    values: frozenset[str] = frozenset()

    @property
    def dated(self) -> bool:
        return self.operator == "within" or bool(re.match(r"(trunc:\w+|toyear|toyyyymm)\(", self.subject))

    @property
    def negated(self) -> Condition:
        if self.operator in NEGATED:
            return replace(self, operator=NEGATED[self.operator])
        return Condition(f"not {self.text}")

    def __str__(self) -> str:
        return plain(self.text)

    @property
    def text(self) -> str:
        """As SQL would say it, more or less, with the marks around aggregates."""
        text = self.subject
        if self.operator == "within":
            first, last = next(iter(self.values)).split("..")
            return f"{text} {f'from {first} ' * bool(first)}{f'to {last}' * bool(last)}".strip()
        values = sorted(self.values)
        if self.operator in ("in", "not in") and not "".join(values).startswith("("):
            sign = {"in": "=", "not in": "!="}[self.operator] if len(values) == 1 else self.operator
            return f"{text} {sign} {values[0] if len(values) == 1 else '(' + ', '.join(values) + ')'}"
        return f"{text} {self.operator} {' '.join(values)}".strip()


def plain(text: str) -> str:
    """The text without the marks around its aggregates."""
    return text.translate(_UNMARKED)


def blind(text: str) -> str:
    """The text with every aggregate, its inner ones included, as one and the same mark."""
    while (shorter := _AGGREGATE.sub("@", text)) != text:
        text = shorter
    return text


def settle(found: Iterable[Condition]) -> list[Condition]:
    """Merges what AND joins of one subject: periods to one, lists of values to what they share."""
    kept: dict[tuple[str, str], Condition] = {}
    for condition in found:
        condition = _enumerated(_as_days(condition))
        key = (condition.subject, condition.operator if condition.operator in ("in", "within") else str(condition))
        before = kept.get(key)
        if before and condition.operator == "within":
            pairs = [next(iter(c.values)).split("..") for c in (before, condition)]
            first = max(pair[0] for pair in pairs)
            last = min((pair[1] for pair in pairs if pair[1]), default="")
            condition = replace(condition, values=frozenset({f"{first}..{last}"}))
        elif before and condition.operator == "in":
            condition = replace(condition, values=before.values & condition.values or condition.values)
        kept[key] = condition
    return _narrowed(list(kept.values()))


def _enumerated(condition: Condition) -> Condition:
    """toDayOfWeek(x) >= 6 as one of 6 and 7."""
    size = NUMBERED.get(condition.subject.partition("(")[0])
    if size and condition.operator in ("<", "<=", ">", ">=", "not in"):
        given = [float(value) for value in condition.values if re.fullmatch(r"[\d.]+", value)]
        if len(given) == len(condition.values):
            fits = {
                "<": lambda n: n < given[0],
                "<=": lambda n: n <= given[0],
                ">": lambda n: n > given[0],
                ">=": lambda n: n >= given[0],
                "not in": lambda n: n not in given,
            }[condition.operator]
            return replace(condition, operator="in", values=frozenset(str(n) for n in range(1, size + 1) if fits(n)))
    return condition


def _as_days(condition: Condition) -> Condition:
    function, _, inner = condition.subject.partition("(")
    function = function if inner.endswith(")") else ""
    spans = [span for value in condition.values if (span := _days(function, value))]
    if not spans or len(spans) != len(condition.values):
        return condition
    spans.sort()
    if condition.operator == "in" and any(
        later[0] - earlier[1] > datetime.timedelta(1) for earlier, later in itertools.pairwise(spans)
    ):
        return condition
    first, last, day = spans[0][0], spans[-1][1], datetime.timedelta(1)
    ends = {
        "in": f"{first}..{last}",
        "<": f"..{first - day}",
        "<=": f"..{last}",
        ">": f"{last + day}..",
        ">=": f"{first}..",
    }.get(condition.operator)
    subject = inner[:-1] if function and _is_cut(function) else condition.subject
    return Condition(subject, "within", frozenset({ends})) if ends else condition


def _is_cut(function: str) -> bool:
    return function.startswith("trunc:") or function in ("toyear", "toyyyymm")


def _days(function: str, value: str) -> tuple[datetime.date, datetime.date] | None:
    """The first and the last day that a value of that function of a date stands for."""
    try:
        if function == "toyear":
            return datetime.date(int(value), 1, 1), datetime.date(int(value), 12, 31)
        if function == "toyyyymm":
            return _span(datetime.date(int(value) // 100, int(value) % 100, 1), "month")
        day = datetime.date.fromisoformat(value.strip("'")[:10]) if re.match(r"'\d{4}-\d\d-\d\d", value) else None
    except ValueError:
        return None
    if day and function.startswith("trunc:"):
        return _span(day, function.removeprefix("trunc:"))
    return (day, day) if day else None


def _span(day: datetime.date, unit: str) -> tuple[datetime.date, datetime.date] | None:
    if unit not in _MONTHS:
        length = {"week": 7, "day": 1}.get(unit)
        return (day, day + datetime.timedelta(length - 1)) if length else None
    month = day.month + _MONTHS[unit] - 1
    if day.day != 1 or month > 12:
        return None
    return day, datetime.date(day.year, month, calendar.monthrange(day.year, month)[1])


def _narrowed(conditions: Sequence[Condition]) -> list[Condition]:
    """toYear(x) = 2023 AND toMonth(x) = 3 as the days of that March."""
    kept = list(conditions)
    for part in conditions:
        function, _, inner = part.subject.partition("(")
        whole = next((c for c in kept if c.operator == "within" and f"{c.subject})" == inner), None)
        size = {"tomonth": 1, "toquarter": 3}.get(function)
        if not whole or not size or part.operator != "in":
            continue
        days = re.fullmatch(r"(\d{4})-01-01\.\.(\d{4})-12-31", next(iter(whole.values)))
        places = sorted(int(float(value)) for value in part.values)
        if days and days[1] == days[2] and places == list(range(places[0], places[-1] + 1)):
            year, last = int(days[1]), places[-1] * size
            first = datetime.date(year, (places[0] - 1) * size + 1, 1)
            end = datetime.date(year, last, calendar.monthrange(year, last)[1])
            kept.remove(part)
            kept[kept.index(whole)] = replace(whole, values=frozenset({f"{first}..{end}"}))
    return kept
