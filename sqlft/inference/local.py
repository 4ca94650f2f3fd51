"""One loaded base and any number of named adapters; the base is what answers when all adapters are switched off."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date as Date
from pathlib import Path
from typing import Any, Protocol

from sqlft.card import SchemaCard
from sqlft.inference.adapters import check_identity, load_adapter
from sqlft.inference.extract import extract_sql
from sqlft.inference.load import Base, load_base
from sqlft.inference.tokens import Chat, Row, keep_apart, tokenize_chats
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.prompts import render_chat
from sqlft.recipe import Generation, Model, Prompt
from sqlft.records import Example, Prediction


@dataclass(frozen=True)
class Answer:
    """One answer to one chat. `seconds` is its batch's wall time divided by the batch's answers, or an endpoint's own.

    Attributes:
        cached_tokens: The part of the prompt that an endpoint had read before, and charges less for.
        facts: Ids of the facts that a memory opened for the question; None where none was asked.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    stopped: bool
    cached_tokens: int = 0
    facts: list[str] | None = None


class Opening(Protocol):
    """The facts that a chat opened, and how many of its last tokens are read with them."""

    @property
    def facts(self) -> list[str]: ...

    @property
    def question(self) -> int: ...


class Memory(Protocol):
    """Finds facts in questions and recalls them. See `sqlft.memory`."""

    def open(self, chats: Sequence[Chat], tokenizer: Any, date: Date) -> Sequence[Opening]: ...

    def recall(self, opened: Sequence[Any], device: Any) -> Any: ...


