"""The folder that --resume goes on from: which checkpoint is whole, and whether it is this recipe's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe
from sqlft.training.manifest import write_json

_PARTS = ("adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt")


def prepare_checkpoints(recipe: Recipe, identity: dict[str, Any], resume: bool) -> list[str]:
    """Readies runs/NAME/checkpoints for a new run or for going on.

    Args:
        identity: What must not change between a run and its resumption: base, data, prompt, adapter's shape, batch.

    Returns:
        What a person should know, in sentences.

    Raises:
        WrongUse: An unfinished run is there and `resume` was not asked for; or what it was begun with has changed.
    """
    folder = recipe.run_dir / "checkpoints"
    begun = folder / "begun.json"
    found = last_whole(folder)
    if found and not resume and not (recipe.run_dir / "run.json").is_file():
        raise WrongUse(
            Problem(
                str(folder),
                f"an unfinished run, saved at step {read_state(found)['global_step']}",
                "beginning anew would delete it",
                "Add --resume to go on, delete the folder to begin anew, or write another `name`.",
            )
        )
    if resume and found:
        before = json.loads(begun.read_text())
        changed = sorted(key for key in identity if identity[key] != before.get(key))
        if changed:
            raise WrongUse(
                Problem(
                    str(folder),
                    "--resume",
                    f"this run was begun with another {', '.join(changed)}",
                    "Put that back, or train under another `name`.",
                )
            )
        (recipe.run_dir / "run.json").unlink(missing_ok=True)
        broken = [path.name for path in _checkpoints(folder) if not is_whole(path)]
        notes = [f"{', '.join(broken)} in {folder} was cut short while it was written, and is left out"] if broken else []
        return [*notes, f"going on from step {read_state(found)['global_step']}"]
    shutil.rmtree(folder, ignore_errors=True)
    (recipe.run_dir / "run.json").unlink(missing_ok=True)
    folder.mkdir(parents=True)
    write_json(begun, identity)
    return ["there is no checkpoint to resume from; beginning anew"] if resume else []


def last_whole(folder: Path) -> Path | None:
    """The checkpoint of the highest step that was written to its end, if any."""
    return next((path for path in reversed(_checkpoints(folder)) if is_whole(path)), None)


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: the trainer writes its state last, and deleting may have begun."""
    from safetensors import SafetensorError, safe_open

    try:
        read_state(checkpoint)
        with safe_open(checkpoint / _PARTS[0], "pt"):
            return all((checkpoint / part).is_file() for part in _PARTS)
    except (OSError, ValueError, SafetensorError):
        return False


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The trainer's state: `global_step`, `max_steps`, `log_history` and more."""
    return dict(json.loads((checkpoint / "trainer_state.json").read_text()))


def best_checkpoint(folder: Path) -> tuple[Path, float | None]:
    """The whole checkpoint of the lowest validation loss, with that loss; the last one where none was evaluated."""
    last = last_whole(folder)
    assert last is not None
    losses = {entry["step"]: entry["eval_loss"] for entry in read_state(last)["log_history"] if "eval_loss" in entry}
    known = [path for path in _checkpoints(folder) if is_whole(path) and step_of(path) in losses]
    best = min(known, key=lambda path: losses[step_of(path)], default=last)
    return best, losses.get(step_of(best))


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("checkpoint-*") if path.is_dir()), key=step_of)


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
