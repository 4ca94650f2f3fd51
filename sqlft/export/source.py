"""What is exported: a run's adapter, with the recipe, prompt and evaluations that belong to exactly this adapter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.evaluation.adapters import name_adapters
from sqlft.evaluation.questions import sha256
from sqlft.evaluation.results import ModelFigures, Results
from sqlft.inference.adapters import read_identity
from sqlft.model import recipe_of
from sqlft.problems import Problem, WrongUse
from sqlft.prompts import hash_prompt, render_chat
from sqlft.recipe import Recipe


@dataclass(frozen=True)
class Source:
    """A run as it is exported.

    Attributes:
        name: What the adapter is called, as `sqlft evaluate` calls it.
        folder: The run's folder.
        identity: What training wrote beside the adapter; empty for one of another program.
    """

    recipe: Recipe
    name: str
    folder: Path
    adapter: Path
    identity: dict[str, Any]
    card: SchemaCard

    @property
    def system(self) -> str:
        """The system message, which all chats about the database begin with."""
        return render_chat(self.card, "", self.recipe.prompt)[0]["content"]

    @property
    def base(self) -> str:
        """Where other programs find the base: a folder's whole path, else the hub's name."""
        given = Path(self.recipe.base)
        return str(given.resolve()) if given.is_dir() else self.recipe.base

    @cached_property
    def config(self) -> dict[str, Any]:
        """The adapter's own configuration, PEFT's."""
        return dict(json.loads((self.adapter / "adapter_config.json").read_text(encoding="utf-8")))

    @cached_property
    def evaluations(self) -> list[tuple[Results, ModelFigures]]:
        """What each set of questions said of exactly these weights, the golden set first.

        Raises:
            WrongUse: They were never evaluated.
        """
        weights = sha256(next(self.adapter.glob("adapter_model.*")))
        found = []
        for path in sorted(self.folder.glob("evaluation/*/results.json"), key=lambda p: (p.parent.name != "golden", p)):
            results = Results.load(path.parent)
            of = {name for name, said in results.settings.get("adapters", {}).items() if said.endswith(weights)}
            found += [(results, model) for model in results.models if model.name in of]
        if not found:
            why = "no evaluation of these weights is kept beside it, and every export says what it gets right"
            write = f"Run `sqlft evaluate {self.recipe.words} --adapter {self.adapter}` first."
            raise WrongUse(Problem(str(self.folder), "evaluation", why, write))
        return found

    def copy_adapter(self, folder: Path) -> None:
        """Copies the adapter with its tokenizer; its base is named so that other programs find it."""
        shutil.copytree(self.adapter, folder, dirs_exist_ok=True)
        config = json.dumps(self.config | {"base_model_name_or_path": self.base}, indent=2)
        (folder / "adapter_config.json").write_text(config + "\n", encoding="utf-8")


def read_source(run: Path | str) -> Source:
    """Finds what is exported.

    Args:
        run: A run's folder or name, its adapter's folder, or a recipe whose run has been trained.

    Raises:
        WrongUse: There is no such run or no adapter in it, or its prompt has changed since it was trained.
    """
    # a project's folder may well be called as its run is
    places = (Path(run), Path("runs") / run)
    manifests = ("run.json", "../run.json")
    path = next((p for p in places if p.is_file() or any((p / name).is_file() for name in manifests)), Path(run))
    recipe = recipe_of(path)
    inside = (path / "adapter_config.json").is_file()
    folder = path.parent if inside else path if path.is_dir() else recipe.run_dir
    adapter = path if inside else folder / "adapter"
    identity = read_identity(adapter)
    card = SchemaCard.load(recipe.schema_)
    if identity.get("prompt_sha256", now := hash_prompt(card, recipe.prompt)) != now:
        why = "schema card or prompt section are not those that the adapter was trained with"
        raise WrongUse(Problem(str(recipe.schema_), "prompt", why, "Restore them, or train again."))
    return Source(recipe, next(iter(name_adapters([adapter]))), folder, adapter, identity, card)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which bears its name only once it is whole, and is gone where that failed.

    Raises:
        WrongUse: Something is there already.
    """
    path = path.resolve()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise WrongUse(Problem(str(path), "export", "it is there already", "Write another folder, or delete this one."))
    partial = path.with_name(path.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
