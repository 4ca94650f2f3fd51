"""The command line: each command parses, calls one function and prints.

Imports stay inside the commands, so that `sqlft --help` costs nothing that it does not show. Answers go to standard
output, progress and notes to standard error. Exit codes: 0 done, 1 failed at its work, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sqlft.problems import Problem, SqlftError, WrongUse

SHOP = "chdb://./runs/shop"

app = typer.Typer(
    help="Fine-tune an open-weights model into the SQL analyst of one ClickHouse database.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="The YAML file that describes the run.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY.SUBKEY=VALUE", help="Replaces a value of the recipe.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else on standard output.")]
Dsn = Annotated[
    str | None,
    typer.Option(metavar="DSN", help="chdb:///path, chdb://./path, clickhouse://user@host:8123/db, clickhouses://…"),
]


def main() -> None:
    """Runs the command line; every error that is the user's to mend is a sentence, without a traceback."""
    try:
        app()
    except SqlftError as error:
        print(f"sqlft: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"sqlft: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(1)


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
        _json([vars(item) for item in found])
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
    as_json: Json = False,
) -> None:
    """Build the dataset. A teacher writes pairs, the database judges them, the clean ones are split."""
    import sqlft

    report = sqlft.build(recipe, overrides or [], yes=yes, from_failures=from_failures)
    if as_json:
        return _json(report.to_json())
    from sqlft.console import facts, show

    rejected = ", ".join(f"{count} {reason}" for reason, count in report.rejected.items()) or "none"
    rows = [("written", report.written), ("rejected", rejected), *report.counts.items(), ("sandbox", report.sandbox)]
    show(facts([*rows, ("seconds", f"{report.seconds:.1f}"), ("folder", report.folder)]))
    _notes(report.notes)


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
    _notes(report.notes)
    if as_json:
        _json([finding.to_json() for finding in report.findings])
    else:
        from sqlft.console import show
        from sqlft.dataset.lint.page import findings_table

        show(*findings_table(report))
    raise typer.Exit(1 if report.count("error") else 0)


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
        _json({"folder": str(run.folder), "adapter": str(run.adapter), **run.manifest})
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
    as_json: Json = False,
) -> None:
    """Compare the base and its adapters. The same questions, one table, report.html."""
    import sqlft
    from sqlft.recipe import load_recipe

    parsed = load_recipe(recipe, overrides or [])
    adapters: list[Any] = list(adapter or [])
    if not adapters and (parsed.run_dir / "adapter").is_dir():
        adapters = [parsed.run_dir / "adapter"]
    found = sqlft.evaluate_each(parsed, adapters, on or ["golden"])
    if as_json:
        return _json([{"folder": str(r.folder), **r.model_dump(mode="json", exclude={"questions"})} for r in found])
    from sqlft.console import show
    from sqlft.evaluation.table import results_table

    for results in found:
        show(results_table(results), f"{results.folder}/report.html")


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
    as_json: Json = False,
) -> None:
    """Write the SQL that answers questions. It is not run: `sqlft query` does that, behind its gate."""
    import sqlft
    from sqlft.recipe import load_recipe

    overrides = [word for word in questions or [] if re.fullmatch(r"[a-z_]+(\.\w+)*=\S.*", word)]
    asked = [word for word in questions or [] if word not in overrides] + (_lines(file) if file else [])
    if not asked:
        raise WrongUse(
            Problem("QUESTION", "no question", "there is nothing to answer", "Write one in quotes, or --file FILE.")
        )
    predictions = sqlft.load(load_recipe(recipe, overrides), adapter).predict_many(asked)
    if as_json:
        return _json([prediction.model_dump() for prediction in predictions])
    missing = 0
    for prediction in predictions:
        if prediction.sql is None:
            missing += 1
            _notes([f"no SQL in the answer to {prediction.question!r}: {prediction.text[:200]!r}"])
        else:
            print(prediction.sql)
    raise typer.Exit(1 if missing else 0)


