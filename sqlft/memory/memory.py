"""A memory: facts, who finds them in a question, and the experts that recall them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from sqlft.memory.bank import Own, ProductKeys, Rows, Shape, fact_key, name_layers
from sqlft.memory.facts import Fact
from sqlft.memory.recall import Recall
from sqlft.memory.router import Router, make_embed
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
    """

    facts: dict[str, Fact]
    router: Router
    shape: Shape
    rows: Rows
    layers: list[int]
    most: int = 4
    exact: set[str] = field(default_factory=set)

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
        phrasings = {fact.id: fact.phrasings for fact in facts}
        if self.facts or self.router.rarity:
            self.router.add(phrasings)
        else:
            self.router.fit(phrasings, others)
        cores = {fact.id: self.router.cores[fact.id] for fact in facts}
        embed = self.router.embed
        self.shape.add({name: fact_key({word: embed(word) for word in core}, core) for name, core in cores.items()})
        self.facts |= {fact.id: fact for fact in facts}

    def delete(self, names: Sequence[str]) -> None:
        """Forgets facts, and all that only they had.

        Raises:
            WrongUse: There is no such fact.
        """
        if missing := [name for name in names if name not in self.facts]:
            known = ", ".join(list(self.facts)[:5])
            raise WrongUse(Problem("facts", ", ".join(missing), "the memory has none of that id", f"It has: {known} …"))
        self.rows.drop(self.shape.drop(names))
        self.router.drop(names)
        self.facts = {name: fact for name, fact in self.facts.items() if name not in names}
        self.exact -= set(names)

    def find(self, question: str) -> list[str]:
        """The facts that a question opens; an empty list where memory stays out of it."""
        return self.router.find(question, self.most)

    def recall(self, opened: Sequence[Sequence[str]], device: Any = "cpu", everywhere: bool = False) -> Recall | None:
        """The experts for a batch whose rows opened these facts; None where no row opened any. See `Recall`."""
        numbers = [[number for name in names for number in self.shape.of(name)] for names in opened]
        width = max(map(len, numbers), default=0)
        if not width:
            return None
        every = sorted({number for own in numbers for number in own})
        rows = torch.cat([self.rows.read(every), torch.zeros(1, *self.rows.shape)]).to(device)
        place = {number: n for n, number in enumerate(every)}
        filled = [[place[n] for n in own] + [len(every)] * (width - len(own)) for own in numbers if own]
        count = iter(range(len(numbers)))
        return Recall(
            rows[torch.tensor(filled)], [next(count) if own else -1 for own in numbers], self.layers, everywhere
        )
