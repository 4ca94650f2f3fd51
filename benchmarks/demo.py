"""The demo with several seeds: right answers of base and adapter on questions that were held out.

    python -m benchmarks.demo [--seeds 3]

The shop is the same each time; examples, split and training are drawn anew with each seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys

from rich.console import Console
from rich.table import Table

from sqlft.demo import demo_recipe, run_demo
from sqlft.recipe import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    for seed in range(arguments.seeds):
        recipe = load_recipe(demo_recipe(), [f"seed={seed}"])
        report = run_demo(recipe)
        rows.append(report.to_json()["questions"] | {"seconds": sum(report.seconds.values())})
    table = Table("seed", "questions", "n", "base", "adapter")
    for seed, row in enumerate(rows):
        for on, found in row.items():
            if on != "seconds":
                table.add_row(str(seed), on, str(found["n"]), f"{found['base']:.1%}", f"{found['adapter']:.1%}")
    Console(file=sys.stderr).print(table)

    def mean(on: str, key: str) -> float:
        return round(statistics.mean(row[on][key] for row in rows), 4)

    print(
        json.dumps(
            {
                "base": mean("heldout", "base"),
                "adapter": mean("heldout", "adapter"),
                "adapter_unseen_templates": mean("heldout_templates", "adapter"),
                "n": rows[0]["heldout"]["n"],
                "golden": {
                    "base": mean("golden", "base"),
                    "adapter": mean("golden", "adapter"),
                    "n": rows[0]["golden"]["n"],
                },
                "adapter_by_seed": [round(row["heldout"]["adapter"], 4) for row in rows],
                "seconds": round(statistics.mean(row["seconds"] for row in rows), 1),
                "seeds": arguments.seeds,
            }
        )
    )


if __name__ == "__main__":
    main()
