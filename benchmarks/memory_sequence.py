"""Batches of facts learned one after another: recall of every earlier batch after each, on data/tiny-base.

    python -m benchmarks.memory_sequence [--batches 10] [--facts 50] [--methods experts product_keys "lora 32"]

LoRA goes on training on each new batch until it is exact, or for `--clock` seconds a fact; it does not see earlier
batches. `product_keys` does what `sqlft memorize` does: facts that share an expert which has moved are mended;
`product_keys unmended` leaves them. Answers are generated, greedily. What was measured is kept in runs/memory-tuning.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.memory_facts import make_suite
from benchmarks.memory_measures import right
from benchmarks.memory_rivals import make_method
from sqlft.inference.load import Base, load_base
from sqlft.recipe import Model

METHODS = ("experts", "product_keys", "product_keys unmended", "lora 32")


def learn_in_turn(name: str, base: Base, batches: int, count: int, clock: float) -> dict[str, Any]:
    """A method's recall of each batch so far, after each batch."""
    suite = make_suite(batches * count, 0, metrics=0)
    parts = [suite.first[n * count : (n + 1) * count] for n in range(batches)]
    method, began, recall = make_method(name, base, suite, 0), time.perf_counter(), list[list[float]]()
    seconds, stopped = [], []
    for n, part in enumerate(parts):
        started = time.perf_counter()
        method.learn(part, clock * count)
        seconds.append(round(time.perf_counter() - started, 1))
        stopped.append(method.stopped)
        recall.append([right(method, [use for fact in old for use in fact.asked[:1]]) for old in parts[: n + 1]])
        Console(stderr=True).print(f"{name}: {n + 1} of {batches} ({time.perf_counter() - began:.0f} s)")
    return {
        "method": name,
        "facts": [batches, count],
        "recall": recall,
        "seconds": seconds,
        "stopped": stopped,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=Path("data/tiny-base"))
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--facts", type=int, default=50)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--clock", type=float, default=1.5)
    arguments = parser.parse_args()
    base = load_base(Model(base=str(arguments.base), quantization="none", dtype="float32"), str(arguments.base))
    kept = Path("runs/memory-tuning/sequence.jsonl")
    found = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    size, last = [arguments.batches, arguments.facts], {}
    for name in arguments.methods:
        if not (own := [one for one in found if (one["method"], one["facts"]) == (name, size)]):
            own = [learn_in_turn(name, base, arguments.batches, arguments.facts, arguments.clock)]
            kept.parent.mkdir(parents=True, exist_ok=True)
            with kept.open("a", encoding="utf-8") as out:
                out.write(json.dumps(own[0]) + "\n")
        recall = own[0]["recall"]
        table = Table("after", *(str(n + 1) for n in range(arguments.batches)), title=f"{name}: recall of each batch")
        for n, row in enumerate(recall):
            table.add_row(str(n + 1), *(f"{value:.2f}" for value in row))
        Console(width=120).print(table)
        earlier = [value for row in recall for value in row[:-1]]
        last[name] = {
            "just_learned": round(statistics.mean(row[-1] for row in recall), 4),
            "earlier": round(statistics.mean(earlier), 4) if earlier else None,
            "at_the_end": round(statistics.mean(recall[-1]), 4),
            "first_batch_at_the_end": round(recall[-1][0], 4),
            "seconds": round(sum(own[0]["seconds"]), 1),
        }
    print(json.dumps(last))


if __name__ == "__main__":
    main()
