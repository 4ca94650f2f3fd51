"""The verdict on two results: do they say the same thing?"""

from __future__ import annotations

from typing import Any

from sqlft.comparison.mapping import Undecided
from sqlft.comparison.rows import Outcome, Pool, RowComparison
from sqlft.comparison.totals import compare_one_sided
from sqlft.database.result import Result
from sqlft.records import Status, Verdict


def compare(
    gold: Result,
    prediction: Result,
    *,
    ordered: bool | None = None,
    gold_sql: str = "",
    prediction_sql: str = "",
    pool: Pool | None = None,
) -> Verdict:
    """Says whether two results say the same thing, strictly and relaxed, and why.

    Columns are mapped one to one, whatever their names, and checked row by row; rows are a multiset; order counts where
    gold's outermost SELECT has ORDER BY, and rows that tie on its keys may permute. Strict is the headline. Relaxed
    also accepts extra columns, totals as an ordinary row, and another order where gold's keys cannot be seen.

    Without a database two things are taken from the results alone. Where gold does not show a key that it is ordered
    by, its rows have to come in its own order. Where its LIMIT cut and it shows all keys, other rows with the key of
    its last are accepted (`tie_at_limit`), if the prediction's SQL, where given, takes as many rows by the same keys.

    Args:
        gold: What should be.
        prediction: What is.
        ordered: Whether gold's order counts; None to read it from `gold_sql`, where no SQL means no.
        gold_sql: Gold's statement.
        prediction_sql: The prediction's.
        pool: The rows that gold could have shown, where a database was asked for them (`prepare_gold` does).

    Returns:
        A verdict: match, mismatch, vacuous (both empty), or undetermined (`too_large`, `columns_undecided`).
    """
    if gold.too_large or prediction.too_large:
        counts = [row_total(gold), row_total(prediction)]
        if counts[0] != counts[1]:
            return deny("mismatch", ["row_count", "too_large"], row_count=counts)
        return deny("undetermined", ["too_large"])
    if not gold.rows or not prediction.rows:
        return _compare_empty(gold, prediction)
    rest = (ordered, gold_sql, prediction_sql, pool)
    try:
        if (gold.totals is None) != (prediction.totals is None):
            outcome = compare_one_sided(gold, prediction, *rest)
        else:
            outcome = RowComparison(gold, prediction, *rest).outcome()
        if (gold.extremes is None) != (prediction.extremes is None):
            _miss_extremes(outcome, missing=prediction.extremes is None)
    except Undecided:
        return deny("undetermined", ["columns_undecided"])
    return Verdict(
        status="match" if outcome.strict else "mismatch",
        strict=outcome.strict,
        relaxed=outcome.relaxed,
        reasons=outcome.reasons,
        evidence=outcome.evidence,
    )


def row_total(result: Result) -> int:
    """Rows that the query gave, those past the limit included."""
    return len(result.rows) if result.total_rows is None else result.total_rows


def deny(status: Status, reasons: list[str], **evidence: Any) -> Verdict:
    """A verdict that is neither strict nor relaxed."""
    return Verdict(status=status, strict=False, relaxed=False, reasons=reasons, evidence=evidence)


def invalid(error: str, kind: str = "error") -> Verdict:
    """The verdict on a prediction that gave no result.

    Args:
        error: What the database, the gate or the extractor said.
        kind: `QueryError.kind`, or 'no_sql' where the model wrote none.
    """
    return deny("invalid", [kind], error=error)


def _compare_empty(gold: Result, prediction: Result) -> Verdict:
    if gold.rows or prediction.rows:
        side = "prediction_empty" if gold.rows else "gold_empty"
        return deny("mismatch", [side, "row_count"], row_count=[len(gold.rows), len(prediction.rows)])
    gap = len(prediction.columns) - len(gold.columns)
    reasons = ["missing_columns"] if gap < 0 else ["extra_columns"] if gap > 0 else []
    return Verdict(status="vacuous", strict=gap == 0, relaxed=gap >= 0, reasons=reasons)


def _miss_extremes(outcome: Outcome, missing: bool) -> None:
    outcome.strict = False
    outcome.relaxed = outcome.relaxed and not missing
    outcome.reasons = [*outcome.reasons, "missing_extremes" if missing else "extra_extremes"]
