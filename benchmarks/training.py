"""Tokens a second of LoRA and QLoRA: `python -m benchmarks.training [--steps N] [--rounds N]`, on this machine.

The base is data/tiny-base, so that nothing is downloaded: the figures compare the two ways, and say nothing of an 8B.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from sqlft.card import Column, SchemaCard
from sqlft.card import Table as CardTable
from sqlft.recipe import load_recipe
from sqlft.records import Example, write_jsonl
from sqlft.training import train

ROOT = Path(__file__).parents[1]
WAYS = {"lora": "none", "qlora": "nf4"}


def write_recipe(folder: Path, base: Path, steps: int) -> Path:
    """Writes a recipe, a card of sixteen columns and 256 rows of about 200 tokens."""
    SchemaCard(
        tables=[
            CardTable(
                name="shop.users", columns=[Column(name=f"column_{n}", type="UInt64", min=0, max=n) for n in range(16)]
            )
        ]
    ).save(folder / "card.yaml")
    rows = [
        Example(
            question=f"How many users have column_{n % 16} {n}?",
            sql=f"SELECT count() FROM shop.users WHERE column_{n % 16} = {n}",
        )
        for n in range(256)
    ]
    write_jsonl(folder / "seeds.jsonl", rows[:1])
    training = {"max_steps": steps, "save_steps": steps, "per_device_train_batch_size": 8, "learning_rate": 1e-3}
    recipe = {
        "schema": "card.yaml",
        "seeds": "seeds.jsonl",
        "golden": "seeds.jsonl",
        "model": {"base": str(base), "dtype": "float32"},
        "training": training | {"gradient_checkpointing": False},
    }
    for way in WAYS:
        write_jsonl(folder / f"runs/{way}/dataset/train.jsonl", rows)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def measure(base: Path, steps: int, rounds: int) -> dict[str, dict[str, float]]:
    """Trains both ways in turn, `rounds` times, and keeps the best of each: other work on the machine only slows."""
    found = {way: {"tokens_per_second": 0.0, "peak_mib": 0.0} for way in WAYS}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        path = write_recipe(Path(folder), base, steps)
        for way, quantization in list(WAYS.items()) * rounds:
            run = train(load_recipe(path, [f"name={way}", f"model.quantization={quantization}"])).manifest
            best = max(found[way]["tokens_per_second"], run["tokens_per_second"])
            found[way] = {"tokens_per_second": best, "peak_mib": round(run["peak_memory"]["bytes"] / 2**20, 1)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=ROOT / "data/tiny-base")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = measure(options.base.resolve(), options.steps, options.rounds)
    table = Table("", "tokens/s", "peak MiB of the process so far")
    for way, figures in found.items():
        table.add_row(way, f"{figures['tokens_per_second']:,.0f}", f"{figures['peak_mib']:,.0f}")
    Console().print(table)
    ratio = found["qlora"]["tokens_per_second"] / found["lora"]["tokens_per_second"]
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))
    print(json.dumps({**found, "qlora_to_lora": round(ratio, 3), "steps": options.steps, "threads": threads}))


if __name__ == "__main__":
    main()
