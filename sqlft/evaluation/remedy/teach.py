"""What a teacher is to write about, by what a model got wrong: kinds of question, and no question's text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from sqlft.card import SchemaCard
from sqlft.dataset.slots import Failure
from sqlft.dataset.slots.axes import axes
from sqlft.dataset.template_teacher import bare
from sqlft.evaluation.diagnosis.categories import LABELS, Category, Finding
from sqlft.records import Example

_CONSTRUCTS: dict[Category, tuple[str, ...]] = {
    "date_range": ("periods", "dates"),
    "wrong_grouping": ("limit_by", "classes", "groups"),
    "wrong_join": ("absence", "join"),
    "wrong_order": ("limit_by", "ranking", "window", "rows"),
    "wrong_limit": ("limit_by", "ranking", "rows"),
    "distinct": ("distinct",),
    "scale": ("shares",),
    "totals": ("totals",),
    "wrong_aggregation": ("quantiles", "arg_max", "figures"),
    "wrong_metric": ("shares", "combinators", "figures", "distinct"),
}
"""The constructs that a category is about, the narrowest first; for the others, the narrowest that gold shows."""

_UNTAUGHT = ("limit", "unanswerable", "error")


def read_slots(wrong: Sequence[tuple[Example, Sequence[Finding]]], card: SchemaCard) -> list[Failure]:
    """Slots for `sqlft build --from-failures`, the commonest first.

    Args:
        wrong: Questions with gold SQL, and why the answers to them are wrong.
        card: The database's schema card.
    """
    categories = Counter(finding.category for _, findings in wrong for finding in findings)
    counts: Counter[tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = Counter()
    for example, findings in wrong:
        if taught := [finding.category for finding in findings if finding.category not in _UNTAUGHT]:
            # a wrong answer counts once: one that is wrong in five ways wants no more rows than another
            category = max(taught, key=categories.__getitem__)
            construct, beside = _constructs(category, example.sql)
            counts[LABELS[category], construct, beside, _tables(example.sql, card), _terms(example.sql, card)] += 1
    return [
        Failure(
            category=category,
            construct=construct,
            beside=list(beside),
            tables=list(tables),
            terms=list(terms),
            count=count,
        )
        for (category, construct, beside, tables, terms), count in counts.most_common()
    ]


def _constructs(category: Category, sql: str) -> tuple[str, tuple[str, ...]]:
    """The one that a category is about, and the others in the same query."""
    shown = [construct.name for construct in axes().constructs if construct.is_in(sql)]
    wanted = [name for name in _CONSTRUCTS.get(category, ()) if name in shown]
    chosen = (wanted or shown[::-1] or [""])[0]
    return chosen, tuple(name for name in shown if name != chosen)


def _tables(sql: str, card: SchemaCard) -> tuple[str, ...]:
    return tuple(name for name in card.table_names if re.search(rf"\b{re.escape(name.rpartition('.')[2])}\b", sql))


def _terms(sql: str, card: SchemaCard) -> tuple[str, ...]:
    """Terms whose definition stands in the SQL, the longest first; what is part of a longer one is left out."""
    text = bare(sql)
    found = [(term.term, bare(term.metric or term.condition)) for term in card.glossary]
    found = sorted(((term, said) for term, said in found if said and said in text), key=lambda item: -len(item[1]))
    kept: list[tuple[str, str]] = []
    for term, said in found:
        if not any(said in longer for _, longer in kept):
            kept.append((term, said))
    return tuple(term for term, _ in kept)
