"""The teacher asked again about pairs that are there: for other SQL, or for the question that SQL answers.

It is the machinery of `sqlft build` with other requests: the same key, budget, agreement and append-only journals,
and the Batch API where the teacher's pairs came from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.dataset.commission import BudgetTooSmall
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.dataset.purse import Purse
from sqlft.dataset.requests import Requests
from sqlft.dataset.teacher import ask
from sqlft.inference.endpoint import Chat
from sqlft.problems import Problem, WrongUse
from sqlft.prompts import render_prompt
from sqlft.recipe import Recipe
from sqlft.records import Example


class _Listed(Requests):
    """Requests whose messages are given."""

    def __init__(self, recipe: Recipe, card: SchemaCard, chats: Sequence[str]) -> None:
        super().__init__(recipe, card, [])
        self._chats = chats

    def ready(self, number: int) -> bool:
        return number < len(self._chats)

    def chat(self, number: int) -> Chat:
        return [{"role": "user", "content": self._chats[number]}]


class SecondOpinion:
    """Asks again.

    Args:
        recipe: Its `teacher` and `clean.regenerations` are read.
        card: What the teacher is shown.
        folder: Where the journals are kept.
        purse: What it may spend, and who is asked for that.

    Raises:
        WrongUse: The recipe's teacher is the grammar, which has no second opinion.
    """

    def __init__(self, recipe: Recipe, card: SchemaCard, folder: Path, purse: Purse) -> None:
        clean = recipe.clean
        if recipe.teacher.kind == "template":
            key = "regenerations" if clean.regenerations else "back_translation"
            why = "the grammar can be asked nothing"
            what = f"`clean.{key}: {getattr(clean, key)}`"
            raise WrongUse(
                Problem(recipe.where("clean", key), what, why, "Leave it out, or write teacher.kind: openai.")
            )
        self._recipe, self._card, self._folder, self._purse = recipe, card, folder, purse

    def regenerate(self, questions: Sequence[str]) -> list[list[Example]]:
        """For each question, what the teacher answers when it is asked `clean.regenerations` times."""
        shown = {"card": self._card, "full": True}
        chats = [
            render_prompt("answer_again", question=question, **shown)
            for question in questions
            for _ in range(self._recipe.clean.regenerations)
        ]
        found: dict[str, list[Example]] = defaultdict(list)
        for example in self._ask(chats, 1, len(chats), "regenerations"):
            found[fold_question(example.question)].append(example)
        return [found[fold_question(question)] for question in questions]

    def read_back(self, sqls: Sequence[str]) -> list[str]:
        """For each statement, the question that the teacher reads in it; '' where it read none."""
        size = self._recipe.teacher.pairs_per_prompt
        batches = [sqls[place : place + size] for place in range(0, len(sqls), size)]
        chats = [render_prompt("read_back", sqls=batch, card=self._card, full=True) for batch in batches]
        made = self._ask(chats, size, len(sqls), "back_translations")
        found = {fold_sql(example.sql): example.question for example in made}
        return [found.get(fold_sql(sql), "") for sql in sqls]

    def _ask(self, chats: Sequence[str], pairs: int, wanted: int, what: str) -> list[Example]:
        section = self._recipe.teacher
        if not chats:
            return []
        name, notes = what.replace("_", " "), self._purse.notes
        changes = {"slots": False, "seeds_per_prompt": 0, "pairs_per_prompt": pairs, "examples": wanted}
        section = section.model_copy(update={**changes, "budget_usd": self._purse.left})
        recipe = self._recipe.model_copy(update={"teacher": section})
        requests, journal = _Listed(recipe, self._card, chats), self._folder / f"{what}.jsonl"

        def tell(_stage: str, done: int, of: int, note: str) -> None:
            self._purse.progress(name, done, of, note)

        try:
            written = ask(recipe, requests, journal, tell, confirm=self._purse.confirm)
        except BudgetTooSmall:
            notes.append(f"the budget is spent: {name} were not asked for")
            return []
        notes += [f"{name}: {note}" for note in written.notes]
        self._purse.paid.append(written)
        return written.examples
