"""Shares of independent answers, with their intervals."""

from __future__ import annotations

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


def share(k: int, n: int) -> Share:
    """k right of n, with the Wilson score interval."""
    low, high = wilson(k / n, n, Z) if n else (0.0, 1.0)
    return Share(k=k, n=n, low=low, high=high)


def wilson(value: float, n: float, z: float) -> tuple[float, float]:
    """The Wilson score interval of a share of n, which need not be whole; it ends at 0 for none and at 1 for all."""
    centre = (value * n + z**2 / 2) / (n + z**2)
    margin = z / (n + z**2) * sqrt(value * (1 - value) * n + z**2 / 4)
    return (max(centre - margin, 0.0) if value > 0 else 0.0), (min(centre + margin, 1.0) if value < 1 else 1.0)
