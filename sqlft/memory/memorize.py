"""The second phase: only the experts that a fact opens are trained, until the fact is recalled with margin.

Everything else is frozen, the router too, so that a fact meets the same experts each time (Li et al. 2024, "Banishing
LLM Hallucinations Requires Rethinking Generalization"). What stands before the answer is read once, without gradients:
experts work from the prompt's last token on, so that nothing before it changes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from sqlft.inference.tokens import Row
from sqlft.memory.memory import Memory
from sqlft.memory.recall import Recall
from sqlft.recipe import Memory as Section

BETAS, EPSILON = (0.9, 0.99), 1e-8


@dataclass(frozen=True)
class Item:
    """A question that must be answered word for word, and the facts that it opens; `fact` is whose question it is."""

    fact: str
    row: Row
    opened: list[str]


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

    Items that are exact are skipped until an expert of theirs moves; at the end all are looked at once more.

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
    unopened = [item.fact for item in items if item.fact not in item.opened]
    able = [item for item in items if item.fact in item.opened]
    own = [[number for name in item.opened for number in memory.shape.of(name)] for item in able]
    device = next(model.parameters()).device
    adam = _Adam(memory, sorted({n for numbers in own for n in numbers}), section.learning_rate, device)
    places = [[adam.place[number] for number in numbers] for numbers in own]
    # experts that only other facts have, which a use opens too, stay as they are: nobody looks at those facts again
    learning = {number for item in able for number in memory.shape.of(item.fact)}
    held = torch.tensor([number not in learning for number in adam.place], device=device)[:, None, None, None, None]
    shuffle, epoch = torch.Generator().manual_seed(seed), 0
    sure = _look(model, memory, adam, able, places, section, range(len(able)))
    while (left := [n for n, value in sure.items() if not value >= section.margin]) and epoch < section.epochs:
        order = [left[n] for n in torch.randperm(len(left), generator=shuffle).tolist()]
        for start in range(0, len(order), section.batch_size):
            batch = order[start : start + section.batch_size]
            moved, taken, recall = _gather(memory, adam, [places[n] for n in batch], learn=True)
            log_probs, real = _read(model, recall, [able[n].row for n in batch])
            (-log_probs.sum() / real.sum()).backward()
            assert taken.grad is not None
            adam.step(moved, taken.grad.masked_fill(held[moved], 0.0))
        epoch += 1
        touched = {place for n in left for place in places[n]}
        again = [n for n in range(len(able)) if touched & set(places[n])]
        sure |= _look(model, memory, adam, able, places, section, again)
        _write(memory, adam, able, unopened, sure, section)
        tell(epoch, sum(value >= section.margin for value in sure.values()), len(items))
        keep()
    sure |= _look(model, memory, adam, able, places, section, range(len(able)))
    unlearned = _write(memory, adam, able, unopened, sure, section)
    keep()
    return Learned(unlearned, list(dict.fromkeys(unopened)), epoch, time.perf_counter() - began)


def _write(
    memory: Memory, adam: _Adam, items: Sequence[Item], unopened: list[str], sure: dict[int, float], section: Section
) -> dict[str, float]:
    memory.rows.write(list(adam.place), adam.rows)
    unlearned: dict[str, float] = {}
    for n, value in sure.items():
        if not value >= section.margin:  # nor is what is no number
            unlearned[items[n].fact] = min(value if value == value else 0.0, unlearned.get(items[n].fact, 1.0))
    memory.exact |= {item.fact for item in items}
    memory.exact -= {*unlearned, *unopened}
    return unlearned


def _look(
    model: Any,
    memory: Memory,
    adam: _Adam,
    items: Sequence[Item],
    places: Sequence[list[int]],
    section: Section,
    which: Sequence[int],
) -> dict[int, float]:
    """How sure the model is of the least sure token of each answer; 0 where another token is likelier."""
    found: dict[int, float] = {}
    order = sorted(which, key=lambda n: len(items[n].row))
    with torch.no_grad():
        for start in range(0, len(order), 2 * section.batch_size):
            batch = order[start : start + 2 * section.batch_size]
            _, _, recall = _gather(memory, adam, [places[n] for n in batch], learn=False)
            log_probs, real = _read(model, recall, [items[n].row for n in batch])
            least = log_probs.masked_fill(~real, 0.0).min(1).values.exp()
            # above one half nothing else can be likelier; what lies below is not exact with any margin of use
            found |= dict(zip(batch, least.tolist(), strict=True))
    return found


def _gather(memory: Memory, adam: _Adam, places: Sequence[list[int]], learn: bool) -> tuple[Tensor, Tensor, Recall]:
    """The rows of a batch once each, as a leaf of the graph, and as the experts of its items."""
    moved = sorted({place for own in places for place in own})
    number = {place: n for n, place in enumerate(moved)}
    width = max(map(len, places))
    filled = [[number[place] for place in own] + [len(moved)] * (width - len(own)) for own in places]
    at = torch.tensor(moved, device=adam.rows.device)
    taken = adam.rows[at].requires_grad_(learn)
    padded = torch.cat([taken, torch.zeros_like(taken[:1])])
    recall = Recall(padded[torch.tensor(filled)], range(len(places)), memory.layers, everywhere=True)
    return at, taken, recall


def _read(model: Any, recall: Recall, rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the answers' tokens, (rows, tokens), 0 where there is none; and where there is one."""
    logits, targets, real = read_answers(model, rows, recall.beside(model))
    chosen = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    return chosen.masked_fill(~real, 0.0), real


