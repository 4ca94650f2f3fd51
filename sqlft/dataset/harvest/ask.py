"""Has the teacher write the question that each imported query answers.

It is the machinery of `sqlft build` with other requests: the same key, budget, agreement and journal.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.dataset.fold import fold_sql
from sqlft.dataset.requests import Requests
from sqlft.dataset.teacher import ask
from sqlft.dataset.written import Confirm, Progress, Written
from sqlft.inference.endpoint import Chat
from sqlft.problems import Problem, WrongUse
from sqlft.prompts import render_prompt
from sqlft.recipe import Recipe
from sqlft.records import Example


class QuestionRequests(Requests):
    """Requests for the questions of given statements, `teacher.pairs_per_prompt` at a time."""

    def __init__(self, recipe: Recipe, card: SchemaCard, seeds: Sequence[Example], sqls: Sequence[str]) -> None:
        super().__init__(recipe, card, seeds)
        self._sqls = sqls

    def ready(self, number: int) -> bool:
        return bool(self._batch(number))

    def chat(self, number: int) -> Chat:
        text = render_prompt(
            "question",
            card=self._card,
            sqls=self._batch(number),
            seeds=self._draw_seeds(None, random.Random(f"{self._recipe.seed}:{number}")),
        )
        return [{"role": "user", "content": text}]

    def _batch(self, number: int) -> Sequence[str]:
        size = self._recipe.teacher.pairs_per_prompt
        return self._sqls[number * size : (number + 1) * size]


def need_teacher(recipe: Recipe) -> None:
    """Raises WrongUse where the recipe's teacher cannot write questions, or where its endpoint has no key."""
    if recipe.teacher.kind == "template":
        why = "the grammar writes its own pairs and cannot put a query into words"
        advice = "Write teacher.kind=openai, with teacher.base_url for any OpenAI-compatible endpoint."
        raise WrongUse(Problem(recipe.where("teacher", "kind"), "`teacher.kind: template`", why, advice))
    from sqlft.inference.endpoint import find_access

    find_access(recipe.teacher.base_url)


def ask_questions(
    recipe: Recipe,
    card: SchemaCard,
    seeds: Sequence[Example],
    sqls: Sequence[str],
    journal: Path,
    progress: Progress,
    confirm: Confirm | None = None,
) -> tuple[dict[str, Example], Written]:
    """Asks for the question of each statement.

    Args:
        recipe: Its `teacher` and `seed` are read.
        card: The database's schema card.
        seeds: Pairs that show how questions are put.
        sqls: Statements whose personal data is masked.
        journal: Keeps the answers, so that an import that was stopped goes on where it was.
        progress: Called as the questions come.
        confirm: Asked before the first call that costs.

    Returns:
        The pair of each statement that has one, by its statement; and what the calls cost.

    Raises:
        WrongUse: The teacher is no model, the key or the address is wrong, or nobody agrees to the cost.
        SqlftError: The endpoint fails.
    """
    need_teacher(recipe)
    shown = min(recipe.teacher.seeds_per_prompt, len(seeds))
    section = recipe.teacher.model_copy(update={"slots": False, "examples": len(sqls), "seeds_per_prompt": shown})
    recipe = recipe.model_copy(update={"teacher": section})
    requests = QuestionRequests(recipe, card, seeds, sqls)
    written = ask(recipe, requests, journal, progress, confirm=confirm)
    meant = {fold_sql(sql): sql for sql in sqls}
    pairs = {meant[folded]: pair for pair in written.examples if (folded := fold_sql(pair.sql)) in meant}
    return pairs, written
