"""An evaluation against an earlier one, question by question; and whether both together are good enough to go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlft.dataset.fold import fold_sql
from sqlft.dataset.split import name_templates
from sqlft.evaluation.results import ModelFigures, Results, left_out
from sqlft.evaluation.statistics import adjust, difference
from sqlft.problems import Problem, WrongUse

COMPARED = ("engine", "model", "decoding", "prompt_sha256", "database", "limits", "clock")
"""Settings in which two evaluations should not differ, if what differs is to be the adapter's doing."""


def read_baseline(given: Path | str, place: str) -> Results:
    """An earlier evaluation.

    Args:
        given: The folder of an evaluation or of a run, or a run's name.
        place: The folder in a run's evaluation/ that holds the same questions.

    Raises:
        WrongUse: There is none, or it is not whole.
    """
    runs = [Path(given), Path("runs") / given]
    folders = [Path(given), *(run / "evaluation" / place for run in runs)]
    found = next((folder for folder in folders if (folder / "results.json").is_file()), None)
    if found is None:
        why = f"neither an evaluation nor a run that was asked the questions {place}"
        raise WrongUse(Problem("--baseline", str(given), why, f"Write runs/NAME, or runs/NAME/evaluation/{place}."))
    return Results.load(found)


def compare_with(results: Results, earlier: Results) -> None:
    """Sets `baseline`: each model against the earlier one of its name, else against the best earlier adapter.

    Compared are the questions that count in both, with the same words and the same gold SQL.

    Args:
        results: Changed in place; told in its warnings is what else is not as it was.
        earlier: The baseline.

    Raises:
        WrongUse: No question stands in both.
    """
    then = {(q.question, fold_sql(q.sql)): index for index, q in enumerate(earlier.questions)}
    gone, was_gone = left_out(results.questions, results.answers), left_out(earlier.questions, earlier.answers)
    places = [
        (index, before)
        for index, q in enumerate(results.questions)
        if index not in gone and (before := then.get((q.question, fold_sql(q.sql)))) is not None
        if before not in was_gone
    ]
    if not places:
        why = f"none of its {len(earlier.questions)} questions counts here too"
        raise WrongUse(Problem("--baseline", str(earlier.folder), why, "Give an evaluation on the same questions."))
    names = name_templates(results.questions)
    clusters = [names[id(results.questions[index])] for index, _ in places]
    for model in results.models:
        other = _partner(model, earlier.models)
        ours, theirs = results.answers[model.name], earlier.answers[other.name]
        pairs = [(ours[index].verdict.strict, theirs[before].verdict.strict) for index, before in places]
        results.baseline.append(difference(model.name, f"{earlier.run}, {other.name}", pairs, clusters))
    adjust(results.baseline)
    counted = len(results.questions) - len(gone)
    if len(places) < counted:
        results.warnings.append(f"{len(places)} of {counted} questions that count are compared with the baseline.")
    now, past = results.settings, earlier.settings
    if changed := [key for key in COMPARED if key in now and key in past and now[key] != past[key]]:
        results.warnings.append(
            f"The baseline was asked otherwise ({', '.join(changed)}): a difference from it may come from that."
        )


def shortfalls(results: Results, least: float | None) -> list[str]:
    """Why an evaluation is not good enough, in sentences: what makes `sqlft evaluate` end with 1.

    Args:
        results: An evaluation; its adapters are looked at, or the base where it is alone.
        least: The share that each of them must have right, 0 to 1; None asks for none.
    """
    found = []
    for model in [one for one in results.models[1:] if one.adapter] or results.models[-1:]:
        value = model.strict.value
        if least is not None and (value is None or value < least):
            right = f"{model.strict.k} of {model.strict.n} right"
            found.append(f"{model.name} on {results.on}: {right}, and {least:g} of them is the least.")
    found += [
        f"{one.model} on {results.on}: {one.broken} questions lost and {one.fixed} won against the baseline "
        f"({one.base}), more than chance explains (p = {one.holm:.2g})."
        for one in results.baseline
        if one.resampled.value is not None and one.resampled.value < 0 and one.holm < 0.05
    ]
    return found


def _partner(model: ModelFigures, earlier: Sequence[ModelFigures]) -> ModelFigures:
    same = [one for one in earlier if one.name == model.name]
    if same or model.adapter is None:  # the base with a memory is the base
        return (same or earlier)[0]
    return max(earlier[1:] or earlier, key=lambda one: one.strict.value or 0.0)