class Answering(Protocol):
    """A base with any number of adapters, here or on a server.

    Attributes:
        adapters: Folder of each adapter by name.
        warnings: What could not be checked about them, in words.
    """

    adapters: dict[str, Path]
    warnings: list[str]

    def generate(
        self,
        chats: Sequence[Chat],
        generation: Generation,
        date: Date,
        *,
        adapter: str | None = None,
        ids: Sequence[str] | None = None,
        seed: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> list[list[Answer]]: ...


class LocalModel:
    """A base on this process' own device.

    Attributes:
        base: The loaded base.
        adapters: Folder of each adapter by name.
        memory: Facts beside the base, or beside one of its adapters; see `sqlft.memory.load_memory`.
        beside: That adapter.
        warnings: What could not be checked about them, in words.
    """

    def __init__(self, base: Base) -> None:
        self.base = base
        self.adapters: dict[str, Path] = {}
        self.memory: Memory | None = None
        self.beside: str | None = None
        self.warnings: list[str] = []
        self._model = base.model
        # adapter and prefix of the last batch, and its keys and values: they serve the next one
        self._prefix: tuple[tuple[str | None, tuple[int, ...]], Any] | None = None

    @classmethod
    def load(cls, section: Model, base: str, adapters: dict[str, Path] | None = None) -> LocalModel:
        """Loads a base (see `load_base`), and adapters by name."""
        model = cls(load_base(section, base))
        for name, folder in (adapters or {}).items():
            model.add_adapter(folder, name)
        return model

    @property
    def context(self) -> int:
        """Tokens that prompt and answer may have together."""
        return int(self.base.model.config.max_position_embeddings)

    def add_adapter(self, folder: Path | str, name: str) -> None:
        """Loads one more adapter.

        Raises:
            WrongUse: Another base, quantisation or template than it was trained with; a name that is taken.
            SqlftError: It does not fit, or does nothing.
        """
        folder = Path(folder)
        if name == "base" or name in self.adapters or "." in name:
            raise WrongUse(
                Problem("adapter", name, "this name is taken or has a dot", "Give the adapter another name.")
            )
        self.warnings += check_identity(self.base, folder)
        self._model = load_adapter(self.base, self._model, folder, name)
        self.adapters[name] = folder
        self._prefix = None

    def generate(
        self,
        chats: Sequence[Chat],
        generation: Generation,
        date: Date,
        *,
        adapter: str | None = None,
        memory: bool = False,
        ids: Sequence[str] | None = None,
        seed: int = 0,
        progress: Callable[[int], None] | None = None,
        keep: Callable[[int, list[Answer]], None] | None = None,
    ) -> list[list[Answer]]:
        """Answers chats, `generation.samples` times each.

        Args:
            chats: Without an assistant's turn.
            generation: Temperature, top_p, samples, max_new_tokens, batch_size; greedy at temperature 0.
            date: The chat template's date.
            adapter: An adapter's name; None for the base.
            memory: With the facts that a chat's last turn opens.
            ids: What to call each chat in an error.
            seed: Of the sampling.
            progress: Called with the number of chats that a batch finished.
            keep: Called with each chat's place and answers, as soon as its batch is done.

        Raises:
            WrongUse: Chats that do not leave room for the answer, all at once.
            SqlftError: Out of memory.
        """
        import torch

        names = ids or [str(number) for number in range(len(chats))]
        rows = tokenize_chats(self.base.tokenizer, chats, names, date, self.context, room=generation.max_new_tokens)
        opened: list[Opening | None] = [None] * len(chats)
        if memory and self.memory:
            opened = [*self.memory.open(chats, self.base.tokenizer, date)]
            # what is read with a fact is no part of what is read once for all
            rows = [
                keep_apart(row, one.question) if one and one.facts else row
                for row, one in zip(rows, opened, strict=True)
            ]
        sharing: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index in sorted(range(len(rows)), key=lambda index: len(rows[index])):
            sharing[tuple(rows[index].prompt[: rows[index].prefix])].append(index)
        if memory and self.memory and adapter != self.beside:
            why = f"it was made beside {self.beside or 'the base'}"
            raise WrongUse(Problem("memory", f"beside {adapter or 'the base'}", why, "Ask what it was made beside."))
        answers: list[list[Answer]] = [[] for _ in rows]
        with self.switched(adapter), torch.random.fork_rng():
            torch.manual_seed(seed)
            for order in sharing.values():
                for start in range(0, len(order), generation.batch_size):
                    batch = order[start : start + generation.batch_size]
                    found = self._answer(
                        [rows[index] for index in batch], generation, adapter, [opened[index] for index in batch]
                    )
                    for index, own in zip(batch, found, strict=True):
                        answers[index] = own
                        if keep:
                            keep(index, own)
                    if progress:
                        progress(len(batch))
        return answers

    @contextlib.contextmanager
    def switched(self, adapter: str | None) -> Iterator[Any]:
        """The transformers model with this adapter on, or with none.

        Raises:
            WrongUse: It is not loaded.
        """
        if adapter is not None and adapter not in self.adapters:
            raise WrongUse(
                Problem("adapter", adapter, "it is not loaded", f"Loaded: {', '.join(self.adapters) or 'none'}.")
            )
        if adapter is not None:
            self._model.set_adapter(adapter)
        with self._model.disable_adapter() if self.adapters and adapter is None else contextlib.nullcontext():
            yield self._model

    def _answer(
        self, rows: list[Row], generation: Generation, adapter: str | None, opened: Sequence[Opening | None]
    ) -> list[list[Answer]]:
        """Answers rows that begin with the same `prefix` ids."""
        import torch

        from sqlft.inference.decode import can_share, decode, read_prefix

        began, start = time.perf_counter(), rows[0].prefix if can_share(self._model) else 0
        shared = (adapter, tuple(rows[0].prompt[:start]))
        ends = set(self.base.model.generation_config.eos_token_id)
        openings = [one for one in opened if one]
        try:
            with torch.inference_mode():
                if self._prefix is None or self._prefix[0] != shared:
                    self._prefix = None  # frees the last one first
                    self._prefix = shared, read_prefix(self._model, shared[1]) if start else None
                found = decode(
                    self._model,
                    self._prefix[1],
                    [row.prompt[start:] for row in rows],
                    generation,
                    self.base.tokenizer.pad_token_id,
                    ends,
                    self.memory.recall(openings, self._model.device) if self.memory and openings else None,
                )
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise SqlftError(
                f"out of memory while answering {len(rows)} questions of up to {max(map(len, rows))} tokens at once. "
                f"Write generation.batch_size: {max(1, generation.batch_size // 2)}."
            ) from error
        seconds, times = (time.perf_counter() - began) / len(found), generation.samples
        answers = [
            self._read(new, seconds, rows[place // times], ends, opened[place // times])
            for place, new in enumerate(found)
        ]
        return [answers[place : place + times] for place in range(0, len(answers), times)]

    def _read(self, new: list[int], seconds: float, row: Row, ends: set[int], opened: Opening | None) -> Answer:
        stopped = new[-1] in ends
        text = self.base.tokenizer.decode(
            new[:-1] if stopped else new, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return Answer(text, len(row), len(new), seconds, stopped, facts=opened.facts if opened else None)


def predict(
    model: Answering,
    examples: Sequence[Example],
    card: SchemaCard,
    prompt: Prompt,
    generation: Generation,
    adapter: str | None = None,
    *,
    memory: bool = False,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> list[Prediction]:
    """Asks a model every question.

    Args:
        model: Base and adapters.
        examples: Their questions are asked; their SQL is not looked at.
        adapter: An adapter's name; None for the base.
        memory: With the memory of a local model.

    Returns:
        `generation.samples` predictions a question, one after the other, in the examples' order.

    Raises:
        WrongUse, SqlftError: As the model's `generate`.
    """
    chats = [render_chat(card, example.question, prompt) for example in examples]
    ids = [example.id for example in examples]
    recalling: dict[str, Any] = {"memory": True} if memory else {}  # a served model knows of none
    answers = model.generate(
        chats, generation, prompt.date, adapter=adapter, ids=ids, seed=seed, progress=progress, **recalling
    )
    return [
        Prediction(
            id=example.id,
            question=example.question,
            model=adapter or "base",
            text=answer.text,
            sql=extract_sql(answer.text),
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            seconds=answer.seconds,
            stopped=answer.stopped,
            facts=answer.facts,
        )
        for example, found in zip(examples, answers, strict=True)
        for answer in found
    ]
