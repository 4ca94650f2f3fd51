"""The teacher behind an OpenAI-compatible endpoint: each call writes a few pairs, `teacher.concurrency` at a time.

Slots are planned in rounds (see `Plan`): when all calls of a round have come back its pairs are judged in a thread,
while the next round is asked for. What survived is in the journal too, so that a build which was killed and goes on
plans the same slots.
"""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

from sqlft.dataset.answers import Answers, Pairs
from sqlft.dataset.journal import Journal
from sqlft.dataset.requests import Requests
from sqlft.dataset.written import Confirm, Estimate, Progress, Survey, Written
from sqlft.inference.endpoint import Chat, Endpoint, MalformedAnswer, run_async
from sqlft.inference.prices import PRICES_OF, Cost
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.recipe import Recipe

LEAST_TOKENS = 60  # of a pair: a low guess, for the budget, until the first answer has come
USUAL_TOKENS = 130  # of a pair with its comment and its JSON: a fair guess, for the estimate


class OpenAITeacher:
    """Writes pairs until `teacher.examples` are there or `teacher.budget_usd` is spent.

    Args:
        recipe: Its `teacher` is read.
        requests: What is asked.
        journal: The journal's path.
        survey: Judges the pairs of complete rounds; without it all survive.
        confirm: Asked before the first call that costs; without it, what has no bound is not begun.
    """

    def __init__(
        self,
        recipe: Recipe,
        requests: Requests,
        journal: Path,
        *,
        survey: Survey | None = None,
        confirm: Confirm | None = None,
    ) -> None:
        self._recipe, self._section, self._requests, self._path = recipe, recipe.teacher, requests, journal
        self._survey, self._confirm = survey, confirm or (lambda estimate: estimate.bounded)
        self._calls: set[asyncio.Task[None]] = set()
        self._judging: set[asyncio.Task[None]] = set()
        self._least = 0.0
        self._confirmed = self._stopped = False
        self._failure: BaseException | None = None

    def write(self, progress: Progress) -> Written:
        """Asks for pairs, each answer in the journal as soon as it has come.

        Raises:
            WrongUse: The key, the model or the address is not accepted, nobody agrees to the cost, or the budget does
                not pay for one call.
            SqlftError: The endpoint fails, or answers nothing that can be read.
        """
        with Journal(self._path) as journal:
            return run_async(self._write(Answers(self._recipe, self._requests, journal), progress))

    async def _write(self, answers: Answers, progress: Progress) -> Written:
        section = self._section
        async with Endpoint(section.model, section.base_url, budget=section.budget_usd) as endpoint:
            meter = endpoint.meter
            for entry in answers.journal.entries:
                meter.add(Cost(entry.prompt_tokens, entry.completion_tokens, entry.dollars))
            self._start(endpoint, answers)
            while self._calls or self._judging:
                await asyncio.wait({*self._calls, *self._judging}, return_when=asyncio.FIRST_COMPLETED)
                done = {task for task in (*self._calls, *self._judging) if task.done()}  # more than `wait` saw
                self._calls -= done
                self._judging -= done
                for task in done:
                    self._failure = self._failure or task.exception()
                progress("teacher", min(answers.have, section.examples), section.examples, _tally(endpoint))
                self._start(endpoint, answers)
        if self._failure:
            raise self._resumable(self._failure, answers)
        if self._stopped and not len(answers):
            why = f"one call costs about {self._least:.4f} dollars, and {meter.dollars:.4f} are spent"
            what = f"`teacher.budget_usd: {section.budget_usd}`"
            raise WrongUse(Problem(self._recipe.where("teacher", "budget_usd"), what, why, "Write more."))
        examples = answers.examples()
        return Written(
            examples,
            calls=meter.calls,
            calls_kept=answers.kept,
            retries=meter.retries,
            prompt_tokens=meter.prompt_tokens,
            completion_tokens=meter.completion_tokens,
            dollars=meter.dollars,
            notes=[*self._requests.notes, *self._notes(endpoint, answers, len(examples))],
        )

    def _start(self, endpoint: Endpoint, answers: Answers) -> None:
        """Begins as many calls as may be under way at once, and the judging of a round that is complete."""
        section = self._section
        while not (self._stopped or self._failure) and len(self._calls) < section.concurrency:
            if answers.have + len(self._calls) * section.pairs_per_prompt >= section.examples:
                return
            if not self._judging and (numbers := answers.learn()):
                self._judging.add(asyncio.create_task(self._judge(answers, numbers)))
            number = len(answers) + len(self._calls)
            if not self._requests.ready(number):
                return
            key, chat = answers.request(number)
            if answers.recall(number, key):
                continue
            self._agree(endpoint, answers, chat)
            if endpoint.meter.affords(len(self._calls) + 1, self._least):
                self._calls.add(asyncio.create_task(self._call(endpoint, answers, number, key, chat)))
            elif self._calls:
                return  # one that is under way may cost less than was reckoned
            else:
                self._stopped = True

    async def _call(self, endpoint: Endpoint, answers: Answers, number: int, key: str, chat: Chat) -> None:
        try:
            answer = await endpoint.ask(chat, schema=Pairs, temperature=self._section.temperature)
        except MalformedAnswer as error:
            answers.add_fault(number, key, str(error), error.cost)
        else:
            answers.add(number, key, answer.value, answer.cost, answer.created)
        answers.check_fruitful()

    async def _judge(self, answers: Answers, numbers: range) -> None:
        answers.write_judged(numbers, await asyncio.to_thread(answers.judge, numbers, self._survey))

    def _agree(self, endpoint: Endpoint, answers: Answers, chat: Chat) -> None:
        """Asks, before the first call, whether what all calls will cost may be spent."""
        if self._confirmed:
            return
        section, meter = self._section, endpoint.meter
        prompt = len(chat[0]["content"].encode()) // 4
        self._least = meter.price(prompt, 0, LEAST_TOKENS * section.pairs_per_prompt) or 0.0
        calls = math.ceil((section.examples - answers.have) / section.pairs_per_prompt)
        completion = USUAL_TOKENS * section.pairs_per_prompt
        dollars = meter.price(calls * prompt, 0, calls * completion)
        bounded = dollars is None and endpoint.local if section.budget_usd is None else True
        estimate = Estimate(section.model, calls, calls * prompt, calls * completion, dollars, bounded)
        if not self._confirm(estimate):
            why = "nobody has agreed to that, and no budget bounds it"
            raise WrongUse(Problem("teacher", str(estimate), why, "Write --yes, or teacher.budget_usd: 20."))
        self._confirmed = True

    def _resumable(self, failure: BaseException, answers: Answers) -> BaseException:
        if not answers.have or type(failure) is not SqlftError:
            return failure
        kept = f"{answers.have} of {self._section.examples} pairs are in the journal"
        return SqlftError(f"{failure} {kept}; the same command goes on from there.")

    def _notes(self, endpoint: Endpoint, answers: Answers, pairs: int) -> list[str]:
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
        if answers.barren:
            notes.append(f"{answers.barren} calls brought no pair (see `fault` in {self._path.name})")
        if answers.journal.mended:
            notes.append("the journal ended in half a line, as a kill leaves it; that call was made again")
        if not endpoint.structured:
            notes.append(f"{endpoint.url} knows no structured output; plain JSON was asked for")
        return notes


def _tally(endpoint: Endpoint) -> str:
    meter = endpoint.meter
    dollars = "price not known" if meter.dollars is None else f"${meter.dollars:.2f}"
    return f"{meter.calls} calls, {meter.prompt_tokens + meter.completion_tokens:,} tokens, {dollars}"
