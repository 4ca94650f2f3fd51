"""Gold first: a query that cannot be gold judges nobody; one that can is asked once, then compared with many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlft.comparison.cells import reader
from sqlft.comparison.columns import Grid
from sqlft.comparison.compare import compare, deny, invalid, row_total
from sqlft.comparison.mapping import Search, Undecided
from sqlft.comparison.order import read_outline
from sqlft.comparison.rows import Pool, as_table, label_ties
from sqlft.database.errors import QueryError
from sqlft.database.result import Result
from sqlft.records import Verdict

Run = Callable[[str, int | None], Result]
Digest = Callable[[str], tuple[int, str]]


@dataclass(frozen=True)
class Gold:
    """A gold query that was run.

    Attributes:
        sql: The statement.
        result: What it gave; None where it failed.
        pool: The rows that its ORDER BY and LIMIT could have chosen; None where there is no choice, or none was found.
        verdict: Why it cannot be gold, which is then the verdict on every prediction; None where it can.
    """

    sql: str
    result: Result | None
    pool: Pool | None = None
    verdict: Verdict | None = None


def prepare_gold(sql: str, run: Run) -> Gold:
    """Runs a gold query twice, the second time with one thread, and asks which other rows it could have shown.

    That is one query more, and only where there is an ORDER BY whose keys the result does not show, or a LIMIT: the
    statement with the keys as further columns and LIMIT … WITH TIES (without its LIMIT where there is no order).

    Args:
        sql: The statement.
        run: Runs a statement with a number of threads (None: as many as there are), raising QueryError.
    """
    try:
        result, again = run(sql, None), run(sql, 1)
    except QueryError as error:
        return Gold(sql, None, verdict=deny("gold_error", [error.kind], error=str(error)))
    pool = _ask_pool(sql, result, run)
    verdict = compare(result, again, gold_sql=sql, pool=pool)
    if verdict.strict or (verdict.reasons == ["too_large"] and row_total(result) == row_total(again)):
        return Gold(sql, result, pool)
    return Gold(sql, result, verdict=deny("undetermined", ["nondeterministic", *verdict.reasons], **verdict.evidence))


def judge(gold: Gold, prediction: Result | QueryError | None, sql: str = "", digest: Digest | None = None) -> Verdict:
    """The verdict on one prediction.

    Args:
        gold: From `prepare_gold`.
        prediction: Its result, why there is none, or None where the model wrote no SQL.
        sql: Its statement.
        digest: Rows of a statement's result, and a hash of them in any order, computed in the database: for results
            past the row limit.
    """
    if gold.verdict is not None or gold.result is None:
        assert gold.verdict is not None, "prepare_gold says why there is no result"
        return gold.verdict.model_copy(deep=True)
    if prediction is None:
        return invalid("there is no SQL in the answer", "no_sql")
    if isinstance(prediction, QueryError):
        return invalid(str(prediction), prediction.kind)
    if digest and (gold.result.too_large or prediction.too_large):
        return _compare_digests((gold.sql, gold.result), (sql, prediction), digest)
    return compare(gold.result, prediction, gold_sql=gold.sql, prediction_sql=sql, pool=gold.pool)


def judge_pair(gold_sql: str, prediction_sql: str | None, run: Run, digest: Digest | None = None) -> Verdict:
    """Runs both statements and compares them: `prepare_gold` and `judge` for a single pair."""
    gold = prepare_gold(gold_sql, run)
    if gold.verdict is not None or prediction_sql is None:
        return judge(gold, None)
    try:
        prediction: Result | QueryError = run(prediction_sql, None)
    except QueryError as error:
        prediction = error
    return judge(gold, prediction, prediction_sql, digest)


def _ask_pool(sql: str, result: Result, run: Run) -> Pool | None:
    outline = read_outline(sql)
    if outline is None or not result.rows or result.too_large:
        return None
    shown = outline.visible_keys(result.columns) if outline.keys else []
    hidden = [key for key, places in zip(outline.keys, shown, strict=True) if places is None]
    limited = outline.limit is not None and outline.limit.count == len(result.rows)
    wider = outline.widened(hidden) if hidden or limited else None
    if wider is None:
        return None
    try:
        wide = run(wider, None)
    except QueryError:
        return None
    width = len(result.columns)
    if wide.too_large or len(wide.columns) != width + len(hidden):
        return None
    keys = [place for places in shown for place in places or []] + list(range(width, len(wide.columns)))
    labels = label_ties(_read(wide, keys)) if outline.keys else [0] * len(wide.rows)
    offset = outline.limit.offset if outline.limit else 0
    chosen = labels[offset : offset + len(result.rows)]
    reason = "tie_at_limit" if outline.keys else "limit_without_order"
    pool = Pool([row[:width] for row in wide.rows], labels, chosen, reason)
    return pool if len(chosen) == len(result.rows) and _holds(pool, result) else None


def _read(result: Result, columns: Sequence[int]) -> list[tuple[object, ...]]:
    readers = [reader(result.types[place] if result.types else "", "") for place in columns]
    return [tuple(read(row[place]) for read, place in zip(readers, columns, strict=True)) for row in result.rows]


def _holds(pool: Pool, result: Result) -> bool:
    """Whether the wider query is the same query: the pool could have given the result."""
    try:
        return Search(Grid(as_table(result, pool.rows), as_table(result)), pool.labels, pool.chosen).run() is not None
    except Undecided:
        return False


def _compare_digests(gold: tuple[str, Result], prediction: tuple[str, Result], digest: Digest) -> Verdict:
    gap = len(prediction[1].columns) - len(gold[1].columns)
    if gap:
        return deny("mismatch", ["missing_columns" if gap < 0 else "extra_columns", "too_large"])
    try:
        ours = digest(gold[0])
    except QueryError as error:
        return deny("undetermined", ["too_large"], error=str(error))
    try:
        theirs = digest(prediction[0])
        if ours[0] != theirs[0]:
            return deny("mismatch", ["row_count", "too_large"], row_count=[ours[0], theirs[0]])
        if ours != theirs and (other := _in_gold_order(gold, prediction, digest)):
            theirs = digest(other)
    except QueryError as error:
        # gold was read whole within the limits, and the prediction cannot be: that is its own fault, and costs no other
        return deny("invalid", ["too_large"], error=str(error))
    if ours != theirs:
        return deny("mismatch", ["rows", "too_large"])
    outline = read_outline(gold[0])
    unchecked = ["order_unchecked"] * bool(outline and outline.keys)
    return Verdict(status="match", strict=True, relaxed=True, reasons=["too_large", *unchecked])


def _in_gold_order(gold: tuple[str, Result], prediction: tuple[str, Result], digest: Digest) -> str | None:
    """The prediction with its columns where gold has the same ones, found by a digest of each."""
    if any(len(set(result.columns)) < len(result.columns) for _, result in (gold, prediction)):
        return None

    def selecting(side: tuple[str, Result], names: list[str]) -> str:
        quoted = ", ".join("`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`" for name in names)
        return f"SELECT {quoted} FROM (\n{side[0].rstrip().rstrip(';')}\n)"

    free = {name: digest(selecting(prediction, [name])) for name in prediction[1].columns}
    order = []
    for name in gold[1].columns:
        wanted = digest(selecting(gold, [name]))
        partner = next((other for other, found in free.items() if found == wanted), None)
        if partner is None:
            return None
        order.append(partner)
        del free[partner]
    return selecting(prediction, order)
