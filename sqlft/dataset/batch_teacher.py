"""The teacher behind the Batch API: everything is asked in one file and fetched when it is done, at half the price.

What was submitted stands in the journal before and after it was, so that a build that was left, or killed, comes back
to the batch that is under way and begins no second one. What failed in a batch is asked again in the next.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from openai.types import Batch

from sqlft.dataset.answers import Answers, Pairs
from sqlft.dataset.commission import Commission, guess_tokens
from sqlft.dataset.journal import Entry, Journal, request_key
from sqlft.dataset.written import Progress, Written
from sqlft.inference.batch import HALF, UNDER_WAY, BatchApi
from sqlft.inference.completion import Completion, answer_format, read_completion
from sqlft.inference.endpoint import Chat, open_client
from sqlft.inference.prices import Cost, Meter
from sqlft.problems import SqlftError

FRUITLESS = 3
Asked = dict[str, int]
"""The number of each request in a batch, by its key."""


@dataclass
class BatchTeacher(Commission):
    """Writes pairs until `teacher.examples` are there, or the budget would not pay for the next batch.

    A round of its requests should be as large as the build, as nothing is asked in between.

    Attributes:
        poll: Seconds between two looks at a batch.
    """

    poll: float = field(default=30.0, kw_only=True)
    _each: float = field(default=0.0, init=False)
    _said: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._meter = Meter(self.section.model, self.section.budget_usd, share=HALF)

    def write(self, progress: Progress) -> Written:
        """Submits, waits and fetches, as often as it takes. Interrupt it whenever you like, and start it again.

        Raises:
            WrongUse: The key, the model or the address is not accepted, or nobody agrees to the cost.
            SqlftError: The endpoint fails, or several batches in a row bring nothing.
        """
        section, meter = self.section, self._meter
        with Journal(self.journal) as journal, open_client(section.model, section.base_url) as client:
            api = BatchApi(client)
            answers = Answers(self.recipe, self.requests, journal)
            for entry in journal.entries:
                meter.add(Cost(entry.prompt_tokens, entry.completion_tokens, entry.dollars))
            self._collect_open(api, journal, progress)
            fruitless, retries = 0, -1
            notes = list(self.requests.notes)
            while wanted := self._wanted(answers):
                before, retries = len(answers), retries + 1
                prompts = sum(guess_tokens(chat) for _, chat in wanted.values())
                self._each = (self.agree(meter, len(wanted), prompts) or 0.0) / len(wanted)
                if not (affordable := self._affordable(wanted)):
                    notes.append(self._at_budget(answers))
                    break
                self._collect(api, *self._submit(api, journal, affordable), answers, progress)
                fruitless = 0 if len(answers) > before else fruitless + 1
                if fruitless == FRUITLESS:
                    raise SqlftError(f"{FRUITLESS} batches in a row brought nothing; the last said: {self._said}")
            return Written(
                answers.examples(),
                calls=meter.calls,
                calls_kept=answers.kept,
                retries=max(0, retries),
                prompt_tokens=meter.prompt_tokens,
                completion_tokens=meter.completion_tokens,
                dollars=meter.dollars,
                notes=notes,
            )

    def _wanted(self, answers: Answers) -> dict[str, tuple[int, Chat]]:
        """The requests that are still to be answered, once the journal has said what it knows."""
        section = self.section
        wanted: dict[str, tuple[int, Chat]] = {}
        number = 0
        while answers.have + len(wanted) * section.pairs_per_prompt < section.examples:
            if numbers := answers.learn():
                answers.write_judged(numbers, answers.judge(numbers, self.survey))
                continue
            if not self.requests.ready(number):
                break
            if number not in answers:
                key, chat = answers.request(number)
                if not answers.recall(number, key):
                    wanted[key] = (number, chat)
            number += 1
        return wanted

    def _at_budget(self, answers: Answers) -> str:
        budget, wanted = self.section.budget_usd, self.section.examples
        if not answers.have:
            raise self.too_small(self._each, self._meter.dollars)
        return f"stopped at the budget of {budget} dollars with {answers.have} of {wanted} pairs"

    def _affordable(self, wanted: dict[str, tuple[int, Chat]]) -> dict[str, tuple[int, Chat]]:
        """As many of them as the budget bears; nothing stops a batch that is under way."""
        budget, spent = self._meter.budget, self._meter.dollars
        if budget is None or spent is None:
            return wanted
        each = 1.5 * max(self._meter.dearest, self._each)
        return dict(list(wanted.items())[: max(0, math.floor((budget - spent) / each))])

    def _submit(self, api: BatchApi, journal: Journal, wanted: dict[str, tuple[int, Chat]]) -> tuple[str, Asked]:
        section = self.section
        asked = {key: number for key, (number, _) in wanted.items()}
        submitted = sum(entry.key.startswith("submit ") for entry in journal.entries)
        mark = request_key(asked=asked, after=submitted)
        journal.add(Entry(key=f"submit {mark}", number=submitted, answer=asked, dollars=0.0))
        same = {"model": section.model, "temperature": section.temperature, "response_format": answer_format(Pairs)}
        batch_id = api.submit({key: {**same, "messages": chat} for key, (_, chat) in wanted.items()}, mark)
        journal.add(Entry(key=f"batch {mark}", number=submitted, answer=batch_id, dollars=0.0))
        return mark, asked

    def _collect_open(self, api: BatchApi, journal: Journal, progress: Progress) -> None:
        """Comes back to what an earlier start submitted and did not fetch, and writes it into the journal."""
        answers = Answers(self.recipe, self.requests, journal)
        known = answers.journal.answers
        for key in [key for key in known if key.startswith("submit ")]:
            mark = key.removeprefix("submit ")
            if f"done {mark}" in known:
                continue
            if f"batch {mark}" not in known:  # killed between submitting it and writing that down
                batch_id = api.find(mark)
                if batch_id is None:
                    continue
                answers.journal.add(Entry(key=f"batch {mark}", number=0, answer=batch_id, dollars=0.0))
            self._collect(api, mark, known[key], answers, progress)

    def _collect(self, api: BatchApi, mark: str, asked: Asked, answers: Answers, progress: Progress) -> None:
        batch = api.look(answers.journal.answers[f"batch {mark}"])
        while batch.status in UNDER_WAY:
            done = batch.request_counts.completed if batch.request_counts else 0
            progress("batch", done, len(asked), f"{batch.id} is {batch.status}; it goes on without you")
            time.sleep(self.poll)
            batch = api.look(batch.id)
        self._said = _reason(batch)
        for key, said in api.results(batch):
            if key in asked and key not in answers.journal.answers:
                self._take(answers, key, asked[key], said)
        answers.journal.add(Entry(key=f"done {mark}", number=0, answer=batch.status, dollars=0.0))
        have = min(answers.have, self.section.examples)
        progress("teacher", have, self.section.examples, f"{batch.id} is {batch.status}")
        answers.check_fruitful()

    def _take(self, answers: Answers, key: str, number: int, said: Completion | str) -> None:
        if isinstance(said, str):
            self._said = said  # it is asked again in the next batch
            return
        usage = said.usage
        cost = self._meter.count(usage.prompt_tokens, 0, usage.completion_tokens) if usage else Cost()
        try:
            answers.add(number, key, read_completion(said, Pairs), cost, said.time)
        except ValueError as error:
            answers.add_fault(number, key, str(error), cost)


def _reason(batch: Batch) -> str:
    problems = (batch.errors.data if batch.errors else None) or []
    return "; ".join(problem.message or "" for problem in problems) or f"the batch is {batch.status}"
