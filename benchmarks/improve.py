"""Does diagnosis choose better rows than chance? `sqlft improve`'s round on the demo, against as many undirected rows.

    python -m benchmarks.improve [--rows 400] [--seeds 1] [KEY.SUBKEY=VALUE …]

The demo's adapter is trained on 600 rows; then anew on these and 400 more, once the hard ones of what is written by the
slots of what failed on the development part, once as the template teacher writes without. Both trainings have the same
number of rows and of steps. `before`, `undirected` and `directed` are right answers on a held-out part that neither
training nor slots know; p is exact McNemar, directed against undirected, the seeds' answers taken together. About half
an hour on two quiet CPU cores for each seed; killed and started again, it goes on.
"""

from __future__ import annotations

import argparse
import json
import sys

from rich.console import Console
from rich.table import Table

import sqlft
from sqlft.database import Database
from sqlft.database.shop import fill_shop
from sqlft.demo import demo_recipe
from sqlft.evaluation.remedy.overview import diagnose_results
from sqlft.evaluation.results import left_out
from sqlft.evaluation.statistics import difference
from sqlft.improvement import SEEN, add_round, first_round, judge
from sqlft.recipe import load_recipe

SPLIT = ["teacher.examples=4800", "split.train=600", "split.development=600", "split.heldout=600"]
USERS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    table = Table("seed", "before", "undirected", "directed", "rows", "n", "p")
    pairs, shares = [], []
    for seed in range(arguments.seeds):
        name = f"improve-{seed}"
        recipe = load_recipe(
            demo_recipe(), [*SPLIT, f"name={name}", f"seed={seed}", f"training.seed={seed}", *arguments.overrides]
        )
        with Database.connect(recipe.database.dsn) as db:
            fill_shop(db, USERS)
        first = first_round(recipe)
        asked = sqlft.evaluate_each(recipe, [first.adapter], [SEEN])[0]
        slots = diagnose_results(asked, recipe.run_dir).file
        undirected = add_round(first, arguments.rows, None, f"{name}-undirected")
        directed = add_round(first, arguments.rows, slots, f"{name}-directed")
        assert undirected.rows == directed.rows == first.rows + arguments.rows, "the comparison wants the same rows"
        results = judge(recipe, [first, undirected, directed])
        out = left_out(results.questions, results.answers)
        _, _, one, other = results.answers.values()
        right = [
            (b.verdict.strict, a.verdict.strict)
            for i, (a, b) in enumerate(zip(one, other, strict=True))
            if i not in out
        ]
        pairs += right
        shares.append([model.strict.value or 0.0 for model in results.models[1:]])
        p = difference("directed", "undirected", right).p
        table.add_row(
            str(seed), *(f"{share:.1%}" for share in shares[-1]), str(directed.rows), str(len(right)), f"{p:.4f}"
        )
    Console(file=sys.stderr).print(table)
    before, without, with_it = (round(sum(column) / len(shares), 4) for column in zip(*shares, strict=True))
    found = difference("directed", "undirected", pairs)
    print(
        json.dumps(
            {"before": before, "undirected": without, "directed": with_it, "p": found.p, "n": found.n}
            | {"rows": [600, arguments.rows], "fixed": found.fixed, "broken": found.broken, "seeds": arguments.seeds}
        )
    )


if __name__ == "__main__":
    main()
