"""Facts used inside new questions: what each design of the experts and of their lessons gives, on data/tiny-base.

    python -m benchmarks.memory_composition [--metrics 20] [--seeds 0] [--designs NAME …]

Twenty metrics are learned, each in its two definitions and in some uses; then each is asked for under two filters that
it was never trained with (`filters`), and beside a metric that it was never trained with, under a new filter (`pairs`).
`alone` is how many of the definitions are recalled, and `base` what the base makes of the filters when a metric's words
are replaced by ones that it knows: no design can be expected to come above it.
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

from benchmarks.memory_facts import Suite, make_suite
from benchmarks.memory_measures import right
from benchmarks.memory_rivals import Method, Remembered, Untaught, make_method
from sqlft.inference.load import Base, load_base
from sqlft.memory import Use
from sqlft.recipe import Model

DESIGNS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "definitions alone": (0, 0, {}),
    "nothing shared": (6, 3, {"shared_rank": 0}),
    "3 uses, 1 pair": (3, 1, {}),
    "6 uses, 3 pairs": (6, 3, {}),
    "shared rank 32": (6, 3, {"shared_rank": 32}),
    "experts of rank 16": (6, 3, {"rank": 16}),
    "2 layers": (6, 3, {"layers": 2}),
    "product keys": (6, 3, {"shape": "product_keys"}),
    "rate 0.02": (6, 3, {"learning_rate": 2e-2}),
}
RIVALS = ("lookup", "lora 32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, default=Path("data/tiny-base"))
    parser.add_argument("--metrics", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--designs", nargs="+", default=[*DESIGNS, *RIVALS])
    parser.add_argument("--clock", type=float, default=6.0, help="seconds a metric after which LoRA stops")
    arguments = parser.parse_args()
    base = load_base(Model(base=str(arguments.base), quantization="none", dtype="float32"), str(arguments.base))
    table = Table("design", "alone", "filters", "pairs", "base", "epochs", "s")
    last: dict[str, dict[str, float]] = {}
    for name in arguments.designs:
        found = [_measure(name, base, arguments.metrics, seed, arguments.clock) for seed in arguments.seeds]
        last[name] = {key: round(statistics.mean(one[key] for one in found), 4) for key in found[0]}
        table.add_row(name, *map(str, last[name].values()))
        Console(stderr=True).print(name, last[name])
    Console(width=140).print(table)
    print(json.dumps(last))


def _measure(name: str, base: Base, metrics: int, seed: int, clock: float) -> dict[str, float]:
    uses, pairs, section = DESIGNS.get(name, DESIGNS["6 uses, 3 pairs"])
    suite, began = make_suite(metrics, seed, metrics=1.0, uses=uses, pairs=pairs), time.perf_counter()
    method: Method = make_method(name, base, suite, seed) if name in RIVALS else _remember(base, suite, seed, section)
    method.learn(suite.first, clock * metrics)
    seconds = time.perf_counter() - began
    found = {kind: right(method, suite.asked[kind]) for kind in ("recall", "filters", "pairs")}
    known = Untaught("base", base, suite, seed)
    return {
        "alone": found["recall"],
        "filters": found["filters"],
        "pairs": found["pairs"],
        "base": right(known, plain_uses(suite)),
        "epochs": method.epochs,
        "seconds": round(seconds, 1),
    }


def plain_uses(suite: Suite) -> list[Use]:
    """The questions under new filters, about the number of rows instead of a metric."""
    terms = {fact.id.removeprefix("term "): fact.answer for fact in suite.first}
    plain = []
    for use in suite.asked["filters"]:
        term = next(term for term in terms if f" {term} " in use.question)
        question = use.question.replace(f"the {term}", "the number")
        question = question.replace("number for", "number of")
        plain.append(Use(question=question, answer=use.answer.replace(terms[term], "count()")))
    return plain


def _remember(base: Base, suite: Suite, seed: int, section: dict[str, Any]) -> Remembered:
    return Remembered(section.get("shape", "experts"), base, suite, seed, **section)


if __name__ == "__main__":
    main()