@app.command()
def score(
    pairs: Annotated[
        Path, typer.Argument(metavar="PAIRS", help="JSONL: gold_columns, gold_rows, pred_columns, pred_rows, …")
    ],
    out: Annotated[Path, typer.Option(metavar="VERDICTS", help="JSONL to write, one verdict a line.")],
    as_json: Json = False,
) -> None:
    """Compare pairs of results, without a database."""
    from sqlft.comparison import score_file

    counts = score_file(pairs, out)
    if as_json:
        return _json(dict(counts))
    from sqlft.console import facts, show

    show(facts(counts.most_common()))


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT.")],
    overrides: Overrides = None,
    dsn: Dsn = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe, for its database, limits and tables.")] = None,
    as_json: Json = False,
) -> None:
    """Run one SELECT through the gate. It is the one that model-written SQL goes through."""
    from sqlft.card import SchemaCard
    from sqlft.database import open_gate
    from sqlft.recipe import Limits, load_recipe

    if (dsn is None) == (recipe is None):
        raise WrongUse(
            Problem("command line", "--dsn and --recipe", "exactly one of them says where to run", "Write one.")
        )
    if recipe:
        parsed = load_recipe(recipe, overrides or [])
        section, tables = parsed.database, SchemaCard.load(parsed.schema_).table_names
        gate = open_gate(
            section.dsn, limits=section.limits, tables=tables, sandbox=section.sandbox, date=parsed.prompt.date
        )
    else:
        assert dsn is not None  # one of the two was given
        if overrides:
            why = "without a recipe there are no keys to replace"
            raise WrongUse(Problem("command line", " ".join(overrides), why, "Put the SQL into quotes, as one word."))
        gate = open_gate(dsn, limits=Limits(), tables=None)
    with gate:
        _notes(gate.warnings)
        result = gate.run(sql)
    if result.too_large:
        _notes([f"the result was cut at {len(result.rows):,} rows; `database.limits.rows` sets the limit"])
    from sqlft.console import result_json, result_table, show

    if as_json:
        return _json(result_json(result))
    show(result_table(result))


@app.command()
def shop(
    users: Annotated[int, typer.Option(help="How many users; there are about 18 sessions for each.")] = 20_000,
    dsn: Annotated[
        str, typer.Option(metavar="DSN", help="Where to; the tables `ecommerce.users` and `.sessions` are replaced.")
    ] = SHOP,
    seed: Annotated[int, typer.Option(help="The same seed gives the same rows.")] = 0,
    as_json: Json = False,
) -> None:
    """Fill the demo shop. Its users and sessions are made up to tell a right query from a wrong one."""
    from sqlft.database import Database
    from sqlft.database.shop import fill_shop
    from sqlft.progress import Stages

    with Database.connect(dsn) as db, Stages() as stages:
        rows = fill_shop(db, users, seed, lambda done: stages("users", done, users))
    if as_json:
        return _json(rows)
    from sqlft.console import facts, show

    show(facts(rows.items()))


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
        return _json(report.to_json())
    from sqlft.console import show

    show(*report.tables())


@app.command("recipe")
def show_recipe(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="Print this recipe with every default filled in.")
    ] = None,
    overrides: Overrides = None,
    json_schema: Annotated[
        bool, typer.Option("--json-schema", help="Print the JSON schema of recipes, for editors.")
    ] = False,
) -> None:
    """Print a recipe in full, or its JSON schema."""
    from sqlft.recipe import Recipe, load_recipe

    if json_schema:
        return _json(Recipe.model_json_schema(by_alias=True))
    if recipe is None:
        raise WrongUse(Problem("RECIPE", "no recipe", "there is nothing to print", "Write RECIPE, or --json-schema."))
    import yaml

    document = load_recipe(recipe, overrides or []).model_dump(mode="json", by_alias=True)
    print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), end="")


@app.command()
def version(as_json: Json = False) -> None:
    """Print versions."""
    import platform
    from importlib.metadata import version as of

    names = ("sqlft", "torch", "transformers", "peft", "trl", "bitsandbytes", "chdb", "clickhouse-connect", "sqlglot")
    versions = (
        {name: of(name) for name in names[:1]}
        | {"python": platform.python_version()}
        | {name: of(name) for name in names[1:]}
    )
    if as_json:
        return _json(versions)
    for name, number in versions.items():
        print(name, number)


def _json(value: Any) -> None:
    from sqlft.console import show_json

    show_json(value)


def _notes(notes: list[str]) -> None:
    for note in notes:
        print(f"sqlft: {note}", file=sys.stderr)


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"not UTF-8 ({error})"
        raise WrongUse(
            Problem(str(path), "--file", str(why), "Write the path of a text file, one question a line.")
        ) from error
