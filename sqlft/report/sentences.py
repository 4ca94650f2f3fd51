"""Figures in plain words: what a reader who knows no statistics should take away."""

from __future__ import annotations

from sqlft.evaluation.clusters import Clustered
from sqlft.evaluation.results import BASE, ModelFigures, Results
from sqlft.evaluation.statistics import Difference, Share, fisher
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


def fault(given: str) -> str:
    """Why an attempt was given up, in words."""
    return {"empty": REASONS["prediction_empty"], "no_sql": REASONS["no_sql"]}.get(given, given)


def headline(results: Results) -> str:
    """One sentence on the base, or on the best adapter against it."""
    asked = ASKED.get(results.on, f"the questions of {results.on}")
    base = results.base
    if base.strict.n == 0:
        return f"Of {asked}, not one can be counted: see what is left out, and why."
    if len(results.models) == 1:
        return f"{'The base' if base.name == BASE else base.name} answers {_of(base.right)} of {asked} right."
    best = results.best
    kind = "steps" if results.is_ladder else "adapters" if all(m.adapter for m in results.models[1:]) else "models"
    others = f"{len(results.models) - 1} {kind}"
    name = best.name if len(results.models) == 2 else f"{best.name}, the best of {others},"
    return f"{name} answers {_of(best.right)} of {asked} right; {call(base.name)} {_of(base.right)}."


def finding(found: Difference | None) -> tuple[str, str]:
    """A difference in two or three words, and its colour: an outcome's name."""
    if found is None or found.value is None:
        return "", ""
    if found.holm >= 0.05 or not found.value:
        return "No difference seen", "out"
    return ("Better", "match") if found.value > 0 else ("Worse", "invalid")


def comparisons(results: Results) -> list[str]:
    """Each adapter, or the best step, against the base, and each model against the baseline, where there is one."""
    family = [model.against_base for model in results.models if model.against_base]
    told = [one for one in family if not results.is_ladder or one.model == results.best.name]
    found = [comparison(one, len(family)) for one in told]
    return found + [comparison(one, len(results.baseline), "the baseline") for one in results.baseline]


def comparison(found: Difference, of: int = 1, other: str = "") -> str:
    """A model against another: how far apart, how sure, what was won and lost.

    Args:
        found: The two on the same questions.
        of: Comparisons in its family, for which its p was adjusted.
        other: What the other is called, beside its name.
    """
    if found.value is None:
        return ""
    base = other or call(found.base)
    low, high = found.interval
    points = f"{100 * found.value:+.0f} points ({100 * low:+.0f} to {100 * high:+.0f})"
    p = p_value(found.holm) + (f", adjusted for {of} comparisons" if of > 1 else "")
    sure = "would rarely" if found.holm < 0.05 else "may well"
    named = f"{other} ({found.base})" if other else base
    return (
        f"{found.model} against {named}: {points}; chance alone {sure} make such a difference ({p}). It is right on "
        f"{found.fixed} that {base} gets wrong, and wrong on {found.broken} that {base} gets right."
    )


def reach(results: Results) -> list[str]:
    """What these questions can show: how many of them are independent, and how many five points would take."""
    grouped, found = results.base.clustered, []
    counted = results.base.strict.n
    if grouped and grouped.clusters < counted:
        found.append(
            f"The {counted} questions that count come from {grouped.clusters} SQL "
            f"template{'s' * (grouped.clusters != 1)}. Questions of one template "
            "stand or fall together, so that intervals and p values go by templates."
        )
    if samples := max(len(model.samples) for model in results.models):
        found.append(
            f"Each question was answered {samples} times: shares and p values are of all {samples} samples, and the "
            "answers shown below are the first."
        )
    best = results.best.against_base
    if best and best.value is not None:
        apart = best.fixed + best.broken
        found.append(
            f"{results.best.name} and {call(best.base)} differ on {apart} of {counted} questions. At that rate a "
            f"difference of 5 points shows, four times in five, on about {best.needed} independent questions; here are "
            f"{grouped.clusters if grouped else counted}."
        )
    return found


def judged(model: ModelFigures) -> str:
    """How far a judge agrees with execution; empty where none was asked."""
    found = model.agreement
    if found is None:
        return ""
    same = f"{model.name}: judge and execution agree on {found.both + found.neither} of {found.n} answers"
    if found.kappa is None or found.low is None or found.high is None:
        return f"{same}, and both say the same of every answer, so that nothing can be told of its worth."
    worth = f"kappa {found.kappa:.2f} ({found.low:.2f} to {found.high:.2f})"
    if found.kappa == 0 and 0 in (found.judge + found.both, found.execution + found.neither):
        always = "right" if found.judge + found.both else "wrong"
        return f"{same}. But it calls every answer {always}: {worth}, which is what chance alone brings."
    return (
        f"{same}: {worth}; 1 is full agreement, 0 what chance brings. It calls {found.judge} right that execution "
        f"calls wrong, and {found.execution} wrong that execution calls right."
    )


def swayed(model: ModelFigures) -> str:
    """Whether a judge's opinion goes by which query it was shown first; empty where it saw one order alone, or none."""
    if len(model.agreement_by_first) < 2:
        return ""
    gold, own = model.agreement_by_first["gold"], model.agreement_by_first["answer"]
    called = [(found.both + found.judge, found.n) for found in (gold, own)]
    p = fisher(*called[0], *called[1])
    sure = "The place sways it" if p < 0.05 else "No sign that the place sways it"
    told = [
        f"{right} of {n} right and agrees with execution on {found.both + found.neither}"
        for (right, n), found in zip(called, (gold, own), strict=True)
    ]
    return f"Shown the gold query first, it calls {told[0]}; shown the model's first, {told[1]}. {sure} ({p_value(p)})."


def call(name: str) -> str:
    """How sentences call a model: the base is no name."""
    return "the base" if name == BASE else name


def _of(share: Share) -> str:
    n = f"n={share.n}" + (f" in {share.clusters} templates" if isinstance(share, Clustered) else "")
    return f"{percent(share.value)} ({n}, 95% CI {100 * share.low:.0f}–{percent(share.high)})"
