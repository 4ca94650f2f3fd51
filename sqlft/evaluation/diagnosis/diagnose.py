"""The categories of one wrong prediction."""

from __future__ import annotations

from sqlft.card import SchemaCard
from sqlft.evaluation.diagnosis.categories import Category, Finding, read_error
from sqlft.evaluation.diagnosis.difference import differences
from sqlft.evaluation.diagnosis.shape import read_shape
from sqlft.records import Verdict

_BY_RESULT: dict[str, Category] = {
    "order": "wrong_order",
    "extra_columns": "extra_column",
    "missing_columns": "missing_column",
    "scaled_100": "scale",
    "rounded": "scale",
    "approximate": "wrong_aggregation",
    "duplicates": "distinct",
    "missing_totals": "totals",
    "extra_totals": "totals",
    "totals_as_row": "totals",
    "totals": "totals",
}


def diagnose(
    gold: str,
    sql: str | None,
    verdict: Verdict,
    *,
    columns: tuple[int, int] = (0, 0),
    flags: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Says why a prediction is wrong.

    What the results show comes before what the queries show: where the rows are the same but for their order, their
    scale or a column too many, the queries' other differences are none. Of a match that was luck (`data_dependent`)
    every finding says on which neighbour of the database it came out: a filter that is missing changes nothing here.

    Args:
        gold: The gold SQL; empty for a question that the database cannot answer.
        sql: The prediction's; None where there is none.
        verdict: What comparing their results said.
        columns: How many columns gold's result and the prediction's have; 0 where there is none.
        flags: Lower-case names of columns that hold 0 and 1 alone.

    Returns:
        Findings, each category once; none for a right answer, and for one that cannot be judged.
    """
    if verdict.strict or verdict.status in ("gold_error", "undetermined"):
        return []
    if "unanswerable" in verdict.reasons:
        return [Finding(category="unanswerable", detail="the right answer is to say so")]
    if verdict.status == "invalid" or sql is None:
        return [read_error(verdict)]
    found = _compare(gold, sql, verdict, columns, flags)
    if "data_dependent" not in verdict.reasons:
        return found
    luck = f"right by luck here, not on neighbour {verdict.evidence.get('neighbour', '')}".rstrip()
    return [Finding(category=f.category, detail=f"{f.detail}; {luck}" if f.detail else luck) for f in found]


def find_flags(card: SchemaCard) -> frozenset[str]:
    """The card's columns that hold 0 and 1 alone, by lower-case name: what is not 1 there is 0."""
    columns = [column for table in card.tables for column in table.columns]
    return frozenset(c.name.lower() for c in columns if c.values == [0, 1] or c.type == "Bool")


def _compare(gold: str, sql: str, verdict: Verdict, columns: tuple[int, int], flags: frozenset[str]) -> list[Finding]:
    shown = _shown(verdict, columns)
    ours, theirs = read_shape(gold, flags), read_shape(sql, flags)
    found = differences(ours, theirs) if ours and theirs else []
    if verdict.relaxed or {*verdict.reasons} - {"data_dependent"} == {"order"}:
        said = {finding.category: finding for finding in found}
        return [said.get(finding.category, finding) for finding in shown] or [Finding(category="unexplained")]
    if not found or {finding.category for finding in shown} & {"totals", "scale"}:
        found += [finding for finding in shown if finding.category not in {f.category for f in found}]
    return found or [Finding(category="unexplained", detail="" if ours and theirs else "sqlglot cannot read the SQL")]


def _shown(verdict: Verdict, columns: tuple[int, int]) -> list[Finding]:
    """What the results alone say."""
    wanted, given = columns
    found = {_BY_RESULT[reason]: reason for reason in verdict.reasons if reason in _BY_RESULT}
    if wanted == given:  # columns whose values differ are called missing, too
        found.pop("missing_column", None)
    return [Finding(category=category, detail=reason.replace("_", " ")) for category, reason in found.items()]
