"""What the steps of a run are made of: its rows, the batches that they come in, and how many steps there are."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.inference.tokens import Row
from sqlft.problems import Problem, WrongUse
from sqlft.prompts import render_chat
from sqlft.recipe import Recipe
from sqlft.records import Example, read_examples
from sqlft.training.plan.memory import MicroBatch
from sqlft.training.plan.shape import Shape
from sqlft.training.rows import as_dataset, tokenize_examples

LETTERS = 3.5
"""Characters of a token in a schema card or SQL, where no tokenizer is at hand; assumed."""
FRAME = (30, 12)
"""Tokens that Llama's template puts around the system message, and around question and answer; assumed."""
DRAWN = 200
"""Micro-batches that are looked at."""


@dataclass(frozen=True)
class Workload:
    """The rows that a run will train on.

    Attributes:
        rows: Those that are here, to draw from; `count` is how many there will be.
        source: Where they and their tokens come from, in words.
        exact: They are the run's own, in the base's own tokens.
    """

    rows: Sequence[Row]
    count: int
    source: str
    exact: bool


def read_workload(recipe: Recipe, tokenizer: Path | None) -> Workload:
    """The rows of runs/NAME/dataset, or where it is not built, the seeds in their place; in tokens of the base.

    Args:
        recipe: The run.
        tokenizer: The base's folder; where it is not here tokens are reckoned from characters.

    Raises:
        WrongUse: No rows at all, or rows that training would refuse.
    """
    path = recipe.run_dir / "dataset" / "train.jsonl"
    built = read_examples(path) if path.is_file() else []
    examples = built or read_examples(recipe.seeds)
    if not examples:
        why = f"it holds none, and {path} is not there yet, so that there is no row to reckon with"
        raise WrongUse(Problem(str(recipe.seeds), "seeds", why, "Write some, or build first."))
    of = str(path) if built else f"{recipe.seeds}, as {path} is not there yet"
    if tokenizer:
        rows = tokenize_examples(recipe, examples)
        return Workload(rows, len(built) or _planned(recipe), f"rows of {of}, in the base's tokens", bool(built))
    rows = [_reckoned(recipe, SchemaCard.load(recipe.schema_), example) for example in examples]
    source = f"rows of {of}; tokens reckoned from characters, {LETTERS} each, as the base's tokenizer is not here"
    return Workload(rows, len(built) or _planned(recipe), source, False)


def _planned(recipe: Recipe) -> int:
    section = recipe.split
    left = round(recipe.teacher.examples * (1 - section.heldout_templates))
    left -= section.validation + section.heldout + section.development
    seeds = len(read_examples(recipe.seeds)) if section.seeds else 0
    return max(1, section.train or left) + seeds


def _reckoned(recipe: Recipe, card: SchemaCard, example: Example) -> Row:
    system, user, answer = (
        math.ceil(len(turn["content"]) / LETTERS)
        for turn in render_chat(card, example.question, recipe.prompt, example.sql)
    )
    prefix = system + FRAME[0]
    return Row(example.id, [0] * (prefix + user + FRAME[1]), [0] * answer, prefix)


def draw_batches(workload: Workload, shape: Shape, batch: int, seed: int, *, shared: bool) -> list[MicroBatch]:
    """Micro-batches as training's own collators make them, of rows in random order.

    Args:
        workload: The rows.
        shape: The base's, for the length of a sequence that suits it.
        batch: Rows of a micro-batch.
        seed: Of the order.
        shared: Rows share their prefix.
    """
    from sqlft.training.sft import Collator
    from sqlft.training.sharing import SharedCollator, best_budget

    collate: Any = SharedCollator(0, best_budget(workload.rows, shape.config), blocks=True) if shared else Collator(0)
    items = as_dataset(workload.rows).to_list()
    rng = random.Random(seed)
    order: list[int] = []
    while len(order) < min(workload.count, DRAWN * batch):
        order += rng.sample(range(len(items)), len(items))
    order = order[: min(workload.count, DRAWN * batch)]
    found = []
    for start in range(0, len(order), batch):
        made = collate([items[place] for place in order[start : start + batch]])
        layout = tuple((prefix, tuple(own)) for prefix, own in made.get("sqlft_layout", ()) if shape.blocks)
        sequences, width = made["input_ids"].shape
        learned = int((made["labels"] != -100).sum())
        found.append(MicroBatch(sequences, width, learned, int(made["row_tokens"]), layout))
    return found


def count_steps(rows: int, batch: int, accumulation: int, processes: int, epochs: float, max_steps: int) -> int:
    """Optimizer steps of a run, as transformers' Trainer counts them."""
    batches = math.ceil(math.ceil(rows / processes) / batch)
    return max_steps if max_steps > 0 else math.ceil(epochs * math.ceil(batches / accumulation))
