"""The teacher behind the Batch API: everything is asked in one file and fetched when it is done, at half the price.

What was submitted stands in the journal before and after it was, so that a build that was left, or killed, comes back
to the batch that is under way and begins no second one. What failed in a batch is asked again in the next.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from openai.types import Batch
from openai.types.chat import ChatCompletion

from sqlft.dataset.answers import Answers, Pairs
from sqlft.dataset.journal import Entry, Journal, request_key
from sqlft.dataset.openai_teacher import USUAL_TOKENS
from sqlft.dataset.requests import Requests
from sqlft.dataset.written import Confirm, Estimate, Progress, Survey, Written
from sqlft.inference.batch import HALF, UNDER_WAY, BatchApi
from sqlft.inference.endpoint import Chat, answer_format, created_at, read_completion
from sqlft.inference.prices import Cost, Meter
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.recipe import Recipe

FRUITLESS = 3
Asked = dict[str, int]
"""The number of each request in a batch, by its key."""


class BatchTeacher:
    """Writes pairs until `teacher.examples` are there, or the budget would not pay for the next batch.

    Args:
        recipe: Its `teacher` is read.
        requests: What is asked; a round should be as large as the build, as nothing is asked in between.
        journal: The journal's path.
        survey: As for `OpenAITeacher`.
        confirm: As for `OpenAITeacher`.
        poll: Seconds between two looks at a batch.
    """

    def __init__(
        self,
        recipe: Recipe,
        requests: Requests,
        journal: Path,
        *,
        survey: Survey | None = None,
        confirm: Confirm | None = None,
        poll: float = 30.0,
    ) -> None:
        self._recipe, self._section, self._requests, self._path = recipe, recipe.teacher, requests, journal
        self._survey, self._confirm, self._poll = survey, confirm or (lambda estimate: estimate.bounded), poll
        self._meter = Meter(self._section.model, self._section.budget_usd, share=HALF)
        self._confirmed = False
        self._each = 0.0
        self._said = ""

    def write(self, progress: Progress) -> Written:
        """Submits, waits and fetches, as often as it takes. Interrupt it whenever you like, and start it again.

        Raises:
            WrongUse: The key, the model or the address is not accepted, or nobody agrees to the cost.
            SqlftError: The endpoint fails, or several batches in a row bring nothing.
        """
        section, meter = self._section, self._meter
        with Journal(self._path) as journal, BatchApi(section.model, section.base_url) as api:
            answers = Answers(self._recipe, self._requests, journal)
            for entry in journal.entries:
                meter.add(Cost(entry.prompt_tokens, entry.completion_tokens, entry.dollars))
            self._collect_open(api, journal, progress)
            fruitless, retries = 0, -1
            notes = list(self._requests.notes)
            while wanted := self._wanted(answers):
                before, retries = len(answers), retries + 1
                self._agree(answers, wanted)
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
        section = self._section
        wanted: dict[str, tuple[int, Chat]] = {}
        number = 0
        while answers.have + len(wanted) * section.pairs_per_prompt < section.examples:
            if numbers := answers.learn():
                answers.write_judged(numbers, answers.judge(numbers, self._survey))
                continue
            if not self._requests.ready(number):
                break
            if number not in answers:
                key, chat = answers.request(number)
                if not answers.recall(number, key):
                    wanted[key] = (number, chat)
            number += 1
        return wanted

    def _agree(self, answers: Answers, wanted: dict[str, tuple[int, Chat]]) -> None:
        section, meter = self._section, self._meter
        prompt = sum(len(chat[0]["content"].encode()) // 4 for _, chat in wanted.values())
        completion = len(wanted) * USUAL_TOKENS * section.pairs_per_prompt
        dollars = meter.price(prompt, 0, completion)
        self._each = (dollars or 0.0) / len(wanted)
        bounded = section.budget_usd is not None
        estimate = Estimate(section.model, len(wanted), prompt, completion, dollars, bounded)
        if not self._confirmed and not self._confirm(estimate):
            why = "nobody has agreed to that, and no budget bounds it"
            raise WrongUse(Problem("teacher", str(estimate), why, "Write --yes, or teacher.budget_usd: 20."))
        self._confirmed = True

    def _at_budget(self, answers: Answers) -> str:
        budget = self._section.budget_usd
        if not answers.have:
            why = f"one call costs about {self._each:.4f} dollars, and {self._meter.dollars:.4f} are spent"
            where = self._recipe.where("teacher", "budget_usd")
            raise WrongUse(Problem(where, f"`teacher.budget_usd: {budget}`", why, "Write more."))
        return f"stopped at the budget of {budget} dollars with {answers.have} of {self._section.examples} pairs"

    def _affordable(self, wanted: dict[str, tuple[int, Chat]]) -> dict[str, tuple[int, Chat]]:
        """As many of them as the budget bears; nothing stops a batch that is under way."""
        budget, spent = self._meter.budget, self._meter.dollars
        if budget is None or spent is None:
            return wanted
        each = 1.5 * max(self._meter.dearest, self._each)
        return dict(list(wanted.items())[: max(0, math.floor((budget - spent) / each))])

    def _submit(self, api: BatchApi, journal: Journal, wanted: dict[str, tuple[int, Chat]]) -> tuple[str, Asked]:
        section = self._section
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
        answers = Answers(self._recipe, self._requests, journal)
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
            time.sleep(self._poll)
            batch = api.look(batch.id)
        self._said = _reason(batch)
        for key, said in api.results(batch):
            if key in asked and key not in answers.journal.answers:
                self._take(answers, key, asked[key], said)
        answers.journal.add(Entry(key=f"done {mark}", number=0, answer=batch.status, dollars=0.0))
        have = min(answers.have, self._section.examples)
        progress("teacher", have, self._section.examples, f"{batch.id} is {batch.status}")
        answers.check_fruitful()

    def _take(self, answers: Answers, key: str, number: int, said: ChatCompletion | str) -> None:
        if isinstance(said, str):
            self._said = said  # it is asked again in the next batch
            return
        usage = said.usage
        cost = self._meter.count(usage.prompt_tokens, 0, usage.completion_tokens) if usage else Cost()
        try:
            answers.add(number, key, read_completion(said, Pairs), cost, created_at(said))
        except ValueError as error:
            answers.add_fault(number, key, str(error), cost)


def _reason(batch: Batch) -> str:
    problems = (batch.errors.data if batch.errors else None) or []
    return "; ".join(problem.message or "" for problem in problems) or f"the batch is {batch.status}"
