"""Compares the base and its adapters on the same questions: gold, predictions, verdicts, figures, files."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlft.card import SchemaCard
from sqlft.comparison import Gold
from sqlft.database import Gate, open_gate
from sqlft.evaluation.adapters import name_adapters, training_files
from sqlft.evaluation.baseline import compare_with, read_baseline
from sqlft.evaluation.cautions import cautions, leakage_banner
from sqlft.evaluation.diagnosis import find_flags
from sqlft.evaluation.figures import figures
from sqlft.evaluation.judge import check_judge, judge_answers
from sqlft.evaluation.memories import ask_memories, check_memories, find_memories, hash_memories, with_memory
from sqlft.evaluation.questions import SPLITS, find_leaks, read_questions
from sqlft.evaluation.results import BASE, Answer, Leakage, Question, Results
from sqlft.evaluation.scoring import check_gold, score_samples, settle
from sqlft.evaluation.served import open_server
from sqlft.evaluation.settings import read_settings
from sqlft.evaluation.stress import stress
from sqlft.evaluation.suspicions import suspicions
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example, Prediction

if TYPE_CHECKING:
    from sqlft.inference import Answering, LocalModel

Progress = Callable[[str, int, int, str], None]
"""Called with the stage's name, how much of it is done, of how much, and a note."""


def evaluate(
    recipe: Recipe,
    adapters: Sequence[Path | str] = (),
    on: str = "golden",
    limit: int | None = None,
    progress: Progress | None = None,
) -> Results:
    """Asks the base, and each adapter on the same loaded base, the same questions; writes what came of it.

    The gold queries run first, so that a database that cannot be asked is known before anything is generated.
    results.json and predictions.jsonl are written to runs/NAME/evaluation/QUESTIONS; `sqlft.report` makes the page.

    Args:
        recipe: The run.
        adapters: PEFT folders, or names of runs; none asks the base alone.
        on: 'golden', 'heldout', 'development', 'heldout_templates', 'validation', or a path to JSONL or JSON.
        limit: Only the first so many questions.
        progress: Called as the work goes on.

    Raises:
        WrongUse: Questions or adapters that cannot be.
        SqlftError: The database or the base fails. Where the judge does, a warning says so.
    """
    return evaluate_each(recipe, adapters, [on], limit, progress)[0]


def evaluate_each(
    recipe: Recipe,
    adapters: Sequence[Path | str],
    on: Sequence[str],
    limit: int | None = None,
    progress: Progress | None = None,
    baseline: Path | str | None = None,
    memory: bool = False,
) -> list[Results]:
    """`evaluate` on several sets of questions, for which the base is loaded once.

    `baseline` is an earlier run, or one of its evaluations: what was found is compared with it, question by question.
    With `memory`, base and adapter are asked once more, each with the memory that the run has made beside it.
    """
    tell = progress or (lambda stage, done, of, note: None)
    sets = [(name, *read_questions(recipe, name, limit)) for name in on]
    places = [_folder_name(name, path) for name, path, _ in sets]
    if twice := sorted({place for place in places if places.count(place) > 1}):
        why = f"two sets of questions would be kept in evaluation/{twice[0]}"
        raise WrongUse(Problem("questions", ", ".join(on), why, "Ask each once, and rename files of the same name."))
    baselines = [read_baseline(baseline, place) for place in places] if baseline else [None] * len(sets)
    if recipe.evaluation.judge:
        check_judge(recipe.evaluation.judge)
    folders = name_adapters(adapters)
    if memory and recipe.evaluation.endpoint:
        raise WrongUse(Problem("--memory", "on a server", "a memory works in the local model alone", "Leave one out."))
    memories = find_memories(recipe, folders) if memory else {}
    adapter_of = folders | {with_memory(own): folders[own] for own in memories if own in folders}
    card = SchemaCard.load(recipe.schema_)
    every = []
    with open_database(recipe, card) as gate:
        files = [*training_files(recipe, folders), *(folder / "memory.json" for folder in memories.values())]
        asked = [ask_gold(gate, name, path, examples, files, tell) for name, path, examples in sets]
        model = open_server(recipe, card, folders, sets[0][2], tell) or load_model(recipe, folders, tell)
        check_memories(cast("LocalModel", model), memories.values())
        for of, (name, _, examples), earlier in zip(asked, sets, baselines, strict=True):
            predictions = ask(model, recipe, card, examples, f", {name}", tell)
            if memories:
                asking = partial(_asking, tell, len(examples), name)
                predictions |= ask_memories(cast("LocalModel", model), memories, recipe, card, examples, asking)
            answers = of.score(gate, predictions, tell)
            unjudged = []
            if recipe.evaluation.stress:
                step = _step(tell, f"neighbours, {name}", recipe.evaluation.stress)
                try:
                    stress(recipe, card, of.questions, answers, step)
                except SqlftError as error:  # no answer is thrown away for it
                    unjudged.append(f"Matches were not tried on neighbours of the database: {error}")
            if recipe.evaluation.judge:
                for judged, given in answers.items():
                    shown = sum(bool(q.sql) and a.sql is not None for q, a in zip(of.questions, given, strict=True))
                    step = _step(tell, f"judge on {judged}, {name}", shown)
                    if why := judge_answers(recipe.evaluation.judge, of.questions, given, step, recipe.seed):
                        unjudged.append(f"{judged} was not judged: {why}")
            notes = [*gate.warnings, *model.warnings]
            settings = read_settings(recipe, card, of.path, folders, gate.sandbox, limit)
            settings |= {"engine": recipe.evaluation.engine} | hash_memories(memories.values())
            results = conclude(recipe, card, of, answers, folders, adapter_of, notes, settings)
            results.warnings += [*suspicions(results.models), *unjudged]
            if earlier:
                compare_with(results, earlier)
            results.save(recipe.run_dir / "evaluation" / of.folder)
            every.append(results)
    return every


