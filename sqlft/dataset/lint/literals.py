"""Literals that the data does not know: values that no row holds, dates and numbers outside of it."""

from __future__ import annotations

import datetime
import difflib
import math
import re
from collections.abc import Iterator

from sqlft.card import Column
from sqlft.dataset.lint.lexicon import MEANT
from sqlft.dataset.lint.pair import Pair, Use
from sqlft.dataset.lint.periods import Period, period_of
from sqlft.dataset.lint.remark import Remark


def unknown_literals(pair: Pair) -> Iterator[Remark]:
    """Strings that are compared with a column whose values the card lists, and that are none of them."""
    seen = set()
    for use in pair.uses:
        column = use.column
        if column is None or not column.values or not isinstance(use.value, str) or column.name in _dates(pair):
            continue
        known = [str(value) for value in column.values]
        folded = use.function in ("lower", "upper")
        if use.function not in ("", "lower", "upper", "trim") or (column.name, use.value) in seen:
            continue
        seen.add((column.name, use.value))
        if use.operator == "like":
            pattern = re.escape(use.value.lower()).replace("%", ".*").replace("_", ".")
            if any(re.fullmatch(pattern, value.lower()) for value in known):
                continue
        elif use.value in known or (folded and use.value in {getattr(value, use.function)() for value in known}):
            continue
        near = nearest(use.value.strip("%"), known)
        evidence = f"{column.name} never is {use.value!r}; it is {_listed(known)}"
        exact = use.operator in ("=", "!=") and not folded and near
        yield Remark(
            "unknown_literal",
            "error",
            evidence,
            f"Write {near!r}." if near else f"Write one of {_listed(known)}.",
            (f"'{use.value}'", f"'{near}'") if exact else None,
        )


def out_of_range(pair: Pair) -> Iterator[Remark]:
    """Comparisons with a date or a number that no row can pass, by the card's bounds."""
    seen = set()
    for use in pair.uses:
        column = use.column
        if column is None or (column.min is None and not column.values) or use.value in seen:
            continue
        bounds = _bounds(column)
        if bounds is None:
            continue
        low, high = bounds
        if isinstance(low, datetime.date) and isinstance(high, datetime.date):
            period = period_of(use)
            beyond = period is not None and _date_beyond(use, period, low, high)
        elif isinstance(use.value, float) and use.function == "" and not isinstance(low, datetime.date):
            beyond = _number_beyond(use, float(low), float(high))  # type: ignore[arg-type]
        else:
            continue
        if beyond:
            seen.add(use.value)
            value = use.value if isinstance(use.value, str) else f"{use.value:g}"
            yield Remark(
                "out_of_range",
                "error",
                f"{column.name} {use.operator} {value}: the data lies between {low} and {high}",
                f"Ask for what lies between {low} and {high}.",
            )


def nearest(value: str, known: list[str]) -> str:
    """The value of a column that was meant, or '' where none is like it."""
    folded = re.sub(r"\W|^the ", "", value.lower())
    for one in known:
        if folded and folded == re.sub(r"\W", "", one.lower()):
            return one
    meant = MEANT.get(value.lower().removeprefix("the "), "")
    if meant in known:
        return meant
    for one in known:
        if len(folded) >= 4 and (one.lower().startswith(folded) or one.lower() in value.lower()):
            return one
    close = difflib.get_close_matches(value.lower(), [one.lower() for one in known], 1, 0.7)
    return next((one for one in known if close and one.lower() == close[0]), "")


def _dates(pair: Pair) -> set[str]:
    return {column.name for column in pair.columns.values() if "Date" in column.type}


def _listed(known: list[str]) -> str:
    shown = ", ".join(known[:8])
    return shown if len(known) <= 8 else f"{shown}, …"


def _bounds(column: Column) -> tuple[datetime.date | float, datetime.date | float] | None:
    if column.min is None or column.max is None:
        numbers = [float(value) for value in column.values or [] if isinstance(value, int | float)]
        return (min(numbers), max(numbers)) if numbers and len(numbers) == len(column.values or []) else None
    if isinstance(column.min, str):
        try:
            return datetime.date.fromisoformat(column.min[:10]), datetime.date.fromisoformat(str(column.max)[:10])
        except ValueError:
            return None
    return float(column.min), float(column.max)


def _date_beyond(use: Use, period: Period, low: datetime.date, high: datetime.date) -> bool:
    if use.operator == "=":
        return period.end <= low or period.start > high
    if use.operator in (">=", ">"):
        return period.start > high
    if use.operator in ("<", "<="):
        return period.start < low or (use.operator == "<" and period.start == low)
    return False


def _number_beyond(use: Use, low: float, high: float) -> bool:
    value = float(use.value)
    if use.operator == "=":
        return not low <= value <= high or not math.isfinite(value)
    if use.operator in (">=", ">"):
        return value > high or (use.operator == ">" and value == high and high > low)
    if use.operator in ("<", "<="):
        return value < low or (use.operator == "<" and value == low and high > low)
    return False
