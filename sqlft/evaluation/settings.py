"""All that an evaluation's figures depend on, for its file."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.evaluation.questions import sha256
from sqlft.prompts import hash_prompt
from sqlft.recipe import Recipe

PACKAGES = ("sqlft", "torch", "transformers", "peft", "bitsandbytes", "clickhouse-connect", "chdb", "sqlglot")


def read_settings(
    recipe: Recipe, card: SchemaCard, path: Path, folders: Mapping[str, Path], sandbox: str, limit: int | None
) -> dict[str, Any]:
    """All that the figures depend on."""
    return {
        "base": recipe.base,
        "model": recipe.model.model_dump(mode="json", exclude={"base"}),
        "decoding": recipe.generation.model_dump(),
        "seed": recipe.seed,
        "prompt": recipe.prompt.model_dump(mode="json"),
        "prompt_sha256": hash_prompt(card, recipe.prompt),
        "questions": str(path) + ("" if limit is None else f", the first {limit}"),
        "questions_sha256": sha256(path),
        "database": recipe.database.dsn,
        "schema": str(recipe.schema_),
        "seeds": str(recipe.seeds),
        "sandbox": sandbox,
        "limits": recipe.database.limits.model_dump(),
        "clock": f"today() is {recipe.prompt.date}",
        "stress": recipe.evaluation.stress,
        "judge": recipe.evaluation.judge.model if recipe.evaluation.judge else None,
        "adapters": {
            name: f"{folder} {sha256(next(folder.glob('adapter_model.*')))}" for name, folder in folders.items()
        },
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
    }
