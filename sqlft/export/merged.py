"""The adapter merged into its unquantised base, kept only where it is as good as the adapter was."""

from __future__ import annotations

from pathlib import Path

from sqlft.evaluation import evaluate
from sqlft.evaluation.pipeline import Progress
from sqlft.evaluation.questions import sha256
from sqlft.evaluation.results import ModelFigures
from sqlft.export.card import write_card
from sqlft.export.source import Source, new_folder
from sqlft.inference.merge import merge_adapter, merged_section
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.recipe import Recipe


def export_merged(source: Source, folder: Path, progress: Progress | None = None) -> ModelFigures:
    """Merges, asks the merged model the golden questions, and keeps it where it lost no more than the recipe allows.

    Its evaluation is kept in runs/NAME-merged.

    Returns:
        What it got right.

    Raises:
        WrongUse: The golden set was not asked of the adapter, or is another one by now.
        SqlftError: It lost more than `evaluation.merge_loss`.
    """
    recipe = source.recipe
    asked = next(((results, model) for results, model in source.evaluations if results.on == "golden"), None)
    if asked is None or asked[0].settings["questions_sha256"] != sha256(recipe.golden):
        why = "the adapter has not answered it as it is now, and the merged model is measured by that"
        write = f"Run `sqlft evaluate {recipe.words} --adapter {source.adapter}` first."
        raise WrongUse(Problem(str(recipe.golden), "golden set", why, write))
    before, least = asked[1].strict, recipe.evaluation.merge_loss
    stress = asked[0].settings.get("stress", 0)  # it takes matches back, from both or from neither
    with new_folder(folder) as partial:
        merge_adapter(recipe.model, recipe.base, source.adapter, partial)
        after = evaluate(_merged_recipe(recipe, partial, stress), progress=progress).base
        lost = (before.value or 0.0) - (after.strict.value or 0.0)
        if lost > least + 1e-9:  # 0.8 less 0.7 is a little more than 0.1
            raise SqlftError(
                f"Merged, it has {after.strict.k} of {after.strict.n} golden questions right, and the adapter "
                f"{before.k} of {before.n}: it lost {100 * lost:.1f} points, and evaluation.merge_loss: {least:g} "
                f"allows {100 * least:g}. Nothing was written to {folder}."
            )
        write_card(source, partial, "merged", after)
    return after


def _merged_recipe(recipe: Recipe, folder: Path, stress: int) -> Recipe:
    """Asks the model in `folder`, by this machine, and nobody for advice."""
    merged = recipe.model_copy(deep=True)
    merged.name = f"{recipe.name}-merged"
    merged.model = merged_section(recipe.model).model_copy(update={"base": str(folder), "revision": None})
    merged.evaluation.endpoint = merged.evaluation.judge = None
    merged.evaluation.stress = stress
    return merged
