"""The demo with several training seeds: right answers of base and adapter on questions that were held out.

    python -m benchmarks.demo [--seeds 3] [KEY.SUBKEY=VALUE …]

Shop, examples and split are the same each time; what is trained is drawn anew with each seed. `seconds` is the first
seed's, which is the whole demo.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys

from rich.console import Console
from rich.table import Table

from sqlft.demo import ASKED, demo_recipe, run_demo
from sqlft.recipe import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    reports = [
        run_demo(load_recipe(demo_recipe(), [f"training.seed={seed}", *arguments.overrides]), anew=seed == 0)
        for seed in range(arguments.seeds)
    ]
    rows = [report.to_json()["questions"] for report in reports]
    table = Table("training seed", "questions", "n", "base", "adapter")
    for seed, row in enumerate(rows):
        for on, found in row.items():
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
                "n": min(row["heldout"]["n"] for row in rows),
                "seconds": round(sum(reports[0].seconds.values()), 1),
                "stages": reports[0].seconds,
                "by_seed": {on: [round(row[on]["adapter"], 4) for row in rows] for on in ASKED},
                "questions": {on: found["n"] for on, found in rows[0].items()},
                "golden": {"base": mean("golden", "base"), "adapter": mean("golden", "adapter")},
                "seeds": arguments.seeds,
            }
        )
    )


if __name__ == "__main__":
    main()
