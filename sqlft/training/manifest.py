"""run.json, the manifest of a run: what went in, what came out, and what it cost; and the plot of its losses."""

from __future__ import annotations

import platform
import resource
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.inference.adapters import template_hash
from sqlft.inference.load import Base, hash_base, hash_file
from sqlft.inference.tokens import Row, summarize_lengths
from sqlft.prompts import hash_prompt
from sqlft.recipe import Recipe
from sqlft.training.checkpoints import Best, step_of
from sqlft.training.rows import SPLITS

_PACKAGES = ("sqlft", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes", "tokenizers")
_CURVE = (
    "step",
    "epoch",
    "loss",
    "learning_rate",
    "grad_norm",
    "mean_token_accuracy",
    "eval_loss",
    "eval_mean_token_accuracy",
)


def describe_identity(recipe: Recipe, base: Base, args: Any) -> dict[str, Any]:
    """What an adapter belongs to and what a resumed run must still be: hashes of base, prompt, template and data."""
    files = {split: recipe.run_dir / "dataset" / f"{split}.jsonl" for split in SPLITS}
    return {
        "base": base.name,
        "base_sha256": hash_base(base.folder),
        "revision": recipe.model.revision,
        "quantization": base.quantization,
        "dtype": recipe.model.dtype,
        "template_sha256": template_hash(base.tokenizer),
        "prompt_sha256": hash_prompt(SchemaCard.load(recipe.schema_), recipe.prompt),
        "data_sha256": {split: hash_file(path) for split, path in files.items() if path.is_file()},
        "lora": recipe.lora.model_dump(mode="json"),
        "seed": args.seed,
        "optimizer": {key: getattr(args, key) for key in ("optim", "learning_rate", "weight_decay")},
        "batch": args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size,
    }


def describe_run(
    recipe: Recipe,
    trainer: Any,
    state: dict[str, Any],
    best: Best,
    rows: dict[str, list[Row]],
    identity: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Everything that run.json says. The recipe in it holds no secret: its own checks refuse them.

    Args:
        state: The last checkpoint's trainer state.
        seconds: Of this call, loading and evaluating included; `train_seconds` counts all steps since the first.
    """
    return {
        "name": recipe.name,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "steps": state["global_step"],
        "best_step": step_of(best.folder),
        "best_validation_loss": best.loss,
        "tokens": trainer.total_tokens,
        "tokens_per_second": round(trainer.total_tokens / max(trainer.train_seconds, 1e-9), 1),
        "train_seconds": round(trainer.train_seconds, 3),
        "seconds": round(seconds, 3),
        "peak_memory": _peak_memory(),
        "trainable_parameters": trainer.trained,
        "processes": trainer.args.world_size,
        "attention": trainer.attention or {"chosen": recipe.model.attention},
        "rows": {split: summarize_lengths(found) for split, found in rows.items() if found},
        "identity": identity,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
        "recipe": recipe.model_dump(mode="json", by_alias=True),
        "curve": _curve(state["log_history"]),
    }


def _curve(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    entries = [{key: entry[key] for key in _CURVE if key in entry} for entry in history]
    return [entry for entry in entries if "loss" in entry or "eval_loss" in entry]


def _peak_memory() -> dict[str, Any]:
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
