"""The command that takes a model away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sqlft.cli.app import Json, app, print_json
from sqlft.problems import Problem, WrongUse


@app.command()
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder or name, or its recipe, once evaluated.")],
    merged: Annotated[
        Path | None, typer.Option(metavar="DIR", help="One model, unquantised, asked the golden questions again.")
    ] = None,
    ollama: Annotated[Path | None, typer.Option(metavar="DIR", help="A Modelfile over base and adapter.")] = None,
    vllm: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The serve command and a compose service, with the adapter.")
    ] = None,
    hub: Annotated[
        str | None, typer.Option(metavar="REPO", help="Upload the adapter to a private repository on the Hub.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Let everybody see what --hub uploads.")] = False,
    as_json: Json = False,
) -> None:
    """Take the adapter away. Merged, for Ollama, for vLLM, to the Hub; each with a model card."""
    if not (merged or ollama or vllm or hub) or (public and not hub):
        given, why = ("--public", "nothing is uploaded") if public else ("no export", "there is nothing to write")
        write = "Write --hub REPO." if public else "Write --merged, --ollama, --vllm or --hub."
        raise WrongUse(Problem("sqlft export", given, why, write))
    from sqlft.export import export_run
    from sqlft.progress import Stages

    with Stages() as stages:
        done = export_run(run, merged=merged, ollama=ollama, vllm=vllm, hub=hub, public=public, progress=stages)
    if as_json:
        return print_json(done.to_json())
    for place in (done.ollama, done.vllm, done.merged, done.hub):
        if place:
            print(place)
