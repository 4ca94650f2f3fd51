"""What a plan says against what a run does: `python -m benchmarks.plan [RECIPE] [--steps N]`, on this machine.

Parameters, bytes of the base, tokens and steps must be equal anywhere. On a GPU, peak memory (less what CUDA itself
takes) and tokens a second are compared too, and should be within 15%. Without a recipe data/tiny-base is trained on 256
made rows; with one, a few steps of it on the dataset that it has, in a folder of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.training import ROOT, write_recipe
from sqlft.inference.load import load_base
from sqlft.planning import Plan, make_plan
from sqlft.recipe import Recipe, load_recipe
from sqlft.training import train
from sqlft.training.plan.memory import CONTEXT


def held_bytes(recipe: Recipe) -> int:
    """Loads the base and counts the bytes of its weights, scales included."""
    total = 0
    for weight in load_base(recipe.model, recipe.base).model.parameters():
        total += weight.untyped_storage().nbytes()
        if state := getattr(weight, "quant_state", None):
            parts = [state.absmax, state.code]
            parts += [state.state2.absmax, state.state2.code, state.offset] if state.nested else []
            total += sum(part.nbytes for part in parts)
    return total


def compare(planned: Plan, run: dict[str, Any], base_bytes: int) -> dict[str, tuple[float, float]]:
    """(planned, found) by name; what only a GPU can tell is left out where there is none."""
    found: dict[str, tuple[float, float]] = {
        "trained parameters": (planned.trainable_parameters, run["trainable_parameters"]),
        "bytes of the base": (planned.memory["base"], base_bytes),
        "steps": (planned.steps, run["steps"]),
        "tokens a step": (planned.step_tokens["rows"], round(run["tokens"] / run["steps"])),
    }
    if torch.cuda.is_available():
        found["peak memory"] = (planned.peak - CONTEXT, run["peak_memory"]["bytes"])
        device, size = torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory / 1e9
        like = [gpu for gpu in planned.gpus if gpu.name.removeprefix("RTX ").split()[0] in device]
        if like:
            nearest = min(like, key=lambda gpu: abs(gpu.memory - size))
            found["tokens a second"] = (nearest.tokens_per_second, run["tokens_per_second"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        steps, offline = f"training.max_steps={options.steps}", "teacher.kind=template"
        if options.recipe:
            given = load_recipe(options.recipe.resolve())
            shutil.copytree(given.run_dir / "dataset", Path(folder) / given.run_dir / "dataset")
            path, overrides = given.path, [steps, offline]
        else:
            path = write_recipe(Path(folder), ROOT / "data/tiny-base", options.steps)
            # one round of all rows: their tokens do not depend on the order
            overrides = ["name=qlora", "training.max_steps=-1", "training.num_train_epochs=1", offline]
        with contextlib.chdir(folder):
            recipe = load_recipe(path, overrides)
            planned, base_bytes = make_plan(recipe), held_bytes(recipe)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            found = compare(planned, train(recipe).manifest, base_bytes)
    table = Table("", "planned", "found", "planned / found")
    for name, (plan, real) in found.items():
        table.add_row(name, f"{plan:,.0f}", f"{real:,.0f}", f"{plan / real:.3f}")
    Console(stderr=True).print(table)
    ratios = {name.replace(" ", "_"): round(plan / real, 4) for name, (plan, real) in found.items()}
    print(json.dumps({"gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None, **ratios}))


if __name__ == "__main__":
    main()
