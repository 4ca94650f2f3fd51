"""The commands about queries and their results: compare, run, fill the demo shop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqlft.cli.app import Dsn, Json, Overrides, app, print_json, print_notes
from sqlft.problems import Problem, WrongUse

SHOP = "chdb://./runs/shop"


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
        return print_json(dict(counts))
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
        print_notes(gate.warnings)
        result = gate.run(sql)
    if result.too_large:
        print_notes([f"the result was cut at {len(result.rows):,} rows; `database.limits.rows` sets the limit"])
    from sqlft.console import result_json, result_table, show

    if as_json:
        return print_json(result_json(result))
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
        return print_json(rows)
    from sqlft.console import facts, show

    show(facts(rows.items()))
