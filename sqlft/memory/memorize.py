"""The second phase: only the experts that a fact opens are trained, until the fact is recalled with margin.

Everything else is frozen, the router too, so that a fact meets the same experts each time (Li et al. 2024, "Banishing
LLM Hallucinations Requires Rethinking Generalization"). What stands before the question is read once, without
gradients. Where facts have uses, their conductor is fitted with the first of them, before it is frozen as well.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sqlft.inference.decode import Prefix, attending, can_share, read_prefix
from sqlft.inference.tokens import Row
from sqlft.memory.memory import Memory
from sqlft.memory.opening import Opening
from sqlft.recipe import Memory as Section

BETAS, EPSILON = (0.9, 0.99), 1e-8
CONDUCTOR_RATE = 3e-3
FITTED = 0.9
"""Share of exact questions, of those that use facts, from which the conductor is frozen; it is after half of the epochs
in any case."""
KNOWN = 0.5
"""Share of a fact's uses from which they are left to a model that writes them word for word by itself."""


@dataclass(frozen=True)
class Item:
    """A question that must be answered word for word, and what it opens; `fact` is whose question it is, and `use`
    whether that is one of its uses."""

    fact: str
    row: Row
    opening: Opening
    use: bool = False


@dataclass(frozen=True)
class Learned:
    """What memorizing came to.

    Attributes:
        unlearned: Ids of facts that did not get there, in order, with how sure the model is of the least sure token.
        unopened: Ids of facts that one of their own questions does not open.
        epochs: How often all unfinished questions were gone through.
        seconds: Wall time.
    """

    unlearned: dict[str, float]
    unopened: list[str]
    epochs: int
    seconds: float


class _Adam:
    """Adam on rows, each with a state of its own that moves when the row does (SparseAdam)."""

    def __init__(self, memory: Memory, numbers: list[int], rate: float, device: Any) -> None:
        self.place = {number: n for n, number in enumerate(numbers)}
        self.rows = memory.rows.read(numbers).to(device)
        self.rate = rate
        self._first, self._second = torch.zeros_like(self.rows), torch.zeros_like(self.rows)
        self._steps = torch.zeros(len(numbers), 1, 1, 1, 1, device=device)

    def step(self, places: Tensor, gradient: Tensor) -> None:
        first = self._first[places].lerp(gradient, 1 - BETAS[0])
        second = self._second[places].lerp(gradient.square(), 1 - BETAS[1])
        steps = self._steps[places] + 1
        self._first[places], self._second[places], self._steps[places] = first, second, steps
        sized = (second / (1 - BETAS[1] ** steps)).sqrt() + EPSILON
        self.rows[places] -= self.rate * first / (1 - BETAS[0] ** steps) / sized


def memorize(
    model: Any,
    memory: Memory,
    items: Sequence[Item],
    section: Section,
    *,
    seed: int = 0,
    tell: Callable[[int, int, int], None] = lambda epoch, exact, of: None,
    keep: Callable[[], None] = lambda: None,
) -> Learned:
    """Trains experts until every item is exact: each token of its answer the likeliest, and surer than the margin.

    Items that are exact are skipped until an expert of theirs moves; at the end all are looked at once more. A
    conductor that is not fitted yet is trained with them at first, and frozen when nearly all are exact; then the
    experts go on.

    Args:
        model: The base, with its adapter where there is one, in eval mode; all of it is frozen.
        memory: Its rows are written to after each epoch.
        items: Questions with their answers; see `sqlft.memory.memory.Memory.find` for what they open.
        section: Epochs, batch size, learning rate, margin.
        seed: Of the order of items.
        tell: Told after each epoch how many items are exact, and of how many.
        keep: Called after each epoch, when the memory is whole.
    """
    began = time.perf_counter()
    model.requires_grad_(False)
    unopened = list(dict.fromkeys(item.fact for item in items if item.fact not in item.opening.facts))
    lesson = _Lesson(model, memory, [item for item in items if item.fact in item.opening.facts], section)
    shuffle, epoch = torch.Generator().manual_seed(seed), 0
    lesson.look(range(len(lesson.items)))
    while epoch < section.epochs:
        if not lesson.left:
            lesson.freeze_conductor()
            lesson.look(range(len(lesson.items)))  # one that was exact may have moved with another
            if not lesson.left:
                break
        lesson.go_through([lesson.left[n] for n in torch.randperm(len(lesson.left), generator=shuffle).tolist()])
        epoch += 1
        if lesson.used_right >= FITTED or 2 * epoch >= section.epochs:
            lesson.freeze_conductor()
        lesson.write(unopened)
        tell(epoch, lesson.exact, len(items))
        keep()
    lesson.freeze_conductor()
    lesson.look(range(len(lesson.items)))
    unlearned = lesson.write(unopened)
    keep()
    return Learned(unlearned, unopened, epoch, time.perf_counter() - began)


