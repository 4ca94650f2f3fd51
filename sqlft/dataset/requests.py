"""What each request to a teacher says: the card, the rules, some seeds, and the slot that it is to fill.

Request number i is the same in every build of the same recipe, so that a build that was killed asks only for what its
journal does not hold.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence

from sqlft.card import SchemaCard
from sqlft.dataset.slots import Failure, Plan
from sqlft.dataset.slots.axes import axes
from sqlft.dataset.written import with_format
from sqlft.inference.endpoint import Chat
from sqlft.problems import Problem, WrongUse
from sqlft.prompts import render_prompt
from sqlft.recipe import Recipe
from sqlft.records import Example, Slot


class Requests:
    """The requests of one build.

    Args:
        recipe: Its `teacher`, `prompt`, `clean.max_rows` and `seed` are read.
        card: The database's schema card.
        seeds: Hand-written pairs to draw from.
        failures: Categories that slots are drawn from.
        docs: A line of documentation by function or clause.
        size: Requests in a round; `teacher.requests_per_round` where None.

    Attributes:
        plan: Which slot a request fills; None where `teacher.slots` is off, and seeds are drawn at random.

    Raises:
        WrongUse: The recipe wants seeds shown and there are none, or failures and no slots.
    """

    def __init__(
        self,
        recipe: Recipe,
        card: SchemaCard,
        seeds: Sequence[Example],
        failures: Sequence[Failure] = (),
        docs: Mapping[str, str] | None = None,
        size: int | None = None,
    ) -> None:
        section = recipe.teacher
        if section.seeds_per_prompt and not seeds:
            why = f"it holds none, and each prompt shows {section.seeds_per_prompt}"
            raise WrongUse(Problem(str(recipe.seeds), "seeds", why, "Write some, or teacher.seeds_per_prompt: 0."))
        if failures and not section.slots:
            where = recipe.where("teacher", "slots")
            why = "failure categories are drawn as slots"
            raise WrongUse(Problem(where, "`teacher.slots: false`", why, "Write true, or leave --from-failures out."))
        self._recipe, self._docs = recipe, docs or {}
        self._card = render_prompt("card", card=card, full=True)  # the same in each prompt, and the most of it
        self._seeds = [with_format(seed, recipe.prompt.format_clause) for seed in seeds]
        self._shown: dict[int, tuple[str, list[str]]] = {}
        self._fitting: dict[str, frozenset[int]] = {}
        self.plan: Plan | None = None
        if section.slots:
            size = size or section.requests_per_round
            self.plan = Plan(card, recipe.seed, size, section.pairs_per_prompt, failures)

    @property
    def notes(self) -> list[str]:
        """What the user should know."""
        wanted = self._recipe.teacher.seeds_per_prompt
        return [f"each prompt shows all {len(self._seeds)} seeds, not {wanted}"] if len(self._seeds) < wanted else []

    def ready(self, number: int) -> bool:
        """Whether that request can be made yet."""
        return self.plan is None or self.plan.ready(number)

    def slot(self, number: int) -> Slot | None:
        """What it asks for."""
        return self.plan.slot(number) if self.plan else None

    def chat(self, number: int) -> Chat:
        """Its messages: the same for the same recipe, card, seeds and, from the third round on, survivors."""
        slot = self.slot(number)
        construct = axes().find_construct(slot.construct) if slot else None
        seeds = self._draw_seeds(slot, random.Random(f"{self._recipe.seed}:{number}"))
        text = render_prompt(
            "teacher",
            card=self._card,
            pairs=self._recipe.teacher.pairs_per_prompt,
            max_rows=self._recipe.clean.max_rows,
            format_clause=self._recipe.prompt.format_clause,
            slot=slot,
            level=axes().levels[slot.level].text if slot else "",
            construct=construct.text if construct else "",
            style=axes().styles[slot.style] if slot else "",
            docs={name: self._docs[name] for name in construct.docs if name in self._docs} if construct else {},
            seeds=seeds,
        )
        chat = [{"role": "user", "content": text}]
        self._shown[number] = _sha256(chat), [seed.id for seed in seeds]
        return chat

    def shown(self, number: int) -> tuple[str, list[str]]:
        """The SHA-256 of its text, and the ids of the seeds in it."""
        if number not in self._shown:
            chat = self.chat(number)
            self._shown.setdefault(number, (_sha256(chat), []))  # a subclass with chats of its own shows no seeds
        return self._shown[number]

    def _draw_seeds(self, slot: Slot | None, rng: random.Random) -> list[Example]:
        """Those that show the slot's construct come first, then those of its level, each in random order."""
        count = min(self._recipe.teacher.seeds_per_prompt, len(self._seeds))
        places = rng.sample(range(len(self._seeds)), len(self._seeds) if slot else count)
        if slot:
            shown = self._showing(slot.construct)
            places.sort(key=lambda place: (place not in shown, self._seeds[place].level != slot.level))
        return [self._seeds[place] for place in places[:count]]

    def _showing(self, name: str) -> frozenset[int]:
        """The places of the seeds that show a construct; found once, as it takes a millisecond."""
        if name not in self._fitting:
            construct = axes().find_construct(name)
            self._fitting[name] = frozenset(
                place
                for place, seed in enumerate(self._seeds)
                if construct.is_in(seed.sql) or set(construct.tags) & set(seed.tags)
            )
        return self._fitting[name]


def _sha256(chat: Chat) -> str:
    return hashlib.sha256("\n".join(message["content"] for message in chat).encode()).hexdigest()
