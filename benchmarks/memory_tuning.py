"""Memory tuning against full fine-tuning, LoRA, replay, the paper's own design, and a lookup, on data/tiny-base.

    python -m benchmarks.memory_tuning [--quick | --full] [--facts 100 500] [--seeds 0 1 2] [--methods NAME …]

Facts are random answers of invented entities, and SQL metrics of one schema; see benchmarks/memory_facts.py. Every
answer that is counted is generated, greedily, as users get it. Rivals see the same questions and answers and stop when
all of them are right, or after `--clock` seconds a fact, which the table says; seconds are of CPU time. What was
measured is kept in runs/memory-tuning, so that a second call goes on; delete the folder to measure anew. `--quick` does
one seed of 100 facts: the lookup, one expert a fact, LoRA of rank 32 for a second a fact. `--full` adds 2,000 facts.

| measure | what it is |
|---|---|
| recall, third | the trained wordings; an untrained template |
| synonyms | an untrained sentence, in which the attribute is called by a synonym, too; a term is always itself |
| reworded | another sentence with the attribute's own words |
| misspelt, inflected | two letters of the name exchanged, or one lost; a plural |
| filters, pairs, composition | a metric under filters never trained with it; two metrics; both together |
| kept | recall of the first facts after a second batch was learned |
| KL | from the base, on questions over unseen schemas, nats a token |
| unknown, other | openings on names that are not stored; on names that are, of another attribute |
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
from benchmarks.memory_measures import measure
from sqlft.inference.load import load_base
from sqlft.recipe import Model

OURS = ("experts", "product_keys")
METHODS = (
    "lookup", "experts", "lora 32", "product_keys", "product_keys unmended", "full", "paper", "lora 8", "lora 128",
    "lora 32 replay",
)  # fmt: skip
QUICK = ("lookup", "experts", "lora 32")
COLUMNS = {
    "recall": "recall", "third": "third", "synonyms": "synonyms", "reworded": "reworded", "misspelt": "misspelt",
    "inflected": "inflected", "filters": "filters", "pairs": "pairs", "old_facts_kept": "kept", "kl": "KL",
    "loss_added": "loss +",
    "opened_unknown": "unknown", "opened_other_attributes": "other", "seconds": "s", "bytes_a_fact": "B/fact",
}  # fmt: skip
Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=Path("data/tiny-base"))
    parser.add_argument("--facts", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--clock", type=float, default=1.5, help="seconds a fact after which a rival stops")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.facts, arguments.seeds, arguments.methods, arguments.clock = [100], [0], list(QUICK), 1.0
    began, counts = time.perf_counter(), [*arguments.facts, *([2000] if arguments.full else [])]
    kept = Path("runs/memory-tuning/results.jsonl")
    found = [json.loads(line) for line in kept.read_text().splitlines()] if kept.is_file() else []
    base = load_base(Model(base=str(arguments.base), quantization="none", dtype="float32"), str(arguments.base))
    for count, seed in ((count, seed) for count in counts for seed in arguments.seeds):
        suite = make_suite(count, seed)
        for name in arguments.methods:
            about = {"method": name, "facts": count, "seed": seed}
            if any(about.items() <= one.items() for one in found):
                continue
            Console(stderr=True).print(f"{name}, {count} facts, seed {seed} ({time.perf_counter() - began:.0f} s)")
            found.append(about | measure(name, base, suite, seed, arguments.clock * count))
            kept.parent.mkdir(parents=True, exist_ok=True)
            with kept.open("a", encoding="utf-8") as out:
                out.write(json.dumps(found[-1]) + "\n")
    asked = [one for one in found if one["seed"] in arguments.seeds and one["method"] in arguments.methods]
    for count in counts:
        show(count, [one for one in asked if one["facts"] == count])
    last = summarize([one for one in asked if one["facts"] == (500 if 500 in counts else counts[-1])])
    print(json.dumps(last | {"took": round(time.perf_counter() - began, 1)}))


def show(count: int, found: list[Found]) -> None:
    """Prints a table of the methods, and the curve over the gate's threshold: means over seeds."""
    table = Table("method", "n", "stopped", *COLUMNS.values(), title=f"{count} facts")
    for name in dict.fromkeys(one["method"] for one in found):
        own = [one for one in found if one["method"] == name]
        stopped = ", ".join(f"{one['stopped']} {one['epochs']}" for one in own)
        table.add_row(name, str(len(own)), stopped, *(_write(key, mean(own, key)) for key in COLUMNS))
    Console(width=200).print(table)
    gated = [one for one in found if one["method"] == "experts"]
    if gated:
        points = [[p for p in one["curve"] if "chosen" not in p] for one in gated]
        curve = Table(*points[0][0], title=f"{count} facts, openings by threshold; chosen: {_chosen(gated)}")
        for same in zip(*points, strict=True):
            curve.add_row(*(f"{statistics.mean(p[key] for p in same):.3f}" for key in same[0]))
        Console(width=200).print(curve)


def summarize(found: list[Found]) -> dict[str, Any]:
    """The better shape's figures, means over seeds; null where a method was not run."""
    by = {name: [one for one in found if one["method"] == name] for name in METHODS}
    ours = max((name for name in OURS if by[name]), key=lambda name: _worth(by[name]), default="experts")
    best, lora, lookup = by[ours], by["lora 32"], by["lookup"]
    drift = mean(lora, "kl")
    figures = {
        "recall": mean(best, "recall"),
        "paraphrase_recall": mean(best, "third"),
        "synonym_recall": mean(best, "synonyms"),
        "composition": mean(best, "composition"),
        "lookup_composition": mean(lookup, "composition"),
        "lora_composition": mean(lora, "composition"),
        "drift_vs_lora": None if not drift or not best else (mean(best, "kl") or 0.0) / drift,
        "old_facts_kept": mean(best, "old_facts_kept"),
        "false_openings": mean(best, "false_openings"),
    }
    rounded = {key: None if value is None else round(value, 4) for key, value in figures.items()}
    return rounded | {"shape": ours, "n": best[0]["facts"] if best else 0, "seeds": len(best)}


def mean(found: list[Found], key: str) -> float | None:
    values = [one[key] for one in found if key in one]
    return statistics.mean(values) if values else None


def _worth(found: list[Found]) -> tuple[float, float]:
    return round(mean(found, "recall") or 0, 3), mean(found, "composition") or 0


def _chosen(found: list[Found]) -> str:
    return ", ".join(str(point["threshold"]) for one in found for point in one["curve"] if "chosen" in point)


def _write(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if key in ("kl", "loss_added"):
        return f"{value:.4f}"
    return f"{value:,.0f}" if key in ("seconds", "bytes_a_fact") else f"{value:.3f}"


if __name__ == "__main__":
    main()
