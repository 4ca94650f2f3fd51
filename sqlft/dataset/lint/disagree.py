"""All that a question and its SQL can disagree on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlft.dataset.lint.dates import dates_disagree
from sqlft.dataset.lint.numbers import numbers_disagree
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark
from sqlft.dataset.lint.shape import (
    grouping_asked,
    grouping_unasked,
    percentage_without_hundred,
    superlative_without_order,
)
from sqlft.dataset.lint.values import terms_disagree, values_disagree

DISAGREEMENTS: tuple[Callable[[Pair], Iterable[Remark]], ...] = (
    dates_disagree,
    numbers_disagree,
    values_disagree,
    terms_disagree,
    superlative_without_order,
    percentage_without_hundred,
    grouping_asked,
    grouping_unasked,
)
