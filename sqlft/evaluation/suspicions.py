"""What looks wrong with a model, or with the judge, before one believes a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlft.evaluation.results import ModelFigures

MANY = 0.25


def suspicions(models: Sequence[ModelFigures]) -> list[str]:
    """A sentence for each: an adapter that does nothing, a model that answers in prose, a judge that says one thing."""
    return [sentence for model in models for sentence in _suspect(model, models[0].name)]


def _suspect(model: ModelFigures, base: str) -> Iterator[str]:
    n = model.no_sql.n
    if model.same_as_base == n:
        yield f"{model.name} answers all {n} questions as {base} does, letter for letter: it does nothing."
    prose = model.outcomes.get("no_sql", 0)  # to what the database cannot answer, no SQL is right
    counted = n - model.outcomes.get("out", 0)
    if prose > MANY * counted:
        yield (
            f"{model.name} gives no SQL to {prose} of {counted} questions that count, but something else, such as "
            "prose. These count as wrong, and say nothing of the SQL that it could write."
        )
    found = model.agreement
    if found and found.n > 1 and not (found.execution + found.neither and found.both + found.judge):
        always = "right" if found.both + found.judge else "wrong"
        yield (
            f"The judge calls all {found.n} answers of {model.name} {always}, {found.judge + found.execution} of them "
            "against execution: its advice tells nothing apart (kappa 0)."
        )