def read_answers(
    model: Any, rows: Sequence[Row], beside: Any = None, through_prompt: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """What a model expects at each token of given answers: (rows, tokens, vocabulary), what stands there, and where.

    Args:
        model: Llama-shaped.
        rows: Prompts with their answers.
        beside: A context in which the prompt's last token and the answer are read, and nothing before them.
        through_prompt: Gradients reach what is trained through the prompt, too.
    """
    device, start = next(model.parameters()).device, min(row.prefix for row in rows)
    if len({tuple(row.prompt[:start]) for row in rows}) > 1:
        start = 0
    before = [row.prompt[start:-1] for row in rows]
    after = [[row.prompt[-1], *row.completion[:-1]] for row in rows]
    wide, long = max(map(len, before)), max(map(len, after))
    cache = DynamicCache()
    ids = torch.tensor([[0] * (wide - len(b)) + b for b in before], dtype=torch.long, device=device)
    seen = torch.tensor([[0] * (wide - len(b)) + [1] * len(b) for b in before], device=device)
    mask = torch.cat([torch.ones(len(rows), start, dtype=torch.long, device=device), seen], 1)
    places = start + (seen.cumsum(1) - 1).clamp(min=0)
    given: Any = {"past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
    with torch.set_grad_enabled(through_prompt and torch.is_grad_enabled()):
        if start:
            model(input_ids=torch.tensor([rows[0].prompt[:start]], device=device), **given)
            cache.batch_repeat_interleave(len(rows))
        if wide:
            model(input_ids=ids, attention_mask=mask, position_ids=places, **given)
    answers = torch.tensor([a + [0] * (long - len(a)) for a in after], device=device)
    targets = torch.tensor([r.completion + [0] * (long - len(r.completion)) for r in rows], device=device)
    real = torch.tensor([[True] * len(a) + [False] * (long - len(a)) for a in after], device=device)
    ends = torch.tensor([len(row.prompt) - 1 for row in rows], device=device)
    with beside or contextlib.nullcontext():
        logits = model(
            input_ids=answers,
            attention_mask=torch.cat([mask, real.long()], 1),
            position_ids=ends[:, None] + torch.arange(long, device=device),
            past_key_values=cache,
            use_cache=True,
        ).logits
    return logits.float(), targets, real
