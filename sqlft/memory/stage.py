"""`sqlft memorize`: from a recipe and a file of facts to the memory in a run's folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.inference import LocalModel
from sqlft.memory.facts import check_facts, read_facts
from sqlft.memory.lessons import make_lessons
from sqlft.memory.memorize import Learned, memorize
from sqlft.memory.memory import Memory
from sqlft.memory.store import load_memory, save_memory
from sqlft.problems import Problem, WrongUse
from sqlft.prompts import render_chat
from sqlft.recipe import Recipe
from sqlft.records import read_examples

SAVE_EVERY = 30.0
"""Seconds between two saves, at least."""

Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Memorized:
    """A finished `memorize`.

    Attributes:
        folder: Where the memory lies.
        facts: How many it holds.
        new: How many of them were not there before, or were not exact.
        learned: What training came to.
    """

    folder: Path
    facts: int
    new: int
    learned: Learned


def memorize_facts(
    recipe: Recipe, file: Path | str, adapter: Path | None = None, progress: Progress | None = None
) -> Memorized:
    """Has the recipe's base recall the facts of a file, beside those that its memory holds already.

    Facts that are held and exact are not touched, so that a killed run goes on where it was; a fact whose answer or
    phrasings have changed is learned anew.

    Args:
        recipe: The run; its `memory` section.
        file: Facts, question/SQL pairs or a glossary, as JSONL.
        adapter: An adapter of the base, frozen, beside which the memory is made.
        progress: Called as the work goes on.

    Raises:
        WrongUse: Facts that cannot be, all at once; a memory of another base, adapter or shape in the run's folder.
        SqlftError: The base cannot be loaded.
    """
    tell = progress or (lambda stage, done, of, note: None)
    facts, folder = read_facts(Path(file)), recipe.run_dir / "memory"
    golden = [] if recipe.allow_leakage else [recipe.golden, *recipe.evaluation.questions]
    check_facts(facts, str(file), [example.question for path in golden for example in read_examples(path)])
    tell("loading the base", 0, 1, recipe.base)
    model = LocalModel.load(recipe.model, recipe.base, {"adapter": adapter} if adapter else None)
    name = "adapter" if adapter else None
    memory = _open(recipe, model, folder)
    changed = [fact.id for fact in facts if memory.facts.get(fact.id, fact) != fact]
    memory.delete(changed)
    check_facts([*(f for f in memory.facts.values() if f.id not in {f.id for f in facts}), *facts], str(file))
    memory.add([fact for fact in facts if fact.id not in memory.facts], _other_questions(recipe))
    new = [fact for fact in facts if fact.id not in memory.exact]
    card, base = SchemaCard.load(recipe.schema_), model.base
    # what a bank shares may have moved under the facts that were there: they are looked at, and mended, too
    looked_at = new if recipe.memory.shape == "experts" else list(memory.facts.values())
    lessons = make_lessons(
        memory,
        looked_at,
        base.tokenizer,
        lambda question: render_chat(card, question, recipe.prompt),
        recipe.prompt.date,
        model.context,
        variants=recipe.memory.variants,
        seed=recipe.seed,
    )
    saved = time.monotonic()

    def keep() -> None:
        nonlocal saved
        if time.monotonic() - saved > SAVE_EVERY:
            save_memory(memory, model, folder, name)
            saved = time.monotonic()

    with model.switched(name) as active:
        learned = memorize(
            active,
            memory,
            lessons,
            recipe.memory,
            seed=recipe.seed,
            tell=lambda epoch, exact, of: tell("facts", exact, of, f"epoch {epoch}"),
            keep=keep,
        )
    save_memory(memory, model, folder, name)
    return Memorized(folder, len(memory.facts), len(new), learned)


def delete_facts(recipe: Recipe, names: Sequence[str], adapter: Path | None = None) -> Memory:
    """Takes facts out of the run's memory, with all that only they had.

    Raises:
        WrongUse: There is no memory, or no such fact in it.
    """
    model = LocalModel.load(recipe.model, recipe.base, {"adapter": adapter} if adapter else None)
    memory = load_memory(model, recipe.run_dir / "memory")
    memory.delete(names)
    save_memory(memory, model, recipe.run_dir / "memory", "adapter" if adapter else None)
    return memory


def _open(recipe: Recipe, model: LocalModel, folder: Path) -> Memory:
    if not (folder / "memory.json").is_file():
        return Memory.make(model.base.model, model.base.tokenizer, recipe.memory)
    memory = load_memory(model, folder)
    wanted = Memory.make(model.base.model, model.base.tokenizer, recipe.memory)
    if (memory.shape.kind, memory.rows.shape, memory.layers) != (wanted.shape.kind, wanted.rows.shape, wanted.layers):
        why = "the memory there has another shape, rank or layers than the recipe says"
        raise WrongUse(Problem(str(folder), "memory", why, "Write the old ones, or move the folder away."))
    return memory


def _other_questions(recipe: Recipe) -> list[str]:
    files = [recipe.run_dir / "dataset" / "train.jsonl", recipe.seeds]
    return [example.question for file in files if file.is_file() for example in read_examples(file)]
