"""The memories of a run in its evaluation: where they lie, and the answers of models that have one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlft.card import SchemaCard
from sqlft.evaluation.questions import sha256
from sqlft.evaluation.results import BASE
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example, Prediction

if TYPE_CHECKING:
    from sqlft.inference import LocalModel


def find_memories(recipe: Recipe, adapters: Mapping[str, Path]) -> dict[str, Path]:
    """The run's memories, by the name of what each was made beside: the base, and one of these adapters.

    Raises:
        WrongUse: It has none, or one that was made beside none of several adapters.
    """
    from sqlft.memory.store import is_beside

    found = {BASE: folder} if is_whole(folder := recipe.memory_dir(False)) else {}
    if adapters and is_whole(tuned := recipe.memory_dir(True)):
        own = list(adapters) if len(adapters) == 1 else [name for name in adapters if is_beside(tuned, adapters[name])]
        if not own:
            why = "it was made beside none of " + ", ".join(adapters)
            raise WrongUse(Problem("--memory", str(tuned), why, "Evaluate the adapter that it was made beside."))
        found[own[0]] = tuned
    if not found:
        where = str(recipe.run_dir / "memory")
        raise WrongUse(Problem("--memory", where, "there is none", "Make one with `sqlft memorize` first."))
    return found


def is_whole(memory: Path) -> bool:
    """Whether there is a memory in a folder."""
    return (memory / "memory.json").is_file()


def with_memory(own: str) -> str:
    """What a model with its memory is called."""
    return "memory" if own == BASE else f"{own}+memory"


def check_memories(model: LocalModel, folders: Iterable[Path]) -> None:
    """Refuses a memory that does not fit what is loaded, before anything is asked.

    Raises:
        WrongUse: It is broken, or was made for another base or adapter.
    """
    from sqlft.memory import load_memory

    for folder in folders:
        load_memory(model, folder)


def ask_memories(
    model: LocalModel,
    memories: Mapping[str, Path],
    recipe: Recipe,
    card: SchemaCard,
    examples: Sequence[Example],
    advance: Callable[[str], Callable[[int], None]],
) -> dict[str, list[Prediction]]:
    """Predictions of each model that has a memory, by name; as `sqlft.evaluation.pipeline.ask`.

    Args:
        model: Base and adapters.
        memories: Folders, by the name of what they were made beside.
        recipe: The run.
        card: Its schema card.
        examples: Their questions are asked.
        advance: Gives a name's progress.
    """
    from sqlft.inference import predict
    from sqlft.memory import load_memory

    answers = {}
    for own, folder in memories.items():
        load_memory(model, folder)
        name = with_memory(own)
        found = predict(
            model,
            examples,
            card,
            recipe.prompt,
            recipe.generation,
            None if own == BASE else own,
            memory=True,
            seed=recipe.seed,
            progress=advance(name),
        )
        answers[name] = [prediction.model_copy(update={"model": name}) for prediction in found]
    return answers


def hash_memories(folders: Iterable[Path]) -> dict[str, Any]:
    """Which memories were asked, for the settings, where any was; each save of one has another hash."""
    found = {str(folder): sha256(folder / "memory.json") for folder in folders}
    return {"memories": found} if found else {}
