"""A result as one sentence: by a template, or by a model, every figure and name of which is checked against the result.

A sentence that is wrong by a figure is worse than none: where a model writes a number that neither the result nor the
question holds, a number in words, or not the one number that was asked for, the template's sentence stands. So it does
where a name comes from elsewhere: what is capitalised or quoted is a cell's, a column's, the question's or the SQL's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlft.agent.chart import Chart, number_of
from sqlft.database import Result

FIGURE = re.compile(r"(?<![\w.,])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\d+(?:\.\d+)?")
IN_WORDS = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|dozens?|hundreds?|thousands?"
    r"|millions?|billions?|twice|thrice|double[ds]?|triple[ds]?|half|halves|halved|thirds?|quarters?|none|zero|nobody)\b"
    r"|(?<=\d) ?[kmb]\b",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W_]+")
QUOTED = re.compile(r"""(?<!\w)(['"`])(.+?)\1(?!\w)|[“‘](.+?)[”’](?!\w)""")
NO_NAMES = frozenset(
    "a all altogether among an and as at between both by during each every for from here i in it its most no of on"
    " only or over overall per since so that the their there these they this those to under until when where which"
    " with within yes you your".split()
)
LONGEST = 400
ROUNDED = 0.005
"""How far a figure that was rounded may be from what the result holds, as a share of it."""
SEPARATED_FROM = 10_000  # below it may be a year


def say_result(result: Result, chart: Chart | None) -> str:
    """What the result says, by a template.

    Args:
        result: A query's.
        chart: What `choose_chart` made of it: one label and one number a row.
    """
    names, rows = result.columns, result.rows
    if not rows:
        return "Nothing in the database fits the question: the query ran and gave no rows."
    shown = [say_cell(value, _kind(result, place)) for place, value in enumerate(rows[0])]
    named = [f"{value} ({name})" for name, value in zip(names, shown, strict=True)]
    if len(rows) == 1:
        if all(value is None for value in rows[0]):
            return f"There is no value for {_listed(names)}: the query ran and gave NULL."
        return f"The answer is {named[0]}{', with ' * (len(named) > 1)}{_listed(named[1:])}."
    count = f"{result.total_rows or len(rows):,} rows"
    if chart:
        places = range(len(rows))
        most, least = max(places, key=chart.values.__getitem__), min(places, key=chart.values.__getitem__)
        if chart.values[most] == chart.values[least]:
            return f"There are {count}, and {chart.number} is {chart.shown[most]} in each of them."
        ends = [f"{chart.shown[place]} for {chart.labels[place]}" for place in (most, least)]
        return f"There are {count}; {chart.number} is greatest, {ends[0]}, and least, {ends[1]}."
    shown_of = f", of which {len(rows):,} are shown" * result.too_large
    return f"There are {count} of {_listed(names)}{shown_of}; the first is {_listed(shown)}."


def say_cell(value: Any, kind: str) -> str:
    """A cell as a reader wants it: long integers with separators, fractions short."""
    number = None if value is None else number_of(value, kind)
    if value is None or number is None:
        return "NULL" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= SEPARATED_FROM else str(value)
    if isinstance(value, str):
        return value
    return f"{number:,.2f}" if abs(number) >= 1 else f"{number:.3g}"


def holds(sentence: str, result: Result, question: str, sql: str) -> bool:
    """Whether a model's sentence may stand: one line, and every figure in it is the result's, or the question's.

    A figure may be rounded by half a per cent. A result of one number must be told. A name may also be the SQL's.
    """
    if not sentence.strip() or "\n" in sentence.strip() or len(sentence) > LONGEST or "SELECT " in sentence.upper():
        return False
    if any(word[0].lower() not in question.lower() for word in IN_WORDS.finditer(sentence)):
        return False
    cells = [cell for row in [*result.rows, result.totals or ()] for cell in row]
    words = [question, sql, *result.columns, *(str(cell) for cell in cells if not isinstance(cell, int | float))]
    if not _names(sentence) <= {word.casefold() for word in WORD.findall(" ".join(words))}:
        return False
    texts = " ".join(str(cell) for cell in cells if isinstance(cell, str))
    held = {*map(float, (cell for cell in cells if isinstance(cell, int | float))), *_figures(texts)}
    held.add(float(result.total_rows or len(result.rows)))
    said, asked = [*_figures(sentence)], {*_figures(question)}
    if any(figure not in asked and not _among(figure, held) for figure in said):
        return False
    if len(cells) == 1 and (number := number_of(cells[0], _kind(result, 0))) is not None:
        return any(_among(figure, {number}) for figure in said)
    return True


def _names(sentence: str) -> set[str]:
    """The words that are quoted or have a capital, but for those that begin sentences and name nothing."""
    quoted = {word.casefold() for found in QUOTED.finditer(sentence) for word in WORD.findall(found[0])}
    capital = {word.casefold() for word in WORD.findall(sentence) if any(map(str.isupper, word))}
    return quoted | (capital - NO_NAMES)


def _figures(text: str) -> Iterator[float]:
    for found in FIGURE.finditer(text):
        yield float(found[0].replace(",", "").replace("−", "-"))


def _among(figure: float, held: set[float]) -> bool:
    return any(abs(figure - one) <= ROUNDED * abs(one) and _is_rounded(figure, one) for one in held)


def _is_rounded(figure: float, exact: float) -> bool:
    """Whether writing fewer digits of it, and nothing else, made the figure of the exact number."""
    return any(round(exact, digits) == figure for digits in range(-3, 7)) or figure == exact


def _kind(result: Result, place: int) -> str:
    return result.types[place] if place < len(result.types) else ""


def _listed(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)
