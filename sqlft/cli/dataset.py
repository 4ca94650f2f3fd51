"""The commands before training: describe a database, check a recipe, build and lint a dataset."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sqlft.cli.app import Dsn, Json, Overrides, RecipePath, app, print_json, print_notes

if TYPE_CHECKING:
    from sqlft.dataset.harvest import ImportReport

Out = Annotated[Path, typer.Option(metavar="PAIRS", help="JSONL to write; what was dropped and why stands beside it.")]
Yes = Annotated[
    bool, typer.Option("--yes", help="Agree to what the teacher's calls will cost, where no budget bounds it.")
]


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
def plan(
    recipe: RecipePath,
    overrides: Overrides = None,
    gpus: Annotated[int, typer.Option("--gpus", metavar="N", min=1, help="GPUs that train side by side (DDP).")] = 1,
    mfu: Annotated[
        float | None, typer.Option(min=0.01, max=1, help="Share of a GPU's peak rate that training reaches.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a run takes, before it is paid. Parameters, memory, tokens, hours and dollars, the teacher; no GPU."""
    import sqlft

    found = sqlft.plan(recipe, overrides or [], gpus=gpus, mfu=mfu)
    if as_json:
        return print_json(found.to_json())
    from sqlft.console import show

    show(*found.tables())
    print_notes(found.notes)


@app.command()
def build(
    recipe: RecipePath,
    overrides: Overrides = None,
    yes: Yes = False,
    from_failures: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write about what a model got wrong: JSONL of failure categories."),
    ] = None,
    format: Annotated[
        Literal["records", "trl"],
        typer.Option(help="trl: train and validation as TRL's chats too, in a folder trl beside the records."),
    ] = "records",
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
    report = sqlft.build(recipe, overrides or [], yes=yes, from_failures=from_failures, format=format)
    if as_json:
        return print_json(report.to_json())
    rejected = ", ".join(f"{count} {reason}" for reason, count in report.rejected.items()) or "none"
    rows: list[tuple[str, Any]] = [("written", report.written), ("rejected", rejected)]
    rows += [*report.counts.items(), ("sandbox", report.sandbox)]
    rows += [("seconds", f"{report.seconds:.1f}"), ("page", report.folder / "dataset.html")]
    show(steps_table(report.steps), facts(rows))
    print_notes(report.notes)


@app.command("import-log")
def import_log(
    recipe: RecipePath,
    out: Out,
    overrides: Overrides = None,
    dsn: Dsn = None,
    user: Annotated[list[str] | None, typer.Option(help="Who ran them; may be given again.")] = None,
    since: Annotated[datetime.datetime | None, typer.Option(help="Runs from then on, by the server's clock.")] = None,
    until: Annotated[datetime.datetime | None, typer.Option(help="Runs before then.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="A table that they read; may be given again.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Different queries at the most, the commonest.")] = 1000,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make pairs of the queries in system.query_log. Personal data masked, questions written by the teacher."""
    import sqlft
    from sqlft.dataset.harvest import LogFilter

    chosen = LogFilter(user or [], since, until, table or [], limit)
    _print_import(sqlft.import_log(recipe, out, chosen, overrides or [], dsn=dsn, yes=yes), as_json)


@app.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="SQL, one statement after another.")],
    recipe: Annotated[Path, typer.Option(help="A recipe, for its card, database and teacher.")],
    out: Out,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make pairs of SQL files. As import-log; a comment above a statement may hold its question."""
    import sqlft

    overrides = [str(word) for word in files if "=" in str(word) and not word.exists()]
    paths = [path for path in files if str(path) not in overrides]
    _print_import(sqlft.import_files(recipe, paths, out, overrides, yes=yes), as_json)


def _print_import(report: ImportReport, as_json: bool) -> None:
    if as_json:
        return print_json(report.to_json())
    from sqlft.console import facts, show

    def listed(counts: dict[str, int]) -> str:
        return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "none"

    masked = ", ".join(f"{count} {kind}{column and f' in {column}'}" for kind, column, count in report.masked) or "none"
    rows = [("looked at", report.found), ("runs of them", report.runs), ("left in the log", listed(report.left))]
    rows += [("merged", report.merged), ("masked", masked), ("rejected", listed(report.rejected))]
    rows += [("asked of the teacher", report.asked), ("pairs", report.pairs), ("sandbox", report.sandbox)]
    show(facts([*rows, ("file", report.file)]))
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
