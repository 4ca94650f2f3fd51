"""Builds TRL's SFTConfig from the recipe's `training` section, with our defaults and what it may not say, and why.

Every key is TRL's own. SFTConfig accepts combinations under which rows are cut or a resumed run differs from an
unbroken one; those are refused here, all at once, before a model is loaded.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from typing import Any

from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe

REMOVED = {
    "max_seq_length": "It is max_length now, and sqlft keeps it null: delete this key.",
    "overwrite_output_dir": "Delete it: a finished run of the same name is replaced, an unfinished one wants --resume.",
    "warmup_ratio": "Write warmup_steps; below 1 it is a ratio.",
    "group_by_length": "Write train_sampling_strategy: group_by_length.",
    "save_safetensors": "Delete it: safetensors it is.",
    "no_cuda": "Write use_cpu: true.",
    "logging_dir": "Delete it: the run's folder holds the log.",
    "evaluation_strategy": "Write eval_strategy.",
    "torch_dtype": "Write model.dtype.",
    "dtype": "Write model.dtype.",
}
OWN = {"shared_prefix": ("auto", True, False)}
"""Keys of `training` that are sqlft's own, and what they may be; the first is the default."""
# key -> what it may be, and why nothing else
_BOUND: dict[str, tuple[tuple[Any, ...], str]] = {
    "output_dir": ((), "it is runs/NAME. Write `name` at the top"),
    "resume_from_checkpoint": ((), "it is said when the run is started. Add --resume to the command"),
    "hub_token": ((), "a recipe holds no secret. Set HF_TOKEN"),
    "model_init_kwargs": ((), "the base is loaded by the recipe's `model` section"),
    "dataset_kwargs": ((), "sqlft tokenises by itself"),
    "chat_template_path": ((), "training and inference use the template that came with the base"),
    "eos_token": ((), "training and inference use the tokens that came with the base"),
    "pad_token": ((), "training and inference use the tokens that came with the base"),
    "load_best_model_at_end": ((), "the best checkpoint becomes the adapter anyway. Delete it"),
    "max_length": ((None,), "it cuts the end of a row, which is the SQL, in silence (trl #6668). Delete it"),
    "truncation_mode": (("keep_start",), "nothing is cut. Delete it"),
    "assistant_only_loss": ((False,), "it raises for Llama-3.1. Delete it; the loss is on the completion only"),
    "completion_only_loss": ((None, True), "the prompt is not to be learned. Delete it"),
    "use_liger_kernel": ((False,), "its fused loss raises; TRL projects only supervised positions anyway. Delete it"),
    "packing": ((False,), "it needs max_length, and keeps rows apart only without a mask. Delete it"),
    "eval_packing": ((None, False), "as packing. Delete it"),
    "padding_free": ((False,), "it refuses our collator. Delete it"),
    "save_only_model": ((False,), "--resume needs the optimizer's state. Delete it"),
    "save_strategy": (("steps", "epoch"), "--resume needs saves on the way. Write steps or epoch"),
    "ignore_data_skip": ((False,), "a resumed run would see other rows than an unbroken one. Delete it"),
    "average_tokens_across_devices": ((True,), "the loss would depend on the number of processes. Delete it"),
    "auto_find_batch_size": ((False,), "it changes the batch, and so the result, in silence. Delete it"),
    "metric_for_best_model": (("eval_loss", "loss"), "the best has the lowest validation loss. Delete it"),
    "greater_is_better": ((None, False), "the best has the lowest validation loss. Delete it"),
    "push_to_hub": ((False,), "nothing leaves this machine. Delete it, and upload runs/NAME/adapter yourself"),
    "remove_unused_columns": ((True,), "a row has no other columns. Delete it"),
    "shuffle_dataset": ((False,), "rows are drawn in a seeded order anyway. Delete it"),
}


