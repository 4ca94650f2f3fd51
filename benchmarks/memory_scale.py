"""What a bank of product keys costs as it grows: steps, answers, memory, collisions; on data/tiny-base.

    python -m benchmarks.memory_scale [--sides 32 128 512 1024] [--rounds 5]

A bank has `side` squared experts, all of which are written to a file of their own (7.9 GB for a million of five layers'
width; deleted at the end) and mapped from it. Sizes are measured in turn and the median of the rounds is taken, so that
other work on the machine meets all of them. A step is a whole `memorize` of 64 questions and one epoch, its looks
included, divided by its four batches; an answer is one of 64 that open a fact each. The memory is the process' peak,
with all banks mapped: no less than the largest one alone needs.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.memory_facts import Suite, make_suite
from benchmarks.memory_rivals import PROMPT
from sqlft.inference import LocalModel
from sqlft.memory import Memory, memorize
from sqlft.memory.bank import Rows
from sqlft.memory.lessons import make_lessons
from sqlft.memory.memorize import Item
from sqlft.memory.store import map_rows, write_rows
from sqlft.prompts import render_chat
from sqlft.recipe import Generation, Model
from sqlft.recipe import Memory as Section

FACTS, ASKED, BATCHES = 500, 64, 4
GENERATION = Generation(max_new_tokens=12, batch_size=16)


@dataclass
class Filled(Rows):
    """A bank all of whose rows exist. B is zero, so that answers are as long whatever the size."""

    count: int = 0

    @property
    def numbers(self) -> list[int]:
        return list(range(self.count))

    def read(self, numbers: Sequence[int]) -> Tensor:
        rows = torch.randn(len(numbers), *self.shape, generator=torch.Generator().manual_seed(numbers[0])) / 14
        rows[:, :, 1] = 0
        return rows


@dataclass
class Bank:
    """A bank on disk, with facts that have experts in it."""

    memory: Memory
    file: Path
    lessons: list[Item]

    def fresh(self) -> Memory:
        """As it is on disk."""
        self.memory.rows = map_rows(self.memory.rows.shape, self.file)
        return self.memory


def make_bank(model: LocalModel, suite: Suite, side: int, folder: Path) -> Bank:
    section = Section(shape="product_keys", experts=side * side)
    memory = Memory.make(model.base.model, model.base.tokenizer, section)
    memory.add(suite.first)
    file = folder / f"{side}.safetensors"
    write_rows(Filled(memory.rows.shape, count=side * side), file)
    lessons = make_lessons(
        memory,
        suite.first[: 16 * BATCHES // 2],
        model.base.tokenizer,
        lambda question: render_chat(suite.card, question, PROMPT),
        PROMPT.date,
        model.context,
        variants=0,
    )
    return Bank(memory, file, lessons)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=Path("data/tiny-base"))
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 128, 512, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    model = LocalModel.load(Model(base=str(arguments.base), quantization="none", dtype="float32"), str(arguments.base))
    suite = make_suite(FACTS, 0, metrics=0)
    chats = [render_chat(suite.card, fact.phrasings[0], PROMPT) for fact in suite.first[-ASKED:]]
    steps: dict[int, list[float]] = {side: [] for side in arguments.sides}
    answers: dict[int, list[float]] = {side: [] for side in arguments.sides}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        banks = {side: make_bank(model, suite, side, Path(folder)) for side in arguments.sides}
        for _ in range(arguments.rounds):
            for side, bank in banks.items():
                section = Section(shape="product_keys", experts=side * side, epochs=1, batch_size=16)
                learned = memorize(model.base.model, bank.fresh(), bank.lessons, section)
                steps[side].append(learned.seconds / BATCHES)
                model.memory, began = bank.fresh(), time.perf_counter()
                model.generate(chats, GENERATION, PROMPT.date, memory=True)
                answers[side].append((time.perf_counter() - began) / ASKED)
        collisions = {side: bank.memory.shape.collisions for side, bank in banks.items()}  # type: ignore[union-attr]
        sizes = {side: bank.file.stat().st_size / 1e9 for side, bank in banks.items()}
    table = Table("experts", "GB on disk", "ms a step", "ms an answer", f"collisions of {FACTS} facts")
    step, answer = ({s: statistics.median(v) for s, v in times.items()} for times in (steps, answers))
    for side in arguments.sides:
        row = (f"{sizes[side]:.3f}", f"{1e3 * step[side]:.0f}", f"{1e3 * answer[side]:.1f}", f"{collisions[side]:.2f}")
        table.add_row(f"{side * side:,}", *row)
    Console().print(table)
    small, large = arguments.sides[0], arguments.sides[-1]
    print(
        json.dumps(
            {
                "step_ratio_1m_vs_1k": round(step[large] / step[small], 3),
                "answer_ratio_1m_vs_1k": round(answer[large] / answer[small], 3),
                "resident_gb_1m": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
