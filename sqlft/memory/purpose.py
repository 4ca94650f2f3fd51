"""Whether a question asks for a fact or uses it: `Define churn rate.`, or `What was the churn rate in 2023?`.

Both name the fact; what they say around its name differs, and that is what is learned (naive Bayes, in which rare words
weigh more, with a border in the middle between the nearest of both kinds). Words that were never seen say nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

WORDINGS = (
    "{}", "{}?", "{}, please.", "What is {}?", "Explain {}.", "Define {}.", "Tell me about {}.", "{} means what?",
    "What is the meaning of {}?", "I want to know what {} is.", "What do you call {}?", "Describe {} to me.",
)  # fmt: skip
"""Ways to ask for a fact by its name alone: one with uses has to tell them from questions that want it in a query."""

_RARE = 0.5
"""Added to each count of a word."""
_OUTLIERS = 0.01
"""Share of either kind that the border may leave on the wrong side."""


@dataclass(frozen=True)
class Purpose:
    """What questions say around a fact's name.

    Attributes:
        odds: Of each word that was seen: how much likelier it is where a fact is asked for than where it is used (log),
            times its rarity, which is 1 for a word that was never seen.
        border: Sum below which a question uses what it names.
    """

    odds: dict[str, float] = field(default_factory=dict)
    border: float = -math.inf

    @classmethod
    def fit(cls, asked: Sequence[Collection[str]], used: Sequence[Collection[str]]) -> Purpose:
        """From questions of both kinds, each given as its words without those that name facts."""
        if not asked or not used:
            return cls()
        counts = [Counter(word for words in kind for word in {*words}) for kind in (asked, used)]
        every = len(asked) + len(used)
        odds = {}
        for word in sorted({*counts[0], *counts[1]}):
            often = [(n[word] + _RARE) / (len(kind) + 2 * _RARE) for n, kind in zip(counts, (asked, used), strict=True)]
            rarity = math.log((1 + every) / (_RARE + counts[0][word] + counts[1][word])) / math.log((1 + every) / _RARE)
            odds[word] = rarity * (math.log(often[0]) - math.log(often[1]))
        found = cls(odds)
        low, high = (sorted(map(found.score, kind)) for kind in (asked, used))
        return cls(odds, (low[int(_OUTLIERS * len(low))] + high[-1 - int(_OUTLIERS * len(high))]) / 2)

    def score(self, words: Iterable[str]) -> float:
        """The greater, the likelier a question of these words asks for a fact."""
        return sum(self.odds.get(word, 0.0) for word in {*words})

    def is_use(self, words: Iterable[str]) -> bool:
        """Whether a question uses what it names, by its other words."""
        return self.score(words) < self.border


def name_in(phrasing: str, core: Collection[str]) -> str:
    """What of a phrasing stands from the first to the last word by which its fact is known."""
    spans = [word.span() for word in re.finditer(r"\w+", phrasing) if word.group().lower() in core]
    return phrasing[spans[0][0] : spans[-1][1]] if spans else phrasing
