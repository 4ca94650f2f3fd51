"""Figures in plain words: what a reader who knows no statistics should take away."""

from __future__ import annotations

from sqlft.evaluation.results import ModelFigures, Results
from sqlft.evaluation.statistics import Share
from sqlft.evaluation.table import p_value, percent
from sqlft.records import Verdict

ASKED = {
    "golden": "the golden questions",
    "heldout": "the held-out questions",
    "development": "the development questions",
    "heldout_templates": "the held-out questions of templates that it never saw",
    "validation": "the validation questions",
}


REASONS = {
    "missing_columns": "a column of the gold has no partner with its values",
    "extra_columns": "more columns than asked for",
    "row_count": "another number of rows",
    "rows": "other rows",
    "order": "another order",
    "duplicates": "the same rows, not as often",
    "totals": "other totals",
    "missing_totals": "the totals are missing",
    "extra_totals": "totals that were not asked for",
    "totals_as_row": "the totals stand as an ordinary row",
    "tie_at_limit": "another choice among tied rows, as right as the gold's",
    "limit_without_order": "another choice of rows, no order being asked for",
    "type_coerced": "numbers as text",
    "rounded": "rounded to fewer decimals",
    "scaled_100": "percent for a ratio, or the other way round",
    "approximate": "within the 2% of an approximate function",
    "data_dependent": "right by luck: with other rows in the same tables the two differ",
    "degenerate": "only zeros, NULLs or empty text, which prove little",
    "gold_empty": "the gold is empty",
    "prediction_empty": "an empty result",
    "nondeterministic": "the gold differs from itself",
    "error": "the database does not accept it",
    "refused": "it may not be run",
    "timeout": "it ran out of time",
    "limit": "it ran into a limit",
    "crashed": "it crashed the process that ran it",
    "no_sql": "no SQL in the answer",
}
EVIDENCE = {
    "columns": "columns without a partner",
    "gold_rows": "only in the gold",
    "prediction_rows": "only here",
    "row_count": "rows of gold, rows here",
}


def verdict(given: Verdict) -> str:
    """A verdict's status and reasons, in words where there are words for them."""
    reasons = "; ".join(REASONS.get(reason, reason.replace("_", " ")) for reason in given.reasons)
    return given.status.replace("_", " ") + (f": {reasons}" if reasons else "")


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
