"""A memory: facts, who finds them in a question, and the experts that recall them."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sqlft.dataset.fold import fold_question
from sqlft.inference.tokens import Chat
from sqlft.memory.bank import Own, ProductKeys, Rows, Shape, fact_key, name_layers
from sqlft.memory.conductor import Conductor
from sqlft.memory.facts import Fact
from sqlft.memory.opening import Opening, locate_words, place_names
from sqlft.memory.purpose import WORDINGS, Purpose, name_in
from sqlft.memory.recall import Opened, Recall
from sqlft.memory.router import Router, make_embed, split_words
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Memory as Section


@dataclass
class Memory:
    """Facts beside a frozen model.

    Attributes:
        facts: By id.
        router: Finds them in questions.
        shape: Which experts a fact has.
        rows: The experts.
        layers: The model's layers that they stand beside.
        most: Facts that one question may open.
        exact: Ids of the facts that were recalled without error, with margin, when they were last looked at.
        conductor: What all facts share; None as long as none of them has uses.
        shared_rank: Of the conductor that is made then; 0: none is.
        left: Ids of facts whose uses are left to the model, which writes them right by itself: only questions that ask
            for them open them.
    """

    facts: dict[str, Fact]
    router: Router
    shape: Shape
    rows: Rows
    layers: list[int]
    most: int = 4
    exact: set[str] = field(default_factory=set)
    conductor: Conductor | None = None
    shared_rank: int = 0
    left: set[str] = field(default_factory=set)

    @classmethod
    def make(cls, model: Any, tokenizer: Any, section: Section) -> Memory:
        """An empty one for a model."""
        config = model.config
        layers = name_layers(config.num_hidden_layers, section.layers)
        own = section.shape == "experts"
        shape: Shape = Own() if own else ProductKeys(round(section.experts**0.5), section.retrieved)
        rank = section.rank if own else 1
        return cls(
            facts={},
            router=Router(make_embed(model, tokenizer)),
            shape=shape,
            rows=Rows((len(layers), 2, rank, config.hidden_size)),
            layers=layers,
            most=section.at_once,
            shared_rank=section.shared_rank,
        )

    def add(self, facts: Sequence[Fact], others: Sequence[str] = ()) -> None:
        """More facts, not recalled yet. The first ones fit the router, which is frozen then.

        Args:
            facts: Checked together with those that are there (`check_facts`).
            others: Questions about none of them, from which the router learns which words are common.

        Raises:
            WrongUse: A fact of an id that is there.
        """
        if twice := [fact.id for fact in facts if fact.id in self.facts]:
            raise WrongUse(Problem("facts", ", ".join(twice[:5]), "the memory has them", "Delete them first."))
        if not facts:
            return
        before = self._openings()
        phrasings = {fact.id: fact.phrasings for fact in facts}
        if self.facts or self.router.rarity:
            self.router.add(phrasings)
        else:
            self.router.fit(phrasings, others)
        cores = {fact.id: self.router.cores[fact.id] for fact in facts}
        embed = self.router.embed
        keys = {name: fact_key({word: embed(word) for word in core}, core) for name, core in cores.items()}
        self.shape.add(keys | {_used(fact.id): keys[fact.id].flip(0) for fact in facts if fact.uses})
        self.facts |= {fact.id: fact for fact in facts}
        if not self.router.purpose.odds:
            self.router.purpose = self._fit_purpose(others)
        if self.conductor is None and self.shared_rank and any(fact.uses for fact in facts):
            layers, _, _, width = self.rows.shape
            self.conductor = Conductor.make(layers, self.shared_rank, width)
        self._look_again(before)

    @property
    def fitting(self) -> bool:
        """Whether the conductor is trained with the next lessons in which facts are used, all of which it moves."""
        if self.conductor is None or self.conductor.fitted:
            return False
        asked = ((name, use.question) for name, fact in self.facts.items() for use in fact.asked)
        return any(name in (own := self.find(text)) and self._is_use(text, own) for name, text in asked)

    def delete(self, names: Sequence[str]) -> None:
        """Forgets facts, and all that only they had.

        Raises:
            WrongUse: There is no such fact.
        """
        if missing := [name for name in names if name not in self.facts]:
            known = ", ".join(list(self.facts)[:5])
            raise WrongUse(Problem("facts", ", ".join(missing), "the memory has none of that id", f"It has: {known} …"))
        if not names:
            return
        names, before = list(dict.fromkeys(names)), self._openings()
        self.rows.drop(self.shape.drop([*names, *(_used(name) for name in names if self.facts[name].uses)]))
        self.router.drop(names)
        self.facts = {name: fact for name, fact in self.facts.items() if name not in names}
        self.exact -= set(names)
        self.left -= set(names)
        self._look_again(before)

    def leave(self, names: Collection[str]) -> None:
        """Leaves the uses of these facts to the model: questions that open less now are to be looked at again."""
        before = self._openings()
        self.left |= set(names)
        self._look_again(before)
        self.exact -= set(names)

    @property
    def unsure(self) -> set[str]:
        """Ids of facts that are not exact, or one of whose questions opens such a fact, too."""
        missing = set(self.facts) - self.exact
        beside = {name for name, opened in self._openings().items() if missing & {n for own in opened for n in own}}
        return missing | (beside if missing else set())

    def _openings(self) -> dict[str, list[list[str]]]:
        """What the questions of exact facts open."""
        return {name: [self.find(use.question) for use in self.facts[name].asked] for name in self.exact}

    def _look_again(self, before: dict[str, list[list[str]]]) -> None:
        """Facts one of whose questions opens something else now are no longer known to be exact."""
        now = self._openings()
        self.exact -= {name for name, opened in now.items() if opened != before[name]}

    def find(self, question: str) -> list[str]:
        """The facts that a question opens; an empty list where memory stays out of it."""
        found = self.router.find(question, len(self.facts))
        purpose = self.router.purpose
        # what is left to the model needs words that ask for it: a bare name, or `What is …?`, may well want a query,
        # unless it is among its own phrasings
        if self.left & {*found} and purpose.score(self._around(question, found)) <= max(0.0, purpose.border):
            asked = fold_question(question)
            own = {name for name in self.left & {*found} if asked in map(fold_question, self.facts[name].phrasings)}
            found = [name for name in found if name not in self.left - own]
        return found[: self.most]

    def _is_use(self, question: str, facts: Sequence[str]) -> bool:
        """Whether it wants these facts inside another answer; of those without uses nothing is known."""
        return any(map(self._has_uses, facts)) and self.router.purpose.is_use(self._around(question, facts))

    def _has_uses(self, name: str) -> bool:
        """Whether a fact has experts for where it is used, which what is left to the model never needs."""
        return bool(self.facts[name].uses) and name not in self.left

    def _around(self, question: str, facts: Sequence[str]) -> set[str]:
        """The words of a question that do not name these facts."""
        return {*split_words(question)} - {word for name in facts for word in self.router.cores[name]}

    def _fit_purpose(self, others: Sequence[str]) -> Purpose:
        using = [fact for fact in self.facts.values() if fact.uses]
        asked, used = list[set[str]](), [{*split_words(other)} for other in others]
        for fact in using:
            name = name_in(fact.phrasings[0], self.router.cores[fact.id])
            every = [*fact.phrasings, *(wording.format(name) for wording in WORDINGS)]
            asked += [self._around(text, [fact.id]) for text in every]
            used += [self._around(use.question, [fact.id]) for use in fact.uses]
        return Purpose.fit(asked, used)

    def open(self, chats: Sequence[Chat], tokenizer: Any, date: datetime.date) -> list[Opening]:
        """What each chat's last turn opens; no facts where memory stays out of it.

        Args:
            chats: Without an answer.
            tokenizer: The base's.
            date: The chat template's.
        """
        return [self.place(self.find(chat[-1]["content"]), chat, tokenizer, date) for chat in chats]

    def place(
        self, facts: list[str], chat: Chat, tokenizer: Any, date: datetime.date, used: bool | None = None
    ) -> Opening:
        """Where in a chat's prompt the question stands that opened these facts, and what names each of them.

        Args:
            facts: See `find`.
            chat: Ends with the question.
            tokenizer: The base's.
            date: The chat template's.
            used: Whether it uses the facts; None where its words say so.
        """
        question = chat[-1]["content"].strip()
        used = self._is_use(question, facts) if used is None else used
        if not self.conductor or not (used or len(facts) > 1):
            return Opening(facts, used=used)
        count, words = locate_words(tokenizer, chat, date)
        return Opening(facts, count, place_names(words, self.router.places(question, facts)), used)

    def experts(self, opening: Opening) -> list[list[int]]:
        """The numbers of each opened fact's experts: others where it is used than where it is asked for."""
        using = [opening.used and self._has_uses(name) for name in opening.facts]
        return [self.shape.of(_used(name) if use else name) for name, use in zip(opening.facts, using, strict=True)]

    def recall(self, opened: Sequence[Opening], device: Any = "cpu") -> Recall | None:
        """The experts for a batch whose rows opened these facts; None where no row opened any. See `Recall`."""
        every = sorted({number for opening in opened for own in self.experts(opening) for number in own})
        if not every:
            return None
        place = {number: n for n, number in enumerate(every)}
        return self.recall_from(self.rows.read(every).to(device), place, opened)

    def recall_from(
        self, factors: Tensor, place: Mapping[int, int], opened: Sequence[Opening], answers: int = 1
    ) -> Recall:
        """`recall` by experts that are given, and where each number stands among them; see `Recall` for `answers`."""
        rows = []
        for one in opened:
            experts = [[place[number] for number in own] for own in self.experts(one)]
            rows.append(Opened(experts, one.question, one.names, one.used) if experts else None)
        conductor = self.conductor.to(factors.device) if self.conductor else None
        return Recall(factors, rows, self.layers, conductor, answers)


def _used(name: str) -> str:
    """What the experts of a fact are called that work where it is used."""
    return f"{name}\n(used)"
