"""What to mend next: how many answers would be right if the commonest categories of mistake were gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from sqlft.evaluation.diagnosis.categories import LABELS, Category
from sqlft.evaluation.statistics import Share
from sqlft.evaluation.table import percent

MOST = 3


@dataclass(frozen=True)
class Target:
    """What mending some categories would bring at most.

    Attributes:
        categories: One, two or three of them.
        answers: Wrong answers that have these categories, and no other.
        accuracy: The share that is right once all of those are, 0 to 1.
    """

    categories: tuple[Category, ...]
    answers: int
    accuracy: float

    def __str__(self) -> str:
        named = " and ".join(f"“{LABELS[category]}”" for category in self.categories)
        answers = f"{self.answers} answer{'s' * (self.answers != 1)} with no other fault"
        return f"repairing {named} ({answers}) would reach at most {percent(self.accuracy, 1)}"


def find_targets(wrong: Sequence[Sequence[Category]], right: Share) -> list[Target]:
    """The one, the two and the three categories without which most answers would be right.

    Of as many answers those with the commoner category come first. More categories that mend no more are left out, and
    so is what no rule explains, which nobody can aim at.

    Args:
        wrong: The categories of each wrong answer.
        right: Answers that are right.
    """
    kinds = Counter(map(frozenset, wrong))
    common = Counter(category for categories in wrong for category in categories if category != "unexplained")
    order = [category for category, _ in common.most_common()]
    found: list[Target] = []
    for size in range(1, min(MOST, len(order)) + 1):
        sets = combinations(order, size)
        mended = {chosen: sum(n for kind, n in kinds.items() if kind and kind <= set(chosen)) for chosen in sets}
        chosen = max(mended, key=mended.__getitem__)
        if mended[chosen] > (found[-1].answers if found else 0):
            found.append(Target(chosen, mended[chosen], round((right.k + mended[chosen]) / right.n, 4)))
    return found
