"""Years and months that the question names and the SQL does not ask for, and the reverse."""

from __future__ import annotations

import calendar
import datetime
from collections.abc import Iterator

from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.periods import DAY, Period, Said, Times, covers, days_of, read_question, times
from sqlft.dataset.lint.remark import Remark, disagreement


def dates_disagree(pair: Pair) -> Iterator[Remark]:
    """At most one remark: on years, else on months, else on days."""
    if pair.tree is None:
        return
    said, asked = read_question(pair.words), times(pair)
    if pair.columns and not any("Date" in column.type for column in pair.columns.values()):
        if said.years and pair.card and not _is_clocked(pair):
            yield disagreement(f"the question names {_years(said.years)}, and the tables of the SQL hold no date")
        return
    evidence = _years_apart(pair, said, asked) or _months_apart(pair, said, asked) or _days_apart(pair, asked)
    if evidence:
        yield disagreement(evidence)


def _years_apart(pair: Pair, said: Said, asked: Times) -> str:
    lacking = said.years - asked.years
    if lacking and not (_is_clocked(pair) and said.relative):
        there = _years(asked.years) if asked.years else "no year"
        if asked.years or len(said.years) < 2 or not _groups_by_year(pair):
            return f"the question names {_years(lacking)}, the SQL asks for {there}"
    spans = [span for span in (*asked.spans, *asked.edges) if not _is_everything(pair, span)]
    if said.relative or (said.onward and said.years):
        return ""
    beyond = [span for span in spans if not span.years & (said.years | said.between)]
    if beyond and (said.years or not _names_a_date(pair)):
        there = _years(said.years) if said.years else "no year"
        return f"the SQL asks for {_years(beyond[0].years)}, the question names {there}"
    return ""


def _months_apart(pair: Pair, said: Said, asked: Times) -> str:
    fine = asked.narrow
    if said.months and not _is_clocked(pair):
        for group in said.months:
            if covers(fine, group) or asked.months & group:
                continue
            if not _by_months(pair) or fine or asked.months:
                return f"the question names {_months(group)}, the SQL does not ask for it"
    if said.relative or said.onward:
        return ""
    named = set(said.other_months).union(*said.months)
    for span in [span for span in asked.spans if span in fine and len(span.months) <= 3]:
        if not span.months & named:
            what = _months(named) if named else "no month"
            return f"the SQL asks for {_months(span.months)}, the question names {what}"
    if asked.months and not named and len(asked.months) <= 3:
        return f"the SQL asks for {_months(asked.months)}, the question names no month"
    return ""


def _days_apart(pair: Pair, asked: Times) -> str:
    ends = {day for span in asked.edges for day in (span.start, span.end - DAY)}
    for span in asked.spans:
        ends |= {span.start} if span.end - span.start == DAY else {span.start, span.end - DAY, span.end}
    for day in days_of(pair.words) if asked.narrow else []:
        if day not in ends:
            return f"the question names {day}, the SQL does not ask for it"
    return ""


def _is_clocked(pair: Pair) -> bool:
    return any(name in pair.code for name in ("today (", "now (", "yesterday (", "current_date", "curdate", "now64 ("))


def _by_months(pair: Pair) -> bool:
    return any(name in pair.code for name in ("tostartofmonth", "tomonth", "toyyyymm", "date_trunc", "monthname"))


def _groups_by_year(pair: Pair) -> bool:
    return any(name in pair.code for name in ("toyear", "tostartofyear", "tostartof", "toyyyymm", "date_trunc")) and (
        " by " in pair.code
    )


def _names_a_date(pair: Pair) -> bool:
    return "'" in pair.question and any(f"'{year}" in pair.question for year in range(15, 40))


def _is_everything(pair: Pair, span: Period) -> bool:
    """Whether a span holds all that the card's date columns hold, so that it leaves nothing out."""
    for column in pair.columns.values():
        if "Date" in column.type and isinstance(column.min, str) and isinstance(column.max, str):
            low, high = (datetime.date.fromisoformat(text[:10]) for text in (column.min, column.max))
            if span.start <= low and span.end > high:
                return True
    return False


def _years(years: set[int] | frozenset[int]) -> str:
    return ", ".join(map(str, sorted(years)))


def _months(months: set[int] | frozenset[int]) -> str:
    return ", ".join(calendar.month_name[month] for month in sorted(months))
