"""The commands about sqlft itself: recipes and versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqlft.cli.app import Json, Overrides, app, print_json
from sqlft.problems import Problem, WrongUse


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
        return print_json(Recipe.model_json_schema(by_alias=True))
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
        return print_json(versions)
    for name, number in versions.items():
        print(name, number)
