"""`sqlft memorize`: from a recipe and a file of facts to the memory in a run's folder, and back out of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.inference import LocalModel
from sqlft.memory.bank import ProductKeys
from sqlft.memory.derive import derive_facts
from sqlft.memory.facts import Fact, check_facts, read_facts, refuse_leaks
from sqlft.memory.lessons import make_lessons
from sqlft.memory.memorize import Item, Learned, find_known, memorize
from sqlft.memory.memory import Memory
from sqlft.memory.store import load_memory, save_memory
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.prompts import render_chat
from sqlft.recipe import Recipe
from sqlft.records import Example, read_examples, write_jsonl

SAVE_EVERY = 30.0
"""Seconds between two saves, at least."""
_NAME = "adapter"

Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Memorized:
    """A finished `memorize`.

    Attributes:
        folder: Where the memory lies.
        facts: How many it holds.
        exact: How many of those are recalled without error, with margin.
        new: How many were not there before, or were not exact.
        left: Of how many the uses are left to the model, which writes them right by itself.
        bytes: Of the folder.
        learned: What training came to.
    """

    folder: Path
    facts: int
    exact: int
    new: int
    left: int
    bytes: int
    learned: Learned

    @property
    def missing(self) -> dict[str, str]:
        """Facts that did not get there, by id, and why."""
        why = {name: "one of its own questions does not open it" for name in self.learned.unopened}
        unsure = self.learned.unlearned.items()
        return {name: f"the least sure token of an answer has {sure:.2f}" for name, sure in unsure} | why

    def to_json(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in ("facts", "exact", "new", "left", "bytes")}
        times = {"epochs": self.learned.epochs, "seconds": self.learned.seconds}
        return {"folder": str(self.folder), **found, **times, "missing": self.missing}


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
        SqlftError: The base cannot be loaded, or several processes were started.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise SqlftError(
            f"{os.environ['WORLD_SIZE']} processes were started, and a memory is made by one. Start one: a fact costs "
            "seconds, and no two processes may train one bank."
        )
    tell = progress or (lambda stage, done, of, note: None)
    facts, card, folder = read_facts(Path(file)), SchemaCard.load(recipe.schema_), recipe.memory_dir(bool(adapter))
    refuse_leaks(facts, _asked(recipe), card, recipe.clean.leak_near, str(file))
    tell("loading the base", 0, 1, recipe.base)
    model = _load(recipe, adapter)
    tell("loading the base", 1, 1, recipe.base)
    memory, name = _open(recipe, model, folder), _NAME if adapter else None
    memory.delete([fact.id for fact in facts if memory.facts.get(fact.id, fact) != fact])
    given = {fact.id for fact in facts}
    check_facts([*(fact for fact in memory.facts.values() if fact.id not in given), *facts], str(file))
    memory.add([fact for fact in facts if fact.id not in memory.facts], _other_questions(recipe))
    new = memory.unsure
    if not new and not memory.fitting:
        return _summary(memory, folder, 0, Learned({}, [], 0, 0.0))

    def teach() -> list[Item]:
        # what a bank shares may move under the facts that were there, and so may the conductor: they are mended, too
        moving, unsure = recipe.memory.shape == "product_keys" or memory.fitting, memory.unsure
        return make_lessons(
            memory,
            [fact for fact in memory.facts.values() if moving or fact.id in unsure],
            model.base.tokenizer,
            lambda question: render_chat(card, question, recipe.prompt),
            recipe.prompt.date,
            model.context,
            variants=recipe.memory.variants,
            seed=recipe.seed,
        )

    lessons = teach()
    saved = time.monotonic()

    def keep() -> None:
        nonlocal saved
        if time.monotonic() - saved >= SAVE_EVERY:
            save_memory(memory, model, folder, name)
            saved = time.monotonic()

    with model.switched(name) as active:
        known = find_known(active, [lesson for lesson in lessons if lesson.fact in new], recipe.memory.batch_size)
        if known:
            memory.leave(known)
            lessons = teach()
        learned = memorize(
            active,
            memory,
            lessons,
            recipe.memory,
            seed=recipe.seed,
            tell=lambda epoch, exact, of: tell("questions recalled", exact, of, f"epoch {epoch}"),
            keep=keep,
        )
    save_memory(memory, model, folder, name)
    return _summary(memory, folder, len(new), learned)


def delete_facts(recipe: Recipe, names: Sequence[str], adapter: Path | None = None) -> Memory:
    """Takes facts out of the run's memory, with all that only they had.

    Raises:
        WrongUse: There is no memory, or no such fact in it.
    """
    folder, model = recipe.memory_dir(bool(adapter)), _load(recipe, adapter)
    memory = load_memory(model, folder)
    memory.delete(names)
    save_memory(memory, model, folder, _NAME if adapter else None)
    return memory


def write_facts(recipe: Recipe, out: Path) -> list[Fact]:
    """Writes the facts of the recipe's schema card, as JSONL that `memorize_facts` reads.

    What the run trains on says how they are used, where it is built; nothing that an evaluation asks is among them.
    """
    train = recipe.run_dir / "dataset" / "train.jsonl"
    examples = read_examples(train) if train.is_file() else []
    facts = derive_facts(SchemaCard.load(recipe.schema_), examples, _asked(recipe), recipe.clean.leak_near)
    check_facts(facts, str(recipe.schema_))
    write_jsonl(out, facts)
    return facts


def _summary(memory: Memory, folder: Path, new: int, learned: Learned) -> Memorized:
    size = sum(file.stat().st_size for file in folder.iterdir())
    return Memorized(folder, len(memory.facts), len(memory.exact), new, len(memory.left), size, learned)


def _load(recipe: Recipe, adapter: Path | None) -> LocalModel:
    return LocalModel.load(recipe.model, recipe.base, {_NAME: adapter} if adapter else None)


def _open(recipe: Recipe, model: LocalModel, folder: Path) -> Memory:
    fresh = Memory.make(model.base.model, model.base.tokenizer, recipe.memory)
    if not (folder / "memory.json").is_file():
        return fresh
    memory = load_memory(model, folder)
    memory.shared_rank = recipe.memory.shared_rank
    shared = memory.conductor is None or memory.conductor.down.shape[1] == recipe.memory.shared_rank
    if _frame(memory) != _frame(fresh) or not shared:
        why = "it has another shape, rank, layers, experts, retrieved, at_once or shared_rank than the recipe says"
        raise WrongUse(Problem(str(folder), "memory", why, "Write the old ones, or move the folder away."))
    return memory


def _frame(memory: Memory) -> tuple[Any, ...]:
    """What of a memory no fact can be learned or found beside another of."""
    shape = memory.shape
    bank = (shape.side, shape.retrieved) if isinstance(shape, ProductKeys) else ()
    return shape.kind, bank, memory.rows.shape, memory.layers, memory.most


def _asked(recipe: Recipe) -> list[Example]:
    files = [] if recipe.allow_leakage else [recipe.golden, *recipe.evaluation.questions]
    return [example for file in files for example in read_examples(file)]


def _other_questions(recipe: Recipe) -> list[str]:
    files = [recipe.run_dir / "dataset" / "train.jsonl", recipe.seeds]
    return [example.question for file in files if file.is_file() for example in read_examples(file)]
