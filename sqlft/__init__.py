"""Fine-tune an open-weights model into the SQL analyst of one ClickHouse database.

The command line's work as functions, for notebooks and programs: `plan`, `build`, `train`, `memorize`, `evaluate`,
`ladder`, `ask`, `analyst`, `load`. Each takes a recipe or the path of one. Importing this costs nothing: what a
function needs is imported when it is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sqlft.agent import Analyst, Reply
    from sqlft.dataset.build import BuildReport, DryRun
    from sqlft.dataset.harvest import ImportReport, LogFilter
    from sqlft.dataset.written import Confirm, Estimate
    from sqlft.evaluation import Results
    from sqlft.memory.stage import Memorized
    from sqlft.memory.store import Held
    from sqlft.model import SqlModel
    from sqlft.planning import Plan
    from sqlft.progress import Stages
    from sqlft.recipe import Recipe
    from sqlft.training import TrainingRun

__all__ = ["analyst", "ask", "build", "evaluate", "ladder", "load", "memorize", "plan", "train"]


def plan(
    recipe: Recipe | Path | str, overrides: Sequence[str] = (), *, gpus: int = 1, mfu: float | None = None
) -> Plan:
    """Reckons what a run takes before it is paid: parameters, memory, tokens, hours, dollars, the teacher's cost.

    Args:
        recipe: A recipe, or the path of one.
        overrides: `KEY.SUBKEY=VALUE` each, for a path.
        gpus: That train side by side.
        mfu: Share of a GPU's peak rate that training reaches; an assumption of ours where None.

    Raises:
        SqlftError: As `sqlft plan` would say it; WrongUse where the recipe or its files are wrong.
    """
    from sqlft.planning import make_plan

    return make_plan(_recipe(recipe, overrides), processes=gpus, mfu=mfu)


def build(
    recipe: Recipe | Path | str,
    overrides: Sequence[str] = (),
    *,
    yes: bool = False,
    from_failures: Path | None = None,
    format: Literal["records", "trl"] = "records",
) -> BuildReport:
    """Lets the teacher write pairs, cleans them and splits them into runs/NAME/dataset, with a page and a card.

    Args:
        recipe: A recipe, or the path of one.
        overrides: `KEY.SUBKEY=VALUE` each, for a path.
        yes: Agree to what the teacher's calls are estimated to cost, where no budget bounds it.
        from_failures: JSONL of failure categories (category, construct, tables, terms, count) to write pairs about.
        format: 'trl' writes train and validation as chats too, into a folder trl beside the records.

    Raises:
        SqlftError: As `sqlft build` would say it; WrongUse where the recipe or its files are wrong, or where neither a
            budget, nor `yes`, nor somebody at the terminal agrees to the cost.
    """
    from sqlft.dataset.build import build as build_dataset
    from sqlft.dataset.chat_rows import write_chat_rows
    from sqlft.dataset.dataset_card import write_dataset_card
    from sqlft.progress import Stages
    from sqlft.report import write_dataset_page

    recipe = _recipe(recipe, overrides)

    with Stages() as stages:
        confirm = _confirm(stages, yes)
        report = build_dataset(recipe, progress=stages, confirm=confirm, from_failures=from_failures)
    write_dataset_card(report, recipe)
    write_dataset_page(report, recipe)
    if format == "trl":
        write_chat_rows(recipe)
    return report


def import_log(
    recipe: Recipe | Path | str,
    out: Path,
    chosen: LogFilter | None = None,
    overrides: Sequence[str] = (),
    *,
    dsn: str | None = None,
    yes: bool = False,
) -> ImportReport:
    """Makes pairs of the queries in a server's system.query_log, personal data masked, questions by the teacher.

    Args:
        recipe: A recipe, or the path of one.
        out: JSONL to write; the recipe's `imported` key takes it into the next build.
        chosen: Whose queries, when and of which tables; the commonest thousand of the card's by default.
        overrides: `KEY.SUBKEY=VALUE` each, for a path.
        dsn: Where the log is; the recipe's own database by default.
        yes: As for `build`.

    Raises:
        SqlftError: As `sqlft import-log` would say it; WrongUse where what was given is wrong.
    """
    from sqlft.dataset.harvest import LogFilter
    from sqlft.dataset.harvest import import_log as harvest
    from sqlft.progress import Stages

    with Stages() as stages:
        return harvest(_recipe(recipe, overrides), out, chosen or LogFilter(), dsn, stages, _confirm(stages, yes))


def import_files(
    recipe: Recipe | Path | str, files: Sequence[Path], out: Path, overrides: Sequence[str] = (), *, yes: bool = False
) -> ImportReport:
    """`import_log` for the statements of .sql files; a comment above a statement may hold its question."""
    from sqlft.dataset.harvest import import_files as harvest
    from sqlft.progress import Stages

    with Stages() as stages:
        return harvest(_recipe(recipe, overrides), files, out, stages, _confirm(stages, yes))


def rehearse(recipe: Recipe | Path | str, overrides: Sequence[str] = ()) -> DryRun:
    """What each step of `build` would do with the pairs that are written already; spends and writes nothing.

    Args:
        recipe: A recipe, or the path of one.
        overrides: `KEY.SUBKEY=VALUE` each, for a path.

    Raises:
        SqlftError: As `sqlft build --dry-run` would say it.
    """
    from sqlft.dataset.build import rehearse as rehearse_build
    from sqlft.progress import Stages

    with Stages() as stages:
        return rehearse_build(_recipe(recipe, overrides), progress=stages)


def train(recipe: Recipe | Path | str, overrides: Sequence[str] = (), *, resume: bool = False) -> TrainingRun:
    """Fine-tunes an adapter on the dataset that `build` made; `run.adapter` is its PEFT folder.

    Args:
        recipe: A recipe, or the path of one.
        overrides: `KEY.SUBKEY=VALUE` each, for a path.
        resume: Go on from the last checkpoint.

    Raises:
        SqlftError: As `sqlft train` would say it, also where train.jsonl gives golden questions away and the recipe
            does not allow that; WrongUse where the recipe or its files are wrong.
    """
    from sqlft.dataset.leakage import refuse_leaks
    from sqlft.training import StatusLine
    from sqlft.training import train as train_adapter

    recipe = _recipe(recipe, overrides)
    refuse_leaks(recipe)
    if os.environ.get("RANK", "0") != "0":
        return train_adapter(recipe, resume=resume)
    with StatusLine() as line:
        return train_adapter(recipe, resume=resume, progress=line)


def memorize(
    recipe: Recipe | Path | str, facts: Path | str, adapter: Path | str | None = None, overrides: Sequence[str] = ()
) -> Memorized:
    """Has the base, or an adapter of it, recall facts word for word, and changes no other answer.

    Args:
        recipe: A recipe, or the path of one.
        facts: Facts, question/SQL pairs or a glossary, as JSONL; `sqlft facts` derives some from the schema card.
        adapter: An adapter's folder or a run's name to make the memory beside; the base alone by default.
        overrides: `KEY.SUBKEY=VALUE` each, for a path.

    Raises:
        SqlftError: As `sqlft memorize` would say it; WrongUse where the facts, or the memory that is there, cannot be.
    """
    from sqlft.memory.stage import memorize_facts
    from sqlft.progress import Stages

    with Stages() as stages:
        return memorize_facts(_recipe(recipe, overrides), facts, _adapter(adapter), stages)


def held_facts(recipe: Recipe, adapter: Path | str | None = None, *, delete: Sequence[str] = ()) -> list[Held]:
    """The facts that a run's memory holds, after some were taken out.

    Raises:
        WrongUse: There is no memory, or no such fact in it.
    """
    from sqlft.memory.stage import delete_facts
    from sqlft.memory.store import list_facts

    beside = _adapter(adapter)
    if delete:
        delete_facts(recipe, delete, beside)
    return list_facts(recipe.memory_dir(bool(beside)))


def evaluate(
    recipe: Recipe | Path | str,
    adapters: Sequence[Path | str] = (),
    on: str = "golden",
    overrides: Sequence[str] = (),
) -> Results:
    """Asks the base and each adapter the same questions; writes results.json, .csv and .md, predictions and report.

    Args:
        recipe: A recipe, or the path of one.
        adapters: Adapter folders, or names of runs; the base alone where there are none.
        on: 'golden', 'heldout', 'development', 'heldout_templates', 'validation', or the path of a file of questions.
        overrides: `KEY.SUBKEY=VALUE` each, for a path.

    Raises:
        SqlftError: As `sqlft evaluate` would say it; WrongUse where the recipe or its files are wrong.
    """
    return evaluate_each(recipe, adapters, [on], overrides)[0]


def evaluate_each(
    recipe: Recipe | Path | str,
    adapters: Sequence[Path | str],
    on: Sequence[str],
    overrides: Sequence[str] = (),
    *,
    baseline: Path | str | None = None,
    memory: bool = False,
) -> list[Results]:
    """`evaluate` on several sets of questions, for which the base is loaded once.

    `baseline` is an earlier run, or a folder of one of its evaluations, that the answers are compared with. With
    `memory` what `memorize` made is asked too.
    """
    from sqlft.evaluation import evaluate_each as evaluate_sets
    from sqlft.progress import Stages
    from sqlft.report import write_report, write_tables

    with Stages() as stages:
        found = evaluate_sets(
            _recipe(recipe, overrides), adapters, on, progress=stages, baseline=baseline, memory=memory
        )
    for results in found:
        write_report(results)
        write_tables(results)
    return found


def ladder(
    recipe: Recipe | Path | str,
    adapter: Path | str | None = None,
    on: str = "golden",
    overrides: Sequence[str] = (),
    *,
    limit: int | None = None,
    rescore: bool = False,
) -> Results:
    """Measures each step of the recipe's `evaluation.ladder` on the same questions, the first step in the base's place.

    Args:
        recipe: A recipe, or the path of one.
        adapter: An adapter's folder or a run's name; the run's own where it has been trained.
        on: As for `evaluate`.
        overrides: `KEY.SUBKEY=VALUE` each, for a path.
        limit: Only the first so many questions.
        rescore: Compare the kept predictions anew, and ask nobody.

    Raises:
        SqlftError: As `sqlft ladder` would say it; WrongUse where the recipe or its files are wrong.
    """
    from sqlft.evaluation import climb
    from sqlft.progress import Stages
    from sqlft.report import write_report, write_tables

    recipe = _recipe(recipe, overrides)
    own = recipe.run_dir / "adapter"
    with Stages() as stages:
        results = climb(recipe, adapter or (own if own.is_dir() else None), on, limit, rescore=rescore, progress=stages)
    write_report(results)
    write_tables(results)
    return results


@contextmanager
def analyst(
    recipe: Recipe | Path | str,
    overrides: Sequence[str] = (),
    *,
    adapter: Path | str | None = None,
    endpoint: str | None = None,
    model: str | None = None,
    memory: bool = False,
) -> Iterator[Analyst]:
    """One who answers questions about the recipe's database: `ask(question)`, as often as wanted; for `with`.

    Args:
        recipe: A recipe, or the path of one; its `agent.ask` says what is done beside asking once.
        overrides: `KEY.SUBKEY=VALUE` each, for a path.
        adapter: An adapter's folder or a run's name; the run's own where it has been trained, else the base alone.
        endpoint: An OpenAI-compatible server's address to ask there, where base and adapter bear their own names.
        model: Another model's name there.
        memory: With the memory that `memorize` made beside it.

    Raises:
        SqlftError: As `sqlft ask` would say it; WrongUse where what was given is wrong.
    """
    from sqlft.agent import open_analyst
    from sqlft.evaluation.adapters import name_adapters
    from sqlft.progress import Stages

    recipe = _recipe(recipe, overrides)
    own = recipe.run_dir / "adapter"
    given = adapter or (own if own.is_dir() else None)
    named = next(iter(name_adapters([given]).items())) if given else None
    with open_analyst(recipe, named, endpoint=endpoint, model=model, memory=memory, tell=Stages()) as found:
        yield found


def ask(
    recipe: Recipe | Path | str,
    question: str,
    overrides: Sequence[str] = (),
    *,
    adapter: Path | str | None = None,
    endpoint: str | None = None,
    model: str | None = None,
    memory: bool = False,
) -> Reply:
    """Answers one question: its SQL is written, run behind the gate, and its result said in a sentence.

    Args and errors as for `analyst`, which answers several with one loaded model. Where no answer came, `result` is
    None and `sentence` says why.
    """
    with analyst(recipe, overrides, adapter=adapter, endpoint=endpoint, model=model, memory=memory) as opened:
        return opened.ask(question)


def load(
    source: TrainingRun | Recipe | Path | str, adapter: Path | str | None = None, *, memory: bool = False
) -> SqlModel:
    """Loads a model that answers questions with SQL.

    Args:
        source: A run, its folder or its adapter's folder; or a recipe or its path, which is the run's adapter where it
            has been trained, else the base.
        adapter: An adapter's folder to load instead.
        memory: With the memory that `memorize` made beside it.

    Raises:
        SqlftError: The base cannot be loaded, or the adapter does not fit it; WrongUse where there is neither.
    """
    from sqlft.model import SqlModel

    return SqlModel.load(source, adapter, memory)


def _adapter(given: Path | str | None) -> Path | None:
    from sqlft.evaluation.adapters import name_adapters

    return next(iter(name_adapters([given]).values())) if given else None


def _confirm(stages: Stages, yes: bool) -> Confirm:
    def confirm(estimate: Estimate) -> bool:
        stages.say(f"teacher: {estimate}")
        return yes or estimate.bounded or stages.ask("Make these calls?")

    return confirm


def _recipe(recipe: Recipe | Path | str, overrides: Sequence[str]) -> Recipe:
    from sqlft.problems import Problem, WrongUse
    from sqlft.recipe import Recipe, load_recipe

    if not isinstance(recipe, Recipe):
        return load_recipe(recipe, overrides)
    if overrides:
        raise WrongUse(
            Problem("overrides", ", ".join(overrides), "a recipe that is read already takes none", "Give its path.")
        )
    return recipe
