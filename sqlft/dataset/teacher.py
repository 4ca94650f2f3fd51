"""Who writes new question/SQL pairs: GPT-4o or another model at an endpoint, or the offline template grammar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.dataset.written import Confirm, Progress, Survey, Written, with_format
from sqlft.recipe import Recipe
from sqlft.records import Example


def write_pairs(
    recipe: Recipe,
    card: SchemaCard,
    seeds: Sequence[Example],
    folder: Path,
    progress: Progress,
    *,
    survey: Survey | None = None,
    confirm: Confirm | None = None,
    failures: Path | None = None,
) -> Written:
    """Lets the recipe's teacher write `teacher.examples` pairs.

    Args:
        recipe: Its `teacher`, `prompt`, `clean.max_rows` and `seed` are read.
        card: The database's schema card.
        seeds: What an endpoint's teacher is shown; the template teacher needs none.
        folder: Where the journal is kept.
        progress: Called as the pairs come.
        survey: Says which pairs survive cleaning; slots go where few do.
        confirm: Asked before the first call that costs.
        failures: A file of failure categories, which slots are drawn from.

    Raises:
        WrongUse: The file of failures is none, or nobody agrees to the cost.
        SqlftError: The endpoint fails, and what was written until then is in the journal; or the card offers the
            templates too few questions.
    """
    if recipe.teacher.kind == "template":
        return _from_templates(recipe, card, progress, failures)
    from sqlft.dataset.openai_teacher import OpenAITeacher  # the openai client takes 2 s to import
    from sqlft.dataset.requests import Requests
    from sqlft.dataset.slots import read_failures
    from sqlft.dataset.slots.axes import axes
    from sqlft.dataset.slots.functions import read_functions
    from sqlft.inference.endpoint import Endpoint

    Endpoint(recipe.teacher.model, recipe.teacher.base_url)  # says that there is no key before anything is looked up
    categories = read_failures(failures, card) if failures else []
    docs = {}
    if recipe.teacher.slots:
        names = [name for construct in axes().constructs for name in construct.docs]
        docs = read_functions(names, folder / "functions.json")
    journal = folder / "journal.jsonl"
    if recipe.teacher.kind == "openai-batch":
        from sqlft.dataset.batch_teacher import BatchTeacher

        whole = math.ceil(recipe.teacher.examples / recipe.teacher.pairs_per_prompt)
        requests = Requests(recipe, card, seeds, categories, docs, size=whole)
        return BatchTeacher(recipe, requests, journal, survey=survey, confirm=confirm).write(progress)
    requests = Requests(recipe, card, seeds, categories, docs)
    return OpenAITeacher(recipe, requests, journal, survey=survey, confirm=confirm).write(progress)


def _from_templates(recipe: Recipe, card: SchemaCard, progress: Progress, failures: Path | None) -> Written:
    from sqlft.dataset.slots import read_failures
    from sqlft.dataset.template_teacher import TemplateTeacher

    categories = read_failures(failures, card) if failures else []
    examples = TemplateTeacher(card, recipe.seed).examples(recipe.teacher.examples, categories)
    progress("teacher", len(examples), recipe.teacher.examples, "")
    return Written([with_format(example, recipe.prompt.format_clause) for example in examples])
