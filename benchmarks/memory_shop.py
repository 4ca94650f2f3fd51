"""Memory on the demo shop: base, adapter and adapter with memory on held-out questions, and the names that they invent.

    python -m benchmarks.memory_shop [--on heldout] [--beside adapter] [KEY.SUBKEY=VALUE …]

The demo is made first where its adapter is missing. Facts come from the shop's card and glossary (`sqlft facts`), their
uses from the run's training set; a memory that is there already is gone on with. Made-up names are SQL that the
database does not know a name of; made-up values are literals unlike the gold's.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import sqlft
from sqlft.console import show
from sqlft.demo import demo_recipe, run_demo
from sqlft.evaluation import Results, results_table
from sqlft.evaluation.diagnosis.categories import Category
from sqlft.memory.stage import write_facts
from sqlft.recipe import load_recipe

NAMES: tuple[Category, ...] = ("unknown_column", "unknown_table", "unknown_function", "unknown_database")
VALUES: tuple[Category, ...] = ("wrong_literal",)
BESIDE: tuple[Category, ...] = ("wrong_metric", "wrong_join", "missing_filter", "wrong_filter", "date_range")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", default="heldout")
    parser.add_argument("--beside", choices=["adapter", "base"], default="adapter")
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    recipe = load_recipe(demo_recipe(), arguments.overrides)
    adapter = recipe.run_dir / "adapter"
    if not adapter.is_dir():
        run_demo(recipe)
    file = recipe.run_dir / "facts.jsonl"
    held = write_facts(recipe, file)
    made = sqlft.memorize(recipe, file, adapter if arguments.beside == "adapter" else None)
    (results,) = sqlft.evaluate_each(recipe, [adapter], [arguments.on], memory=True)
    show(results_table(results))
    print(json.dumps({"on": arguments.on, "facts": len(held), "memorized": made.to_json(), **count(results)}))


def count(results: Results) -> dict[str, Any]:
    """Right answers and made-up names and values of each model; and where memory opened, what became of the answer."""
    found: dict[str, Any] = {}
    for model in results.models:
        given = results.answers[model.name]
        wrong = {name: sum(name in answer.categories for answer in given) for name in (*NAMES, *VALUES, *BESIDE)}
        found[model.name] = {
            "right": model.strict.k,
            "of": model.strict.n,
            "share": model.strict.value,
            "made_up_names": sum(bool({*NAMES} & {*answer.categories}) for answer in given),
            "made_up_values": sum(bool({*VALUES} & {*answer.categories}) for answer in given),
            "by_category": wrong,
        }
        own = model.name.removesuffix("+memory") if "+" in model.name else "base" if model.name == "memory" else ""
        if own:
            before = results.answers[own]
            pairs = list(zip(given, before, strict=True))
            open_ = [(now, then) for now, then in pairs if now.facts]
            found[model.name] |= {
                "opened": len(open_),
                "mended": sum(now.verdict.strict and not then.verdict.strict for now, then in open_),
                "broken": sum(then.verdict.strict and not now.verdict.strict for now, then in open_),
                "changed_where_shut": sum(now.text != then.text for now, then in pairs if not now.facts),
            }
    return found


if __name__ == "__main__":
    main()
