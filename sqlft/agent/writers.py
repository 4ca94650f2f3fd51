"""Who writes the answers: the local base, with or without an adapter, or an endpoint; and what they wrote is kept."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlft.dataset.journal import Entry, Journal, request_key
from sqlft.inference import Answer, LocalModel
from sqlft.inference.adapters import template_hash
from sqlft.inference.endpoint import Endpoint, for_each
from sqlft.inference.load import base_folder, hash_base, hash_file, load_context, load_tokenizer
from sqlft.inference.prices import add_up, price_of
from sqlft.inference.served import ServedModel, read_answer
from sqlft.inference.tokens import Chat, fits
from sqlft.prompts import date_string
from sqlft.recipe import Generation, Recipe

CONCURRENCY = 16
"""Calls that an endpoint is asked at a time."""

Keep = Callable[[int, list[Answer]], None]
"""Called with a chat's place and its answers, as soon as they are there."""


class Writer(Protocol):
    """Answers chats.

    Attributes:
        identity: All that its answers depend on, beside the chat and the decoding.
    """

    identity: dict[str, Any]

    def write(self, chats: Sequence[Chat], generation: Generation, keep: Keep) -> None: ...

    def fits(self, chat: Chat, generation: Generation) -> bool: ...

    def dollars(self, answer: Answer) -> float | None: ...


