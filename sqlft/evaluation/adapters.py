"""Where adapters lie, what they were trained on, and by which names readers know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlft.evaluation.results import BASE
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe


def name_adapters(adapters: Sequence[Path | str]) -> dict[str, Path]:
    """A folder for each adapter, by a name that readers will know it by: its run's, or its own folder's.

    Raises:
        WrongUse: Neither a folder nor a run that has an adapter; all of them at once.
    """
    named: dict[str, Path] = {}
    problems = []
    for given in adapters:
        folder = next(
            (f for f in (Path(given), Path("runs") / given / "adapter") if (f / "adapter_config.json").is_file()), None
        )
        if folder is None:
            why = "neither a folder with an adapter_config.json nor a run that has an adapter"
            problems.append(Problem("adapter", str(given), why, "Write runs/NAME/adapter, or NAME."))
            continue
        own = folder.resolve()
        name = (own.parent.name if own.name == "adapter" else own.name).replace(".", "-")
        if name in (BASE, *named):
            name = next(f"{name}-{i}" for i in range(2, len(adapters) + 3) if f"{name}-{i}" not in named)
        named[name] = folder
    if problems:
        raise WrongUse(problems)
    return named


def training_files(recipe: Recipe, folders: Mapping[str, Path]) -> list[Path]:
    """What the run, and the run of each adapter, trains on, where it is there."""
    files = [recipe.run_dir / "dataset" / "train.jsonl", *(training_file(folder) for folder in folders.values())]
    return list({file.resolve(): file for file in files if file.is_file()}.values())


def training_file(adapter: Path) -> Path:
    """What an adapter of a run was trained on."""
    return adapter.parent / "dataset" / "train.jsonl"