def sftconfig(recipe: Recipe, *, evaluate: bool = True) -> Any:
    """Builds the SFTConfig of a recipe. Imports TRL, which takes about ten seconds.

    Args:
        recipe: Its `training` section is handed through.
        evaluate: There is a validation split.

    Raises:
        WrongUse: Every key that TRL does not know, no longer knows or cannot hold, and every value that breaks what
            sqlft promises, with file and line.
    """
    from trl import SFTConfig

    given = {key: value for key, value in recipe.training.items() if key not in OWN}
    hints = typing.get_type_hints(SFTConfig)
    keys = [field.name for field in dataclasses.fields(SFTConfig) if field.init]
    problems: list[Problem] = []
    for key, values in OWN.items():
        if recipe.training.get(key, values[0]) not in values:
            problems.append(_problem(recipe, key, "it is auto, true or false"))
    for key in given:
        if why := _refusal(key, given[key], keys):
            problems.append(_problem(recipe, key, *why))
            continue
        try:
            given[key] = _typed(hints[key], given[key])
        except ValueError as error:
            problems.append(_problem(recipe, key, str(error)))
    problems += [] if problems else [_problem(recipe, key, why) for key, why in _clashes(given)]
    if problems:
        raise WrongUse(problems)
    try:
        return SFTConfig(**_defaults(recipe, given, evaluate) | given | ({} if evaluate else {"eval_strategy": "no"}))
    except (ValueError, TypeError, ImportError) as error:
        raise WrongUse(Problem(recipe.where("training"), "training", " ".join(str(error).split()))) from error


def _defaults(recipe: Recipe, given: dict[str, Any], evaluate: bool) -> dict[str, Any]:
    import torch

    cuda = torch.cuda.is_available() and not given.get("use_cpu")
    strategy = given.get("eval_strategy") or given.get("save_strategy") or "steps"
    every = given.get("eval_steps") or given.get("save_steps") or 0.2
    found: dict[str, Any] = {
        "output_dir": str(recipe.run_dir / "checkpoints"),
        "seed": recipe.seed,
        "max_length": None,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not cuda,
        "bf16": cuda and recipe.model.dtype == "bfloat16" and torch.cuda.is_bf16_supported() and not given.get("fp16"),
        "fp16": cuda and recipe.model.dtype == "float16" and not given.get("bf16"),
        "dataloader_pin_memory": cuda,
        "ddp_find_unused_parameters": False,
        "per_device_eval_batch_size": given.get("per_device_train_batch_size", 8),
        "prediction_loss_only": True,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": strategy if strategy != "no" else "steps",
        "save_steps": every,
        "save_total_limit": 2,
    }
    # transformers' new name wins over TRL's old one, whose default is true
    found["activation_checkpointing"] = given.pop("gradient_checkpointing", True)
    found["activation_checkpointing_kwargs"] = given.pop("gradient_checkpointing_kwargs", None)
    if evaluate and strategy != "no":
        found |= {"eval_strategy": strategy, "eval_steps": every, "eval_on_start": True}
        found |= {"metric_for_best_model": "eval_loss", "greater_is_better": False}
    return found


def _refusal(key: str, value: Any, keys: list[str]) -> tuple[str, str] | None:
    if key in REMOVED and key not in keys:
        return "TRL has no such key any more", REMOVED[key]
    if key not in keys:
        near = difflib.get_close_matches(key, keys, n=1)
        return "TRL's SFTConfig has no such key", f"Did you mean `{near[0]}`?" if near else ""
    if key in _BOUND and value not in _BOUND[key][0]:
        return _BOUND[key][1], ""
    return None


def _clashes(given: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = [("eval_strategy", "save_strategy"), ("eval_steps", "save_steps")]
    return [
        (key, f"what is evaluated must have been saved, and {other} is {given[other]}. Write the same for both")
        for key, other in pairs
        if given.get(other) and given.get(key) not in (None, "no") and not _fits(given[key], given[other])
    ]


def _fits(evaluate: Any, save: Any) -> bool:
    if isinstance(evaluate, str):
        return bool(evaluate == save)
    return abs(evaluate / save - round(evaluate / save)) < 1e-6


def _typed(hint: Any, value: Any) -> Any:
    from pydantic import TypeAdapter, ValidationError
    from pydantic.errors import PydanticSchemaGenerationError

    try:
        checked = TypeAdapter(hint).validate_python(value)
    except PydanticSchemaGenerationError:
        return value
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error
    # YAML reads 1e-4 as text; everything else stays as it was written
    return checked if isinstance(value, str) else value


def _problem(recipe: Recipe, key: str, why: str, write: str = "") -> Problem:
    value = str(recipe.training[key])[:60] if key != "hub_token" else "…"
    return Problem(recipe.where("training", key), f"`training.{key}: {value}`", why, write)
