"""Intervals and tests: no share is shown without its n and interval, no difference without its paired test."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, comb, sqrt
from statistics import NormalDist

from pydantic import BaseModel

from sqlft.evaluation.clusters import Resampled, resample
from sqlft.evaluation.shares import Share as Share
from sqlft.evaluation.shares import Z, share

POWER = 0.8
SEEN = 0.05
"""Five points: the difference that `questions_needed` is about."""


class Difference(BaseModel):
    """A model against the base on the same questions.

    Attributes:
        model: The model's name; `base` is the other's.
        both, fixed, broken, neither: Questions right with both, with the model alone, with the base alone, with none.
        value: (fixed - broken) / n, -1 to 1; None where n is 0.
        low: Lower end of the 95% interval of the difference, by Newcombe's paired score method.
        high: Upper end.
        p: Two-sided p of the exact McNemar test.
        resampled: The same with whole clusters of questions, and with all samples where decoding drew several.
        holm: The p of `resampled`, adjusted by `adjust` for the other comparisons of its family: what to go by.
        needed: About how many questions would show a difference of five points, at the discordance seen here.
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
    resampled: Resampled
    holm: float
    needed: int

    @property
    def n(self) -> int:
        return self.both + self.fixed + self.broken + self.neither

    @property
    def interval(self) -> tuple[float, float]:
        """The interval to go by: Newcombe's where all answers are independent, else that of the bootstrap."""
        alone = self.resampled.clusters == self.resampled.n
        return (self.low, self.high) if alone else (self.resampled.low, self.resampled.high)


def mcnemar(fixed: int, broken: int) -> float:
    """Two-sided p that fixing and breaking are equally likely: McNemar's test, exact (binomial, conditional).

    Args:
        fixed: Pairs wrong before and right after.
        broken: Pairs right before and wrong after.
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(fixed, broken), fixed + broken, 0.5)))


def fisher(k: int, n: int, other_k: int, other_n: int) -> float:
    """Two-sided p that k of n and other_k of other_n are draws of one share: Fisher's exact test."""
    ways = [comb(n, i) * comb(other_n, k + other_k - i) for i in range(k + other_k + 1)]
    return sum(way for way in ways if way <= ways[k]) / sum(ways)


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


def difference(
    model: str,
    base: str,
    pairs: Sequence[tuple[bool, bool]],
    clusters: Sequence[str] = (),
    more: Sequence[Sequence[tuple[bool, bool]]] = (),
) -> Difference:
    """Compares two models that answered the same questions.

    Args:
        model: The model's name.
        base: The name of what it is compared with.
        pairs: (model right, base right) for each question.
        clusters: The cluster of each question; each is one of its own where none are given.
        more: Such pairs of every further sample, where decoding drew several.
    """
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for pair in pairs:
        counts[pair] += 1
    both, fixed, broken, neither = counts.values()
    low, high = paired_interval(both, fixed, broken, neither)
    n = len(pairs)
    each = clusters or [str(place) for place in range(n)]
    found = resample(
        [(name, int(ours) - theirs) for of in (pairs, *more) for name, (ours, theirs) in zip(each, of, strict=True)]
    )
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
        resampled=found,
        holm=found.p,
        needed=questions_needed((fixed + broken) / n if n else 0.0),
    )


def adjust(family: Sequence[Difference]) -> None:
    """Sets `holm` on comparisons that are looked at together: an evaluation's adapters, the steps of a ladder."""
    for one, p in zip(family, holm([one.resampled.p for one in family]), strict=True):
        one.holm = p


def holm(ps: Sequence[float]) -> list[float]:
    """p values adjusted for being looked at together: that any one of them misleads stays within the level.

    Holm 1979, "A simple sequentially rejective multiple test procedure". In the order given.
    """
    adjusted = [0.0] * len(ps)
    least = 0.0
    for done, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - done) * ps[place]))
        adjusted[place] = least
    return adjusted


def questions_needed(discordance: float, gap: float = SEEN) -> int:
    """About how many questions give McNemar's test a power of 80% at the level of 5%.

    Connor 1987, "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43.

    Args:
        discordance: Share of questions that one of the two models alone answers right; at least the gap is assumed.
        gap: The difference to be seen, 0 to 1.
    """
    apart = max(discordance, gap)
    root = Z * sqrt(apart) + NormalDist().inv_cdf(POWER) * sqrt(apart - gap**2)
    return ceil((root / gap) ** 2)
