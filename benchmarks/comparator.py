"""How often the comparator says of a pair of results what the way it was made says, and how many pairs a second.

    python -m benchmarks.comparator [--pairs N] [--seed S]

A pair begins with a random result of typed columns, the first of which tells all rows apart. One of the means below
then makes gold and prediction of it, and knows the verdict. Pairs go through `score_file`, as lines of a file.
"""

from __future__ import annotations

import argparse
import datetime
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sqlft.comparison import score_file

Rows = list[list[Any]]
Line = dict[str, Any]
Means = Callable[[random.Random], Line]

MEANS: dict[str, tuple[str, Means]] = {}
"""By name: what is expected, and how a pair is made."""

WORDS = "Berlin Paris Oslo Rome Wien Bern Lyon Turin Gent Graz".split()


def means(expected: str) -> Callable[[Means], Means]:
    """Registers one: expected is strict, relaxed, mismatch, vacuous or invalid, and a reason after a colon."""

    def register(make: Means) -> Means:
        MEANS[make.__name__] = expected, make
        return make

    return register


def cells(rng: random.Random, kind: str, count: int) -> list[Any]:
    """Cells of a type, as JSONCompact has them."""
    day = datetime.date(2024, 1, 1)
    make: dict[str, Callable[[], Any]] = {
        "UInt64": lambda: rng.randrange(1000),
        "Int64": lambda: rng.randrange(-500, 500),
        "Int256": lambda: rng.randrange(2**200) + 2**100,
        "Float64": lambda: rng.uniform(-1e5, 1e5),
        "Decimal(18, 4)": lambda: f"{rng.randrange(10**7)}.{rng.randrange(1, 10**4):04}",
        "String": lambda: rng.choice(WORDS) + rng.choice(["", " 2", "-x"]),
        "Nullable(String)": lambda: rng.choice([None, *WORDS]),
        "Nullable(Int32)": lambda: rng.choice([None, rng.randrange(1, 50)]),
        "LowCardinality(String)": lambda: rng.choice(WORDS[:4]),
        "Date": lambda: str(day + datetime.timedelta(days=rng.randrange(900))),
        "DateTime('UTC')": lambda: f"{day + datetime.timedelta(days=rng.randrange(900))} {rng.randrange(10, 24)}:30:05",
        "Bool": lambda: rng.random() < 0.5,
        "Array(UInt8)": lambda: rng.sample(range(100), rng.randrange(2, 5)),
        "Map(String, UInt8)": lambda: {word: rng.randrange(9) for word in rng.sample(WORDS, 3)},
        "Tuple(UInt8, String)": lambda: [rng.randrange(9), rng.choice(WORDS)],
    }
    return [make[kind]() for _ in range(count)]


KINDS = ["UInt64", "Int64", "Int256", "Float64", "Decimal(18, 4)", "String", "Nullable(String)", "Nullable(Int32)",
         "LowCardinality(String)", "Date", "DateTime('UTC')", "Bool", "Array(UInt8)", "Map(String, UInt8)",
         "Tuple(UInt8, String)"]  # fmt: skip


def result(rng: random.Random, *kinds: str, rows: int = 0) -> tuple[list[str], Rows]:
    """Types and rows: a column of distinct texts, these, and up to three of any kind."""
    types = ["String", *kinds, *rng.choices(KINDS, k=rng.randrange(4))]
    count = rows or rng.randrange(2, 15)
    keys = [f"row {number}" for number in rng.sample(range(10_000), count)]
    return types, list(map(list, zip(keys, *(cells(rng, kind, count) for kind in types[1:]), strict=True)))


def line(
    gold: tuple[list[str], Rows], pred: tuple[list[str], Rows], sql: str = "", other: str = "", **more: Any
) -> Line:
    """A pair as a line of the file; columns are named by their place."""
    given: Line = {"gold": sql or "SELECT * FROM t", "pred": other or sql or "SELECT * FROM t"}
    for side, (types, rows) in (("gold", gold), ("pred", pred)):
        given |= {f"{side}_columns": [f"c{place}" for place in range(len(types))], f"{side}_types": types,
                  f"{side}_rows": rows}  # fmt: skip
    return given | more


def copied(rows: Rows) -> Rows:
    return [row[:] for row in rows]


def with_cells(rows: Rows, place: int, new: list[Any]) -> Rows:
    return [[*row[:place], cell, *row[place + 1 :]] for row, cell in zip(rows, new, strict=True)]


def changed(rng: random.Random, kind: str, new: Callable[[Any], Any]) -> Line:
    """One cell of a column of this type is another one."""
    types, rows = result(rng, kind)
    other, place = copied(rows), rng.randrange(len(rows))
    other[place][1] = new(other[place][1])
    return line((types, rows), (types, other))


def retyped(rng: random.Random, kind: str, to: str, new: Callable[[Any], Any]) -> Line:
    """A column comes in another type, which says the same."""
    types, rows = result(rng, kind)
    return line((types, rows), ([types[0], to, *types[2:]], with_cells(rows, 1, [new(row[1]) for row in rows])))


# --- what is the same


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


def agrees(expected: str, verdict: dict[str, Any]) -> bool:
    """Whether a verdict is what was expected."""
    status, _, reason = expected.partition(":")
    said = verdict["status"] if verdict["status"] in ("vacuous", "invalid", "undetermined", "gold_error") else (
        "strict" if verdict["strict"] else "relaxed" if verdict["relaxed"] else "mismatch")  # fmt: skip
    return said == status and (not reason or reason in verdict["reasons"])


def main() -> None:
    """Scores, and prints what was judged otherwise and the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, names = random.Random(options.seed), list(MEANS)
    made = [(name := names[number % len(names)], MEANS[name][1](rng)) for number in range(options.pairs)]
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "pairs.jsonl"), Path(folder, "verdicts.jsonl")
        source.write_text("".join(json.dumps(pair) + "\n" for _, pair in made), encoding="utf-8")
        started = time.process_time()
        score_file(source, out)
        rate = options.pairs / (time.process_time() - started)
        verdicts = [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]
    wrong = [(name, pair, verdict) for (name, pair), verdict in zip(made, verdicts, strict=True)
             if not agrees(MEANS[name][0], verdict)]  # fmt: skip
    table = Table("means", "expected", "pairs", "judged otherwise")
    for name, number in Counter(name for name, _, _ in wrong).items():
        table.add_row(name, MEANS[name][0], str(sum(name == other for other, _ in made)), str(number))
    if wrong:
        Console().print(table)
        print(json.dumps(wrong[0]))
    agreement = 1 - len(wrong) / len(made)
    print(json.dumps({"agreement": round(agreement, 5), "n": len(made), "means": len(MEANS),
                      "pairs_per_second": round(rate)}))  # fmt: skip


if __name__ == "__main__":
    main()
