"""What a build spends beside the pairs that its teacher writes, out of the same budget."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from sqlft.dataset.written import Confirm, Progress, Written
from sqlft.recipe import Recipe

_COUNTED = ("calls", "calls_kept", "retries", "prompt_tokens", "completion_tokens")


@dataclass
class Purse:
    """A build's budget, whoever is asked.

    Attributes:
        recipe: Its `teacher.budget_usd` bounds all of it.
        confirm: Asked before the first call of each kind.
        progress: Called as answers come.
        paid: What each kind of call came to, the pairs themselves first.
        notes: What the user should know.
    """

    recipe: Recipe
    confirm: Confirm | None
    progress: Progress
    paid: list[Written] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def left(self) -> float | None:
        """Dollars that may still be spent; None where nothing bounds them."""
        budget = self.recipe.teacher.budget_usd
        return None if budget is None else budget - math.fsum(one.dollars or 0.0 for one in self.paid)

    def total(self) -> Written:
        """What all of it came to; the pairs and notes are those of the first."""
        dollars = [one.dollars for one in self.paid if one.dollars is not None]
        counts: dict[str, Any] = {name: sum(getattr(one, name) for one in self.paid) for name in _COUNTED}
        known = len(dollars) == len(self.paid)
        return dataclasses.replace(self.paid[0], **counts, dollars=math.fsum(dollars) if known else None)
