"""The teacher behind an OpenAI-compatible endpoint: each call writes a few pairs, `teacher.concurrency` at a time.

Slots are planned in rounds (see `Plan`): when all calls of a round have come back its pairs are judged in a thread,
while the next round is asked for. What survived is in the journal too, so that a build which was killed and goes on
plans the same slots.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from sqlft.dataset.answers import Answers, Pairs
from sqlft.dataset.commission import Commission, count_calls, guess_tokens
from sqlft.dataset.journal import Journal
from sqlft.dataset.written import Progress, Written
from sqlft.inference.endpoint import Chat, Endpoint, MalformedAnswer, run_async
from sqlft.inference.prices import PRICES_OF, Cost
from sqlft.problems import SqlftError

LEAST_TOKENS = 60  # of a pair: a low guess, for the budget, until the first answer has come
Request = tuple[int, str, Chat]
"""A request's number, its key in the journal, and its messages."""
Tasks = set[asyncio.Task[None]]


@dataclass
class OpenAITeacher(Commission):
    """Writes pairs until `teacher.examples` are there or `teacher.budget_usd` is spent."""

    _calls: Tasks = field(default_factory=set, init=False)
    _judging: Tasks = field(default_factory=set, init=False)
    _begun: int = field(default=0, init=False)
    _least: float = field(default=0.0, init=False)
    _stopped: bool = field(default=False, init=False)
    _failure: BaseException | None = field(default=None, init=False)

    def write(self, progress: Progress) -> Written:
        """Asks for pairs, each answer in the journal as soon as it has come.

        Raises:
            WrongUse: The key, the model or the address is not accepted, nobody agrees to the cost, or the budget does
                not pay for one call.
            SqlftError: The endpoint fails, or answers nothing that can be read.
        """
        with Journal(self.journal) as journal:
            return run_async(self._write(Answers(self.recipe, self.requests, journal), progress))

    async def _write(self, answers: Answers, progress: Progress) -> Written:
        section = self.section
        async with Endpoint(section.model, section.base_url, budget=section.budget_usd) as endpoint:
            meter = endpoint.meter
            for entry in answers.journal.entries:
                meter.add(Cost(entry.prompt_tokens, entry.completion_tokens, entry.dollars))
            self._start(endpoint, answers, progress)
            while self._calls or self._judging:
                await asyncio.wait({*self._calls, *self._judging}, return_when=asyncio.FIRST_COMPLETED)
                done = {task for task in (*self._calls, *self._judging) if task.done()}  # more than `wait` saw
                self._calls -= done
                self._judging -= done
                for task in done:
                    self._failure = self._failure or task.exception()
                self._start(endpoint, answers, progress)
        if self._failure:
            raise self._resumable(self._failure, answers)
        if self._stopped and not len(answers):
            raise self.too_small(self._least, meter.dollars)
        examples = answers.examples()
        return Written(
            examples,
            calls=meter.calls,
            calls_kept=answers.kept,
            retries=meter.retries,
            prompt_tokens=meter.prompt_tokens,
            completion_tokens=meter.completion_tokens,
            dollars=meter.dollars,
            notes=[*self.requests.notes, *self._notes(endpoint, answers, len(examples))],
        )

    def _start(self, endpoint: Endpoint, answers: Answers, progress: Progress) -> None:
        """Begins as many calls as may be under way at once."""
        while len(self._calls) < self.section.concurrency and (request := self._next(endpoint, answers)):
            self._calls.add(asyncio.create_task(self._call(endpoint, answers, progress, request)))

    async def _call(self, endpoint: Endpoint, answers: Answers, progress: Progress, request: Request | None) -> None:
        """Makes a call, and another one at once when it has been answered, on the connection that it leaves."""
        while request:
            number, key, chat = request
            try:
                answer = await endpoint.ask(chat, schema=Pairs, temperature=self.section.temperature)
            except MalformedAnswer as error:
                answers.add_fault(number, key, str(error), error.cost)
            else:
                answers.add(number, key, answer.value, answer.cost, answer.created)
            answers.check_fruitful()
            progress("teacher", min(answers.have, self.section.examples), self.section.examples, _tally(endpoint))
            if request := self._next(endpoint, answers):
                self._start(endpoint, answers, progress)

    def _next(self, endpoint: Endpoint, answers: Answers) -> Request | None:
        """What may be asked now, if anything; begins the judging of a round that is complete."""
        section = self.section
        while not (self._stopped or self._failure):
            number, under_way = self._begun, self._begun - len(answers)
            if answers.have + under_way * section.pairs_per_prompt >= section.examples:
                break
            if not self._judging and (numbers := answers.learn()):
                self._judging.add(asyncio.create_task(self._judge(answers, numbers)))
            if not self.requests.ready(number):
                break
            key, chat = answers.request(number)
            if answers.recall(number, key):
                self._begun += 1
                continue
            self._estimate(endpoint, answers, chat)
            if endpoint.meter.affords(under_way + 1, self._least):
                self._begun += 1
                return number, key, chat
            if under_way:
                break  # one that is under way may cost less than was reckoned
            self._stopped = True
        return None

    async def _judge(self, answers: Answers, numbers: range) -> None:
        answers.write_judged(numbers, await asyncio.to_thread(answers.judge, numbers, self.survey))

    def _estimate(self, endpoint: Endpoint, answers: Answers, chat: Chat) -> None:
        """Asks, before the first call, whether what all calls will cost may be spent."""
        if self.agreed:
            return
        section = self.section
        prompt = guess_tokens(chat)
        self._least = endpoint.meter.price(prompt, 0, LEAST_TOKENS * section.pairs_per_prompt) or 0.0
        calls = count_calls(section, answers.have)
        self.agree(endpoint.meter, calls, calls * prompt, free=endpoint.local)

    def _resumable(self, failure: BaseException, answers: Answers) -> BaseException:
        if not answers.have or type(failure) is not SqlftError:
            return failure
        kept = f"{answers.have} of {self.section.examples} pairs are in the journal"
        return SqlftError(f"{failure} {kept}; the same command goes on from there.")

    def _notes(self, endpoint: Endpoint, answers: Answers, pairs: int) -> list[str]:
        section = self.section
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
            notes.append(f"{answers.barren} calls brought no pair (see `fault` in {self.journal.name})")
        if answers.journal.mended:
            notes.append("the journal ended in half a line, as a kill leaves it; that call was made again")
        if not endpoint.structured:
            notes.append(f"{endpoint.url} knows no structured output; plain JSON was asked for")
        return notes


def _tally(endpoint: Endpoint) -> str:
    meter = endpoint.meter
    dollars = "price not known" if meter.dollars is None else f"${meter.dollars:.2f}"
    return f"{meter.calls} calls, {meter.prompt_tokens + meter.completion_tokens:,} tokens, {dollars}"
