"""Intervals and tests: no share is shown without its n and interval, no difference without its paired test."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from statistics import NormalDist

from pydantic import BaseModel

Z = NormalDist().inv_cdf(0.975)
"""All intervals are of 95%."""


class Share(BaseModel):
    """k of n with its Wilson interval (Wilson 1927; Brown, Cai and DasGupta 2001 on why not Wald).

    Attributes:
        low: Lower end of the 95% interval, 0 to 1. With n = 0 nothing is known: 0 to 1.
        high: Upper end.
    """

    k: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """k / n; None where n is 0."""
        return self.k / self.n if self.n else None


class Difference(BaseModel):
    """A model against the base on the same questions.

    Attributes:
        model: The model's name; `base` is the other's.
        both, fixed, broken, neither: Questions right with both, with the model alone, with the base alone, with none.
        value: (fixed - broken) / n, -1 to 1; None where n is 0.
        low: Lower end of the 95% interval of the difference, by Newcombe's paired score method.
        high: Upper end.
        p: Two-sided p of the exact McNemar test.
    """

    model: str
    base: str
    both: int
    fixed: int
    broken: int
    neither: int
    value: float | None
    low: float
    high: float
    p: float

    @property
    def n(self) -> int:
        return self.both + self.fixed + self.broken + self.neither


def share(k: int, n: int) -> Share:
    """k right of n, with the Wilson score interval."""
    if n == 0:
        return Share(k=0, n=0, low=0.0, high=1.0)
    centre = (k + Z**2 / 2) / (n + Z**2)
    margin = Z / (n + Z**2) * sqrt(k * (n - k) / n + Z**2 / 4)
    return Share(
        k=k, n=n, low=max(centre - margin, 0.0) if k else 0.0, high=min(centre + margin, 1.0) if k < n else 1.0
    )


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided p that fixing and breaking are equally likely: McNemar's test, exact (binomial, conditional).

    Args:
        fixed: Pairs wrong before and right after.
        broken: Pairs right before and wrong after.
    """
    discordant = fixed + broken
    ways = tail = 1
    for place in range(min(fixed, broken)):
        ways = ways * (discordant - place) // (place + 1)
        tail += ways
    return min(1.0, 2 * tail / 2**discordant)


def paired_interval(both: int, fixed: int, broken: int, neither: int) -> tuple[float, float]:
    """95% interval of a difference of paired shares, (fixed - broken) / n.

    Newcombe 1998, "Improved confidence intervals for the difference between binomial proportions based on paired
    data", Statistics in Medicine 17, method 10: Wilson intervals of the two shares, squared and added, with the
    correlation of the pairs. With no pairs, -1 to 1.
    """
    n = both + fixed + broken + neither
    if n == 0:
        return -1.0, 1.0
    after, before = share(both + fixed, n), share(both + broken, n)
    p, q = (both + fixed) / n, (both + broken) / n
    margins = (both + fixed) * (broken + neither) * (both + broken) * (fixed + neither)
    cross: float = both * neither - fixed * broken
    if cross > 0:
        cross = max(cross - n / 2, 0)
    phi = cross / sqrt(margins) if margins else 0.0
    down, up = p - after.low, after.high - p
    base_down, base_up = q - before.low, before.high - q
    low = p - q - sqrt(max(down**2 - 2 * phi * down * base_up + base_up**2, 0))
    high = p - q + sqrt(max(up**2 - 2 * phi * up * base_down + base_down**2, 0))
    return max(low, -1.0), min(high, 1.0)


def difference(model: str, base: str, pairs: Iterable[tuple[bool, bool]]) -> Difference:
    """Compares two models that answered the same questions.

    Args:
        model: The model's name.
        base: The name of what it is compared with.
        pairs: (model right, base right) for each question.
    """
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for pair in pairs:
        counts[pair] += 1
    both, fixed, broken, neither = counts.values()
    low, high = paired_interval(both, fixed, broken, neither)
    n = sum(counts.values())
    return Difference(
        model=model,
        base=base,
        both=both,
        fixed=fixed,
        broken=broken,
        neither=neither,
        value=(fixed - broken) / n if n else None,
        low=low,
        high=high,
        p=mcnemar(fixed, broken),
    )
