"""The command that answers: a question, or a prompt that takes one after another."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sqlft.cli.app import Adapter, Endpoint, Json, RecipePath, Served, WithMemory, app, print_json, print_notes
from sqlft.problems import Problem, SqlftError, WrongUse

if TYPE_CHECKING:
    from rich.text import Text

    from sqlft.agent import Analyst, Reply
    from sqlft.evaluation.explanation import Explanation

SHOWN = 40
"""Rows of a table that are printed."""
LEAVE = ("", "exit", "quit")


@app.command()
def ask(
    recipe: RecipePath,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="A question, and KEY.SUBKEY=VALUE overrides; a prompt without one."),
    ] = None,
    adapter: Adapter = None,
    endpoint: Endpoint = None,
    model: Served = None,
    memory: WithMemory = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say what the SQL does and assumes.")] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the whole table; - is standard output.")
    ] = None,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE.png", help="Draw the chart, where one fits.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question. Its SQL is written, run behind the gate, and its result said, shown and drawn."""
    import sqlft
    from sqlft.recipe import load_recipe

    overrides = [word for word in words or [] if re.fullmatch(r"[a-z_]+(\.\w+)*=\S.*", word)]
    asked = [word for word in words or [] if word not in overrides]
    if csv == Path("-") and as_json:
        why = "both write to standard output"
        raise WrongUse(Problem("command line", "--csv - and --json", why, "Write --csv FILE."))
    if not asked and (csv or chart):
        why = "each answer would be written over the last one"
        raise WrongUse(Problem("command line", "--csv and --chart at the prompt", why, "Write the question too."))
    shown = _Shown(explain, csv, chart, as_json)
    with sqlft.analyst(
        load_recipe(recipe, overrides), adapter=adapter, endpoint=endpoint, model=model, memory=memory
    ) as analyst:
        if asked:
            shown.print(analyst, " ".join(asked))
        else:
            _prompt(analyst, shown)


def _prompt(analyst: Analyst, shown: _Shown) -> None:
    """Takes questions until the input ends, a line is empty, or it says exit; what fails ends none of it."""
    while True:
        if sys.stdin.isatty():
            print("question> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline().strip()
        if line.lower() in LEAVE:
            return
        try:
            shown.print(analyst, line)
        except SqlftError as error:
            print_notes([str(error)])


class _Shown:
    """How answers are printed; notes that were printed once are not printed again."""

    def __init__(self, explain: bool, csv: Path | None, chart: Path | None, as_json: bool) -> None:
        self._explain, self._csv, self._chart, self._as_json = explain, csv, chart, as_json
        self._noted = 0

    def print(self, analyst: Analyst, question: str) -> None:
        """Asks, and prints what came of it.

        Raises:
            SqlftError: No answer came; its sentence says why.
        """
        try:
            reply = analyst.ask(question)
        finally:
            print_notes(analyst.notes[self._noted :])
            self._noted = len(analyst.notes)
        found = None
        if self._explain and reply.result and reply.sql:
            from sqlft.card import SchemaCard
            from sqlft.evaluation.explanation import explain

            recipe = analyst.recipe
            found = explain(reply.sql, SchemaCard.load(recipe.schema_), recipe.prompt.date)
            if found is None:
                print_notes(["the SQL cannot be explained: the parser cannot take it apart"])
        if self._as_json:
            print_json(_json(reply, found))
        if reply.result is None:
            raise SqlftError(_printable(reply.sentence))
        self._write(reply)
        if not self._as_json and self._csv != Path("-"):
            _show(reply, found)

    def _write(self, reply: Reply) -> None:
        from sqlft.console import result_csv

        assert reply.result
        if self._csv == Path("-"):
            print(result_csv(reply.result), end="")
        elif self._csv:
            self._csv.write_text(result_csv(reply.result), encoding="utf-8", newline="")
        if self._chart and reply.chart:
            from sqlft.report.chart import write_chart

            write_chart(reply.chart, self._chart, reply.prediction.question)
        elif self._chart:
            print_notes([f"{self._chart} was not drawn: a chart wants one label and one number, in 2 to 40 rows"])


def _show(reply: Reply, explanation: Explanation | None) -> None:
    from dataclasses import replace

    from sqlft.console import bars, highlighted, result_table, show

    result, prediction = reply.result, reply.prediction
    assert result and reply.sql
    show(_text(reply.sentence), "", highlighted(reply.sql))
    show(result_table(replace(result, rows=result.rows[:SHOWN])))
    if len(result.rows) > SHOWN:
        print_notes([f"{SHOWN} of {len(result.rows):,} rows; --csv FILE writes them all"])
    if result.too_large:
        print_notes([f"the result was cut at {len(result.rows):,} rows; `database.limits.rows` sets the limit"])
    if reply.chart:
        show(bars(reply.chart), "")
    if explanation:
        show(*map(_text, [*explanation.does, "", *(f"Assumed: {line}" for line in explanation.assumes), ""]))
    votes = f", {prediction.votes} votes" if prediction.votes is not None else ""
    tried = f"{prediction.attempts} attempt{'s' * (prediction.attempts > 1)}{votes}"
    lines = [f"{reply.seconds:.1f} s (the query {result.elapsed:.2f} s), {tried}"]
    lines += [f"given up: {_flat(old.sql or 'no SQL')}: {old.fault}" for old in prediction.earlier]
    if prediction.facts is not None:
        lines.append(f"facts opened: {', '.join(prediction.facts) or 'none'}")
    show(*map(_text, lines))


def _json(reply: Reply, explanation: Explanation | None) -> dict[str, object]:
    from dataclasses import asdict

    from sqlft.console import result_json

    said = reply.prediction.model_dump(exclude={"id", "seconds", "stopped"})
    found = {"sentence": reply.sentence, "told_by": reply.told_by, "declined": reply.declined, **said}
    found |= {"seconds": reply.seconds, "result": reply.result and result_json(reply.result)}
    return found | ({"explanation": asdict(explanation)} if explanation else {})


def _text(line: str) -> Text:
    from rich.text import Text

    return Text(_printable(line))


def _printable(text: str) -> str:
    from sqlft.console import printable

    return printable(text)


def _flat(sql: str) -> str:
    return " ".join(sql.split())[:200]
