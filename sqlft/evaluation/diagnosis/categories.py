"""The categories of wrong predictions, and which of ClickHouse's errors means which."""

from __future__ import annotations

from typing import Any, Literal

from sqlft.records import Record, Verdict

Category = Literal[
    "syntax", "unknown_column", "unknown_table", "unknown_function", "unknown_database", "unknown_format",
    "wrong_types", "aggregate_misuse", "limit", "refused", "no_sql", "error", "unanswerable",
    "missing_filter", "wrong_filter", "wrong_literal", "date_range", "wrong_metric", "wrong_aggregation",
    "wrong_grouping", "wrong_join", "wrong_order", "wrong_limit", "missing_column", "extra_column", "distinct",
    "scale", "totals", "unexplained",
]  # fmt: skip

LABELS: dict[Category, str] = {
    "syntax": "does not parse",
    "unknown_column": "unknown column",
    "unknown_table": "unknown table",
    "unknown_function": "unknown function",
    "unknown_database": "unknown database",
    "unknown_format": "unknown format",
    "wrong_types": "wrong types or arguments",
    "aggregate_misuse": "aggregates misused",
    "limit": "hit a limit",
    "refused": "refused as unsafe",
    "no_sql": "no SQL found",
    "error": "another error",
    "unanswerable": "answered what the database cannot answer",
    "missing_filter": "a filter is missing",
    "wrong_filter": "a wrong filter, or one too many",
    "wrong_literal": "a wrong literal",
    "date_range": "a wrong date range",
    "wrong_metric": "another metric",
    "wrong_aggregation": "another aggregation",
    "wrong_grouping": "another grouping",
    "wrong_join": "other tables, or another join",
    "wrong_order": "another order",
    "wrong_limit": "another limit",
    "missing_column": "a column is missing",
    "extra_column": "a column too many",
    "distinct": "duplicates counted, or not",
    "scale": "another scale: percent, unit, rounding",
    "totals": "totals missing, or not asked for",
    "unexplained": "wrong, and no rule says why",
}

_CODES: dict[int, Category] = {
    **dict.fromkeys((62, 26), "syntax"),  # SYNTAX_ERROR, CANNOT_PARSE_QUOTED_STRING
    # UNKNOWN_IDENTIFIER, THERE_IS_NO_COLUMN, NOT_FOUND_COLUMN_IN_BLOCK, NO_SUCH_COLUMN_IN_TABLE, AMBIGUOUS_IDENTIFIER,
    # AMBIGUOUS_COLUMN_NAME
    **dict.fromkeys((47, 8, 10, 16, 207, 352), "unknown_column"),
    60: "unknown_table",  # UNKNOWN_TABLE
    **dict.fromkeys((46, 63), "unknown_function"),  # UNKNOWN_FUNCTION, UNKNOWN_AGGREGATE_FUNCTION
    81: "unknown_database",  # UNKNOWN_DATABASE
    73: "unknown_format",  # UNKNOWN_FORMAT
    # CANNOT_PARSE_TEXT, CANNOT_PARSE_NUMBER, CANNOT_PARSE_DATE, CANNOT_PARSE_DATETIME, CANNOT_PARSE_INPUT_ASSERTION…,
    # TOO_MANY_ and TOO_FEW_ARGUMENTS_FOR_FUNCTION, BAD_ARGUMENTS, NUMBER_OF_ARGUMENTS_DOESNT_MATCH,
    # ILLEGAL_TYPE_OF_ARGUMENT, ILLEGAL_COLUMN, UNKNOWN_TYPE, TYPE_MISMATCH, ILLEGAL_TYPE_OF_COLUMN_FOR_FILTER,
    # ARGUMENT_OUT_OF_BOUND, CANNOT_CONVERT_TYPE, ILLEGAL_DIVISION, NO_COMMON_TYPE
    **dict.fromkeys((6, 72, 38, 41, 27, 34, 35, 36, 42, 43, 44, 50, 53, 59, 69, 70, 153, 386), "wrong_types"),
    **dict.fromkeys((184, 215), "aggregate_misuse"),  # ILLEGAL_AGGREGATION, NOT_AN_AGGREGATE
}
_KINDS: dict[str, Category] = {
    "refused": "refused",
    "timeout": "limit",
    "limit": "limit",
    "crashed": "limit",  # the sandbox ends what takes more memory than it may
    "too_large": "limit",
    "no_sql": "no_sql",
}


class Finding(Record):
    """One category that holds of a prediction, and what shows it."""

    category: Category
    detail: str = ""


def read_error(verdict: Verdict) -> Finding:
    """The category of a prediction that gave no result."""
    evidence: dict[str, Any] = verdict.evidence
    kind = verdict.reasons[0] if verdict.reasons else "error"
    category = _CODES.get(evidence.get("code", 0)) or _KINDS.get(kind, "error")
    said = " ".join(str(evidence.get("message") or evidence.get("error") or "").split())
    said = said if len(said) <= 160 else said[:160] + "…"
    return Finding(category=category, detail=said + (f" Maybe: {hint}." if (hint := evidence.get("hint")) else ""))
