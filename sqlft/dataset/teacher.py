"""Who writes new question/SQL pairs: GPT-4o or another model at an endpoint, or the offline template grammar."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sqlft.card import SchemaCard
from sqlft.dataset.written import Confirm, Estimate, Progress, Survey, Written, with_format
from sqlft.recipe import Recipe
from sqlft.records import Example

if TYPE_CHECKING:
    from sqlft.dataset.requests import Requests


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
    from sqlft.dataset.requests import Requests  # the openai client takes 2 s to import
    from sqlft.dataset.slots import read_failures
    from sqlft.inference.endpoint import Endpoint

    Endpoint(recipe.teacher.model, recipe.teacher.base_url)  # says that there is no key before anything is looked up
    categories = read_failures(failures, card) if failures else []
    docs = _documentation(recipe, folder / "functions.json")
    batch = recipe.teacher.kind == "openai-batch"  # nothing is asked between its rounds: the build is one
    whole = math.ceil(recipe.teacher.examples / recipe.teacher.pairs_per_prompt) if batch else None
    requests = Requests(recipe, card, seeds, categories, docs, size=whole)
    return ask(recipe, requests, folder / "journal.jsonl", progress, survey=survey, confirm=confirm)


def estimate_cost(recipe: Recipe, card: SchemaCard, seeds: Sequence[Example]) -> Estimate | None:
    """What `write_pairs` says before its first call; asks nobody, wants no key and writes nothing.

    Returns:
        The estimate; None where the offline grammar writes, or nothing is left to be asked.

    Raises:
        WrongUse: There are no seeds to show, or the journal cannot be read.
    """
    section, folder = recipe.teacher, recipe.run_dir / "dataset"
    if section.kind == "template":
        return None
    from sqlft.dataset.commission import count_calls, estimate_calls, guess_tokens
    from sqlft.dataset.journal import read_answers
    from sqlft.dataset.requests import Requests
    from sqlft.inference.batch import HALF
    from sqlft.inference.prices import Meter

    journal, batch = folder / "journal.jsonl", section.kind == "openai-batch"
    calls = count_calls(section, len(read_answers(journal, section.model)) if journal.is_file() else 0)
    if calls <= 0:
        return None
    with TemporaryDirectory() as aside:
        kept, copied = folder / "functions.json", Path(aside) / "functions.json"
        if kept.is_file():
            shutil.copyfile(kept, copied)
        docs = _documentation(recipe, copied)
    requests = Requests(recipe, card, seeds, docs=docs, size=calls if batch else None)
    first = [guess_tokens(requests.chat(number)) for number in range(calls if batch else 1)]
    prompts = sum(first) if batch else calls * first[0]
    return estimate_calls(section, Meter(section.model, share=HALF if batch else 1.0), calls, prompts)


def _documentation(recipe: Recipe, kept: Path) -> dict[str, str]:
    from sqlft.dataset.slots.axes import axes
    from sqlft.dataset.slots.functions import read_functions

    names = [name for construct in axes().constructs for name in construct.docs] if recipe.teacher.slots else []
    return read_functions(names, kept) if names else {}


def ask(
    recipe: Recipe,
    requests: Requests,
    journal: Path,
    progress: Progress,
    *,
    survey: Survey | None = None,
    confirm: Confirm | None = None,
) -> Written:
    """Has the teacher's endpoint answer requests: call by call, or in batches where `teacher.kind` says so.

    Args:
        recipe: Its `teacher` is read.
        requests: What is asked.
        journal: Keeps the answers, so that what was stopped goes on where it was.
        progress: Called as the answers come.
        survey: Judges complete rounds; without it all pairs survive.
        confirm: Asked before the first call that costs.

    Raises:
        WrongUse: The key or the address is wrong, or nobody agrees to the cost.
        SqlftError: The endpoint fails.
    """
    from sqlft.dataset.batch_teacher import BatchTeacher
    from sqlft.dataset.openai_teacher import OpenAITeacher

    teacher = BatchTeacher if recipe.teacher.kind == "openai-batch" else OpenAITeacher
    return teacher(recipe, requests, journal, survey=survey, confirm=confirm).write(progress)


def _from_templates(recipe: Recipe, card: SchemaCard, progress: Progress, failures: Path | None) -> Written:
    from sqlft.dataset.slots import read_failures
    from sqlft.dataset.template_teacher import TemplateTeacher

    categories = read_failures(failures, card) if failures else []
    examples = TemplateTeacher(card, recipe.seed).examples(recipe.teacher.examples, categories)
    progress("teacher", len(examples), recipe.teacher.examples, "")
    return Written([with_format(example, recipe.prompt.format_clause) for example in examples])
