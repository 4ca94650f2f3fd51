"""The ladder: what each way of asking is worth by itself, on the same questions, and what a right answer costs.

What was written is kept in runs/NAME/ladder/responses.jsonl under a hash of the model, the adapter's weights, the chat
and the decoding: a second run writes nothing, and one that was killed goes on. Steps share what they have in common:
the first round of `reflect` is `zero_shot`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

from sqlft.agent import Agent, Bm25, EndpointWriter, LocalWriter, Nearest, Remembered, VectorSearch, Way, Writer
from sqlft.card import SchemaCard
from sqlft.database import Gate
from sqlft.dataset.journal import Journal
from sqlft.evaluation.adapters import name_adapters, training_files
from sqlft.evaluation.memories import check_memories, hash_memories, is_whole
from sqlft.evaluation.pipeline import (
    Progress,
    ask_gold,
    conclude,
    load_model,
    open_database,
)
from sqlft.evaluation.questions import read_questions
from sqlft.evaluation.results import Results
from sqlft.evaluation.settings import read_settings
from sqlft.inference import LocalModel
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe, Step, StepName
from sqlft.records import Example, Prediction, read_examples

Load = Callable[[], LocalModel]


def climb(
    recipe: Recipe,
    adapter: Path | str | None = None,
    on: str = "golden",
    limit: int | None = None,
    *,
    rescore: bool = False,
    progress: Progress | None = None,
) -> Results:
    """Measures each step of `evaluation.ladder`; results.json and predictions.jsonl go to runs/NAME/ladder/QUESTIONS.

    Args:
        recipe: The run.
        adapter: An adapter's folder or a run's name, for the steps that want one.
        on: As for `evaluate`.
        limit: Only the first so many questions.
        rescore: Run the kept predictions once more and compare them anew; nobody is asked anything.
        progress: Called as the work goes on.

    Raises:
        WrongUse: Questions, steps or an adapter that cannot be; nothing kept to rescore.
        SqlftError: The database, the base or an endpoint fails; what was written until then is kept.
    """
    tell = progress or (lambda stage, done, of, note: None)
    path, examples = read_questions(recipe, on, limit)
    folders = name_adapters([adapter] if adapter else [])
    steps = choose_steps(recipe, bool(folders))
    card = SchemaCard.load(recipe.schema_)
    with open_database(recipe, card) as gate:
        memories = list(dict.fromkeys(found for step in steps if (found := _memory_of(step.step, recipe))))
        seen = [*training_files(recipe, folders), *([recipe.seeds] if any(map(_shows_seeds, steps)) else [])]
        seen += [folder / "memory.json" for folder in memories]
        asked = ask_gold(gate, on, path, examples, seen, tell)
        place, notes = recipe.run_dir / "ladder" / asked.folder, [*gate.warnings]
        with_memories = hash_memories(memories)
        if rescore:
            predictions, before = _kept(place, examples)
            with_memories = {key: value for key, value in before.items() if key == "memories"}
        else:
            loaded: list[LocalModel] = []

            def load() -> LocalModel:
                if not loaded:
                    loaded.append(load_model(recipe, folders, tell))
                    check_memories(loaded[0], memories)
                return loaded[0]

            predictions = _ask(recipe, steps, examples, folders, card, gate, load, tell)
            notes += [note for model in loaded for note in model.warnings]
        answers = asked.score(gate, predictions, tell)
        adapter_of = {step.name: folder for step in steps if "adapter" in step.step for folder in folders.values()}
        settings = read_settings(recipe, card, path, folders, gate.sandbox, limit)
        settings |= {"agent": recipe.agent.model_dump(mode="json"), "ladder": [s.model_dump() for s in steps]}
        settings |= with_memories
        results = conclude(recipe, card, asked, answers, folders, adapter_of, notes, settings)
    results.save(place)
    return results


def choose_steps(recipe: Recipe, adapter: bool) -> list[Step]:
    """The recipe's steps; all that there are, where it names none and as far as there are an adapter and a memory.

    Raises:
        WrongUse: A step is named twice, or wants an adapter or a memory that is not there.
    """
    where = recipe.where("evaluation", "ladder")
    steps = recipe.evaluation.ladder
    if not steps:
        names = [name for name in get_args(StepName) if adapter or "adapter" not in name]
        return [Step(step=name) for name in names if _has_memory(name, recipe)]
    problems = [
        Problem(where, f"step {name}", "it stands there more than once", "Write it once.")
        for name, times in Counter(step.name for step in steps).items()
        if times > 1
    ]
    problems += [
        Problem(where, f"step {step.name}", "there is no adapter", "Write --adapter, or leave the step out.")
        for step in steps
        if "adapter" in step.step and not adapter
    ]
    problems += [
        Problem(
            where, f"step {step.name}", "there is no memory", "Make it with `sqlft memorize`, or leave the step out."
        )
        for step in steps
        if not _has_memory(step.step, recipe)
    ]
    if problems:
        raise WrongUse(problems)
    return steps


def _memory_of(step: StepName, recipe: Recipe) -> Path | None:
    """Where the memory lies that a step asks; None for one that asks none."""
    return recipe.memory_dir("adapter" in step) if "memory" in step.split("+") else None


def _has_memory(step: StepName, recipe: Recipe) -> bool:
    folder = _memory_of(step, recipe)
    return folder is None or is_whole(folder)


def way_of(step: StepName, recipe: Recipe) -> Way:
    """What a step's agent does."""
    return Way.of(recipe, step.split("+"))


