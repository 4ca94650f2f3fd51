"""What must be known beside the figures: leakage, adapters that are not what they were, questions that do not count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.evaluation.adapters import training_file
from sqlft.evaluation.questions import sha256
from sqlft.evaluation.results import Answer, Leakage, ModelFigures, Question
from sqlft.inference.adapters import read_identity
from sqlft.prompts import hash_prompt
from sqlft.recipe import Recipe

FEW = 50


def cautions(
    recipe: Recipe,
    card: SchemaCard,
    questions: Sequence[Question],
    leakage: Leakage | None,
    folders: Mapping[str, Path],
    answers: Mapping[str, Sequence[Answer]],
    out: Mapping[str, int],
    models: Sequence[ModelFigures],
    notes: Sequence[str],
) -> list[str]:
    """A sentence for each; `notes` are those of gate and model, `out` says why questions do not count."""
    return [
        *_leakage_warnings(leakage, questions),
        *notes,
        *_identity_warnings(recipe, card, folders),
        *_count_warnings(questions, answers, out, models),
    ]


def leakage_banner(recipe: Recipe, folders: Mapping[str, Path], leakage: Leakage | None, asked: int) -> str:
    """Says in every report that golden questions were allowed in training, here or when an adapter was trained."""
    runs = {name: folder.parent / "run.json" for name, folder in folders.items()}
    trained = {name: json.loads(run.read_text(encoding="utf-8")) for name, run in runs.items() if run.is_file()}
    allowed = [name for name, run in trained.items() if run.get("recipe", {}).get("allow_leakage")]
    if not recipe.allow_leakage and not allowed:
        return ""
    seen = f"{leakage.either} of {asked} of these questions stand in a training file" if leakage else "none was checked"
    by = "the recipe" if recipe.allow_leakage else f"the recipe of {', '.join(allowed)}"
    return f"LEAKAGE IS ALLOWED: {by} says allow_leakage: true, and {seen}. Figures may show memory, not skill."


def _leakage_warnings(leakage: Leakage | None, questions: Sequence[Question]) -> list[str]:
    if leakage is None or not leakage.either:
        return []
    seen = f"{leakage.either} of {len(questions)} questions ({leakage.either / len(questions):.1%})"
    found = f"{leakage.by_question} by their question, {leakage.by_sql} by their SQL"
    return [
        f"LEAKAGE: {seen} stand in a training file, {found}. "
        "On those a figure shows memory, not skill; 'match, unseen only' leaves them out."
    ]


def _identity_warnings(recipe: Recipe, card: SchemaCard, folders: Mapping[str, Path]) -> list[str]:
    warnings = []
    prompt = hash_prompt(card, recipe.prompt)
    for name, folder in folders.items():
        identity, file = read_identity(folder), training_file(folder)
        trained_on = identity.get("data_sha256", {}).get("train")
        if not file.is_file():
            warnings.append(
                f"{name}: there is no {file}, so that leakage from what it was trained on could not be checked."
            )
        elif trained_on and trained_on != sha256(file):
            warnings.append(
                f"{name}: {file} has changed since it was trained, and leakage was checked against what is there now."
            )
        if identity.get("prompt_sha256", prompt) != prompt:
            warnings.append(f"{name} was trained with another prompt (card, date or wording) than it was asked with.")
        if identity.get("dtype", recipe.model.dtype) != recipe.model.dtype:
            warnings.append(f"{name} was trained in {identity['dtype']} and asked in {recipe.model.dtype}.")
    return warnings


def _count_warnings(
    questions: Sequence[Question],
    answers: Mapping[str, Sequence[Answer]],
    out: Mapping[str, int],
    models: Sequence[ModelFigures],
) -> list[str]:
    warnings = []
    counted = len(questions) - sum(out.values())
    if out:
        why = {"empty": "empty gold results", "gold_error": "gold queries that failed", "undetermined": "undecided"}
        shown = ", ".join(f"{number} {why[reason]}" for reason, number in out.items())
        warnings.append(
            f"{sum(out.values())} of {len(questions)} questions do not count ({shown}); the report shows them."
        )
    if counted < FEW:
        warnings.append(f"Only {counted} questions count: mind the intervals more than the percentages.")
    warnings += [
        f"{model.name}: {model.data_dependent} matches were data dependent, and count as wrong: a neighbour database "
        "parts them from gold."
        for model in models
        if model.data_dependent
    ]
    weak = Counter(
        name for name, given in answers.items() for a in given if "degenerate" in a.verdict.reasons and a.verdict.strict
    )
    warnings += [
        f"{name}: {number} matches are only of zeros, NULLs or empty text, and prove little."
        for name, number in weak.items()
    ]
    return warnings
