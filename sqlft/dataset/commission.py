"""What a teacher behind an endpoint is given, and the question whether its cost may be spent."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from sqlft.dataset.requests import Requests
from sqlft.dataset.written import Confirm, Estimate, Survey
from sqlft.inference.endpoint import Chat
from sqlft.inference.prices import Meter
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe, Teacher

USUAL_TOKENS = 130  # of a pair with its comment and its JSON: a fair guess, for the estimate


class BudgetTooSmall(WrongUse):
    """What is left of the budget does not pay for one call."""


def agree(who: str, estimate: Estimate, confirm: Confirm | None) -> None:
    """Raises WrongUse where nobody agrees to what calls will cost."""
    if not (confirm(estimate) if confirm else estimate.bounded):
        why = "nobody has agreed to that, and no budget bounds it"
        raise WrongUse(Problem(who, str(estimate), why, "Write --yes, or teacher.budget_usd: 20."))


def estimate_calls(section: Teacher, meter: Meter, calls: int, prompt_tokens: int, free: bool = False) -> Estimate:
    """What so many calls will cost; see `Commission.agree`."""
    completion = calls * USUAL_TOKENS * section.pairs_per_prompt
    dollars = meter.price(prompt_tokens, 0, completion)
    bounded = section.budget_usd is not None or (free and dollars is None)
    return Estimate(section.model, calls, prompt_tokens, completion, dollars, bounded)


def count_calls(section: Teacher, have: int) -> int:
    """Calls that bring the pairs which are missing yet, each as many as it is asked for."""
    return math.ceil((section.examples - have) / section.pairs_per_prompt)


def guess_tokens(chat: Chat) -> int:
    """Tokens of a request, four bytes each."""
    return len(chat[0]["content"].encode()) // 4


@dataclass
class Commission:
    """What both teachers have in common.

    Attributes:
        recipe: Its `teacher` is read.
        requests: What is asked.
        journal: The journal's path.
        survey: Judges the pairs of complete rounds; without it all survive.
        confirm: Asked before the first call that costs; without it, what has no bound is not begun.
        agreed: Somebody, or a bound, has agreed to the cost.
    """

    recipe: Recipe
    requests: Requests
    journal: Path
    _: KW_ONLY
    survey: Survey | None = None
    confirm: Confirm | None = None
    agreed: bool = field(default=False, init=False)

    @property
    def section(self) -> Teacher:
        return self.recipe.teacher

    def agree(self, meter: Meter, calls: int, prompt_tokens: int, *, free: bool = False) -> float | None:
        """Asks, the first time, whether so many calls may be made.

        Args:
            meter: Knows the price.
            calls: Calls to come.
            prompt_tokens: Of all of them.
            free: Where the price is not known, there is none.

        Returns:
            Their dollars, about; None where the price is not known.

        Raises:
            WrongUse: Nobody agrees.
        """
        estimate = estimate_calls(self.section, meter, calls, prompt_tokens, free)
        if not self.agreed:
            agree("teacher", estimate, self.confirm)
        self.agreed = True
        return estimate.dollars

    def too_small(self, each: float, spent: float | None) -> BudgetTooSmall:
        """The error where the budget does not pay for one call."""
        what = f"`teacher.budget_usd: {self.section.budget_usd}`"
        why = f"one call costs about {each:.4f} dollars, and {spent:.4f} are spent"
        return BudgetTooSmall(Problem(self.recipe.where("teacher", "budget_usd"), what, why, "Write more."))