def _shows_seeds(step: Step) -> bool:
    return step.step.startswith(("few_shot", "rag"))


def _ask(
    recipe: Recipe,
    steps: Sequence[Step],
    examples: Sequence[Example],
    folders: dict[str, Path],
    card: SchemaCard,
    gate: Gate,
    load: Load,
    tell: Progress,
) -> dict[str, list[Prediction]]:
    seeds = read_examples(recipe.seeds) if any(map(_shows_seeds, steps)) else []
    questions = {example.id: example.question for example in examples}

    @cache
    def local(tuned: bool, memory: Path | None) -> Writer:
        return LocalWriter(recipe, next(iter(folders.items())) if tuned else None, load, memory)

    writers: list[Writer] = [
        EndpointWriter(recipe, step.model, step.base_url)
        if step.model
        else local("adapter" in step.step, _memory_of(step.step, recipe))
        for step in steps
    ]
    predictions = {}
    with Journal(recipe.run_dir / "ladder" / "responses.jsonl") as journal:
        section = recipe.agent.embeddings
        nearest: Nearest = VectorSearch(section, seeds, journal) if section else Bm25(seeds)
        for step, writer in zip(steps, writers, strict=True):
            name, way = step.name, way_of(step.step, recipe)
            remembered = Remembered(writer, journal, _telling(tell, f"answers of {name}"))
            agent = Agent(remembered, gate, card, recipe.prompt, way.decoding(recipe), way, seeds, nearest)
            predictions[name] = agent.answer(questions, name)
    return predictions


def _telling(tell: Progress, stage: str) -> Callable[[int, int], None]:
    return lambda done, of: tell(stage, done, of, "")


def _kept(folder: Path, examples: Sequence[Example]) -> tuple[dict[str, list[Prediction]], dict[str, Any]]:
    """What was written, by step, and the settings that it was written with."""
    found = Results.load(folder)
    if [answer.id for answer in found.questions] != [example.id for example in examples]:
        why = f"it holds other questions: {len(found.questions)}, and now there are {len(examples)}"
        raise WrongUse(Problem(str(folder), "--rescore", why, "Run it without --rescore; what was written is kept."))
    fields = set(Prediction.model_fields)
    predictions = {
        model: [Prediction.model_validate(answer.model_dump(include=fields)) for answer in given]
        for model, given in found.answers.items()
    }
    return predictions, found.settings
