"""Other ways to have a model know facts, trained on the same rows: all weights, LoRA, replay, the paper's, a lookup."""

from __future__ import annotations

import copy
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from benchmarks.memory_facts import Suite
from sqlft.inference import LocalModel
from sqlft.inference.decode import read_prefix
from sqlft.inference.load import Base
from sqlft.inference.tokens import Row, tokenize_chats
from sqlft.memory import Fact, Memory, Use, memorize
from sqlft.memory.lessons import make_lessons
from sqlft.memory.memorize import read_answers
from sqlft.memory.paper import PaperMemory
from sqlft.memory.router import split_words
from sqlft.prompts import render_chat
from sqlft.recipe import Generation, Prompt
from sqlft.recipe import Memory as Section

PROMPT = Prompt(card="compact")
GENERATION = Generation(max_new_tokens=128, batch_size=32)
BATCH = 16


class Method(ABC):
    """A way to know facts: what it learns, answers, and expects of given answers.

    Attributes:
        name: In tables.
        model: What answers.
        stopped: Why the last `learn` ended: `exact`, `clock` or `epochs`.
        epochs: Of the last `learn`.
        gate: Whether it can stay out of a question.
    """

    gate = False

    def __init__(self, name: str, base: Base, suite: Suite, seed: int) -> None:
        self.name, self.suite, self.seed = name, suite, seed
        self.model = LocalModel(base)
        self.stopped, self.epochs = "", 0

    @abstractmethod
    def learn(self, facts: Sequence[Fact], clock: float) -> None:
        """Learns facts beside those that are there, for as many seconds of CPU time at the most."""

    def ask(self, questions: Sequence[str]) -> list[str]:
        """Answers, greedy, as users get them."""
        chats = [render_chat(self.suite.card, question, PROMPT) for question in questions]
        found = self.model.generate(chats, GENERATION, PROMPT.date, memory=self.gate)
        return [answers[0].text.strip() for answers in found]

    def expect(self, row: Row, question: str) -> tuple[Tensor, Tensor]:
        """Logits at each token of one answer, (tokens, vocabulary), and the tokens."""
        with torch.inference_mode():
            logits, targets, _ = read_answers(self.model.base.model, [row])
        return logits[0], targets[0]

    def find(self, question: str) -> list[str]:
        """Facts that a question opens."""
        return []

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Of all that was learned, on disk."""


class Untaught(Method):
    """The base as it was, which learns nothing."""

    def learn(self, facts: Sequence[Fact], clock: float) -> None:
        self.stopped = "clock"

    @property
    def bytes(self) -> int:
        return 0


class Trained(Method):
    """Gradient descent on all rows, epoch after epoch, until all are right in a whole pass, or the clock says stop."""

    rate = 2e-3

    def __init__(self, name: str, base: Base, suite: Suite, seed: int, replay: int = 0) -> None:
        super().__init__(name, base._replace(model=self._prepare(copy.deepcopy(base.model), name)), suite, seed)
        self._replay = tokenize(base, suite.replay, replace_prefix=True) if replay else []
        self._share = replay

    def _prepare(self, model: Any, name: str) -> Any:
        return model

    def _optimizers(self, epoch: int) -> list[Any]:
        if epoch:
            return self._kept
        self._kept: list[Any] = [torch.optim.AdamW(self._learned(), self.rate, weight_decay=0.0)]
        return self._kept

    def _learned(self) -> list[Any]:
        return [p for p in self.model.base.model.parameters() if p.requires_grad]

    def learn(self, facts: Sequence[Fact], clock: float) -> None:
        rows = tokenize(self.model.base, [(self.suite.card, use) for fact in facts for use in fact.asked])
        began, rng, self.epochs, self.stopped = cpu_seconds(), random.Random(self.seed), 0, ""
        while not self.stopped:
            optimizers, wrong, order = self._optimizers(self.epochs), 0, rng.sample(rows, len(rows))
            for start in range(0, len(order), BATCH):
                if cpu_seconds() - began > clock:
                    self.stopped = "clock"
                    break
                loss, missed = self._loss(order[start : start + BATCH])
                wrong += missed
                if self._replay:
                    loss = loss + self._loss(rng.sample(self._replay, self._share))[0]
                loss.backward()
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
            self.epochs += 1
            _tell(self.epochs, len(rows) - wrong, len(rows))
            if not self.stopped and wrong <= len(rows) // 50 and self._all_right(rows):
                self.stopped = "exact"
        self.model = LocalModel(self.model.base)  # the other one has kept what the weights made of the card before

    def _loss(self, rows: Sequence[Row]) -> tuple[Tensor, int]:
        logits, targets, real = read_answers(self.model.base.model, rows, prefix=self._shared(rows))
        chosen = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
        right = ((logits.argmax(-1) == targets) | ~real).all(1)
        return -(chosen * real).sum() / real.sum(), int((~right).sum())

    def _shared(self, rows: Sequence[Row]) -> Any:
        """What the rows begin with, read with gradients, where they begin with the same."""
        length, model = min(row.prefix for row in rows), self.model.base.model
        if not length or len({tuple(row.prompt[:length]) for row in rows}) > 1:
            return None
        return length, read_prefix(model, rows[0].prompt[:length])

    def _all_right(self, rows: Sequence[Row]) -> bool:
        with torch.no_grad():
            return not any(self._loss(rows[n : n + 2 * BATCH])[1] for n in range(0, len(rows), 2 * BATCH))

    @property
    def bytes(self) -> int:
        return 4 * sum(p.numel() for p in self._learned())


class Full(Trained):
    """All weights."""

    rate = 1e-3

    def _prepare(self, model: Any, name: str) -> Any:
        return model.requires_grad_(True)


class Lora(Trained):
    """LoRA beside every linear layer; its rank stands in the name."""

    def _prepare(self, model: Any, name: str) -> Any:
        rank = int(name.split()[1])
        torch.manual_seed(0)
        return get_peft_model(model, LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", lora_dropout=0.0))


class Paper(Trained):
    """sqlft.memory.paper: router and experts for an epoch, then experts alone."""

    rate = 1e-2

    def _prepare(self, model: Any, name: str) -> Any:
        self._memory = PaperMemory(model)
        self._beside = self._memory.beside(model)
        self._beside.__enter__()
        self._routed = False
        return model

    def _optimizers(self, epoch: int) -> list[Any]:
        if not epoch:
            self._kept = [torch.optim.SparseAdam(self._memory.experts, self.rate)]
        if not self._routed:
            self._routed = True
            return [*self._kept, torch.optim.Adam(self._memory.router, 1e-3)]
        for parameter in self._memory.router:
            parameter.requires_grad_(False)
        return self._kept

    def _learned(self) -> list[Any]:
        return list(self._memory.parameters())


class Remembered(Method):
    """sqlft.memory, in one of its shapes.

    As in `sqlft memorize`, facts of a bank that were there before are looked at too, and mended where a shared expert
    has moved; `unmended` leaves them as they are.
    """

    gate = True

    def __init__(self, name: str, base: Base, suite: Suite, seed: int, **section: Any) -> None:
        super().__init__(name, base, suite, seed)
        self.section = Section(**{"shape": name.split()[0]} | section)
        self._mend = name == "product_keys"
        self.memory = Memory.make(base.model, base.tokenizer, self.section)
        self.model.memory = self.memory

    def learn(self, facts: Sequence[Fact], clock: float) -> None:
        base = self.model.base
        self.memory.add(facts, [use.question for _, use in self.suite.replay])
        lessons = make_lessons(
            self.memory,
            list(self.memory.facts.values()) if self._mend or self.memory.fitting else facts,
            base.tokenizer,
            lambda question: render_chat(self.suite.card, question, PROMPT),
            PROMPT.date,
            self.model.context,
            variants=self.section.variants,
            seed=self.seed,
        )
        learned = memorize(base.model, self.memory, lessons, self.section, seed=self.seed, tell=_tell)
        self.epochs, self.unopened = learned.epochs, len(learned.unopened)
        self.stopped = "exact" if not learned.unlearned else "epochs"

    def expect(self, row: Row, question: str) -> tuple[Tensor, Tensor]:
        base, facts = self.model.base, self.find(question)
        if not facts:
            return super().expect(row, question)
        chat = render_chat(self.suite.card, question, PROMPT)
        opening = self.memory.place(facts, chat, base.tokenizer, PROMPT.date)
        numbers = sorted({number for own in self.memory.experts(opening) for number in own})
        factors, place = self.memory.rows.read(numbers), {number: n for n, number in enumerate(numbers)}
        recall = self.memory.recall_from(factors, place, [opening], len(row.completion))
        with torch.inference_mode():
            logits, targets, _ = read_answers(base.model, [row], recall.beside(base.model))
        return logits[0], targets[0]

    def find(self, question: str) -> list[str]:
        return self.memory.find(question)

    @property
    def bytes(self) -> int:
        row = 4 * self.memory.rows.read([0]).numel()
        texts = sum(len(fact.model_dump_json().encode()) for fact in self.memory.facts.values())
        shared = (
            sum(4 * weight.numel() for weight in self.memory.conductor.weights.values()) if self.memory.conductor else 0
        )
        return row * len(self.memory.rows.numbers) + texts + shared


class Lookup(Remembered):
    """The answer that is stored with the nearest question of the facts that a question opens; nothing is trained.

    Nearness is the share of words that two questions have in common, the rare ones above all.
    """

    def __init__(self, name: str, base: Base, suite: Suite, seed: int) -> None:
        super().__init__("experts", base, suite, seed)
        self.name, self.model.memory = name, None

    def learn(self, facts: Sequence[Fact], clock: float) -> None:
        self.memory.add(facts, [use.question for _, use in self.suite.replay])
        self.stopped = "exact"

    def ask(self, questions: Sequence[str]) -> list[str]:
        opened = [self.find(question) for question in questions]
        others = iter(super().ask([q for q, names in zip(questions, opened, strict=True) if not names]))
        return [self._nearest(q, names) if names else next(others) for q, names in zip(questions, opened, strict=True)]

    def expect(self, row: Row, question: str) -> tuple[Tensor, Tensor]:
        return Method.expect(self, row, question)

    def _nearest(self, question: str, names: Sequence[str]) -> str:
        router, words = self.memory.router, set(split_words(question))
        stored = [use for name in names for use in self.memory.facts[name].asked]

        def weigh(some: set[str]) -> float:
            return sum(router.rarity.get(word, router.rarest) for word in some)

        def alike(use: Use) -> float:
            own = set(split_words(use.question))
            return weigh(words & own) / weigh(words | own)

        return max(stored, key=alike).answer

    @property
    def bytes(self) -> int:
        every = [text for f in self.memory.facts.values() for use in f.asked for text in (use.question, use.answer)]
        return sum(len(text.encode()) for text in every)


def _tell(epoch: int, right: int, of: int) -> None:
    print(f"  epoch {epoch}: {right} of {of}, {cpu_seconds():.0f} s", file=sys.stderr, flush=True)


def cpu_seconds() -> float:
    """Seconds of this process on each of its threads: what the clock would say with nothing beside it, about."""
    return time.process_time() / torch.get_num_threads()


def tokenize(base: Base, asked: Sequence[tuple[Any, Use]], replace_prefix: bool = False) -> list[Row]:
    """Questions with their answers, each under its card; without what they share where they share too little."""
    chats = [render_chat(card, use.question, PROMPT, use.answer) for card, use in asked]
    rows = tokenize_chats(base.tokenizer, chats, [use.question for _, use in asked], PROMPT.date, 2048)
    return [Row(row.id, row.prompt, row.completion) for row in rows] if replace_prefix else rows


def make_method(name: str, base: Base, suite: Suite, seed: int) -> Method:
    """A method by its name: full, lora R, lora R replay, paper, lookup, experts, product_keys."""
    if name.startswith("lora"):
        return Lora(name, base, suite, seed, replay=4 if name.endswith("replay") else 0)
    kinds: dict[str, type[Method]] = {"full": Full, "paper": Paper, "lookup": Lookup}
    return kinds.get(name, Remembered)(name, base, suite, seed)
