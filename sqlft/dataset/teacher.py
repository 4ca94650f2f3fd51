"""Who writes new question/SQL pairs: GPT-4o or another model at an endpoint, or the offline template grammar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.database.clauses import split_format
from sqlft.recipe import Recipe
from sqlft.records import Example

FORMAT_CLAUSE = "FORMAT TabSeparatedWithNames"

Progress = Callable[[str, int, int, str], None]
"""Called with the stage's name, how much of it is done, of how much, and a note (tokens, dollars)."""


@dataclass
class Written:
    """What a teacher wrote.

    Attributes:
        calls: Calls made now; `calls_kept` were in the journal already.
        dollars: Of all calls, those of earlier runs in the same folder included; None where the price is not known.
        notes: What the user should know: a stop at the budget, a mended journal.
    """

    examples: list[Example]
    calls: int = 0
    calls_kept: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float | None = 0.0
    notes: list[str] = field(default_factory=list)


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


def with_format(example: Example, clause: bool) -> Example:
    """The example with its SQL ending in the FORMAT clause that prompts ask for, or in none."""
    sql = split_format(example.sql)[0].strip()
    return example.model_copy(update={"sql": f"{sql} {FORMAT_CLAUSE}" if clause else sql})
