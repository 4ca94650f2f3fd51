"""Ways to make a pair of results that says the same, strictly or relaxed."""

from __future__ import annotations

import datetime
import random

from benchmarks.pair_parts import (
    KINDS,
    Line,
    cells,
    copied,
    line,
    means,
    result,
    retyped,
    with_cells,
)


@means("strict")
def rows_in_another_order(rng: random.Random) -> Line:
    types, rows = result(rng)
    return line((types, rows), (types, rng.sample(rows, len(rows))))


@means("strict")
def columns_and_rows_in_another_order(rng: random.Random) -> Line:
    types, rows = result(rng, "UInt64", "UInt64")
    order = rng.sample(range(len(types)), len(types))
    moved = [[row[place] for place in order] for row in rng.sample(rows, len(rows))]
    given = line((types, rows), ([types[place] for place in order], moved))
    return given | {"pred_columns": [f"x{place}" for place in order]}


@means("strict")
def duplicates_that_are_there_as_often(rng: random.Random) -> Line:
    types, rows = result(rng)
    rows = rows + copied(rows[:2])
    return line((types, rows), (types, rng.sample(rows, len(rows))))


@means("strict")
def noise_of_threads(rng: random.Random) -> Line:
    types, rows = result(rng, "Float64")
    noisy = [row[1] * (1 + rng.uniform(-1e-9, 1e-9)) for row in rows]
    return line((types, rows), (types, with_cells(rows, 1, noisy)))


@means("strict")
def integers_of_another_width(rng: random.Random) -> Line:
    return retyped(rng, "UInt64", "Int32", int)


@means("strict")
def integers_as_floats(rng: random.Random) -> Line:
    return retyped(rng, "Int64", "Float64", float)


@means("strict")
def decimals_as_floats(rng: random.Random) -> Line:
    return retyped(rng, "Decimal(18, 4)", "Float64", float)


@means("strict")
def decimals_with_more_zeros(rng: random.Random) -> Line:
    return retyped(rng, "Decimal(18, 4)", "Decimal(38, 9)", lambda cell: cell + "00000")


@means("strict:type_coerced")
def numbers_as_text(rng: random.Random) -> Line:
    return retyped(rng, "UInt64", "String", str)


@means("strict")
def days_as_midnights(rng: random.Random) -> Line:
    return retyped(rng, "Date", "DateTime", lambda cell: cell + " 00:00:00")


@means("strict")
def moments_in_another_zone(rng: random.Random) -> Line:
    def moved(cell: str) -> str:
        return str(datetime.datetime.fromisoformat(cell) + datetime.timedelta(hours=9))

    return retyped(rng, "DateTime('UTC')", "DateTime('Asia/Tokyo')", moved)


@means("strict")
def moments_with_parts_of_a_second_that_are_zero(rng: random.Random) -> Line:
    return retyped(rng, "DateTime('UTC')", "DateTime64(3, 'UTC')", lambda cell: cell + ".000")


@means("strict")
def text_padded_with_zero_bytes(rng: random.Random) -> Line:
    return retyped(rng, "LowCardinality(String)", "FixedString(12)", lambda cell: cell.ljust(12, "\0"))


@means("strict")
def an_enum_by_its_name(rng: random.Random) -> Line:
    return retyped(rng, "LowCardinality(String)", "Enum8('Berlin' = 1, 'Paris' = 2, 'Oslo' = 3, 'Rome' = 4)", str)


@means("strict")
def truth_as_numbers(rng: random.Random) -> Line:
    return retyped(rng, "Bool", "UInt8", int)


@means("strict")
def maps_in_another_order(rng: random.Random) -> Line:
    return retyped(rng, "Map(String, UInt8)", "Map(String, Int64)", lambda cell: dict(reversed(cell.items())))


@means("strict")
def arrays_that_were_collected(rng: random.Random) -> Line:
    types, rows = result(rng, "Array(UInt8)", rows=5)
    names = ", ".join(f"c{place}" for place in range(2, len(types)))
    sql = f"SELECT c0, groupArray(x) AS c1{', ' * bool(names)}{names} FROM t GROUP BY c0{', ' * bool(names)}{names}"
    return line((types, rows), (types, with_cells(rows, 1, [row[1][::-1] for row in rows])), sql)


