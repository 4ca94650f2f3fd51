"""The commands about models: train, compare, ask, and all of it on a small scale."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from sqlft.cli.app import Adapter, Json, Overrides, RecipePath, WithMemory, app, print_json, print_notes
from sqlft.problems import Problem, WrongUse


@app.command()
def train(
    recipe: RecipePath,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    as_json: Json = False,
) -> None:
    """Fine-tune the adapter. `accelerate launch scripts/train.py RECIPE` is the same on several GPUs."""
    import sqlft

    run = sqlft.train(recipe, overrides or [], resume=resume)
    if os.environ.get("RANK", "0") != "0":
        return
    if as_json:
        print_json({"folder": str(run.folder), "adapter": str(run.adapter), **run.manifest})
    else:
        print(run)


@app.command()
def evaluate(
    recipe: RecipePath,
    overrides: Overrides = None,
    adapter: Annotated[
        list[str] | None, typer.Option(metavar="A", help="An adapter's folder or a run's name; may be given again.")
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUESTIONS", help="golden (the default), heldout, heldout_templates or a file; may be given again."
        ),
    ] = None,
    stress: Annotated[
        int | None, typer.Option(metavar="N", help="Try matches again on N neighbours of the database.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask a vLLM server that holds the base and the adapters.")
    ] = None,
    check_agreement: Annotated[
        int | None, typer.Option(metavar="N", help="Compare its answers to N questions with the local model's first.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="RUN", help="An earlier run to compare with; exit 1 where it was better.")
    ] = None,
    fail_under: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit 1 where an adapter (or the base alone) has less right.")
    ] = None,
    memory: Annotated[bool, typer.Option("--memory", help="Ask what `sqlft memorize` made, too.")] = False,
    as_json: Json = False,
) -> None:
    """Compare the base and its adapters. The same questions, one table, report.html."""
    import sqlft
    from sqlft.recipe import load_recipe

    given = {"stress": stress, "endpoint.base_url": endpoint, "endpoint.check_agreement": check_agreement}
    words = [f"evaluation.{key}={value}" for key, value in given.items() if value is not None]
    parsed = load_recipe(recipe, [*(overrides or []), *words])
    adapters: list[Any] = list(adapter or [])
    if not adapters and (parsed.run_dir / "adapter").is_dir():
        adapters = [parsed.run_dir / "adapter"]
    found = sqlft.evaluate_each(parsed, adapters, on or ["golden"], baseline=baseline, memory=memory)
    if as_json:
        print_json([{"folder": str(r.folder), **r.model_dump(mode="json", exclude={"questions"})} for r in found])
    else:
        from sqlft.console import show
        from sqlft.evaluation.table import results_table

        for results in found:
            show(results_table(results), f"{results.folder}/report.html")
    from sqlft.evaluation.baseline import shortfalls

    short = [sentence for results in found for sentence in shortfalls(results, fail_under)]
    print_notes(short)
    raise typer.Exit(1 if short else 0)


@app.command()
def ladder(
    recipe: RecipePath,
    overrides: Overrides = None,
    adapter: Adapter = None,
    on: Annotated[
        str, typer.Option(metavar="QUESTIONS", help="golden, heldout, heldout_templates or a file.")
    ] = "golden",
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Ask the first N questions alone.")] = None,
    rescore: Annotated[bool, typer.Option("--rescore", help="Compare the kept predictions anew; ask nobody.")] = False,
    as_json: Json = False,
) -> None:
    """Measure each way of asking. Examples, reasoning, reflection, retrieval, votes, and what a right answer costs."""
    import sqlft

    results = sqlft.ladder(recipe, adapter, on, overrides or [], limit=limit, rescore=rescore)
    if as_json:
        return print_json({"folder": str(results.folder), **results.model_dump(mode="json", exclude={"questions"})})
    from sqlft.console import show
    from sqlft.evaluation.table import ladder_table

    show(ladder_table(results), f"{results.folder}/report.html")


@app.command()
def diagnose(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or name, after `evaluate`.")],
    on: Annotated[
        str, typer.Option(metavar="SET", help="The set of questions: a folder below its evaluation.")
    ] = "golden",
    as_json: Json = False,
) -> None:
    """Say why answers are wrong. By category, with what training has near them, and slots for `build`."""
    from sqlft.evaluation.remedy.overview import diagnose_run

    found = diagnose_run(run, on)
    if as_json:
        return print_json(found.to_json())
    from sqlft.console import show
    from sqlft.evaluation.remedy.table import diagnosis_tables

    show(*diagnosis_tables(found))
    if found.file:
        print_notes([f"{found.file} holds slots for `sqlft build RECIPE --from-failures {found.file}`"])


@app.command()
def improve(
    recipe: RecipePath,
    overrides: Overrides = None,
    target: Annotated[float, typer.Option(min=0, max=1, help="Share of right answers at which it stops.")] = 0.95,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds at the most.")] = 3,
    rows: Annotated[
        int | None, typer.Option(min=1, help="New training rows a round; half of the first training's by default.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to what the teacher may cost.")] = False,
    as_json: Json = False,
) -> None:
    """Train in rounds on what goes wrong. Evaluate, diagnose, build, train; judged by questions that no round sees."""
    from sqlft.improvement import improve as run_rounds
    from sqlft.recipe import load_recipe

    found = run_rounds(load_recipe(recipe, overrides or []), target=target, rounds=rounds, rows=rows, yes=yes)
    if as_json:
        return print_json(found.to_json())
    from sqlft.console import show

    show(found.table(), found.stopped)


@app.command()
def predict(
    recipe: RecipePath,
    questions: Annotated[
        list[str] | None, typer.Argument(metavar="QUESTION", help="Questions, and KEY.SUBKEY=VALUE overrides.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Questions, one a line.")] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="An adapter's folder; the run's own by default, else the base.")
    ] = None,
    memory: WithMemory = False,
    as_json: Json = False,
) -> None:
    """Write the SQL that answers questions. It is not run: `sqlft query` does that, behind its gate."""
    import sqlft
    from sqlft.recipe import load_recipe

    overrides = [word for word in questions or [] if re.fullmatch(r"[a-z_]+(\.\w+)*=\S.*", word)]
    asked = [word for word in questions or [] if word not in overrides] + (_lines(file) if file else [])
    if not asked or not all(map(str.strip, asked)):
        raise WrongUse(
            Problem("QUESTION", "no question", "there is nothing to answer", "Write one in quotes, or --file FILE.")
        )
    predictions = sqlft.load(load_recipe(recipe, overrides), adapter, memory=memory).predict_many(asked)
    if as_json:
        return print_json([prediction.model_dump() for prediction in predictions])
    missing = 0
    for prediction in predictions:
        if prediction.sql is None:
            missing += 1
            print_notes([f"no SQL in the answer to {prediction.question!r}: {prediction.text[:200]!r}"])
        else:
            print(prediction.sql)
    raise typer.Exit(1 if missing else 0)


@app.command()
def demo(
    overrides: Overrides = None,
    users: Annotated[int, typer.Option(help="Users of the shop.")] = 20_000,
    as_json: Json = False,
) -> None:
    """Do the main job on a small scale. Shop, build, train, evaluate, report, by recipes/tiny-cpu.yaml."""
    from sqlft.demo import demo_recipe, run_demo
    from sqlft.recipe import load_recipe

    report = run_demo(load_recipe(demo_recipe(), overrides or []), users)
    if as_json:
        return print_json(report.to_json())
    from sqlft.console import show

    show(*report.tables())


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"not UTF-8 ({error})"
        raise WrongUse(
            Problem(str(path), "--file", str(why), "Write the path of a text file, one question a line.")
        ) from error
