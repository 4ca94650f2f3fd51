"""Ways to make a pair of results that does not say the same, or says nothing."""

from __future__ import annotations

import datetime
import random

from benchmarks.pair_parts import (
    Line,
    changed,
    copied,
    line,
    means,
    result,
    retyped,
    with_cells,
)
from benchmarks.pairs_alike import an_approximate_count


@means("mismatch")
def pairs_swapped(rng: random.Random) -> Line:
    types, rows = result(rng, "UInt64")
    other = copied(rows)
    one, two = rng.sample(range(len(rows)), 2)
    if rows[one][1] == rows[two][1]:
        rows[one][1] = other[one][1] = rows[two][1] + 1
    other[one][1], other[two][1] = other[two][1], other[one][1]
    return line((types, rows), (types, other))


@means("mismatch")
def each_column_sorted(rng: random.Random) -> Line:
    keys = sorted(f"row {number}" for number in rng.sample(range(999), 6))
    values = rng.sample(range(999), 6)
    if values == sorted(values):
        values.reverse()
    rows = [list(pair) for pair in zip(keys, values, strict=True)]
    other = [list(pair) for pair in zip(keys, sorted(values), strict=True)]
    return line((["String", "UInt64"], rows), (["String", "UInt64"], other))


@means("mismatch")
def values_of_two_columns_swapped_in_one_row(rng: random.Random) -> Line:
    types, rows = result(rng, "UInt64", "UInt64", rows=6)
    rows = with_cells(with_cells(rows, 1, list(range(6))), 2, list(range(10, 16)))
    other = copied(rows)
    other[2][1], other[2][2] = other[2][2], other[2][1]
    return line((types, rows), (types, other))


@means("mismatch:duplicates")
def duplicates_dropped(rng: random.Random) -> Line:
    types, rows = result(rng)
    return line((types, rows + copied(rows[:1])), (types, rows))


@means("mismatch:duplicates")
def duplicates_of_other_rows(rng: random.Random) -> Line:
    types, rows = result(rng)
    return line((types, rows + copied(rows[:1])), (types, rows + copied(rows[1:2])))


@means("mismatch")
def a_row_more(rng: random.Random) -> Line:
    types, rows = result(rng)
    return line((types, rows[:-1]), (types, rows))


@means("mismatch")
def extra_columns_that_repeat_rows(rng: random.Random) -> Line:
    types, rows = result(rng)
    wide = [[*row, 1] for row in rows] + [[*rows[0], 2]]
    return line((types, rows), ([*types, "UInt8"], wide))


@means("mismatch:missing_columns")
def a_column_less(rng: random.Random) -> Line:
    types, rows = result(rng, "String")
    return line((types, rows), ([types[0], *types[2:]], [[row[0], *row[2:]] for row in rows]))


@means("mismatch")
def a_number_off_by_one(rng: random.Random) -> Line:
    return changed(rng, "UInt64", lambda cell: cell + 5000)


@means("mismatch")
def a_wide_integer_off_by_one(rng: random.Random) -> Line:
    return changed(rng, "Int256", lambda cell: cell + 1)


@means("mismatch")
def a_decimal_off_in_its_last_place(rng: random.Random) -> Line:
    return changed(rng, "Decimal(18, 4)", lambda cell: cell[:-1] + str((int(cell[-1]) + 3) % 10))


@means("mismatch")
def a_float_off_by_a_thousandth(rng: random.Random) -> Line:
    return changed(rng, "Float64", lambda cell: cell * 1.001 + 1)


@means("mismatch")
def text_in_another_case(rng: random.Random) -> Line:
    return changed(rng, "String", str.upper)


@means("mismatch")
def text_with_a_blank_more(rng: random.Random) -> Line:
    return changed(rng, "String", lambda cell: cell + " ")


@means("mismatch")
def a_day_later(rng: random.Random) -> Line:
    return changed(rng, "Date", lambda cell: str(datetime.date.fromisoformat(cell) + datetime.timedelta(days=1000)))


@means("mismatch")
def days_as_other_moments(rng: random.Random) -> Line:
    return retyped(rng, "Date", "DateTime", lambda cell: cell + " 00:00:01")


@means("mismatch")
def null_for_zero(rng: random.Random) -> Line:
    types, rows = result(rng, "Nullable(Int32)")
    rows = with_cells(rows, 1, [row[1] or 7 for row in rows])
    zero, null = copied(rows), copied(rows)
    zero[0][1], null[0][1] = 0, None
    return line(*rng.sample([(types, zero), (types, null)], 2))


