"""How far a judge agrees with execution, beyond what chance would bring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel

from sqlft.evaluation.clusters import DRAWS


class Agreement(BaseModel):
    """A judge against execution, on the answers that it was shown and whose questions count.

    Attributes:
        both: Right by the judge and by execution.
        judge: Right by the judge alone: where it is lenient.
        execution: Right by execution alone.
        neither: Wrong by both.
        kappa: Cohen's: 1 is full agreement, 0 what chance brings, as of a judge that always says the same. None where
            both say the same of everything, so that nothing can be told.
        low: Lower end of kappa's 95% interval: percentiles of a bootstrap over answers; None where kappa is None.
        high: Upper end.
    """

    both: int
    judge: int
    execution: int
    neither: int
    kappa: float | None
    low: float | None
    high: float | None

    @property
    def n(self) -> int:
        return self.both + self.judge + self.execution + self.neither


def agree(pairs: Iterable[tuple[bool, bool]]) -> Agreement:
    """Cohen 1960, "A coefficient of agreement for nominal scales", of (judge says right, execution says right)."""
    import numpy as np

    counted = Counter(pairs)
    cells = [counted[pair] for pair in ((True, True), (True, False), (False, True), (False, False))]
    found: list[float | None] = [None] * 3
    if n := sum(cells):
        drawn = np.random.default_rng(0).multinomial(n, np.array(cells) / n, DRAWS)
        a, b, c, d = np.vstack([cells, drawn]).T / n
        chance = (a + b) * (a + c) + (b + d) * (c + d)
        known = chance < 1 - 1e-12
        kappas = (a + d - chance)[known] / (1 - chance[known])
        if known[0]:
            found = [float(kappas[0]), *map(float, np.quantile(kappas, [0.025, 0.975]))]
    names = ("both", "judge", "execution", "neither", "kappa", "low", "high")
    return Agreement(**dict(zip(names, [*cells, *found], strict=True)))
