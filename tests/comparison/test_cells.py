"""When two values are the same, by ClickHouse's types and without any."""

from __future__ import annotations

import pytest

from sqlft.comparison import compare
from sqlft.comparison.cells import family
from sqlft.database.result import Result

INF, NAN = float("inf"), float("nan")


def one(cell: object, type_name: str = "") -> Result:
    # a second row, the same on both sides, so that nothing here is a lone NULL or zero
    return Result(["a", "b"], [(cell, "x"), (cell, "y")], [type_name, "String"] if type_name else [])


SAME = [
    # numbers
    ((1, "UInt8"), (1, "Int64")),
    ((3, "UInt64"), (3.0, "Float64")),
    ((True, "Bool"), (1, "UInt8")),
    (("3.50", "Decimal(9, 2)"), ("3.5", "Decimal(18, 1)")),
    (("3.00", "Decimal(9, 2)"), (3, "UInt8")),
    ((str(2**200), "UInt256"), (2**200, "Int256")),
    ((0.1 + 0.2, "Float64"), (0.3, "Float64")),
    ((1e15, "Float64"), (1e15 + 1, "Float64")),
    ((1.0, "Float32"), (1.0000005, "Float64")),
    ((5e-10, "Float64"), (0.0, "Float64")),
    ((-0.0, "Float64"), (0, "UInt8")),
    ((NAN, "Float64"), ("nan", "Float64")),
    ((INF, ""), (INF, "")),
    ((2.5, "Float64"), ("2.5", "Decimal(9, 1)")),
    # wrappers
    ((1, "LowCardinality(Nullable(UInt8))"), (1, "UInt8")),
    ((None, "Nullable(UInt8)"), (None, "Nullable(String)")),
    (("7", "SimpleAggregateFunction(sum, UInt64)"), (7, "UInt64")),
    # text
    (("ab\0\0", "FixedString(4)"), ("ab", "String")),
    (("paid", "Enum8('paid' = 1, 'it''s (' = 2)"), ("paid", "LowCardinality(String)")),
    # times
    (("2024-02-29", "Date"), ("2024-02-29 00:00:00", "DateTime")),
    (("2024-02-29", "Date32"), ("2024-02-29 00:00:00.000", "DateTime64(3)")),
    (("2024-02-29", "Date"), ("2024-02-29 00:00:00", "DateTime('Asia/Tokyo')")),
    (("2024-07-01 02:00:00", "DateTime('Europe/Berlin')"), ("2024-07-01 00:00:00", "DateTime('UTC')")),
    (("2024-07-01 02:00:00.5", "DateTime64(1, 'Europe/Berlin')"), ("2024-07-01 00:00:00.500", "DateTime64(3)")),
    (("2024-07-01 02:00:00", "DateTime('Europe/Berlin')"), ("2024-07-01 02:00:00", "DateTime('Europe/Berlin')")),
    (("2024-02-29", ""), ("2024-02-29 00:00:00", "")),
    # nested
    (([1, 2], "Array(UInt8)"), ([1.0, 2.0], "Array(Float64)")),
    ((["2024-01-01"], "Array(Date)"), (["2024-01-01 00:00:00"], "Array(DateTime)")),
    (([["1.50", None]], "Array(Tuple(Decimal(9, 2), Nullable(UInt8)))"), ([[1.5, None]], "")),
    (({"x": 1, "y": "a"}, "Tuple(x UInt8, y String)"), ([1, "a"], "Tuple(UInt8, String)")),
    (({"k": 1, "l": 2}, "Map(String, UInt8)"), ({"l": 2.0, "k": 1.0}, "Map(String, Float64)")),
    (([0.1 + 0.2, 7.0], ""), ([0.3, 7], "")),
]
DIFFERENT = [
    ((None, "Nullable(UInt8)"), (0, "UInt8")),
    ((None, "Nullable(String)"), ("", "String")),
    ((0, ""), ("", "")),
    ((None, ""), (NAN, "")),
    ((None, ""), ("NULL", "")),
    ((2**63, "UInt64"), (2**63 + 1, "UInt64")),
    (("100000000000000000001", "Decimal(38, 0)"), (10**20, "UInt128")),
    (("0.10", "Decimal(9, 2)"), ("0.11", "Decimal(9, 2)")),
    ((1.0, "Float64"), (1.000002, "Float64")),
    ((0.0, "Float64"), (2e-9, "Float64")),
    ((10.0, "Float64"), (-10.0, "Float64")),
    ((INF, ""), (-INF, "")),
    ((10**400, ""), (1.0, "")),
    ((1000000, "UInt64"), (1000001, "UInt64")),
    (("Paid", "String"), ("paid", "String")),
    (("a ", "String"), ("a", "String")),
    (("2024-07-01 02:00:00", "DateTime('Europe/Berlin')"), ("2024-07-01 02:00:00", "DateTime('UTC')")),
    (("2024-02-29", "Date"), ("2024-02-29 00:00:01", "DateTime")),
    (("2024-02-29", "String"), ("2024-02-29 00:00:00", "String")),
    (([1, 2], "Array(UInt8)"), ([2, 1], "Array(UInt8)")),
    (([1, 2], ""), ([1, 2, 2], "")),
    (([], ""), ({}, "")),
    (([1, "a"], "Tuple(UInt8, String)"), (["a", 1], "Tuple(String, UInt8)")),
    (({"k": 1}, "Map(String, UInt8)"), ({"l": 1}, "Map(String, UInt8)")),
    (([1, 2], ""), ("[1,2]", "")),
]


