"""What a teacher has answered in one build: by request number, kept in the journal, judged round by round."""

from __future__ import annotations

import datetime
import time as clock

from pydantic import BaseModel, model_validator

from sqlft.dataset.journal import Entry, Journal, request_key
from sqlft.dataset.requests import Requests
from sqlft.dataset.written import Survey
from sqlft.inference.endpoint import Chat
from sqlft.inference.prices import Cost
from sqlft.problems import SqlftError
from sqlft.recipe import Recipe
from sqlft.records import Example

BARREN_CALLS = 5


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


class Answers:
    """The answers of one build.

    Args:
        recipe: Its `teacher` is read.
        requests: What is asked.
        journal: Where each answer goes before it counts.

    Attributes:
        kept: Answers that were in the journal already.
        barren: Answers of this run that held no pair.
    """

    def __init__(self, recipe: Recipe, requests: Requests, journal: Journal) -> None:
        self._section, self._requests, self.journal = recipe.teacher, requests, journal
        self._pairs: dict[int, list[Pair]] = {}
        self._times: dict[int, datetime.datetime | None] = {}
        self.have = self.kept = self.barren = 0

    def __len__(self) -> int:
        return len(self._pairs)

    def __contains__(self, number: int) -> bool:
        return number in self._pairs

    def request(self, number: int) -> tuple[str, Chat]:
        """The key and the messages of that request."""
        chat = self._requests.chat(number)
        section = self._section
        return request_key(model=section.model, temperature=section.temperature, chat=chat, number=number), chat

    def recall(self, number: int, key: str) -> bool:
        """Takes the answer from the journal; False where it has none."""
        if key not in self.journal.answers:
            return False
        self._take(number, Pairs.model_validate(self.journal.answers[key]).pairs, self.journal.times[key])
        self.kept += 1
        return True

    def add(self, number: int, key: str, pairs: Pairs, cost: Cost, created: int = 0) -> None:
        """Writes a new answer down, and takes it; `created` is its Unix time, 0 where the endpoint does not say."""
        time = datetime.datetime.fromtimestamp(created or int(clock.time()), datetime.UTC)
        self.journal.add(Entry(key=key, number=number, answer=pairs.model_dump(), time=time, **vars(cost)))
        self._take(number, pairs.pairs, time)
        self.barren += not pairs.pairs

    def add_fault(self, number: int, key: str, fault: str, cost: Cost) -> None:
        """Writes down an answer that cannot be read: it costs, holds no pair, and another build asks again."""
        self.journal.add(Entry(key=key, number=number, fault=fault, **vars(cost)))
        self._take(number, [], None)
        self.barren += 1

    def check_fruitful(self) -> None:
        """Raises SqlftError where most calls bring no pair."""
        if self.barren >= BARREN_CALLS and 2 * self.barren > len(self):
            said = self.journal.entries[-1].fault or "an empty list."
            raise SqlftError(f"{self.barren} calls brought no pair; the last: {said}")

    def examples(self, numbers: range | None = None) -> list[Example]:
        """The pairs of these requests, or the build's: `teacher.examples` in the order of their requests."""
        if numbers is not None:
            return [self._example(pair, number) for number in numbers for pair in self._pairs[number]]
        found = [self._example(pair, number) for number in sorted(self._pairs) for pair in self._pairs[number]]
        return found[: self._section.examples]

    def learn(self) -> range | None:
        """Tells the plan what survived of each complete round, as far as the journal knows.

        Returns:
            The numbers of a complete round that must be judged first; None where there is none.
        """
        while (plan := self._requests.plan) and all(number in self._pairs for number in plan.open_round):
            kept = self.journal.answers.get(self._round_key(plan.open_round))
            if kept is None:
                return plan.open_round
            plan.learn(kept)
        return None

    def judge(self, numbers: range, survey: Survey | None) -> list[int]:
        """How many pairs of each request of a round survive; all, where nobody judges. May run in a thread."""
        if survey is None:
            return [len(self._pairs[number]) for number in numbers]
        before = len(self.examples(range(numbers.start)))
        alive = iter(survey(self.examples(range(numbers.stop)))[before:])
        return [sum(next(alive) for _ in self._pairs[number]) for number in numbers]

    def write_judged(self, numbers: range, kept: list[int]) -> None:
        """Writes a round's survivors down."""
        self.journal.add(Entry(key=self._round_key(numbers), number=numbers.start, answer=kept, dollars=0.0))

    def _round_key(self, numbers: range) -> str:
        said = [[(pair.question, pair.sql) for pair in self._pairs[number]] for number in numbers]
        return request_key(round=numbers.start, pairs=said)

    def _take(self, number: int, pairs: list[Pair], time: datetime.datetime | None) -> None:
        self._pairs[number], self._times[number] = pairs, time
        self.have += len(pairs)

    def _example(self, pair: Pair, number: int) -> Example:
        slot, (prompt, seeds) = self._requests.slot(number), self._requests.shown(number)
        return Example(
            question=pair.question.strip(),
            sql=pair.sql.strip(),
            comment=pair.comment.strip(),
            source=self._section.model,
            level=slot.level if slot else "",
            slot=slot,
            teacher=self._section.kind,
            prompt_sha256=prompt,
            seeds=seeds,
            time=self._times[number],
        )
