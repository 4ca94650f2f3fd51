"""The command that answers other programs, as `sqlft ask` answers people."""

from __future__ import annotations

from typing import Annotated

import typer

from sqlft.cli.app import Adapter, Endpoint, Overrides, RecipePath, Served, WithMemory, app, print_notes


@app.command()
def mcp(
    recipe: RecipePath,
    overrides: Overrides = None,
    adapter: Adapter = None,
    endpoint: Endpoint = None,
    model: Served = None,
    memory: WithMemory = False,
    http: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=1, max=65535, help="On 127.0.0.1, for who knows SQLFT_MCP_TOKEN."),
    ] = None,
) -> None:
    """Serve a Model Context Protocol client. On standard input and output, or over HTTP on this machine."""
    import sqlft
    from sqlft.recipe import load_recipe
    from sqlft.serving import serve_http, serve_stdio

    opening = sqlft.analyst(
        load_recipe(recipe, overrides or []), adapter=adapter, endpoint=endpoint, model=model, memory=memory
    )
    if http is None:
        serve_stdio(opening, print_notes)
    else:
        serve_http(opening, http, print_notes)
