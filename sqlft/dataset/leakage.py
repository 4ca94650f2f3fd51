"""Whether a training file gives questions away that an evaluation will ask: by their text, without a database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlft.card import SchemaCard
from sqlft.database.clauses import split_format
from sqlft.dataset.lint.leakage import NEAR_WITH_SQL, leaks
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark
from sqlft.dataset.lint.wording import named_values
from sqlft.problems import SqlftError
from sqlft.recipe import Recipe
from sqlft.records import Example, read_examples

_SHOWN = 3
_WORDS = {"leak_exact": "asks", "leak_near": "nearly asks", "leak_template": "holds the SQL of"}


def refuse_leaks(recipe: Recipe) -> None:
    """Compares train.jsonl with the golden set and `evaluation.questions`, unless the recipe allows leakage.

    Raises:
        SqlftError: Rows ask what will be asked: word for word, but for literals, in nearly the same words, or with the
            same SQL.
        WrongUse: A file cannot be read.
    """
    path = recipe.run_dir / "dataset" / "train.jsonl"
    if recipe.allow_leakage or not path.is_file():
        return
    rows = read_examples(path)
    found = find_leaks(recipe, rows, read_asked(recipe))
    if not found:
        return
    leaking = {place for place, _ in found}
    shown = [
        f"row {place + 1} {_WORDS[remark.code]} {remark.golden!r}"
        for place, remark in found[:_SHOWN]
        if remark.code in _WORDS
    ]
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise SqlftError(
        f"{path}: {len(leaking)} of {len(rows)} rows give away questions that will be asked: {'; '.join(shown)}{more}. "
        f"`sqlft build {recipe.words}` drops them; with allow_leakage: true they are trained on, and every report says "
        "so in red."
    )


def read_asked(recipe: Recipe) -> list[Example]:
    """The golden set and `evaluation.questions`.

    Raises:
        WrongUse: A file cannot be read.
    """
    return [example for file in (recipe.golden, *recipe.evaluation.questions) for example in read_examples(file)]


def find_leaks(recipe: Recipe, rows: Sequence[Example], asked: Sequence[Example]) -> list[tuple[int, Remark]]:
    """The rows, by place, that give one of these questions away by their text, each with what it gives away."""
    values = named_values(SchemaCard.load(recipe.schema_))
    return list(leaks(_pairs(rows), _pairs(asked), values, recipe.clean.leak_near, result=NEAR_WITH_SQL))


def _pairs(examples: Sequence[Example]) -> list[Pair]:
    return [Pair(place, e.question, split_format(e.sql)[0].strip()) for place, e in enumerate(examples)]
