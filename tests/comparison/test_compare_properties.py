"""What holds for every pair of results."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sqlft.comparison import compare
from sqlft.comparison.cells import reader, same
from sqlft.database.result import Result

Rows = list[tuple[Any, ...]]

CELLS = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.sampled_from([0.0, 0.5, 1.0, 1.0000004, 1.0000008, 1.0000012, 2.0, float("nan")]),
    st.sampled_from(["", "0", "1", "1.0", "x", "2024-01-01", "2024-01-01 00:00:00"]),
    st.booleans(),
    st.lists(st.integers(0, 1), max_size=2),
)


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[Any] = CELLS, least: int = 1) -> Rows:
    width = draw(st.integers(1, 4))
    return draw(st.lists(st.tuples(*[cells] * width), min_size=least, max_size=6))


def made(rows: Rows) -> Result:
    return Result([f"c{place}" for place in range(len(rows[0]))], rows)


@given(tables(), tables())
def test_strict_is_symmetric(ours: Rows, theirs: Rows) -> None:
    one, other = compare(made(ours), made(theirs)), compare(made(theirs), made(ours))
    assert one.strict == other.strict and one.status == other.status


@given(tables(), st.randoms(use_true_random=False))
def test_rows_and_columns_may_be_permuted(rows: Rows, rng: random.Random) -> None:
    order = rng.sample(range(len(rows[0])), len(rows[0]))
    shuffled = [tuple(row[place] for place in order) for row in rng.sample(rows, len(rows))]
    assert compare(made(rows), made(shuffled)).strict


@given(tables(), st.integers(0, 5))
def test_a_row_more_is_never_a_match(rows: Rows, place: int) -> None:
    more = [*rows, rows[place % len(rows)]]
    assert not compare(made(rows), made(more)).relaxed and not compare(made(more), made(rows)).relaxed


@given(st.lists(st.integers(), min_size=2, max_size=6, unique=True), st.data())
def test_swapped_pairs_are_never_accepted(keys: list[int], data: st.DataObject) -> None:
    texts = [f"t{key}" for key in keys]
    other = data.draw(st.permutations(texts))
    assume(other != texts)
    verdict = compare(made(list(zip(keys, texts, strict=True))), made(list(zip(keys, other, strict=True))))
    assert verdict.status == "mismatch"


@given(tables(cells=st.integers(1, 9)), st.data())
def test_null_is_neither_zero_nor_empty_text(rows: Rows, data: st.DataObject) -> None:
    row, place = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, len(rows[0]) - 1))

    def holding(cell: object) -> Result:
        return made([*rows[:row], (*rows[row][:place], cell, *rows[row][place + 1 :]), *rows[row + 1 :]])

    for one, other in ((None, 0), (None, ""), (0, ""), (None, float("nan"))):
        assert not compare(holding(one), holding(other)).relaxed


@given(tables(), tables())
def test_strict_implies_relaxed(ours: Rows, theirs: Rows) -> None:
    verdict = compare(made(ours), made(theirs))
    assert verdict.relaxed or not verdict.strict
    assert (verdict.status == "match") is verdict.strict


@given(tables(least=2), st.data())
def test_extra_columns_are_relaxed_wherever_they_stand(rows: Rows, data: st.DataObject) -> None:
    extra = data.draw(st.lists(CELLS, min_size=len(rows), max_size=len(rows)))
    place = data.draw(st.integers(0, len(rows[0])))
    wider = [(*row[:place], cell, *row[place:]) for row, cell in zip(rows, extra, strict=True)]
    verdict = compare(made(rows), made(wider))
    assert verdict.relaxed and not verdict.strict
    assert not compare(made(wider), made(rows)).relaxed


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_noise_below_the_tolerance_never_matters(numbers: list[float], rng: random.Random) -> None:
    noisy = [number * (1 + rng.uniform(-4e-7, 4e-7)) + rng.uniform(-4e-10, 4e-10) for number in numbers]
    gold = [(number, place % 2) for place, number in enumerate(numbers)]
    pairs = [(place % 2, number) for place, number in enumerate(noisy)]
    assert compare(made(gold), made(rng.sample(pairs, len(pairs)))).strict


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_tied_rows_may_permute_and_others_may_not(keys: list[int], rng: random.Random) -> None:
    rows = [(key, place) for place, key in enumerate(sorted(keys))]
    tied = sorted(rng.sample(rows, len(rows)), key=lambda row: row[0])
    sql = "SELECT c0, c1 FROM t ORDER BY c0"
    assert compare(made(rows), made(tied), gold_sql=sql).strict
    backwards = rows[::-1]
    assert compare(made(rows), made(backwards), gold_sql=sql).strict is (len(set(keys)) == 1)


def brute_force(ours: Rows, theirs: Rows) -> bool:
    """Every mapping of columns with every pairing of rows, cell by cell."""
    if len(ours) != len(theirs) or len(ours[0]) != len(theirs[0]):
        return False
    read = reader("", "")
    gold, prediction = ([tuple(map(read, row)) for row in rows] for rows in (ours, theirs))
    return any(
        all(
            same(cell, other[j])
            for row, other in zip(gold, rows, strict=True)
            for cell, j in zip(row, order, strict=True)
        )
        for order in permutations(range(len(ours[0])))
        for rows in permutations(prediction)
    )


NEAR = st.sampled_from([1, 2, 1.0, 1.0000004, 1.0000008, 1.0000012, 1.0000016, 2.0, "1", "1.0", None])


@given(st.data())
@settings(max_examples=150)
def test_the_search_finds_a_mapping_if_and_only_if_there_is_one(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    table = st.lists(st.tuples(*[NEAR] * width), min_size=height, max_size=height)
    ours = data.draw(table)
    theirs = (
        data.draw(table)
        if data.draw(st.booleans())
        else [
            tuple(data.draw(NEAR) if not data.draw(st.integers(0, 5)) else cell for cell in row[::-1])
            for row in ours[::-1]
        ]
    )
    assert compare(made(ours), made(theirs)).strict is brute_force(ours, theirs)


def test_of_two_columns_that_are_near_to_one_the_other_may_be_wanted_elsewhere() -> None:
    ours, theirs = [(1, 1.0000012, 1.0000004)], [(1.0000016, 1.0000012, 1)]
    assert brute_force(ours, theirs) and compare(made(ours), made(theirs)).strict


@given(tables(), tables(), st.randoms(use_true_random=False))
def test_no_verdict_depends_on_where_rows_and_columns_stand(ours: Rows, theirs: Rows, rng: random.Random) -> None:
    def moved(rows: Rows) -> Rows:
        order = rng.sample(range(len(rows[0])), len(rows[0]))
        return [tuple(row[place] for place in order) for row in rng.sample(rows, len(rows))]

    one, other = compare(made(ours), made(theirs)), compare(made(moved(ours)), made(moved(theirs)))
    assert (one.status, one.strict, one.relaxed) == (other.status, other.strict, other.relaxed)


HUNDREDTHS = st.integers(-10_000, 10_000).map(lambda number: number / 100 + 0.00137)


@given(st.lists(HUNDREDTHS, min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_rounding_is_never_strict_and_never_swaps_pairs(numbers: list[float], rng: random.Random) -> None:
    gold = [(f"t{place}", number) for place, number in enumerate(numbers)]
    rounded = [(round(number, 2), text) for text, number in gold]
    assume(any(len(str(number).partition(".")[2]) == 2 for number, _ in rounded))
    verdict = compare(made(gold), made(rng.sample(rounded, len(rounded))))
    assert verdict.relaxed and not verdict.strict and verdict.reasons == ["rounded"]
    turned = [(number, text) for (number, _), (_, text) in zip(rounded, rounded[1:] + rounded[:1], strict=True)]
    assert not compare(made(gold), made(turned)).relaxed


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=6), st.floats(0.021, 0.5))
def test_what_no_sql_calls_approximate_is_not_forgiven(numbers: list[float], off: float) -> None:
    greatest = numbers.index(max(numbers))  # no other number can be near to what becomes of it
    near = [number * (1 + off * (i == greatest)) for i, number in enumerate(numbers)]
    for sql in ("", "SELECT uniq(a) FROM t"):
        assert not compare(made([(n,) for n in numbers]), made([(n,) for n in near]), gold_sql=sql).relaxed