def find_known(model: Any, items: Sequence[Item], batch_size: int) -> set[str]:
    """Facts at least half of whose uses the model writes word for word without them: experts could only disturb it.

    Args:
        model: As for `memorize`.
        items: Of these the uses are looked at, whatever their words are taken for.
        batch_size: Of reading them.
    """
    using = sorted((item for item in items if item.use), key=lambda item: len(item.row))
    prefix, right = read_shared(model, [item.row for item in using]), dict[str, list[bool]]()
    with torch.no_grad():
        for start in range(0, len(using), batch_size):
            batch = using[start : start + batch_size]
            logits, targets, real = read_answers(model, [item.row for item in batch], prefix=prefix)
            for item, found in zip(batch, ((logits.argmax(-1) == targets) | ~real).all(1).tolist(), strict=True):
                right.setdefault(item.fact, []).append(found)
    return {name for name, own in right.items() if sum(own) >= KNOWN * len(own)}


class _Lesson:
    """Items, the experts that they open, and how sure the model is of each of them.

    Attributes:
        sure: Of each item its answer's least sure token; what was looked at is in `seen` until an expert of it moves.
    """

    def __init__(self, model: Any, memory: Memory, items: Sequence[Item], section: Section) -> None:
        self.items, self._model, self._memory, self._section = items, model, memory, section
        own = [[n for numbers in memory.experts(item.opening) for n in numbers] for item in items]
        device = next(model.parameters()).device
        self._adam = _Adam(memory, sorted({n for numbers in own for n in numbers}), section.learning_rate, device)
        self._places = [{self._adam.place[number] for number in numbers} for numbers in own]
        # experts that only other facts have, which a use opens too, stay as they are: nobody looks at those facts again
        learning = {
            number for item in items for number in memory.experts(Opening([item.fact], used=item.opening.used))[0]
        }
        held = [number not in learning for number in self._adam.place]
        self._held = torch.tensor(held, device=device)[:, None, None, None, None]
        self.sure, self._seen = dict.fromkeys(range(len(items)), 0.0), set[int]()
        self._prefix = read_shared(model, [item.row for item in items])
        self._fitting: list[Tensor] = []
        self._using = {n for n, item in enumerate(items) if item.opening.used}
        # where several facts are asked for it says whose turn it is
        self._conducted = self._using | {n for n, item in enumerate(items) if len(item.opening.facts) > 1}
        if self._using and memory.conductor and not memory.conductor.fitted:
            memory.conductor = memory.conductor.to(device)
            self._fitting = [weight.requires_grad_() for weight in memory.conductor.weights.values()]
            self._optimizer = torch.optim.AdamW(self._fitting, CONDUCTOR_RATE, weight_decay=0.0)

    @property
    def left(self) -> list[int]:
        return [n for n, value in self.sure.items() if not value >= self._section.margin]  # nor is what is no number

    @property
    def exact(self) -> int:
        return len(self.items) - len(self.left)

    @property
    def used_right(self) -> float:
        """Share of the items in which facts are used that are exact; 1 where there is none."""
        return 1 - len(self._using & {*self.left}) / max(1, len(self._using))

    def freeze_conductor(self) -> None:
        for weight in self._fitting:
            weight.requires_grad_(False)
        if self._memory.conductor and self._using:
            self._memory.conductor.fitted = True
        self._fitting = []

    def go_through(self, order: Sequence[int]) -> None:
        """One step for each batch; then looks at what has become exact, and at what has moved."""
        moved = {place for n in order for place in self._places[n]}
        for start in range(0, len(order), self._section.batch_size):
            batch = order[start : start + self._section.batch_size]
            at, taken, log_probs, real = self._read(batch, learn=True)
            self.sure |= dict(zip(batch, _least(log_probs.detach(), real), strict=True))
            (-log_probs.sum() / real.sum()).backward()
            assert taken.grad is not None
            self._adam.step(at, taken.grad.masked_fill(self._held[at], 0.0))
            if self._fitting:
                self._optimizer.step()
                self._optimizer.zero_grad()
        conducted = self._conducted if self._fitting and self._conducted & {*order} else set[int]()
        stale = [n for n in range(len(self.items)) if n in conducted or moved & self._places[n]]
        self._seen -= {*stale}
        trained = {*order}
        self.look([n for n in stale if n not in trained or self.sure[n] >= self._section.margin])

    def look(self, which: Sequence[int]) -> None:
        """How sure the model is of the least sure token of each answer."""
        order = sorted((n for n in which if n not in self._seen), key=lambda n: len(self.items[n].row))
        with torch.no_grad():
            for start in range(0, len(order), 2 * self._section.batch_size):
                batch = order[start : start + 2 * self._section.batch_size]
                _, _, log_probs, real = self._read(batch, learn=False)
                # above one half nothing else can be likelier; what lies below is not exact with any margin of use
                self.sure |= dict(zip(batch, _least(log_probs, real), strict=True))
        self._seen |= {*order}

    def write(self, unopened: Sequence[str]) -> dict[str, float]:
        """Puts experts into the memory, and which facts are exact; those that are not, with how sure they are."""
        self._memory.rows.write(list(self._adam.place), self._adam.rows)
        unlearned: dict[str, float] = {}
        for n in self.left:
            value = self.sure[n] if self.sure[n] == self.sure[n] else 0.0
            unlearned[self.items[n].fact] = min(value, unlearned.get(self.items[n].fact, 1.0))
        self._memory.exact |= {item.fact for item in self.items}
        self._memory.exact -= {*unlearned, *unopened}
        return unlearned

    def _read(self, batch: Sequence[int], learn: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Which experts the batch has, those as a leaf of the graph, log-probabilities of its answers' tokens, (rows,
        tokens), 0 where there is none; and where there is one."""
        moved, items = sorted({place for n in batch for place in self._places[n]}), [self.items[n] for n in batch]
        at = torch.tensor(moved, device=self._adam.rows.device)
        taken = self._adam.rows[at].requires_grad_(learn)
        within = {place: n for n, place in enumerate(moved)}
        place = {number: within[p] for number, p in self._adam.place.items() if p in within}
        longest = max(len(item.row.completion) for item in items)
        recall = self._memory.recall_from(taken, place, [item.opening for item in items], longest)
        rows = [item.row for item in items]
        logits, targets, real = read_answers(self._model, rows, recall.beside(self._model), self._prefix)
        chosen = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
        return at, taken, chosen.masked_fill(~real, 0.0), real


def _least(log_probs: Tensor, real: Tensor) -> list[float]:
    found: list[float] = log_probs.masked_fill(~real, 0.0).min(1).values.exp().tolist()
    return found


def read_shared(model: Any, rows: Sequence[Row]) -> tuple[int, Prefix] | None:
    """What all rows begin with, read once, and how many tokens that are."""
    length = min((row.prefix for row in rows), default=0)
    if not length or not can_share(model) or len({tuple(row.prompt[:length]) for row in rows}) > 1:
        return None
    with torch.no_grad():
        return length, read_prefix(model, rows[0].prompt[:length])


def read_answers(
    model: Any, rows: Sequence[Row], beside: Any = None, prefix: tuple[int, Prefix] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """What a model expects at each token of given answers: (rows, tokens, vocabulary), what stands there, and where.

    Args:
        model: Llama-shaped.
        rows: Prompts with their answers.
        beside: A context in which what follows the prefix is read, in one call: prompts end where answers begin.
        prefix: Tokens that all rows begin with, and what the model made of them.
    """
    device, start = next(model.parameters()).device, prefix[0] if prefix else 0
    before = [row.prompt[start:-1] for row in rows]
    after = [[row.prompt[-1], *row.completion[:-1]] for row in rows]
    wide, long = max(map(len, before)), max(map(len, after))
    pairs = list(zip(before, after, strict=True))
    ids = [[0] * (wide - len(b)) + b + a + [0] * (long - len(a)) for b, a in pairs]
    there = [[0] * (wide - len(b)) + [1] * (len(b) + len(a)) + [0] * (long - len(a)) for b, a in pairs]
    seen = torch.tensor(there, device=device)
    given: dict[str, Any] = {"attention_mask": seen}
    if prefix:
        causal = torch.ones(wide + long, wide + long, dtype=torch.bool, device=device).tril()
        given = {"attention_mask": seen[:, None, None].bool() & causal, "sqlft_prefix": prefix[1]}
    with attending(model, prefix is not None), beside or contextlib.nullcontext():
        logits = model(
            input_ids=torch.tensor(ids, device=device),
            position_ids=start + (seen.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=long,
            **given,
        ).logits
    targets = torch.tensor([r.completion + [0] * (long - len(r.completion)) for r in rows], device=device)
    real = torch.tensor([[True] * len(a) + [False] * (long - len(a)) for a in after], device=device)
    return logits.float(), targets, real