@dataclass(frozen=True)
class Asked:
    """A set of questions whose gold queries were run."""

    name: str
    path: Path
    questions: list[Question]
    golds: list[Gold]
    leakage: Leakage | None

    @property
    def folder(self) -> str:
        """Where what comes of it is kept, beside that of other sets."""
        return _folder_name(self.name, self.path)

    def score(
        self, gate: Gate, predictions: Mapping[str, Sequence[Prediction]], tell: Progress
    ) -> dict[str, list[Answer]]:
        """Verdicts, by model; see `sqlft.evaluation.scoring`."""
        step = _step(tell, f"verdicts, {self.name}", len(self.questions))
        return score_samples(gate, self.questions, self.golds, predictions, step)


def open_database(recipe: Recipe, card: SchemaCard) -> Gate:
    """The gate to the recipe's database, for the card's tables, on the recipe's day."""
    section = recipe.database
    return open_gate(
        section.dsn,
        limits=section.limits,
        tables=card.table_names,
        sandbox=section.sandbox,
        date=recipe.prompt.date,
    )


def ask_gold(
    gate: Gate, name: str, path: Path, examples: Sequence[Example], seen: Sequence[Path], tell: Progress
) -> Asked:
    """Runs gold queries, and looks for their questions in the files that a model has seen."""
    questions, golds = check_gold(gate, examples, _step(tell, f"gold queries, {name}", len(examples)))
    return Asked(name, path, questions, golds, find_leaks(questions, seen))


def conclude(
    recipe: Recipe,
    card: SchemaCard,
    asked: Asked,
    answers: dict[str, list[Answer]],
    folders: Mapping[str, Path],
    adapter_of: Mapping[str, Path],
    notes: Sequence[str],
    settings: dict[str, Any],
) -> Results:
    """Counts what came of a set of questions, and says what must be known beside the figures.

    Args:
        recipe: The run.
        card: Its schema card.
        asked: The questions.
        answers: By model, the one that all are compared with first.
        folders: Adapters by name.
        adapter_of: Their folders by model.
        notes: Warnings of gate and model.
        settings: See `read_settings`.
    """
    questions, leakage = asked.questions, asked.leakage
    settle(questions, answers, find_flags(card))
    models, out = figures(questions, answers, {name: str(folder) for name, folder in adapter_of.items()})
    return Results(
        run=recipe.name,
        on=asked.name if asked.name in ("golden", *SPLITS) else asked.path.stem,
        created=datetime.datetime.now().astimezone().isoformat(" ", "minutes"),
        settings=settings,
        banner=leakage_banner(recipe, folders, leakage, len(questions)),
        warnings=cautions(recipe, card, questions, leakage, folders, answers, out, models, notes),
        leakage=leakage,
        out_of_headline=out,
        models=models,
        questions=questions,
        answers=answers,
    )


def load_model(recipe: Recipe, folders: Mapping[str, Path], tell: Progress) -> LocalModel:
    """The base, and the adapters by name."""
    from sqlft.inference import LocalModel

    tell("loading the base", 0, 1, recipe.base)
    model = LocalModel.load(recipe.model, recipe.base, dict(folders))
    tell("loading the base", 1, 1, recipe.base)
    return model


def ask(
    model: Answering, recipe: Recipe, card: SchemaCard, examples: Sequence[Example], of: str, tell: Progress
) -> dict[str, list[Prediction]]:
    """Predictions of the base and of every adapter, by name: `generation.samples` of each example, in their order."""
    from sqlft.inference import predict

    return {
        name: predict(
            model,
            examples,
            card,
            recipe.prompt,
            recipe.generation,
            None if name == BASE else name,
            seed=recipe.seed,
            progress=advance(tell, f"answers of {name}{of}", len(examples)),
        )
        for name in (BASE, *model.adapters)
    }


def _folder_name(on: str, path: Path) -> str:
    reserved = ("golden", *SPLITS)
    return on if on in reserved else f"file-{path.stem}" if path.stem in reserved else path.stem


def _step(tell: Progress, stage: str, of: int) -> Callable[[int], None]:
    return lambda done: tell(stage, done, of, "")


def advance(tell: Progress, stage: str, of: int) -> Callable[[int], None]:
    """A progress that is told how many more are done."""
    done = 0

    def more_done(more: int) -> None:
        nonlocal done
        done += more
        tell(stage, done, of, "")

    return more_done


def _asking(tell: Progress, of: int, on: str, model: str) -> Callable[[int], None]:
    return advance(tell, f"answers of {model}, {on}", of)
