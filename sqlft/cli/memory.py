"""The commands about memory tuning: derive facts from the schema card, memorize them, list and delete them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqlft.cli.app import Json, Overrides, RecipePath, app, print_json, print_notes
from sqlft.problems import Problem, WrongUse


@app.command()
def facts(
    recipe: RecipePath,
    out: Annotated[Path, typer.Option(metavar="FACTS", help="JSONL to write, for `sqlft memorize`.")],
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Derive facts from the schema card. Columns, values, spellings, formats, join keys, definitions and their uses."""
    from sqlft.memory.stage import write_facts
    from sqlft.recipe import load_recipe

    found = write_facts(load_recipe(recipe, overrides or []), out)
    counts = {
        "facts": len(found),
        "phrasings": sum(len(fact.phrasings) for fact in found),
        "uses": sum(len(fact.uses) for fact in found),
    }
    if as_json:
        return print_json({"file": str(out), **counts})
    from sqlft import console

    console.show(console.facts([*counts.items(), ("file", out)]))


@app.command()
def memorize(
    recipe: RecipePath,
    overrides: Overrides = None,
    file: Annotated[
        Path | None,
        typer.Option("--facts", metavar="FACTS", help="Facts, question/SQL pairs or a glossary, as JSONL."),
    ] = None,
    adapter: Annotated[
        str | None, typer.Option(metavar="A", help="An adapter's folder or a run's name, to make the memory beside.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the facts that the memory holds.")] = False,
    delete: Annotated[list[str] | None, typer.Option(metavar="ID", help="Take a fact out; may be given again.")] = None,
    as_json: Json = False,
) -> None:
    """Have the model recall facts without error. Exit 1 where some do not get there; all else stays as it was."""
    import sqlft
    from sqlft import console
    from sqlft.recipe import load_recipe

    if sum((file is not None, listed, bool(delete))) != 1:
        why = "exactly one of them says what to do"
        raise WrongUse(Problem("command line", "--facts, --list and --delete", why, "Write one."))
    parsed = load_recipe(recipe, overrides or [])
    if file is None:
        held = sqlft.held_facts(parsed, adapter, delete=delete or [])
        if as_json:
            return print_json([{**one.fact.model_dump(), "exact": one.exact, "left": one.left} for one in held])
        marks = {one.fact.id: [" (not exact)"] * (not one.exact) + [" (uses: the model's)"] * one.left for one in held}
        return console.show(console.facts((one.fact.id, one.fact.answer + "".join(marks[one.fact.id])) for one in held))
    found = sqlft.memorize(parsed, file, adapter)
    if as_json:
        print_json(found.to_json())
    else:
        each = round(found.bytes / max(1, found.facts))
        rows = [("facts held", found.facts), ("exact", found.exact), ("new", found.new)]
        rows += [("uses left to the model, which knows them", found.left)] if found.left else []
        times = [("epochs", found.learned.epochs), ("seconds", f"{found.learned.seconds:.1f}")]
        console.show(console.facts([*rows, *times, ("bytes a fact", each), ("folder", found.folder)]))
        print_notes([f"not recalled with margin: {name}: {why}" for name, why in found.missing.items()])
    raise typer.Exit(1 if found.missing else 0)