@means("mismatch")
def null_for_empty_text(rng: random.Random) -> Line:
    types, rows = result(rng, "Nullable(String)")
    empty, null = copied(rows), copied(rows)
    empty[0][1], null[0][1] = "", None
    return line(*rng.sample([(types, empty), (types, null)], 2))


@means("mismatch")
def empty_text_for_zero(rng: random.Random) -> Line:
    return retyped(rng, "UInt64", "String", lambda cell: "")


@means("mismatch")
def not_a_number_for_null(rng: random.Random) -> Line:
    types, rows = result(rng, "Float64")
    nan, null = copied(rows), copied(rows)
    nan[0][1], null[0][1] = "nan", None
    return line((types, nan), ([types[0], "Nullable(Float64)", *types[2:]], null))


@means("mismatch")
def numbers_as_text_with_zeros_in_front(rng: random.Random) -> Line:
    return retyped(rng, "UInt64", "String", lambda cell: f"0{cell}")


@means("mismatch:order")
def backwards(rng: random.Random) -> Line:
    types, rows = result(rng, "UInt64")
    rows = with_cells(rows, 1, sorted(rng.sample(range(1000), len(rows))))
    return line((types, rows), (types, rows[::-1]), "SELECT * FROM t ORDER BY c1")


@means("mismatch")
def other_rows_before_the_limit(rng: random.Random) -> Line:
    types, rows = result(rng, "UInt64", rows=6)
    rows = with_cells(rows, 1, [9, 8, 7, 5, 4, 3])
    return line((types, rows[:4]), (types, [*rows[:3], rows[4]]), "SELECT * FROM t ORDER BY c1 DESC LIMIT 4")


@means("mismatch")
def arrays_in_another_order(rng: random.Random) -> Line:
    return changed(rng, "Array(UInt8)", lambda cell: cell[::-1])


@means("mismatch")
def a_map_with_another_value(rng: random.Random) -> Line:
    return changed(rng, "Map(String, UInt8)", lambda cell: {**cell, next(iter(cell)): 77})


@means("mismatch")
def tuples_the_other_way_round(rng: random.Random) -> Line:
    return retyped(rng, "Tuple(UInt8, String)", "Tuple(String, UInt8)", lambda cell: cell[::-1])


@means("mismatch:missing_totals")
def totals_left_out(rng: random.Random) -> Line:
    types, rows = ["String", "UInt64"], [[f"row {number}", rng.randrange(1, 99)] for number in range(5)]
    return line((types, rows), (types, rows), gold_totals=["", sum(row[1] for row in rows)])


@means("mismatch:totals")
def other_totals(rng: random.Random) -> Line:
    types, rows = ["String", "UInt64"], [[f"row {number}", rng.randrange(1, 99)] for number in range(5)]
    total = sum(row[1] for row in rows)
    return line((types, rows), (types, rows), gold_totals=["", total], pred_totals=["", total + 1])


@means("mismatch")
def rounded_to_one_place(rng: random.Random) -> Line:
    types, rows = result(rng, "Float64", rows=9)
    rows = with_cells(rows, 1, [rng.randrange(1000) + rng.choice([0.13, 0.27, 0.44]) for _ in rows])
    return line((types, rows), (types, with_cells(rows, 1, [round(row[1], 1) for row in rows])))


@means("mismatch")
def a_count_a_hundred_times_too_large(rng: random.Random) -> Line:
    return retyped(rng, "Int256", "Int256", lambda cell: cell * 100)


@means("mismatch")
def far_from_an_approximate_count(rng: random.Random) -> Line:
    given = an_approximate_count(rng)
    for row in given["pred_rows"]:
        row[1] = round(row[1] * 1.06)
    return given


@means("mismatch:prediction_empty")
def nothing_for_a_row(rng: random.Random) -> Line:
    types, rows = result(rng)
    return line((types, rows[:1]), (types, []))


# --- no match and no mismatch


@means("vacuous")
def nothing_at_all(rng: random.Random) -> Line:
    types, _ = result(rng)
    return line((types, []), (types, []))


@means("invalid")
def no_result(rng: random.Random) -> Line:
    types, rows = result(rng)
    return line((types, rows), (types, rows)) | {"pred_rows": None, "pred_error": "UNKNOWN_IDENTIFIER (47): …"}


@means("strict:degenerate")
def zeros_and_nulls(rng: random.Random) -> Line:
    types = ["UInt64", "Nullable(String)", "Float64"]
    rows = [[0, None, rng.choice([0.0, "nan"])] for _ in range(rng.randrange(1, 4))]
    return line((types, rows), (types, copied(rows)))