@pytest.mark.parametrize(("gold", "prediction"), SAME)
def test_the_same_value_matches_both_ways(gold: tuple[object, str], prediction: tuple[object, str]) -> None:
    assert compare(one(*gold), one(*prediction)).strict
    assert compare(one(*prediction), one(*gold)).strict


@pytest.mark.parametrize(("gold", "prediction"), DIFFERENT)
def test_another_value_is_a_mismatch_both_ways(gold: tuple[object, str], prediction: tuple[object, str]) -> None:
    assert compare(one(*gold), one(*prediction)).status == "mismatch"
    assert compare(one(*prediction), one(*gold)).status == "mismatch"


@pytest.mark.parametrize(
    ("number", "text", "equal"),
    [
        (3, "3", True),
        (3, "3.0", False),
        (3, "03", False),
        (3, " 3", False),
        (3, "+3", False),
        (3, "3e0", False),
        (3.0, "3", True),
        (3.0, "3.0", True),
        (2.5, "2.5", True),
        (2.5, "2.50", False),
        (2.5, "2.5000001", False),
        (1e-7, "0.0000001", True),
        (-0.0, "0", True),
        (True, "true", False),
        (0, "", False),
    ],
)
def test_text_is_a_number_as_its_exact_decimal_text_alone(number: float, text: str, equal: bool) -> None:
    verdict = compare(one(number), one(text))
    assert verdict.strict is equal
    assert ("type_coerced" in verdict.reasons) is equal
    assert compare(one(text), one(number)).strict is equal


def test_text_that_stands_for_a_date_is_marked_as_coerced() -> None:
    verdict = compare(one("2024-05-01", "Date"), one("2024-05-01", "String"))
    assert verdict.strict and verdict.reasons == ["type_coerced"]


def test_a_type_that_its_cells_do_not_fit_is_ignored() -> None:
    assert compare(one("n/a", "UInt8"), one("n/a", "String")).strict
    assert compare(one([1], "String"), one([1], "Array(UInt8)")).strict
    assert compare(one("x", "Nullable"), one("x", "Array")).strict


@pytest.mark.parametrize(
    ("type_name", "expected"),
    [
        ("Nullable(LowCardinality(FixedString(3)))", "text"),
        ("Array(Nullable(UInt8))", "nested"),
        ("DateTime64(3, 'Europe/Berlin')", "temporal"),
        ("BFloat16", "number"),
        ("IntervalDay", "number"),
        ("Variant(String, UInt8)", "unknown"),
        ("", "unknown"),
    ],
)
def test_types_fall_into_families(type_name: str, expected: str) -> None:
    assert family(type_name) == expected
