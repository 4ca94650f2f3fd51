"""run.json, the manifest of a run: what went in, what came out, and what it cost; and the plot of its losses."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlft.recipe import Recipe

_PACKAGES = ("sqlft", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes", "tokenizers")
_CURVE = ("step", "epoch", "loss", "learning_rate", "grad_norm", "mean_token_accuracy", "eval_loss", "eval_mean_token_accuracy")


def write_json(path: Path, value: Any) -> None:
    """Writes the whole file or leaves the old one."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def describe_recipe(recipe: Recipe) -> dict[str, Any]:
    """The recipe with every default filled in. It holds no secret: the recipe's own checks refuse them."""
    return recipe.model_dump(mode="json", by_alias=True)


def describe_versions() -> dict[str, str]:
    """Versions of Python and of what computes the result."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def loss_curve(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The trainer's log, reduced to what a plot wants; training and validation entries in the order they were made."""
    entries = [{key: entry[key] for key in _CURVE if key in entry} for entry in history]
    return [entry for entry in entries if "loss" in entry or "eval_loss" in entry]


def peak_memory() -> dict[str, Any]:
    """Peak bytes of this process: allocated on its GPU where it has one, else resident."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return {"bytes": torch.cuda.max_memory_allocated(), "of": torch.cuda.get_device_name()}
    unit = 1 if sys.platform == "darwin" else 1024
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, "of": "resident memory"}


def plot_losses(curve: list[dict[str, Any]], path: Path, title: str) -> None:
    """Draws training and validation loss over the steps, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for key, label in (("loss", "training"), ("eval_loss", "validation")):
        points = [(entry["step"], entry[key]) for entry in curve if key in entry]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o" if key == "eval_loss" else "", label=label)
    axes.set(title=title, xlabel="step", ylabel="loss (nats a token)", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
