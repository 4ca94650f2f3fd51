"""The commands before training: describe a database, check a recipe, build and lint a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqlft.cli.app import Json, Overrides, RecipePath, app, print_json, print_notes


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write; it may not hold these files yet.")],
    dsn: Annotated[str, typer.Option(metavar="DSN", help="The database to describe.")],
    database: Annotated[
        list[str] | None, typer.Option(help="A database to describe; all of the DSN's own by default.")
    ] = None,
) -> None:
    """Describe a database as a new project. Recipe, schema card, one seed, one golden question."""
    from sqlft.scaffold import write_project

    for path in write_project(folder, dsn, database):
        print(path)
    print(
        f"Complete the schema card and write seeds and golden questions; then `sqlft check {folder / 'recipe.yaml'}`."
    )


@app.command()
def check(recipe: RecipePath, overrides: Overrides = None, as_json: Json = False) -> None:
    """Find what is wrong, before money is spent. Recipe, database, card, questions, tokens, access, disk."""
    from sqlft.check import run_checks

    found = []
    for item in run_checks(recipe, overrides or []):
        found.append(item)
        if not as_json:
            print(item, flush=True)
    if as_json:
        print_json([vars(item) for item in found])
    raise typer.Exit(max((item.exit_code for item in found), default=0))


@app.command()
def build(
    recipe: RecipePath,
    overrides: Overrides = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Agree to what the teacher's calls will cost, where no budget bounds it.")
    ] = False,
    from_failures: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write about what a model got wrong: JSONL of failure categories."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what each step would drop of what is written already."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Build the dataset. A teacher writes pairs, the database judges them, the clean ones are split."""
    import sqlft
    from sqlft.console import facts, printable, show
    from sqlft.dataset.waterfall import steps_table

    if dry_run:
        found = sqlft.rehearse(recipe, overrides or [])
        if as_json:
            return print_json(found.to_json())
        shown = {name: printable(f"{said} | {question}") for name, (question, said) in found.examples.items()}
        show(steps_table(found.steps, shown), facts([("written", found.written), ("kept", found.kept)]))
        return print_notes(found.notes)
    report = sqlft.build(recipe, overrides or [], yes=yes, from_failures=from_failures)
    if as_json:
        return print_json(report.to_json())
    rejected = ", ".join(f"{count} {reason}" for reason, count in report.rejected.items()) or "none"
    rows = [("written", report.written), ("rejected", rejected), *report.counts.items(), ("sandbox", report.sandbox)]
    show(steps_table(report.steps), facts([*rows, ("seconds", f"{report.seconds:.1f}"), ("folder", report.folder)]))
    print_notes(report.notes)


@app.command()
def lint(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Questions and SQL: CSV, JSON, JSONL or parquet.")],
    overrides: Overrides = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe, for its card, database and golden set; without one, the text alone.")
    ] = None,
    golden: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Questions that may not leak; the recipe's own by default.")
    ] = None,
    dialect: Annotated[str, typer.Option(help="As sqlglot names it; any other is read and not run.")] = "clickhouse",
    fix: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the set again with the mechanical fixes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find what is wrong with a set of questions and SQL. Each row, rows together, leaks of golden questions."""
    from sqlft.dataset.lint import lint_file
    from sqlft.progress import Stages
    from sqlft.recipe import load_recipe

    parsed = load_recipe(recipe, overrides or []) if recipe else None
    with Stages() as stages:
        report = lint_file(file, parsed, golden, dialect, fix, stages)
    print_notes(report.notes)
    if as_json:
        print_json([finding.to_json() for finding in report.findings])
    else:
        from sqlft.console import show
        from sqlft.dataset.lint.page import findings_table

        show(*findings_table(report))
    allowed = parsed is not None and parsed.allow_leakage
    wrong = [one for one in report.findings if one.level == "error" and not (allowed and one.code.startswith("leak"))]
    raise typer.Exit(1 if wrong else 0)