@means("strict")
def not_a_number_and_a_negative_zero(rng: random.Random) -> Line:
    types, rows = result(rng, "Float64", "Float64", rows=4)
    ours = with_cells(with_cells(rows, 1, [float("nan"), 1.5, 2.5, 3.5]), 2, [0.0, 1.5, 0.0, 2.5])
    theirs = with_cells(with_cells(rows, 1, ["nan", 1.5, 2.5, 3.5]), 2, [-0.0, 1.5, -0.0, 2.5])
    return line((types, ours), (types, theirs[::-1]))


@means("strict")
def ties_in_another_order(rng: random.Random) -> Line:
    types, rows = result(rng, "UInt64", rows=8)
    rows = sorted(with_cells(rows, 1, [rng.randrange(3) for _ in rows]), key=lambda row: row[1])
    other = sorted(rng.sample(rows, len(rows)), key=lambda row: row[1])
    return line((types, rows), (types, other), "SELECT * FROM t ORDER BY c1")


@means("strict:tie_at_limit")
def another_of_the_last_ones(rng: random.Random) -> Line:
    types, rows = result(rng, "UInt64", rows=6)
    rows = with_cells(rows, 1, [9, 8, 7, 5, 5, 5])
    return line((types, rows[:4]), (types, [*rows[:3], rows[4]]), "SELECT * FROM t ORDER BY c1 DESC LIMIT 4")


@means("strict")
def totals_with_the_columns_in_another_order(rng: random.Random) -> Line:
    types, rows = result(rng, "UInt64")
    total = sum(row[1] for row in rows)
    types, rows = types[:2], [row[:2] for row in rows]
    turned = [row[::-1] for row in rng.sample(rows, len(rows))]
    return line((types, rows), (types[::-1], turned), gold_totals=["", total], pred_totals=[total, ""])


# --- what relaxed lets pass


@means("relaxed:extra_columns")
def columns_more(rng: random.Random) -> Line:
    types, rows = result(rng)
    place, kind = rng.randrange(len(types) + 1), rng.choice(KINDS)
    more = [[*row[:place], cell, *row[place:]] for row, cell in zip(rows, cells(rng, kind, len(rows)), strict=True)]
    return line((types, rows), ([*types[:place], kind, *types[place:]], rng.sample(more, len(more))))


@means("relaxed:rounded")
def rounded(rng: random.Random) -> Line:
    types, rows = result(rng, "Float64", rows=9)
    rows, digits = with_cells(rows, 1, [rng.uniform(1, 500) for _ in rows]), rng.randrange(2, 4)
    return line((types, rows), (types, with_cells(rows, 1, [round(row[1], digits) for row in rows])))


@means("relaxed:scaled_100")
def percent_for_ratio(rng: random.Random) -> Line:
    types, rows = result(rng, "Float64", rows=9)
    rows = with_cells(rows, 1, [rng.uniform(0, 1) for _ in rows])
    return line((types, rows), (types, with_cells(rows, 1, [row[1] * 100 for row in rows])))


@means("relaxed:approximate")
def an_approximate_count(rng: random.Random) -> Line:
    types, rows = result(rng, "UInt64", rows=9)
    rows = with_cells(rows, 1, [rng.randrange(1000, 9000) for _ in rows])
    near = [round(row[1] * (1 + rng.choice([-1, 1]) * rng.uniform(0.002, 0.018))) for row in rows]
    rest = "".join(f", c{place}" for place in range(2, len(types)))
    sql = f"SELECT c0, uniqExact(x) AS c1{rest} FROM t GROUP BY c0{rest}"
    return line((types, rows), (types, with_cells(rows, 1, near)), sql, sql.replace("uniqExact", "uniq"))


@means("relaxed:totals_as_row")
def totals_as_a_row(rng: random.Random) -> Line:
    types, rows = ["String", "UInt64"], [[f"row {number}", rng.randrange(1, 99)] for number in range(5)]
    total = sum(row[1] for row in rows)
    return line((types, rows), (types, [*rows, ["", total]]), gold_totals=["", total])


# --- what is not the same
