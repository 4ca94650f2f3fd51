"""Answers questions as an analyst would: looks at what is like them, writes SQL, runs it, and thinks again.

All questions go through each stage together, so that a local model has whole batches; a round of reflection asks only
about those that failed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlft.agent.retrieve import Nearest
from sqlft.agent.vote import Ran, vote
from sqlft.agent.writers import Remembered
from sqlft.card import SchemaCard
from sqlft.database import QueryError, Result
from sqlft.inference import Answer, extract_sql
from sqlft.inference.extract import declines
from sqlft.inference.tokens import Chat
from sqlft.prompts import render_chat, render_prompt
from sqlft.recipe import Generation, Prompt, Recipe
from sqlft.records import Attempt, Example, Prediction

AT_ONCE = 32
"""Questions whose samples' results are held at once."""
LONGEST_ERROR = 300


class Runs(Protocol):
    """What is wanted of the database's gate."""

    def run_many(self, sqls: Sequence[str]) -> list[Ran]: ...


@dataclass(frozen=True)
class Way:
    """What is done beside asking once.

    Attributes:
        shots: Seeds that are shown; the same ones for every question, or the `nearest` to each.
        reason: Think step by step before the SQL.
        reflections: Times that an error, an empty result or an answer without SQL is handed back, at most.
        samples: Answers that are voted on.
    """

    shots: int = 0
    nearest: bool = False
    reason: bool = False
    reflections: int = 0
    samples: int = 1

    @classmethod
    def of(cls, recipe: Recipe, parts: Collection[str]) -> Way:
        """What the parts of a step's name mean, or those of `agent.ask`; others are no part of a way."""
        section = recipe.agent
        return cls(
            shots=section.shots if {"few_shot", "rag"} & {*parts} else 0,
            nearest="rag" in parts,
            reason="reason" in parts,
            reflections=section.reflections if "reflect" in parts else 0,
            samples=section.samples if "vote" in parts else 1,
        )

    def decoding(self, recipe: Recipe) -> Generation:
        """As the recipe decodes; warm where several samples are to differ."""
        one = recipe.generation.model_copy(update={"samples": 1})
        warm = one.model_copy(update={"temperature": one.temperature or recipe.agent.temperature})
        return warm if self.samples > 1 else one


@dataclass(frozen=True)
class _Round:
    """What one round of asking about a question came to: the answers, the chosen one, and what the database said."""

    answers: list[Answer]
    chosen: Answer
    sql: str | None
    votes: int
    ran: Ran | None
    declined: bool

    @property
    def fault(self) -> str:
        """Why it is to be thought over; empty where it stands."""
        if self.sql is None:
            return "" if self.declined else "no_sql"
        if isinstance(self.ran, QueryError):
            return str(self.ran)[:LONGEST_ERROR]
        return "empty" if isinstance(self.ran, Result) and not self.ran.rows else ""

    @property
    def worth(self) -> int:
        """Rows are worth more than none, none more than an error: a later round may be worse than an earlier."""
        if self.sql is None:
            return 3 if self.declined else 0
        return 1 if isinstance(self.ran, QueryError) else 2 if self.fault else 3


