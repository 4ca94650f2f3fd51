"""What relaxed forgives and strict does not: rounding, percent for a ratio, approximate functions."""

from __future__ import annotations

from typing import Any

import pytest

from sqlft.comparison import compare
from sqlft.database.result import Result
from tests.comparison.made import column, result


def verdict_on(gold: Result, prediction: Result, gold_sql: str = "", sql: str = "") -> tuple[bool, bool, list[str]]:
    verdict = compare(gold, prediction, gold_sql=gold_sql, prediction_sql=sql)
    return verdict.strict, verdict.relaxed, verdict.reasons


SHARES = result(("x", 12.345678), ("y", 0.5), ("z", 87.154322))


@pytest.mark.parametrize(
    ("prediction", "reasons"),
    [
        (result(("x", 12.35), ("y", 0.5), ("z", 87.15)), ["rounded"]),
        (result(("z", 87.154), ("x", 12.346), ("y", 0.5)), ["rounded"]),
        (result(("x", "12.35"), ("y", "0.5"), ("z", "87.15"), types=["String", "Decimal(9, 2)"]), ["rounded"]),
        (result((87.15, "z", 1), (0.5, "y", 2), (12.35, "x", 3)), ["extra_columns", "rounded"]),
        (result(("x", 0.12345678), ("y", 0.005), ("z", 0.87154322)), ["scaled_100"]),
        (result(("x", 1234.5678), ("y", 50), ("z", 8715.4322)), ["scaled_100"]),
        (result(("x", 0.1235), ("y", 0.005), ("z", 0.8715)), ["rounded", "scaled_100"]),
    ],
)
def test_rounding_and_percent_are_relaxed_only(prediction: Result, reasons: list[str]) -> None:
    assert verdict_on(SHARES, prediction) == (False, True, reasons)


@pytest.mark.parametrize(
    "prediction",
    [
        result(("x", 12.3), ("y", 0.5), ("z", 87.2)),  # one decimal
        result(("x", 12.34), ("y", 0.5), ("z", 87.15)),  # cut, not rounded
        result(("x", 87.15), ("y", 0.5), ("z", 12.35)),  # of other rows
        result(("x", 12.35), ("y", 0.5)),
        result(("x", 1.2345678), ("y", 0.05), ("z", 8.7154322)),  # a tenth
        result(("x", 0.12345678), ("y", 0.5), ("z", 87.154322)),  # one of them alone
        result(("x", 12.4), ("y", 0.51), ("z", 87.0)),
    ],
)
def test_what_is_no_rounding_and_no_percent_is_a_mismatch(prediction: Result) -> None:
    assert verdict_on(SHARES, prediction)[:2] == (False, False)


def test_gold_that_is_rounded_asks_for_rounding() -> None:
    assert verdict_on(column(12.35, 0.5), column(12.3456, 0.5))[:2] == (False, False)


def test_a_number_of_the_first_few_decimals_counts_as_rounded_where_its_sql_says_so() -> None:
    sql = "SELECT round(100 * countIf(a) / count(), 2) FROM t"
    assert verdict_on(column(12.3012), column(12.3), sql=sql) == (False, True, ["rounded"])
    assert verdict_on(column(12.3412), column(12.3), sql=sql)[1] is False
    assert verdict_on(column(12.3012), column(12.3))[1] is False


def test_exact_numbers_are_rounded_exactly_however_large() -> None:
    gold = column("9000000.1234", "8000000.5678", type_name="Decimal(18, 4)")
    assert verdict_on(gold, column("9000000.12", "8000000.57", type_name="Decimal(18, 2)"))[1:] == (True, ["rounded"])
    assert verdict_on(gold, column("9000000.1237", "8000000.5678", type_name="Decimal(18, 4)"))[1] is False


def test_a_count_is_no_percent_of_another() -> None:
    assert verdict_on(column(300, 200), column(3, 2))[1] is False
    assert verdict_on(column(300.0), column(3)) == (False, False, ["missing_columns"])


def test_rounded_rows_are_paired_as_rows_and_nulls_stay_nulls() -> None:
    gold = result((1.234, 5.678, None), (1.233, 9.876, 0.5))
    assert verdict_on(gold, result((1.23, 9.88, 0.5), (1.23, 5.68, None))) == (False, True, ["rounded"])
    assert verdict_on(gold, result((1.23, 9.88, None), (1.23, 5.68, 0.5)))[1] is False


def test_order_still_counts_beside_rounding() -> None:
    gold, sql = result(("x", 3.456), ("y", 2.346)), "SELECT a, b FROM t ORDER BY b DESC"
    assert verdict_on(gold, result(("x", 3.46), ("y", 2.35)), sql) == (False, True, ["rounded"])
    assert verdict_on(gold, result(("y", 2.35), ("x", 3.46)), sql)[1] is False


EXACT = "SELECT os, uniqExact(user_id) AS users, quantileExact(0.5)(x) FROM t GROUP BY os"
GOLD = result(("x", 1000, 7.0), ("y", 500, -3.0))


@pytest.mark.parametrize(
    ("rows", "sql", "relaxed"),
    [
        ([("x", 1015, 7.0), ("y", 492, -3.0)], "SELECT os, uniq(user_id), quantileExact(0.5)(x) FROM t", True),
        ([("x", 1015, 7.1), ("y", 492, -2.95)], "SELECT os, uniq(user_id), median(x) FROM t GROUP BY os", True),
        ([("x", 1015, 7.0), ("y", 492, -3.0)], "SELECT os, n, 7 FROM (SELECT os, uniqIf(a, b) AS n FROM t)", True),
        ([("x", 1025, 7.0), ("y", 500, -3.0)], "SELECT os, uniq(user_id), quantileExact(0.5)(x) FROM t", False),
        ([("x", 1015, 7.1), ("y", 492, -3.0)], "SELECT os, uniq(user_id), quantileExact(0.5)(x) FROM t", False),
        ([("x", 1015, 7.0), ("y", 492, -3.0)], "SELECT os, uniqExact(user_id), 7 FROM t GROUP BY os", False),
        ([("x", 492, 7.0), ("y", 1015, -3.0)], "SELECT os, uniq(user_id), quantileExact(0.5)(x) FROM t", False),
        ([("x", 1015, 7.0), ("y", 492, 3.0)], "SELECT os, uniq(user_id), median(x) FROM t GROUP BY os", False),
    ],
)
def test_what_an_approximate_function_gives_may_be_two_percent_away(rows: Any, sql: str, relaxed: bool) -> None:
    found = verdict_on(GOLD, result(*rows), EXACT, sql)
    assert found[:2] == (False, relaxed)
    assert not relaxed or found[2] == ["approximate"]
    turned = verdict_on(result(*rows), GOLD, sql, EXACT)
    assert turned[:2] == (False, relaxed), "whichever side approximates"
