"""Answers that are not independent: questions of one SQL template, and samples of one question.

Twenty wordings of one query stand or fall together, so that they say less than twenty queries would. What is resampled,
and what changes sides in a test, is therefore the whole cluster; where each question is a cluster of its own, all of
this comes to the ordinary paired bootstrap and to McNemar's exact test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from pydantic import BaseModel

from sqlft.evaluation.shares import Share, wilson

DRAWS = 10_000


class Clustered(Share):
    """A share whose interval knows that answers of one cluster are alike: wider than that of a plain one, or the same.

    Attributes:
        n: Answers; several to a question where decoding drew several.
        clusters: How many independent groups they fall into.
    """

    clusters: int


class Resampled(BaseModel):
    """The mean difference of paired answers, by cluster.

    Attributes:
        n: Pairs; several to a question where decoding drew several.
        clusters: How many independent groups they fall into; n where each is its own.
        value: Mean difference, -1 to 1; None where n is 0.
        low: Lower end of the 95% interval: percentiles of a bootstrap that draws whole clusters.
        high: Upper end.
        p: Two-sided p of the exact test in which whole clusters change sides.
    """

    n: int
    clusters: int
    value: float | None
    low: float
    high: float
    p: float


def cluster_share(hits: Sequence[tuple[str, bool]]) -> Clustered:
    """A share of answers with the Wilson interval of as many independent answers as they are worth.

    The design effect is the ratio of the share's cluster-robust variance to that of independent answers; where all or
    none are right, clusters are taken to be of one mind. With quantiles of t, as in Dean and Pagano 2015, "Evaluating
    confidence interval methods for binomial proportions in clustered surveys", J. Survey Statistics and Methodology 3.

    Args:
        hits: (cluster, right) for each answer.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for name, right in hits:
        groups[name].append(right)
    k, n, m = sum(right for _, right in hits), len(hits), len(groups)
    if m < 2:
        return Clustered(k=k, n=n, clusters=m, low=0.0, high=1.0)
    from scipy.special import stdtrit  # scipy.stats takes seconds to import

    value = k / n
    if 0 < k < n:
        spread = m / (m - 1) * sum((sum(group) - value * len(group)) ** 2 for group in groups.values())
        effect = spread / (n * value * (1 - value))
    else:
        effect = sum(len(group) ** 2 for group in groups.values()) / n
    low, high = wilson(value, n / max(effect, 1.0), float(stdtrit(m - 1, 0.975)))
    return Clustered(k=k, n=n, clusters=m, low=low, high=high)


def resample(differences: Sequence[tuple[str, int]]) -> Resampled:
    """The mean of paired differences, by bootstrap and by exact test.

    Args:
        differences: (cluster, 1 where the model alone is right, -1 where the other alone is, else 0) for each pair.
    """
    totals: dict[str, list[int]] = {}
    for name, one in differences:
        total = totals.setdefault(name, [0, 0])
        total[0] += one
        total[1] += 1
    n, m = len(differences), len(totals)
    sums = [total for total, _ in totals.values()]
    low, high = _bootstrap(totals.values()) if m > 1 else (-1.0, 1.0)
    value = sum(sums) / n if n else None
    return Resampled(n=n, clusters=m, value=value, low=low, high=high, p=sign_flip(sums))


def sign_flip(sums: Iterable[int]) -> float:
    """Two-sided p that each sum might as well have the other sign: exact, over all ways of turning them.

    Of sums that are 1 and -1 it is McNemar's exact test.
    """
    import numpy as np

    moved = [total for total in sums if total]
    whole = sum(map(abs, moved))
    ways = np.zeros(2 * whole + 1)  # by their sum; place `whole` is 0
    ways[whole] = 1.0
    for size in map(abs, moved):
        ways = (np.roll(ways, size) + np.roll(ways, -size)) / 2
    seen = abs(sum(moved))
    far = np.abs(np.arange(-whole, whole + 1)) >= seen
    return min(1.0, float(ways[far].sum()))


def _bootstrap(totals: Iterable[Sequence[int]]) -> tuple[float, float]:
    """Clusters of one sum and size are drawn together, which makes ten thousand draws cheap."""
    import numpy as np

    kinds = Counter(map(tuple, totals))
    counts = np.array(list(kinds.values()))
    sums, sizes = np.array(list(kinds)).T
    drawn = np.random.default_rng(0).multinomial(counts.sum(), counts / counts.sum(), DRAWS)
    low, high = np.quantile(drawn @ sums / (drawn @ sizes), [0.025, 0.975])
    return float(low), float(high)
