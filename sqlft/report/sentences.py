"""Figures in plain words: what a reader who knows no statistics should take away."""

from __future__ import annotations

from sqlft.evaluation.results import ModelFigures, Results
from sqlft.evaluation.statistics import Share
from sqlft.evaluation.table import p_value, percent

ASKED = {
    "golden": "the golden questions",
    "heldout": "the held-out questions",
    "heldout_templates": "the held-out questions of templates that it never saw",
    "validation": "the validation questions",
}


def headline(results: Results) -> str:
    """One sentence on the base, or on the best adapter against it."""
    asked = ASKED.get(results.on, f"the questions of {results.on}")
    base = results.base
    if base.strict.n == 0:
        return f"Of {asked}, not one can be counted: see what is left out, and why."
    if len(results.models) == 1:
        return f"The base answers {_of(base.strict)} of {asked} right."
    best = max(results.models[1:], key=lambda model: model.strict.value or 0)
    name = best.name if len(results.models) == 2 else f"{best.name}, the best of {len(results.models) - 1} adapters,"
    return f"{name} answers {_of(best.strict)} of {asked} right; the base {_of(base.strict)}."


def comparison(model: ModelFigures) -> str:
    """A model against the base: how far apart, how sure, what was won and lost."""
    found = model.against_base
    if found is None or found.value is None:
        return ""
    points = f"{100 * found.value:+.0f} points ({100 * found.low:+.0f} to {100 * found.high:+.0f})"
    if found.p < 0.05:
        sure = f"chance alone would rarely make such a difference ({p_value(found.p)})"
    else:
        sure = f"chance alone may well make such a difference ({p_value(found.p)})"
    return (
        f"{model.name} against the base: {points}; {sure}. It is right on {found.fixed} that the base gets wrong, "
        f"and wrong on {found.broken} that the base gets right."
    )


def _of(share: Share) -> str:
    return f"{percent(share.value)} (n={share.n}, 95% CI {100 * share.low:.0f}–{percent(share.high)})"
