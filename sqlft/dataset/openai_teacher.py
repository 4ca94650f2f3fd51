"""The teacher behind an OpenAI-compatible endpoint: from the card and a few random seeds it writes a few pairs a call.

After the walk of the recipe `article.yaml`: each call shows three seeds drawn at random and the whole card. Request
number i is the same in every build of the same recipe, its seeds drawn from (`seed`, i), so that a build that was
killed asks only for what its journal does not hold.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, model_validator

from sqlft.card import SchemaCard
from sqlft.dataset.journal import Entry, Journal, request_key
from sqlft.dataset.written import Progress, Written, with_format
from sqlft.inference.endpoint import Chat, Endpoint, MalformedAnswer, run_async
from sqlft.inference.prices import PRICES_OF, Cost
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.prompts import render_prompt
from sqlft.recipe import Recipe
from sqlft.records import Example

BARREN_CALLS = 5
TOKENS_OF_A_PAIR = 60  # a low guess, for the budget, until the first answer has come


class Pair(BaseModel):
    question: str
    sql: str
    comment: str


class Pairs(BaseModel):
    """What a call answers. Without structured output, a bare list of pairs is understood too."""

    pairs: list[Pair]

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: object) -> object:
        return {"pairs": value} if isinstance(value, list) else value


class OpenAITeacher:
    """Writes pairs until `teacher.examples` are there or `teacher.budget_usd` is spent.

    Args:
        recipe: Its `teacher`, `prompt`, `clean.max_rows` and `seed` are read.
        card: The database's schema card.
        seeds: Hand-written pairs to draw from.
        journal: The journal's path.

    Raises:
        WrongUse: The recipe wants seeds shown and there are none.
    """

    def __init__(self, recipe: Recipe, card: SchemaCard, seeds: Sequence[Example], journal: Path) -> None:
        self._recipe, self._section, self._card = recipe, recipe.teacher, card
        self._seeds = [with_format(seed, recipe.prompt.format_clause) for seed in seeds]
        self._path = journal
        if self._section.seeds_per_prompt and not seeds:
            why = f"it holds none, and each prompt shows {self._section.seeds_per_prompt}"
            raise WrongUse(Problem(str(recipe.seeds), "seeds", why, "Write some, or teacher.seeds_per_prompt: 0."))
        self._answered: dict[int, list[Pair]] = {}
        self._pending: set[asyncio.Task[tuple[int, list[Pair]]]] = set()
        self._kept = self._barren = 0
        self._estimate = 0.0
        self._stopped = False
        self._failure: BaseException | None = None

    def request(self, number: int) -> Chat:
        """The chat of that request: the same for the same recipe, card and seeds."""
        count = min(self._section.seeds_per_prompt, len(self._seeds))
        text = render_prompt(
            "teacher",
            card=self._card,
            full=True,
            pairs=self._section.pairs_per_prompt,
            max_rows=self._recipe.clean.max_rows,
            format_clause=self._recipe.prompt.format_clause,
            seeds=random.Random(f"{self._recipe.seed}:{number}").sample(self._seeds, count),
        )
        return [{"role": "user", "content": text}]

    def write(self, progress: Progress) -> Written:
        """Asks for pairs, `teacher.concurrency` calls at a time, each answer in the journal as soon as it has come.

        Raises:
            WrongUse: The key, the model or the address is not accepted, or the budget does not pay for one call.
            SqlftError: The endpoint fails, or answers nothing that can be read.
        """
        with Journal(self._path) as journal:
            return run_async(self._write(journal, progress))

    async def _write(self, journal: Journal, progress: Progress) -> Written:
        section = self._section
        async with Endpoint(section.model, section.base_url, budget=section.budget_usd) as endpoint:
            meter = endpoint.meter
            prompt_tokens = len(self.request(0)[0]["content"].encode()) // 4
            self._estimate = meter.price(prompt_tokens, 0, TOKENS_OF_A_PAIR * section.pairs_per_prompt) or 0.0
            for entry in journal.entries:
                meter.add(Cost(entry.prompt_tokens, entry.completion_tokens, entry.dollars))
            self._start_calls(endpoint, journal)
            while self._pending:
                done, self._pending = await asyncio.wait(self._pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._take(task, journal)
                progress("teacher", min(self._have, section.examples), section.examples, _tally(endpoint))
                self._start_calls(endpoint, journal)
        if self._failure:
            raise self._resumable(self._failure)
        if self._stopped and not self._answered:
            why = f"one call costs about {self._estimate:.4f} dollars, and {meter.dollars:.4f} are spent"
            what = f"`teacher.budget_usd: {section.budget_usd}`"
            raise WrongUse(Problem(self._recipe.where("teacher", "budget_usd"), what, why, "Write more."))
        pairs = [pair for number in sorted(self._answered) for pair in self._answered[number]][: section.examples]
        return Written(
            [_example(pair, section.model) for pair in pairs],
            calls=meter.calls,
            calls_kept=self._kept,
            retries=meter.retries,
            prompt_tokens=meter.prompt_tokens,
            completion_tokens=meter.completion_tokens,
            dollars=meter.dollars,
            notes=self._notes(endpoint, journal, len(pairs)),
        )

    @property
    def _have(self) -> int:
        return sum(map(len, self._answered.values()))

    def _start_calls(self, endpoint: Endpoint, journal: Journal) -> None:
        section = self._section
        while not (self._stopped or self._failure) and len(self._pending) < section.concurrency:
            if self._have + len(self._pending) * section.pairs_per_prompt >= section.examples:
                return
            number = len(self._answered) + len(self._pending)
            chat = self.request(number)
            key = request_key(model=section.model, temperature=section.temperature, chat=chat, number=number)
            if key in journal.answers:
                self._answered[number] = Pairs.model_validate(journal.answers[key]).pairs
                self._kept += 1
            elif endpoint.meter.affords(len(self._pending) + 1, self._estimate):
                self._pending.add(asyncio.create_task(self._call(endpoint, journal, number, key, chat)))
            elif self._pending:
                return  # one that is under way may cost less than was reckoned
            else:
                self._stopped = True

    async def _call(
        self, endpoint: Endpoint, journal: Journal, number: int, key: str, chat: Chat
    ) -> tuple[int, list[Pair]]:
        try:
            answer = await endpoint.ask(chat, schema=Pairs, temperature=self._section.temperature)
        except MalformedAnswer as error:
            journal.add(Entry(key=key, number=number, fault=str(error), **vars(error.cost)))
            return number, []
        journal.add(Entry(key=key, number=number, answer=answer.value.model_dump(), **vars(answer.cost)))
        return number, answer.value.pairs

    def _take(self, task: asyncio.Task[tuple[int, list[Pair]]], journal: Journal) -> None:
        if error := task.exception():
            self._failure = self._failure or error
            return
        number, pairs = task.result()
        self._answered[number] = pairs
        self._barren += not pairs
        if self._barren >= BARREN_CALLS and 2 * self._barren > len(self._answered):
            said = journal.entries[-1].fault or "an empty list."
            self._failure = self._failure or SqlftError(f"{self._barren} calls brought no pair; the last: {said}")

    def _resumable(self, failure: BaseException) -> BaseException:
        if not self._have or type(failure) is not SqlftError:
            return failure
        kept = (
            f"{self._have} of {self._section.examples} pairs are in the journal; the same command goes on from there."
        )
        return SqlftError(f"{failure} {kept}")

    def _notes(self, endpoint: Endpoint, journal: Journal, pairs: int) -> list[str]:
        section = self._section
        notes = []
        if self._stopped:
            notes.append(
                f"stopped at the budget of {section.budget_usd} dollars with {pairs} of {section.examples} pairs"
            )
        if endpoint.meter.dollars is None:
            notes.append(
                f"the price of {section.model} is not in the table of {PRICES_OF}: dollars are not counted, "
                "and the budget stops nothing"
            )
        if self._barren:
            notes.append(f"{self._barren} calls brought no pair (see `fault` in {self._path.name})")
        if journal.mended:
            notes.append("the journal ended in half a line, as a kill leaves it; that call was made again")
        if not endpoint.structured:
            notes.append(f"{endpoint.url} knows no structured output; plain JSON was asked for")
        if len(self._seeds) < section.seeds_per_prompt:
            notes.append(f"each prompt shows all {len(self._seeds)} seeds, not {section.seeds_per_prompt}")
        return notes


def _example(pair: Pair, model: str) -> Example:
    return Example(question=pair.question.strip(), sql=pair.sql.strip(), comment=pair.comment.strip(), source=model)


def _tally(endpoint: Endpoint) -> str:
    meter = endpoint.meter
    dollars = "price not known" if meter.dollars is None else f"${meter.dollars:.2f}"
    return f"{meter.calls} calls, {meter.prompt_tokens + meter.completion_tokens:,} tokens, {dollars}"
