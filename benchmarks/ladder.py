"""Every step of the ladder on the demo's run: how many are right, with intervals, and what a right answer costs.

    python -m benchmarks.ladder [--questions 60] [--on heldout] [KEY.SUBKEY=VALUE …]

The demo is made first where its adapter is missing. An hour of this machine is reckoned at ten cents, which is an
assumption; `agent.gpu_hour_usd=…` is another one. What was written stays in the run, so that a second call takes
seconds; `runs/tiny-cpu/ladder` is to be deleted to measure the time once more.
"""

from __future__ import annotations

import argparse
import json
import time

import sqlft
from sqlft.console import show
from sqlft.demo import demo_recipe, run_demo
from sqlft.evaluation import ladder_table
from sqlft.recipe import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--on", default="heldout")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    recipe = load_recipe(demo_recipe(), ["agent.gpu_hour_usd=0.1", *arguments.overrides])
    if not (recipe.run_dir / "adapter").is_dir():
        run_demo(recipe)
    began = time.perf_counter()
    results = sqlft.ladder(recipe, on=arguments.on, limit=arguments.questions)
    seconds = time.perf_counter() - began
    show(ladder_table(results))
    steps = {
        step.name: {
            "right": step.strict.k,
            "share": round(step.strict.k / max(1, step.strict.n), 4),
            "interval": [round(step.right.low, 4), round(step.right.high, 4)],
            "p": None if step.against_base is None else round(step.against_base.p, 4),
            "attempts": step.attempts,
            "tokens": step.prompt_tokens + step.completion_tokens,
            "seconds": round(step.seconds, 1),
            "usd_per_right": step.dollars_per_right,
        }
        for step in results.models
    }
    print(json.dumps({"on": arguments.on, "n": results.base.strict.n, "steps": steps, "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()