class LocalWriter:
    """The recipe's base on this machine.

    Args:
        recipe: Its model, date and seed.
        adapter: An adapter's name and folder; None for the base alone.
        load: Loads the base with that adapter among others; called when there is something to write.
        memory: The folder of a memory that was made beside it.
    """

    def __init__(
        self,
        recipe: Recipe,
        adapter: tuple[str, Path] | None,
        load: Callable[[], LocalModel],
        memory: Path | None = None,
    ) -> None:
        folder = base_folder(recipe.model, recipe.base)
        self._tokenizer, self._context = load_tokenizer(folder), load_context(folder)
        self._recipe, self._load, self._adapter = recipe, load, adapter[0] if adapter else None
        self._memory = memory
        weights = sorted(adapter[1].glob("adapter_*")) if adapter else []
        self.identity = {
            "base": hash_base(folder),
            "model": recipe.model.model_dump(exclude={"base", "revision"}),
            "template": template_hash(self._tokenizer),
            "date": str(recipe.prompt.date),
            "adapter": [hash_file(file) for file in weights],
            "seed": recipe.seed,
            # names the file of its experts, which each save gives a name of its own
            **({"memory": hash_file(memory / "memory.json")} if memory else {}),
        }

    def write(self, chats: Sequence[Chat], generation: Generation, keep: Keep) -> None:
        """As `LocalModel.generate`. Samples of chats that are written in two goes differ from those written in one."""

        def read_once(place: int, answers: list[Answer]) -> None:
            first, *more = answers  # the prompt was read for the first, and serves the others
            keep(place, [first, *(Answer(**asdict(answer) | {"prompt_tokens": 0}) for answer in more)])

        one = generation.model_copy(update={"batch_size": max(1, generation.batch_size // generation.samples)})
        date, seed = self._recipe.prompt.date, self._recipe.seed
        model, adapter = self._load(), self._adapter
        if self._memory:
            from sqlft.memory import load_memory

            load_memory(model, self._memory)
        model.generate(chats, one, date, adapter=adapter, memory=bool(self._memory), seed=seed, keep=read_once)

    def fits(self, chat: Chat, generation: Generation) -> bool:
        """Whether the chat leaves room for an answer."""
        return fits(self._tokenizer, chat, self._recipe.prompt.date, self._context, generation.max_new_tokens)

    def dollars(self, answer: Answer) -> float | None:
        hour = self._recipe.agent.gpu_hour_usd
        return None if hour is None else answer.seconds * hour / 3600


class EndpointWriter:
    """A model behind an OpenAI-compatible endpoint.

    Raises:
        WrongUse: The endpoint wants a key and there is none.
    """

    def __init__(self, recipe: Recipe, model: str, base_url: str | None) -> None:
        self._endpoint = Endpoint(model, base_url)
        self._date = date_string(recipe.prompt.date)
        self._prices = recipe.agent.prices.get(model) or price_of(model)
        self.identity = {"model": model, "url": self._endpoint.url, "date": self._date}

    def write(self, chats: Sequence[Chat], generation: Generation, keep: Keep) -> None:
        """Each sample is a call of its own, since not every server knows `n`.

        Raises:
            WrongUse, SqlftError: As `Endpoint.write`.
        """

        async def one(place: int) -> None:
            chat = self._dated(chats[place])
            keep(place, list(await asyncio.gather(*(self._ask(chat, generation) for _ in range(generation.samples)))))

        for_each(self._endpoint, range(len(chats)), one, max(1, CONCURRENCY // generation.samples))

    async def _ask(self, chat: Chat, generation: Generation) -> Answer:
        began = time.perf_counter()
        completion, cost = await self._endpoint.write(chat, generation)
        return read_answer(completion, cost, time.perf_counter() - began)

    def _dated(self, chat: Chat) -> Chat:
        """The date stands where Llama's template writes it for the local base: nobody is to guess which day it is."""
        system = {**chat[0], "content": f"Today Date: {self._date}\n\n{chat[0]['content']}"}
        return [system, *chat[1:]]

    def fits(self, chat: Chat, generation: Generation) -> bool:
        return True

    def dollars(self, answer: Answer) -> float | None:
        return add_up(self._prices, answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens)


class ServedWriter:
    """The recipe's base or an adapter on a server, with the prompts that they were trained on; see `ServedModel`.

    Args:
        recipe: Its date and seed.
        served: The server.
        adapter: The adapter's name there; None for the base.
    """

    def __init__(self, recipe: Recipe, served: ServedModel, adapter: str | None) -> None:
        self._recipe, self._served, self._adapter = recipe, served, adapter
        name, date = adapter or recipe.model.base, str(recipe.prompt.date)
        self.identity: dict[str, Any] = {"model": name, "url": served.url, "date": date, "seed": recipe.seed}

    def write(self, chats: Sequence[Chat], generation: Generation, keep: Keep) -> None:
        """As `ServedModel.generate`."""
        date, seed = self._recipe.prompt.date, self._recipe.seed
        found = self._served.generate(chats, generation, date, adapter=self._adapter, seed=seed)
        for place, answers in enumerate(found):
            keep(place, answers)

    def fits(self, chat: Chat, generation: Generation) -> bool:
        """As `ServedModel.fits`."""
        return self._served.fits(chat, self._recipe.prompt.date, generation.max_new_tokens)

    def dollars(self, answer: Answer) -> float | None:
        return None


@dataclass(frozen=True)
class Remembered:
    """A writer, and a journal of what it wrote: the same chat with the same decoding is never asked twice.

    Attributes:
        tell: Told how many of the chats are answered, and of how many.
    """

    writer: Writer
    journal: Journal
    tell: Callable[[int, int], None] = lambda done, of: None

    def write(self, chats: Sequence[Chat], generation: Generation) -> list[list[Answer]]:
        """`generation.samples` answers to each chat, in order."""
        decoding = generation.model_dump(exclude={"batch_size"})
        keys = [request_key(writer=self.writer.identity, chat=chat, decoding=decoding) for chat in chats]
        kept = self.journal.answers
        missing = {key: place for place, key in enumerate(keys) if key not in kept}
        left = list(missing.values())
        done = itertools.count(len(chats) - len(left))
        self.tell(next(done), len(chats))

        def keep(place: int, answers: list[Answer]) -> None:
            self.journal.add(Entry(key=keys[left[place]], number=0, answer=[asdict(answer) for answer in answers]))
            self.tell(next(done), len(chats))

        if left:
            self.writer.write([chats[place] for place in left], generation, keep)
        return [[Answer(**answer) for answer in kept[key]] for key in keys]
