"""A step over rows that share their schema: TRL's default, TRL's packing, and sqlft's shared prefix, side by side.

    python -m benchmarks.train_throughput [--rows 32] [--steps 2] [--prefixes 500 2000]

The base is data/tiny-base with a LoRA adapter, on this machine's CPU; rows are random tokens: a prefix that all share,
and 80 to 120 of their own, six tenths of which are learned. A step takes all rows, so that losses can be compared.
Packing is given two rows a sequence, one sequence at a time: TRL lays a batch of packed sequences end to end, and on a
CPU attention over all of it would cost far more than it saves. `mask` is ours under a mask over the whole sequence,
`shared` ours as it trains: block by block.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer, LlamaForCausalLM, TrainerCallback
from trl import SFTConfig, SFTTrainer

from sqlft.inference.tokens import Row
from sqlft.training.blocks import NAME
from sqlft.training.rows import as_dataset
from sqlft.training.sft import Trainer
from sqlft.training.sharing import SharedCollator, best_budget

OURS = ("mask", "shared")
BASE = Path(__file__).parents[1] / "data/tiny-base"
WAYS = ("default", "packing", "mask", "shared")


class Clock(TrainerCallback):
    """Seconds and losses of the steps."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def on_step_begin(self, *_args: Any, **_kwargs: Any) -> None:
        self._began = time.perf_counter()

    def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
        self.seconds.append(time.perf_counter() - self._began)

    def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, float], **_kwargs: Any) -> None:
        self.losses += [logs["loss"]] if "loss" in logs else []


def make_rows(count: int, prefix: int, vocabulary: int) -> list[Row]:
    """Rows of random tokens after one prefix."""
    rng = random.Random(prefix)
    token = lambda: rng.randrange(16, vocabulary)  # noqa: E731
    shared = [token() for _ in range(prefix)]
    rows = []
    for number in range(count):
        own = [token() for _ in range(rng.randint(80, 120))]
        asked = int(0.4 * len(own))
        rows.append(Row(str(number), shared + own[:asked], own[asked:], prefix))
    return rows


def measure(way: str, rows: list[Row], steps: int) -> Clock:
    """Trains one warm-up step and `steps` more."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    tokenizer.model_max_length = 10**6
    model = LlamaForCausalLM.from_pretrained(BASE, dtype=torch.float32, attn_implementation="sdpa")
    pack = max(map(len, rows)) * 2
    options: dict[str, Any] = {"per_device_train_batch_size": len(rows)}
    if way == "packing":
        options = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": -(-len(rows) // 2)}
        options |= {"packing": True, "max_length": pack}
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            max_steps=1 + steps,
            learning_rate=1e-3,
            lr_scheduler_type="constant",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            activation_checkpointing=False,
            completion_only_loss=True,
            **{"max_length": None, **options},
        )
        if way in OURS:
            model.config._attn_implementation = NAME if way == "shared" else "sdpa"
            data = as_dataset(rows)
            kind: dict[str, Any] = {
                "data_collator": SharedCollator(
                    tokenizer.pad_token_id, best_budget(rows, model.config), way == "shared"
                )
            }
        else:
            learned = [[0] * len(row.prompt) + [1] * len(row.completion) for row in rows]
            ids = [row.prompt + row.completion for row in rows]
            data, kind = Dataset.from_dict({"input_ids": ids, "completion_mask": learned}), {}
        trainer = (Trainer if way in OURS else SFTTrainer)(
            model=model,
            args=arguments,
            train_dataset=data,
            processing_class=tokenizer,
            peft_config=LoraConfig(task_type="CAUSAL_LM", r=16, target_modules="all-linear"),
            callbacks=[clock],
            **kind,
        )
        trainer.train()
    return clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--prefixes", type=int, nargs="+", default=[500, 2000])
    options = parser.parse_args()
    table = Table("prefix", "way", "seconds a step", "rows/s", "losses")
    found: dict[str, float] = {}
    difference = 0.0
    for prefix in options.prefixes:
        rows = make_rows(options.rows, prefix, 3072)
        ways = WAYS if prefix <= 500 else WAYS[1:]  # rows of one length: packing costs what the default does
        clocks = {way: measure(way, rows, options.steps if prefix <= 500 else 1) for way in ways}
        seconds = {way: statistics.median(clock.seconds[1:]) for way, clock in clocks.items()}
        for way, clock in clocks.items():
            losses = " ".join(f"{loss:.5f}" for loss in clock.losses)
            table.add_row(str(prefix), way, f"{seconds[way]:.2f}", f"{len(rows) / seconds[way]:.1f}", losses)
            pairs = zip(clock.losses, clocks["shared"].losses, strict=True)
            difference = max(difference, *(abs(a - b) for a, b in pairs))
        name = "" if prefix == options.prefixes[0] else f"_{prefix}"
        found |= {f"vs_{way}{name}": round(seconds[way] / seconds["shared"], 2) for way in ways[:-1]}
    Console(stderr=True, width=120).print(table)
    print(json.dumps({**found, "loss_difference": round(difference, 7), "rows": options.rows}))


if __name__ == "__main__":
    main()
