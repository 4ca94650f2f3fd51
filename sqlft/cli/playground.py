"""The command that serves a page to ask on."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sqlft.cli.app import Endpoint, Overrides, RecipePath, WithMemory, app


@app.command()
def playground(
    recipe: RecipePath,
    overrides: Overrides = None,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A", help="An adapter's folder or a run's name, beside the base; may stand several times."
        ),
    ] = None,
    endpoint: Endpoint = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="A model there, which answers alone.")] = None,
    memory: WithMemory = False,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Listen there; beyond this machine with a password alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="0 is a free one.", min=0, max=65535)] = 7860,
) -> None:
    """Open a page to ask on. Correct and keep what is answered, look through datasets and runs."""
    from sqlft.playground import serve
    from sqlft.progress import Stages
    from sqlft.recipe import load_recipe

    def ready(url: str) -> None:
        print(url, flush=True)
        print("sqlft: the playground is there; Ctrl-C ends it", file=sys.stderr)

    read = load_recipe(recipe, overrides or [])
    try:
        with Stages() as stages:
            serve(
                read, adapter or [], endpoint=endpoint, model=model, memory=memory,
                host=host, port=port, tell=stages, ready=ready,
            )  # fmt: skip
    except KeyboardInterrupt:
        pass
