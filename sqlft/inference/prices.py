"""What calls to an endpoint cost: tokens, dollars, and whether the budget bears another call."""

from __future__ import annotations

import re
from dataclasses import dataclass

PRICES_OF = "2026-06-21"
"""When third parties read these off the public list."""
Prices = tuple[float, float, float]
"""Dollars for a million tokens: prompt, cached prompt, completion."""
PRICES: dict[str, Prices] = {
    "gpt-4o": (2.50, 1.25, 10.00),
    "gpt-4o-mini": (0.15, 0.075, 0.60),
    "gpt-4.1": (2.00, 0.50, 8.00),
    "gpt-4.1-mini": (0.40, 0.10, 1.60),
    "text-embedding-3-small": (0.02, 0.02, 0.0),
    "text-embedding-3-large": (0.13, 0.13, 0.0),
    "text-embedding-ada-002": (0.10, 0.10, 0.0),
}


def price_of(model: str) -> Prices | None:
    """The model's prices, a dated snapshot (`gpt-4o-2024-08-06`) at its family's; None where they are not known."""
    return PRICES.get(re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model))


def add_up(prices: Prices | None, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float | None:
    """Dollars for so many tokens, `cached_tokens` being a part of `prompt_tokens`; None without prices."""
    if prices is None:
        return None
    fresh = prompt_tokens - cached_tokens
    return (fresh * prices[0] + cached_tokens * prices[1] + completion_tokens * prices[2]) / 1e6


@dataclass(frozen=True)
class Cost:
    """What one answer cost. `dollars` is None where the model's price is not known."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = None

    def __add__(self, other: Cost) -> Cost:
        dollars = None if self.dollars is None or other.dollars is None else self.dollars + other.dollars
        return Cost(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens, dollars)


@dataclass
class Meter:
    """Counts the tokens and dollars of one model's calls.

    Attributes:
        budget: Dollars that may be spent; None: any.
        dollars: Spent so far, with what earlier runs spent; None where the model's price is not known.
        dearest: What the dearest call cost.
        share: Of the list price; a batch costs half.
    """

    model: str
    budget: float | None = None
    calls: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = None
    dearest: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        self.dollars = None if price_of(self.model) is None else 0.0

    def price(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float | None:
        """`add_up` at the model's own prices, and this meter's share of them."""
        dollars = add_up(price_of(self.model), prompt_tokens, cached_tokens, completion_tokens)
        return None if dollars is None else self.share * dollars

    @property
    def exhausted(self) -> bool:
        """The budget is spent."""
        return self.budget is not None and self.dollars is not None and self.dollars >= self.budget

    def affords(self, calls: int, estimate: float) -> bool:
        """Whether the budget bears so many unfinished calls.

        Each is reckoned at one and a half times the dearest so far. Before the first has come back, a single one is
        reckoned at `estimate` dollars and several at four times that, so that a small budget begins one at a time.
        """
        if self.budget is None or self.dollars is None:
            return True
        each = 1.5 * self.dearest or (estimate if calls == 1 else 4 * estimate)
        return self.dollars + calls * each <= self.budget

    def count(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> Cost:
        """Adds one call."""
        cost = Cost(prompt_tokens, completion_tokens, self.price(prompt_tokens, cached_tokens, completion_tokens))
        self.calls += 1
        self.dearest = max(self.dearest, cost.dollars or 0.0)
        self.add(cost)
        return cost

    def add(self, cost: Cost) -> None:
        """Adds what was paid at another time."""
        self.prompt_tokens += cost.prompt_tokens
        self.completion_tokens += cost.completion_tokens
        if self.dollars is not None:
            self.dollars += cost.dollars or 0.0
