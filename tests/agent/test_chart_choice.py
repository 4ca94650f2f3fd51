"""Which results can be drawn, and what stands on which side."""

from __future__ import annotations

from typing import Any

import pytest

from sqlft.agent.chart import choose_chart
from sqlft.database import Result


def chart(columns: str, types: list[str], rows: list[tuple[Any, ...]], **more: Any) -> Any:
    return choose_chart(Result(columns.split(), rows, types, **more))


def test_a_label_and_a_number_are_bars_whichever_comes_first() -> None:
    found = chart("n os", ["UInt64", "LowCardinality(Nullable(String))"], [(3, "b"), (4, None)])
    assert (found.label, found.labels, found.values, found.over_time) == ("os", ["b", "NULL"], [3.0, 4.0], False)


@pytest.mark.parametrize("type_of_label", ["Date", "DateTime", "UInt16"])
def test_periods_in_their_order_are_a_line(type_of_label: str) -> None:
    keys: list[Any] = [2021, 2022, 2023] if type_of_label == "UInt16" else ["2021-01-01", "2022-01-01", "2023-01-01"]
    forth = chart("year n", [type_of_label, "Float64"], [(key, 0.5) for key in keys])
    back = chart("year n", [type_of_label, "Float64"], [(key, 0.5) for key in reversed(keys)])
    assert forth.over_time and not back.over_time and forth.shown == ["0.5"] * 3


def test_decimals_are_numbers_and_text_that_looks_like_one_is_not() -> None:
    assert chart("os n", ["String", "Decimal(9, 2)"], [("a", "1.50"), ("b", "2.25")]).values == [1.5, 2.25]
    assert chart("os n", ["String", "String"], [("a", "1"), ("b", "2")]) is None


@pytest.mark.parametrize(
    ("columns", "types", "rows"),
    [
        ("os n", ["String", "UInt8"], [("a", 1)]),
        ("os n", ["String", "UInt8"], [(str(n), 1) for n in range(41)]),
        ("os n", ["String", "UInt8"], [("a", 1), ("a", 2)]),
        ("os n", ["String", "Nullable(UInt8)"], [("a", 1), ("b", None)]),
        ("os n", ["String", "Float64"], [("a", 1.0), ("b", float("nan"))]),
        ("a b", ["UInt8", "UInt8"], [(1, 1), (2, 2)]),
        ("year month", ["UInt16", "UInt8"], [(1, 1), (2, 2)]),
        ("os n m", ["String", "UInt8", "UInt8"], [("a", 1, 1), ("b", 2, 2)]),
        ("os", ["String"], [("a",), ("b",)]),
        ("os n", ["String", "Array(UInt8)"], [("a", [1]), ("b", [2])]),
    ],
)
def test_nothing_else_is_drawn(columns: str, types: list[str], rows: list[tuple[Any, ...]]) -> None:
    assert chart(columns, types, rows) is None


def test_a_result_that_was_cut_is_not_drawn() -> None:
    assert chart("os n", ["String", "UInt8"], [("a", 1), ("b", 2)], total_rows=3) is None
