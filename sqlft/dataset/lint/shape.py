"""Words that ask for a shape of the answer (the most, in percent, for each), and SQL that has another."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from sqlft.card import Column
from sqlft.dataset.lint.lexicon import alternatives, pattern, words
from sqlft.dataset.lint.pair import Pair, function_name
from sqlft.dataset.lint.remark import Remark, disagreement
from sqlft.dataset.lint.values import is_dimension_named, is_named

_SUPERLATIVE = pattern("superlative")
_NOT_SUPERLATIVE = pattern("not_superlative")
_ORDERS = pattern("orders")
_PERCENT = re.compile(r"\bpercent(age)?s?\b|\bper cent\b|%|\bpct\b")
_RATIO = pattern("ratio")
_EACH = alternatives("each")
_UNITS = ("month", "year", "quarter", "week", "day", "weekday")
_ADVERBS = words("adverbs")
_TIME_WORDS = words("time_words")
_DEVICE = pattern("device")


def superlative_without_order(pair: Pair) -> Iterator[Remark]:
    text = _NOT_SUPERLATIVE.sub(" ", pair.words)
    found = _SUPERLATIVE.search(text)
    if found and pair.tree is not None and not _ORDERS.search(pair.code):
        yield disagreement(
            f"the question asks for the {found[1]!r}, the SQL takes no extreme",
            "Add ORDER BY … LIMIT, or max, min, argMax, argMin.",
        )


def percentage_without_hundred(pair: Pair) -> Iterator[Remark]:
    if pair.tree is None:
        return
    text = re.sub(r"\d+(\.\d+)?\s?(%|percent\b|per cent\b)|percentile", " ", pair.words)
    found = _PERCENT.search(text)
    term = _percent_term(pair)
    divides = any(not node.find_ancestor(exp.Order) for node in pair.nodes(exp.Div)) or "divide (" in pair.code
    hundred = (
        any(not n.is_string and float(n.this) in (100, 0.01, 1e4) for n in pair.nodes(exp.Literal)) or "%" in pair.sql
    )
    if (found or (term and divides)) and not hundred:
        what = found[0] if found else term
        yield disagreement(f"the question asks for {what!r}, the SQL gives no percentage", "Multiply by 100.")
    elif (
        hundred
        and divides
        and not _RATIO.search(pair.words)
        and not _known_ratio(pair)
        and re.search(r"\b100(\.0+)? \*|\* 100", pair.code)
    ):
        yield disagreement("the SQL multiplies by 100, the question asks for no percentage")


def grouping_asked(pair: Pair) -> Iterator[Remark]:
    """'For each X' of a question whose SQL groups by nothing."""
    if pair.tree is None or _groups(pair):
        return
    for what in [*_time_dimensions(pair), *_column_dimensions(pair)]:
        yield disagreement(
            f"the question asks for one row for each {what}, the SQL has no GROUP BY", f"Group by the {what}."
        )
        return


def grouping_unasked(pair: Pair) -> Iterator[Remark]:
    """Keys of the outermost GROUP BY that the question does not speak of."""
    for key in pair.keys:
        column, function = pair.read(key)
        if column is None or pair.card is None:
            continue
        if function in ("", "lower", "upper") and column.values and all(isinstance(v, str) for v in column.values):
            known = is_dimension_named(pair, column) or sum(is_named(str(v), pair) for v in column.values) > 1
            known = known or bool(_DEVICE.search(column.term) and _DEVICE.search(pair.words))
        elif "Date" in column.type:
            unit = _unit_of(function)
            known = unit is None or bool(re.search(_TIME_WORDS[unit], pair.words)) or _names_several_years(pair)
        else:
            continue
        if not known:
            name = f"{function}({column.name})" if function else column.name
            yield disagreement(
                f"the SQL groups by {name}, the question does not ask for it", "Leave out the GROUP BY, or ask for it."
            )
            return


def _groups(pair: Pair) -> bool:
    assert pair.tree is not None
    if (
        any(True for _ in pair.nodes(exp.Group))
        or "partition by" in pair.code
        or "distinct" in pair.code.split("from")[0]
    ):
        return True
    select = pair.tree.find(exp.Select)
    return select is not None and (
        sum("if" in function_name(node) for node in pair.nodes(exp.Func)) > 1
        or bool(re.search(r"arrayjoin|grouparray|groupuniqarray|array join|topk|union|summap|maparray", pair.code))
    )


def _time_dimensions(pair: Pair) -> Iterator[str]:
    if re.search(rf"\b({_EACH}|in) age (group|bracket|range|band)s?\b", pair.words):
        yield "age group"
    if re.search(r"uniq|distinct|dateadd|datediff|date_diff|/ \d", pair.code):
        return  # '… per month' may be a ratio
    for name in _UNITS:
        asked = re.search(rf"\b({_EACH}) {name}s?\b|\b{name}[- ]by[- ]{name}\b|\b{name}-?wise\b", pair.words)
        over_all = re.search(rf"\b(all|across|the different) {name}s\b", pair.words) and "average" in pair.words
        if asked and not over_all:
            yield name
    for adverb, unit in _ADVERBS.items():
        if re.search(rf"\b{adverb}\b", pair.words) and not re.search(
            rf"\b(average|mean|median) {adverb}\b", pair.words
        ):
            yield unit


def _column_dimensions(pair: Pair) -> Iterator[str]:
    assert pair.card is not None or not pair.columns
    listed: list[Column] = [
        c for c in pair.columns.values() if c.values and c.term and all(isinstance(v, str) for v in c.values)
    ]
    for column in listed:
        term = re.escape(column.term)
        plural = rf"(?:{term}s?|{re.escape(column.term[:-1])}ies|{re.escape(column.name)})"
        apart = rf"\b(?:{_EACH}|for all|for the) (?:\w+ )?{plural}\b|\b{plural}[- ](?:by[- ]{plural}|wise)"
        if re.search(apart, pair.words) and not re.search(
            rf"\b(all|different|various|across)[\w ]* {plural}\b", pair.words
        ):
            yield column.term


def _unit_of(function: str) -> str | None:
    if function == "":
        return "day"
    for unit in ("month", "quarter", "week", "year", "day"):
        if unit in function:
            return unit
    return {"tomonday": "week", "toyyyymm": "month"}.get(function)


def _names_several_years(pair: Pair) -> bool:
    return len(set(re.findall(r"\b(?:19|20)\d\d\b", pair.words))) > 1


def _percent_term(pair: Pair) -> str:
    """A glossary term of the question that its card defines in percent."""
    for entry in pair.card.glossary if pair.card else []:
        if re.search(r"\b100\b", entry.metric) or (
            not entry.metric and not entry.condition and "in percent" in entry.meaning
        ):
            bare = re.sub(r" of \w+$", "", entry.term.lower())
            if re.search(rf"\b{re.escape(bare)}\b", pair.words):
                return bare
    return ""


def _known_ratio(pair: Pair) -> bool:
    return any(e.term.lower() in pair.words and "100" in e.metric for e in (pair.card.glossary if pair.card else []))
