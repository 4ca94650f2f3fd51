"""English for the grammar: plurals, articles, lists, round numbers."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence

MONTHS = "January February March April May June July August September October November December".split()
_IRREGULAR = {"person": "people", "child": "children", "man": "men", "woman": "women"}


def plural(noun: str) -> str:
    """The plural of a noun, or of the noun before an 'of'."""
    head, of, rest = noun.partition(" of ")
    before, blank, last = head.rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "es" if re.search(r"(s|x|z|ch|sh)$", last) else "s"
    return before + blank + last + of + rest


def article(noun: str) -> str:
    """The noun with its indefinite article; a plural as it is."""
    if re.search(r"[^su]s$", noun.partition(" of ")[0]):
        return noun
    vowel = re.match(r"[aeio]|u(?!s|ni)", noun, re.IGNORECASE)
    return f"{'an' if vowel else 'a'} {noun}"


def either(words: Sequence[str]) -> str:
    """'A or B', 'A, B or C'."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


def spoken(name: str) -> str:
    """A column's or table's name as words."""
    return name.replace("_", " ").strip().lower()


def round_number(rng: random.Random, low: float, high: float, whole: bool) -> int | float:
    """A number that people would say, inside the range and nearer to its lower end."""
    span = high - low
    step: float = 10.0 ** math.floor(math.log10(span / 4))
    if step == 1 and span >= 30:
        step = 5.0
    value = min(max(round((low + span * rng.uniform(0.1, 0.7)) / step) * step, low), high)
    return round(value) if whole or value == round(value) else round(value, 4)


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[0].upper() + text[1:]
