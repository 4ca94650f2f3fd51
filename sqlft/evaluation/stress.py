"""Matches that are only luck: both queries are run again on neighbours of the database, and compared there."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlft.card import SchemaCard
from sqlft.comparison import Gold, judge, prepare_gold
from sqlft.database import Gate, QueryError, Result, open_gate
from sqlft.database.edges import literals_by_column
from sqlft.database.neighbours import copy_tables, write_neighbours
from sqlft.evaluation.results import Answer, Question
from sqlft.evaluation.scoring import each
from sqlft.recipe import Recipe
from sqlft.records import Verdict

Pairs = Mapping[str, Mapping[str, bool]]
"""Gold statements, each with the predicted ones that agree with it, and whether strictly."""

_MORE_THAN_ONE_ROW = 125  # what a subquery that stands for a value may not give: it was luck that it gave one


def stress(
    recipe: Recipe,
    card: SchemaCard,
    questions: Sequence[Question],
    answers: Mapping[str, Sequence[Answer]],
    step: Callable[[int], None],
) -> None:
    """Takes the match from every answer that agrees with gold on the database at hand and not on its neighbours.

    Such a verdict says `data_dependent`, and shows on which neighbour they differ, and where. Of several samples each
    is tried; the same SQL once a question.

    Args:
        recipe: `evaluation.stress` neighbours are made, of `evaluation.stress_rows` rows a table.
        card: For keys, relations and known values.
        questions: As they were scored.
        answers: By model, in the questions' order; verdicts are changed in place.
        step: Told the number of neighbours done.

    Raises:
        QueryError: A table cannot be copied.
        SqlftError: A neighbour cannot be made.
    """
    matches = [
        (question.sql, one.sql, one.verdict)
        for given in answers.values()
        for question, answer in zip(questions, given, strict=True)
        for one in (answer, *answer.others)
        if one.sql and question.sql and one.verdict.relaxed and one.verdict.status != "vacuous" and not one.exact
    ]
    pairs: dict[str, dict[str, bool]] = {}
    for gold, sql, verdict in matches:
        pairs.setdefault(gold, {})[sql] = verdict.strict
    found = find_dependent(recipe, card, pairs, step)
    for gold, sql, verdict in matches:
        if broken := found.get((gold, sql)):
            verdict.strict, verdict.relaxed = verdict.strict and broken.strict, broken.relaxed
            verdict.status = "mismatch"
            verdict.reasons = list(dict.fromkeys([*verdict.reasons, "data_dependent", *broken.reasons]))
            verdict.evidence = broken.evidence


def find_dependent(
    recipe: Recipe, card: SchemaCard, pairs: Pairs, step: Callable[[int], None]
) -> dict[tuple[str, str], Verdict]:
    """The pairs of gold and prediction that part on a neighbour, each with the verdict there, and its number.

    Args:
        recipe: As for `stress`.
        card: Likewise.
        pairs: What agrees on the database at hand.
        step: Told the number of neighbours done.
    """
    found: dict[tuple[str, str], Verdict] = {}
    if not pairs:
        return found
    section, wanted = recipe.database, recipe.evaluation
    reading = section.limits.model_copy(update={"rows": wanted.stress_rows, "bytes": 16 * section.limits.bytes})
    opened = functools.partial(open_gate, sandbox=section.sandbox, date=recipe.prompt.date)
    with opened(section.dsn, limits=reading, tables=card.table_names) as gate:
        readings = [[gate.read(sql) for sql in (gold, *others)] for gold, others in pairs.items()]
        tables = {name for asked in readings for statement, _ in asked for name in statement.tables}
        literals = [literals_by_column(tree for _, tree in asked) for asked in readings]
        copies = copy_tables(gate, card, tables, literals, wanted.stress_rows)
        home = gate.default_database
    names = [copy.name for copy in copies]
    names += [f"default.{name.removeprefix(f'{home}.')}" for name in names if name.startswith(f"{home}.")]
    with tempfile.TemporaryDirectory() as folder:
        for number, place in enumerate(
            write_neighbours(Path(folder), copies, range(wanted.stress), wanted.stress_rows, home), 1
        ):
            left = {gold: [sql for sql in others if (gold, sql) not in found] for gold, others in pairs.items()}
            with opened(f"chdb://{place}", limits=section.limits, tables=names) as near:
                parted = _part(near, {gold: sqls for gold, sqls in left.items() if sqls})
            for pair, verdict in parted.items():
                if not verdict.relaxed or (pairs[pair[0]][pair[1]] and not verdict.strict):
                    verdict.evidence["neighbour"] = number
                    found[pair] = verdict
            step(number)
    return found


def _part(gate: Gate, pairs: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], Verdict]:
    """The verdicts on pairs that do not match here. The tables are small: one thread a query."""

    def one(gold_sql: str) -> dict[tuple[str, str], Verdict]:
        run = functools.cache(lambda sql: gate.run(sql, threads=1))
        gold = prepare_gold(gold_sql, lambda sql, _: run(sql))
        verdicts = {(gold_sql, sql): _verdict(gold, sql, run) for sql in pairs[gold_sql]}
        return {pair: verdict for pair, verdict in verdicts.items() if verdict and verdict.status != "match"}

    found = each(one, list(pairs), lambda _: None)
    return {pair: verdict for parted in found for pair, verdict in parted.items()}


def _verdict(gold: Gold, sql: str, run: Callable[[str], Result]) -> Verdict | None:
    """None where this neighbour has nothing to say: gold gives nothing here, or a query does not end as it did."""
    if gold.verdict or not gold.result or not gold.result.rows:
        return None
    try:
        result: Result | QueryError = run(sql)
    except QueryError as error:
        if error.code != _MORE_THAN_ONE_ROW:
            return None
        result = error
    if isinstance(result, Result) and _is_bare(gold.result) and _is_bare(result):
        return None  # two ways to say that there is nothing
    verdict = judge(gold, result, sql)
    if verdict.status == "mismatch" and _is_a_tie(gold, sql, run):
        return None
    return verdict if verdict.status in ("mismatch", "invalid") else None


def _is_a_tie(gold: Gold, sql: str, run: Callable[[str], Result]) -> bool:
    """Whether gold, which asks for no order (argMax), took one of the rows that tie where the prediction cuts."""
    if gold.result is None or "order by" in gold.sql.lower():
        return False
    turned = prepare_gold(sql, lambda sql, _: run(sql))
    return turned.pool is not None and judge(turned, gold.result, gold.sql).strict


def _is_bare(result: Result) -> bool:
    """Whether it holds what aggregates give over nothing: of dates that is the first day that there is."""
    cells = [cell for row in result.rows for cell in row]
    return all(cell in (None, "", 0) or cell != cell or str(cell).startswith("1970-01-01") for cell in cells)
