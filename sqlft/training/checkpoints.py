"""The folder that --resume goes on from: which checkpoint is whole, and whether it is this recipe's."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe

_PARTS = ("adapter_model.safetensors", "adapter_config.json", "optimizer.*", "scheduler.pt")
"""The optimizer's state is optimizer.pt, and under FSDP optimizer.bin."""


def check_unfinished(recipe: Recipe, resume: bool) -> None:
    """Refuses to begin anew over a run that was not finished; costs nothing, so that it comes first.

    Raises:
        WrongUse: There is one, and `resume` was not asked for.
    """
    found = last_whole(_folder(recipe))
    if found and not resume and not (recipe.run_dir / "run.json").is_file():
        raise WrongUse(
            Problem(
                str(found.parent),
                f"an unfinished run, saved at step {step_of(found)}",
                "beginning anew would delete it",
                "Add --resume to go on, delete the folder to begin anew, or write another `name`.",
            )
        )


def prepare_checkpoints(recipe: Recipe, identity: dict[str, Any], resume: bool) -> list[str]:
    """Readies runs/NAME/checkpoints for a new run or for going on.

    Args:
        identity: What must not change between a run and its resumption: base, data, prompt, adapter's shape, batch.

    Returns:
        What a person should know, in sentences.

    Raises:
        WrongUse: What the run was begun with has changed.
    """
    folder = _folder(recipe)
    found = last_whole(folder) if resume else None
    if found is None:
        shutil.rmtree(folder, ignore_errors=True)
        (recipe.run_dir / "run.json").unlink(missing_ok=True)
        folder.mkdir(parents=True)
        write_json(folder / "begun.json", identity)
        return ["there is no checkpoint to resume from; beginning anew"] if resume else []
    before = json.loads((folder / "begun.json").read_text())
    if changed := sorted(key for key in identity if identity[key] != before.get(key)):
        why = f"this run was begun with another {', '.join(changed)}"
        raise WrongUse(Problem(str(folder), "--resume", why, "Put that back, or train under another `name`."))
    (recipe.run_dir / "run.json").unlink(missing_ok=True)
    broken = [path.name for path in _checkpoints(folder) if not is_whole(path)]
    notes = [f"{', '.join(broken)} in {folder} was cut short while it was written, and is left out"] if broken else []
    return [*notes, f"going on from step {step_of(found)}"]


def last_whole(folder: Path) -> Path | None:
    """The checkpoint of the highest step that was written to its end, if any."""
    return next((path for path in reversed(_checkpoints(folder)) if is_whole(path)), None)


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: the trainer writes its state last, and deleting may have begun."""
    from safetensors import SafetensorError, safe_open

    try:
        read_state(checkpoint)
        with safe_open(checkpoint / _PARTS[0], "pt"):
            return all(any(checkpoint.glob(part)) for part in _PARTS)
    except (OSError, ValueError, SafetensorError):
        return False


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The trainer's state: `global_step`, `max_steps`, `log_history` and more."""
    return dict(json.loads((checkpoint / "trainer_state.json").read_text()))


def write_json(path: Path, value: Any) -> None:
    """Writes the whole file or leaves the old one."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


class Best(NamedTuple):
    """A checkpoint and its validation loss, None where the run has no validation split."""

    folder: Path
    loss: float | None


CLOSE = 1.1
"""Validation losses within this factor are the same: a validation split is small."""


def best_checkpoint(folder: Path) -> Best:
    """The last whole checkpoint whose validation loss is about the lowest; the last one where none was evaluated.

    Early ones stand at a higher learning rate: one that won by a hair had 73% right where the last one had 86%.
    """
    last = last_whole(folder)
    assert last is not None
    losses = {entry["step"]: entry["eval_loss"] for entry in read_state(last)["log_history"] if "eval_loss" in entry}
    known = [path for path in _checkpoints(folder) if is_whole(path) and step_of(path) in losses]
    least = min((losses[step_of(path)] for path in known), default=0.0)
    best = next((path for path in reversed(known) if losses[step_of(path)] <= CLOSE * least), last)
    return Best(best, losses.get(step_of(best)))


def step_of(checkpoint: Path) -> int:
    """The step after which a checkpoint was saved."""
    return int(checkpoint.name.rpartition("-")[2])


def _folder(recipe: Recipe) -> Path:
    return recipe.run_dir / "checkpoints"


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("checkpoint-*") if path.is_dir()), key=step_of)
