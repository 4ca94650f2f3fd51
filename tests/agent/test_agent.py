"""What each way of asking shows the writer, and what comes of it; the writer answers from a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sqlft.agent import Agent, Bm25, Remembered, Way
from sqlft.agent.writers import Keep
from sqlft.card import Column, SchemaCard, Table
from sqlft.database import QueryError, Result
from sqlft.dataset.journal import Journal
from sqlft.inference import Answer
from sqlft.inference.tokens import Chat
from sqlft.recipe import Generation, Prompt
from sqlft.records import Example

CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="id", type="UInt64")])])
SEEDS = [Example(question=f"Seed {n} about {w}?", sql=f"SELECT {n}") for n, w in enumerate(["cats", "dogs", "cows"])]
ASKED = {"1": "How many cats?", "2": "How many cows?"}


@dataclass
class Table_:
    """A writer that says what it is told to say about a chat, and lists what it was asked."""

    say: Callable[[Chat], str | list[str]]
    asked: list[Chat] = field(default_factory=list)
    roomy: bool = True
    identity: dict[str, Any] = field(default_factory=dict)

    def write(self, chats: Sequence[Chat], generation: Generation, keep: Keep) -> None:
        for place, chat in enumerate(chats):
            self.asked.append(chat)
            said = self.say(chat)
            texts = [said] * generation.samples if isinstance(said, str) else said
            assert len(texts) == generation.samples
            keep(place, [Answer(text, 10, 2, 0.5, True) for text in texts])

    def fits(self, chat: Chat, generation: Generation) -> bool:
        return self.roomy

    def dollars(self, answer: Answer) -> float | None:
        return answer.completion_tokens / 100


@dataclass
class Gate:
    """Runs what is in its table; everything else is unknown to it."""

    knows: dict[str, list[tuple[object, ...]]]
    ran: list[str] = field(default_factory=list)

    def run_many(self, sqls: Sequence[str]) -> list[Result | QueryError]:
        self.ran += sqls
        unknown = QueryError("Unknown identifier `idd`", 47, "UNKNOWN_IDENTIFIER", "id")
        return [Result(["n"], self.knows[s], ["UInt64"]) if s in self.knows else unknown for s in sqls]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Agent]:
    def make(writer: Table_, gate: Gate | None = None, **way: Any) -> Agent:
        remembered = Remembered(writer, Journal(tmp_path / "journal.jsonl"))
        decoding = Generation(temperature=1 if "samples" in way else 0)
        nearest = Bm25(SEEDS)
        return Agent(remembered, gate or Gate({}), CARD, Prompt(), decoding, Way(**way), SEEDS, nearest)

    return make


def words(chat: Chat) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in chat[1:]]


def test_asked_once_a_question_is_the_chat_that_was_trained_on_and_nothing_is_run(make: Callable[..., Agent]) -> None:
    writer, gate = Table_(lambda chat: "SELECT 1"), Gate({})
    found = make(writer, gate).answer(ASKED, "zero_shot")
    assert [words(chat) for chat in writer.asked] == [[("user", question)] for question in ASKED.values()]
    assert [(p.id, p.model, p.sql, p.attempts, p.votes, p.dollars) for p in found] == [
        (key, "zero_shot", "SELECT 1", 1, None, 0.02) for key in ASKED
    ]
    assert not gate.ran


def test_the_system_message_is_the_same_whatever_is_shown(make: Callable[..., Agent]) -> None:
    writer = Table_(lambda chat: "SELECT 1")
    for way in ({}, {"shots": 2}, {"shots": 2, "nearest": True}, {"reason": True}):
        make(writer, **way).answer(ASKED, "step")
    assert len({chat[0]["content"] for chat in writer.asked}) == 1 and writer.asked[0][0]["role"] == "system"


def test_shots_are_the_same_turns_before_every_question(make: Callable[..., Agent]) -> None:
    writer = Table_(lambda chat: "SELECT 1")
    make(writer, shots=2).answer(ASKED, "few_shot")
    shown = [("user", SEEDS[0].question), ("assistant", "SELECT 0"), ("user", SEEDS[1].question)]
    shown.append(("assistant", "SELECT 1"))
    assert [words(chat) for chat in writer.asked] == [[*shown, ("user", question)] for question in ASKED.values()]


def test_the_nearest_seeds_differ_by_question(make: Callable[..., Agent]) -> None:
    writer = Table_(lambda chat: "SELECT 1")
    make(writer, shots=1, nearest=True).answer(ASKED, "rag")
    assert [words(chat)[0] for chat in writer.asked] == [("user", SEEDS[0].question), ("user", SEEDS[2].question)]


def test_reasoning_is_asked_for_and_the_sql_is_taken_out_of_it(make: Callable[..., Agent]) -> None:
    writer = Table_(lambda chat: "First select the cats from users.\n\n```sql\nSELECT 7\n```")
    (found, _) = make(writer, reason=True).answer(ASKED, "reason")
    assert found.sql == "SELECT 7"
    assert writer.asked[0][-1]["content"].startswith("How many cats?") and "step by step" in str(writer.asked[0])


def test_reflection_hands_back_what_the_database_said_about_those_that_failed_alone(make: Callable[..., Agent]) -> None:
    def say(chat: Chat) -> str:
        if "cows" in chat[1]["content"]:
            return "SELECT id"
        return "SELECT id" if len(chat) > 2 else "SELECT idd"

    writer = Table_(say)
    repaired, right = make(writer, Gate({"SELECT id": [(1,)]}), reflections=2).answer(ASKED, "reflect")
    assert len(writer.asked) == 3
    told = words(writer.asked[2])
    assert told[:2] == [("user", "How many cats?"), ("assistant", "SELECT idd")]
    assert "Unknown identifier `idd`" in told[2][1] and "suggests: id" in told[2][1] and told[2][1].endswith("cats?")
    assert (repaired.sql, repaired.attempts, repaired.prompt_tokens, repaired.dollars) == ("SELECT id", 2, 20, 0.04)
    assert [(e.sql, "UNKNOWN_IDENTIFIER" in e.fault) for e in repaired.earlier] == [("SELECT idd", True)]
    assert (right.attempts, right.earlier) == (1, [])


def test_reflection_ends_after_so_many_rounds_and_keeps_what_was_worth_most(make: Callable[..., Agent]) -> None:
    says = ["no idea", "SELECT none", "SELECT idd"]
    writer = Table_(lambda chat: says[(len(chat) > 2) + ("no rows" in chat[-1]["content"])])
    (found,) = make(writer, Gate({"SELECT none": []}), reflections=2).answer({"1": "How many cats?"}, "reflect")
    assert [words(chat)[-1][1].partition("\n")[0] for chat in writer.asked] == [
        "How many cats?",
        "There is no SQL in that answer.",
        "That runs, but returns no rows.",
    ]
    assert (found.sql, found.attempts) == ("SELECT none", 3)  # an empty result is worth more than the error after it
    assert [e.fault for e in found.earlier][:1] == ["no_sql"] and len(found.earlier) == 2


def test_a_chat_without_room_for_another_round_is_not_asked_again(make: Callable[..., Agent]) -> None:
    writer = Table_(lambda chat: "SELECT idd", roomy=False)
    assert [p.attempts for p in make(writer, reflections=2).answer(ASKED, "reflect")] == [1, 1]


def test_a_vote_picks_the_result_that_most_samples_come_to(make: Callable[..., Agent]) -> None:
    samples = ["SELECT 1", "SELECT x", "SELECT 2", "select 2", "SELECT idd"]
    gate = Gate({"SELECT 1": [(1,)], "SELECT x": [(9,)], "SELECT 2": [(2,)], "select 2": [(2,)]})
    (found,) = make(Table_(lambda chat: samples), gate, samples=5).answer({"1": "How many cats?"}, "vote")
    assert (found.sql, found.votes, found.attempts, found.completion_tokens) == ("SELECT 2", 2, 5, 10)
    assert sorted(gate.ran) == sorted(samples)  # equal texts run once


NO = "The tables do not record cats."


@pytest.mark.parametrize(("decline", "attempts"), [(True, 1), (False, 3)])
def test_an_answer_that_may_decline_stands(make: Callable[..., Agent], decline: bool, attempts: int) -> None:
    agent = replace(make(Table_(lambda chat: NO), reflections=2), prompt=Prompt(decline=decline))
    (found,) = agent.answer({"1": "How many cats?"}, "reflect")
    assert (found.sql, found.text, found.attempts) == (None, NO, attempts)


@pytest.mark.parametrize(("decline", "sql", "votes"), [(True, None, 3), (False, "SELECT 1", 2)])
def test_answers_that_may_decline_have_a_vote(
    make: Callable[..., Agent], decline: bool, sql: str | None, votes: int
) -> None:
    writer, gate = Table_(lambda chat: ["SELECT 1", NO, "SELECT 1", NO, NO]), Gate({"SELECT 1": [(1,)]})
    agent = replace(make(writer, gate, samples=5), prompt=Prompt(decline=decline))
    (found,) = agent.answer({"1": "How many cats?"}, "vote")
    assert (found.sql, found.votes) == (sql, votes)
