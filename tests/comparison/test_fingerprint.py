import math

import pytest

from sqlft.comparison.fingerprint import fingerprint
from sqlft.database import Result

ROWS = [("DE", 3, 1.5), ("FR", 2, 0.1 + 0.2)]


def result(rows=ROWS, types=("String", "UInt64", "Float64"), **fields):
    return Result(["country", "n", "share"], [tuple(row) for row in rows], list(types), **fields)


def test_neither_rows_order_nor_column_names_nor_last_digits_change_it():
    mark = fingerprint(result())
    assert len(mark) == 16 and int(mark, 16)
    assert fingerprint(result(reversed(ROWS))) == mark
    assert fingerprint(Result(["a", "b", "c"], ROWS, ["String", "UInt64", "Float64"], elapsed=2.0)) == mark
    assert fingerprint(result([("DE", 3, 1.5), ("FR", 2, 0.3)])) == mark
    assert fingerprint(result(types=("LowCardinality(String)", "Nullable(Int8)", "Decimal(9, 2)"))) == mark


@pytest.mark.parametrize(
    "other",
    [
        result([("DE", 3, 1.5), ("FR", 2, 0.31)]),
        result([*ROWS, ROWS[0]]),
        result([("DE", 2, 1.5), ("FR", 3, 0.3)]),
        result([("DE", 3, 1.5), ("FR", None, 0.3)]),
        result([("DE", 3, 1.5), ("NULL", 2, 0.3)]),
        result(totals=("", 5, 1.8)),
        result([]),
    ],
)
def test_another_result_has_another_one(other):
    assert fingerprint(other) != fingerprint(result())


def test_null_is_not_its_word_and_a_comma_parts_no_text():
    texts = [[None], ["None"], ["a', 'b"], [["a", "b"]]]
    assert len({fingerprint(Result(["x"], [tuple(row)])) for row in texts}) == 4


def test_any_cell_has_one():
    odd = [math.nan, math.inf, {"a": [1, None]}, True, "\ud800", 2**200, "2024-01-01 00:00:00"]
    assert fingerprint(Result([str(n) for n in range(7)], [tuple(odd)], [""] * 7))


def test_what_the_row_limit_cut_has_none():
    assert fingerprint(result(total_rows=3)) == ""
    assert fingerprint(result(total_rows=2)) == fingerprint(result())
