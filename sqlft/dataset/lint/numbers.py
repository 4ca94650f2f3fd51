"""Numbers of the question that the SQL does not hold, and thresholds of the SQL that the question does not name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot import exp

from sqlft.dataset.lint.lexicon import alternatives, pattern, words
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark, disagreement

_WORDS = "two three four five six seven eight nine ten eleven twelve".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = {word: float(n) for n, word in enumerate(_WORDS, 2)} | {word: 10.0 * n for n, word in enumerate(_TENS, 2)}
WORDS |= {"dozen": 12.0, "hundred": 100.0, "thousand": 1000.0, "fifteen": 15.0, "eighteen": 18.0}
_MONTH = alternatives("month")
_NO_NUMBER = pattern("no_number")
_FIGURE = pattern("figure")
_UNITS = words("units")
_OVER = pattern("over")
_AT_LEAST = pattern("at_least")
_UNDER = pattern("under")
_AT_MOST = pattern("at_most")
_VAGUE = pattern("vague")


def numbers_disagree(pair: Pair) -> Iterator[Remark]:
    """At most one remark: the first number without its counterpart."""
    if pair.tree is None:
        return
    numbers = _literals(pair)
    for figure, around in _figures(pair.words):
        if not _is_held(figure, around, numbers, pair):
            yield disagreement(f"the question names {figure:g}, the SQL does not")
            return
    told = {figure for figure, _ in _figures(pair.words)}
    explained = _glossary_numbers(pair)
    for number, what in _thresholds(pair):
        if number in (0, 1) or number in explained or _VAGUE.search(pair.words):
            continue
        if re.search(rf"\b{number:g}\b", pair.words):  # a year, which is no figure
            continue
        near = {figure * scale for figure in told for scale in _scales(pair)} | {
            figure + by for figure in told for by in (-1, 1)
        }
        if not any(abs(number - one) < 1e-9 for one in near):
            yield disagreement(f"the SQL compares {what} with {number:g}, the question names no such number")
            return


def _figures(words: str) -> Iterator[tuple[float, str]]:
    """Numbers of a question above 1, and the words around each; dates, ordinals and talk of columns left out."""
    text = _NO_NUMBER.sub(lambda found: " " * len(found[0]), words)
    for found in _FIGURE.finditer(text):
        rest = text[found.end() :]
        if re.match(r"[^\W\d]", rest) and not text[found.end() - 1].isspace() and not rest.startswith("th percentile"):
            continue
        value = float(re.sub(r"\D", "", found[1]) + (found[2] or ""))
        value *= {"k": 1000, "thousand": 1000, "m": 10**6, "million": 10**6}.get(found[3] or "", 1)
        if value not in (0, 1):
            yield value, _around(text, found)
    for found in re.finditer(rf"\b({'|'.join(WORDS)})\b(?! (hundred|thousand))", text):
        before = text[: found.start()].rstrip().split(" ")[-1]
        if found[1] in ("hundred", "thousand", "dozen") and before not in ("a", "one"):
            continue
        if before not in ("other", "of", "these", "those", "between") and not re.search("hundred|thousand", found[0]):
            yield WORDS[found[1]], _around(text, found)


def _around(text: str, found: re.Match[str]) -> str:
    return text[max(0, found.start() - 22) : found.end() + 14]


def _literals(pair: Pair) -> set[float]:
    numbers = set()
    for node in pair.nodes(exp.Literal):
        if not node.is_string:
            numbers.add(float(node.this))
        else:
            numbers |= {float(n) for n in re.findall(r"(?<![\d-])\d+(?![\d-])", node.this)}
    return numbers


def _is_held(figure: float, around: str, numbers: set[float], pair: Pair) -> bool:
    if (
        any(abs(figure * scale - number) < 1e-9 for scale in _scales(pair) for number in numbers)
        or 1 / figure in numbers
    ):
        return True
    if re.search(rf"\b{figure:g} (\w+ )?(day|week|month|quarter|year)s?\b", around) and "-" in pair.sql:
        return True  # a span that the SQL gives by its ends
    operators = {(use.operator, use.value) for use in pair.uses}
    if figure + 1 in numbers:
        if (">=", figure + 1) in operators and _OVER.search(around):
            return True
        if ("<", figure + 1) in operators and _AT_MOST.search(around):
            return True
    if figure - 1 in numbers:
        if (">", figure - 1) in operators and _AT_LEAST.search(around):
            return True
        if ("<=", figure - 1) in operators and _UNDER.search(around):
            return True
        if (
            "preceding" in pair.code
            or "plus" in pair.code
            or "offset" in pair.code
            or re.search(r"day|today|- interval", pair.code)
        ):
            return True
    quarter = {25.0: 0.25, 75.0: 0.75, 50.0: 0.5}.get(figure)
    if quarter in numbers or (figure == 50 and "median" in pair.code) or (figure == 100 and "100" in pair.code):
        return True
    if figure == 2 and re.search(r"uniq|> 1\b|join|!= 1", pair.code):
        return True
    return _names_kinds(figure, pair) or len(next(pair.nodes(exp.Select)).expressions) >= figure <= 4


def _scales(pair: Pair) -> list[float]:
    """What a number may be multiplied with by the units that the question names; percent are ratios."""
    units = [scale for unit, scales in _UNITS.items() if re.search(rf"\b{unit}s?\b", pair.words) for scale in scales]
    return [1, 0.01, 0.001, *units]


def _names_kinds(figure: float, pair: Pair) -> bool:
    """'the four countries': as many as the column has values."""
    return any(
        column.values and len(column.values) == figure and column.term and column.term[:5] in pair.words
        for column in pair.columns.values()
    )


def _glossary_numbers(pair: Pair) -> set[float]:
    entries = [e for e in (pair.card.glossary if pair.card else []) if e.term.lower() in pair.words]
    return {float(n) for e in entries for n in re.findall(r"\d+", f"{e.meaning} {e.condition} {e.metric}")}


def _thresholds(pair: Pair) -> Iterator[tuple[float, str]]:
    for use in pair.uses:
        if not isinstance(use.value, float) or use.value <= 1:
            continue
        if use.column is not None and use.function == "" and not use.column.values and "Date" not in use.column.type:
            yield use.value, use.column.name
        elif isinstance(use.node.find_ancestor(exp.Having, exp.Select), exp.Having) and use.value > 2:
            yield use.value, "an aggregate"  # two or more: 'the second', 'again', 'the next'
