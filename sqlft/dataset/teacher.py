"""Who writes new question/SQL pairs: GPT-4o or another model at an endpoint, or the offline template grammar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.dataset.written import Progress, Written, with_format
from sqlft.recipe import Recipe
from sqlft.records import Example


def write_pairs(
    recipe: Recipe, card: SchemaCard, seeds: Sequence[Example], folder: Path, progress: Progress
) -> Written:
    """Lets the recipe's teacher write `teacher.examples` pairs.

    Args:
        recipe: Its `teacher`, `prompt`, `clean.max_rows` and `seed` are read.
        card: The database's schema card.
        seeds: What an endpoint's teacher is shown; the template teacher needs none.
        folder: Where the journal is kept.
        progress: Called as the pairs come.

    Raises:
        SqlftError: The endpoint fails, and what was written until then is in the journal; or the card offers the
            templates too few questions.
    """
    if recipe.teacher.kind == "template":
        return _from_templates(recipe, card, progress)
    from sqlft.dataset.openai_teacher import OpenAITeacher  # the openai client takes 2 s to import

    return OpenAITeacher(recipe, card, seeds, folder / "journal.jsonl").write(progress)


def _from_templates(recipe: Recipe, card: SchemaCard, progress: Progress) -> Written:
    from sqlft.dataset.template_teacher import TemplateTeacher

    examples = TemplateTeacher(card, recipe.seed).examples(recipe.teacher.examples)
    progress("teacher", len(examples), recipe.teacher.examples, "")
    return Written([with_format(example, recipe.prompt.format_clause) for example in examples])
