"""What all commands share: the application, the arguments that several take, and how they print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

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
Adapter = Annotated[
    str | None, typer.Option(metavar="A", help="An adapter's folder or a run's name; the run's own by default.")
]
Endpoint = Annotated[str | None, typer.Option(metavar="URL", help="Ask an OpenAI-compatible server, not this machine.")]
Served = Annotated[
    str | None, typer.Option(metavar="NAME", help="A model there; by default the adapter's or the base's name.")
]
WithMemory = Annotated[bool, typer.Option("--memory", help="With what `sqlft memorize` made beside it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else on standard output.")]
Dsn = Annotated[
    str | None,
    typer.Option(metavar="DSN", help="chdb:///path, chdb://./path, clickhouse://user@host:8123/db, clickhouses://…"),
]


def print_json(value: Any) -> None:
    from sqlft.console import show_json

    show_json(value)


def print_notes(notes: list[str]) -> None:
    for note in notes:
        print(f"sqlft: {note}", file=sys.stderr)