@dataclass(frozen=True)
class Agent:
    """A writer, a gate, and a way to use them.

    Attributes:
        writer: Who writes.
        gate: Where reflection and vote run what was written; not used without them.
        card: What the prompt says of the database.
        prompt: The recipe's section.
        generation: How answers are decoded; `way.samples` of them are drawn.
        seeds: What may be shown.
        nearest: Finds the seeds nearest to a question, where `way.nearest` is set.
    """

    writer: Remembered
    gate: Runs
    card: SchemaCard
    prompt: Prompt
    generation: Generation
    way: Way = Way()
    seeds: Sequence[Example] = ()
    nearest: Nearest | None = None

    def answer(self, questions: Mapping[str, str], name: str) -> list[Prediction]:
        """Predictions under that name, in order. What leaves no room for another round is not thought over again.

        Args:
            questions: By id.
            name: What stands as `model` in each.

        Raises:
            WrongUse: Chats that do not fit into the model's context, all at once.
            SqlftError: The writer fails.
        """
        chats = [
            render_chat(
                self.card,
                render_prompt("reason", question=question) if self.way.reason else question,
                self.prompt,
                shown=[(seed.question, seed.sql) for seed in seeds],
            )
            for question, seeds in zip(questions.values(), self._show(list(questions.values())), strict=True)
        ]
        rounds: list[list[_Round]] = [[] for _ in chats]
        asked = dict(enumerate(chats))
        for left in reversed(range(1 + self.way.reflections)):
            for place, found in zip(asked, self._ask(list(asked.values())), strict=True):
                rounds[place].append(found)
            again = {n: self._hand_back(chats[n], rounds[n][-1]) for n in asked if left and rounds[n][-1].fault}
            asked = {n: chat for n, chat in again.items() if self.writer.writer.fits(chat, self.generation)}
        return [
            self._predict(key, question, name, found)
            for (key, question), found in zip(questions.items(), rounds, strict=True)
        ]

    def _show(self, questions: list[str]) -> Sequence[Sequence[Example]]:
        shots = min(self.way.shots, len(self.seeds))
        if shots and self.way.nearest and self.nearest:
            return self.nearest.find(questions, shots)
        # spread over the file, where the easy ones tend to come first
        return [[self.seeds[n * len(self.seeds) // shots] for n in range(shots)]] * len(questions)

    def _ask(self, chats: list[Chat]) -> list[_Round]:
        decoding = self.generation.model_copy(update={"samples": self.way.samples})
        written = self.writer.write(chats, decoding) if chats else []
        rounds: list[_Round] = []
        for start in range(0, len(written), AT_ONCE):
            some = [(answers, [extract_sql(a.text) for a in answers]) for answers in written[start : start + AT_ONCE]]
            ran: dict[str, Ran] = {}
            if self.way.reflections or self.way.samples > 1:
                distinct = list(dict.fromkeys(sql for _, sqls in some for sql in sqls if sql is not None))
                ran = dict(zip(distinct, self.gate.run_many(distinct), strict=True))
            for answers, sqls in some:
                place, votes = vote(sqls, ran) if len(sqls) > 1 else (0, 1)
                no = [n for n, sql in enumerate(sqls) if sql is None and declines(answers[n].text)]
                if declined := self.prompt.decline and (place in no or len(no) > votes):
                    place, votes = no[0], len(no)
                sql = sqls[place]
                rounds.append(_Round(answers, answers[place], sql, votes, ran.get(sql or ""), declined))
        return rounds

    def _hand_back(self, chat: Chat, last: _Round) -> Chat:
        error = last.ran if isinstance(last.ran, QueryError) else None
        told = render_prompt(
            "reflect",
            sql=last.sql,
            error=last.fault if error else "",
            hint=error.hint if error else "",
            question=chat[-1]["content"],
        )
        wrote = {"role": "assistant", "content": last.chosen.text.strip() or "…"}
        return [*chat, wrote, {"role": "user", "content": told}]

    def _predict(self, key: str, question: str, name: str, rounds: list[_Round]) -> Prediction:
        best = max(reversed(rounds), key=lambda found: found.worth)
        every = [answer for found in rounds for answer in found.answers]
        prices = [self.writer.writer.dollars(answer) for answer in every]
        return Prediction(
            id=key,
            question=question,
            model=name,
            text=best.chosen.text,
            sql=best.sql,
            prompt_tokens=sum(answer.prompt_tokens for answer in every),
            completion_tokens=sum(answer.completion_tokens for answer in every),
            seconds=sum(answer.seconds for answer in every),
            attempts=len(every),
            earlier=[Attempt(sql=found.sql, fault=found.fault) for found in rounds if found is not best],
            votes=best.votes if self.way.samples > 1 else None,
            dollars=None if None in prices else sum(price or 0.0 for price in prices),
            facts=best.chosen.facts,
            stopped=best.chosen.stopped,
        )
