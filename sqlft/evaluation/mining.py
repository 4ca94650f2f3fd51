"""Which of many pairs a model gets wrong: those are worth more in training than what it can do already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.evaluation.pipeline import Progress, advance, load_model, open_database
from sqlft.evaluation.scoring import check_gold, score
from sqlft.recipe import Recipe
from sqlft.records import Example

_WRONG = ("mismatch", "invalid")


def find_wrong(recipe: Recipe, adapter: Path, examples: Sequence[Example], tell: Progress) -> list[bool]:
    """Whether the adapter answers each pair's question otherwise than its SQL does.

    What cannot be judged, as where the pair's own SQL returns nothing, is not wrong.

    Args:
        recipe: The adapter's run.
        adapter: Its folder.
        examples: Pairs that it was not trained on.
        tell: Called as the work goes on.

    Raises:
        SqlftError: The database or the base fails.
    """
    from sqlft.inference import predict

    card, of = SchemaCard.load(recipe.schema_), len(examples)
    greedy = recipe.generation.model_copy(update={"samples": 1, "temperature": 0})
    with open_database(recipe, card) as gate:
        questions, golds = check_gold(gate, examples, lambda done: tell("candidates run", done, of, ""))
        model = load_model(recipe, {"asked": adapter}, tell)
        progress = advance(tell, "candidates asked", of)
        given = predict(model, examples, card, recipe.prompt, greedy, "asked", seed=recipe.seed, progress=progress)
        scored = score(gate, questions, golds, {"asked": given}, lambda done: tell("verdicts", done, of, ""))["asked"]
    return [
        question.gold == "sound" and answer.verdict.status in _WRONG
        for question, answer in zip(questions, scored, strict=True)
    ]
