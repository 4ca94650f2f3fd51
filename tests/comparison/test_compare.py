"""Columns, rows, order, totals, emptiness: what a verdict says, and why."""

from __future__ import annotations

import random
import time

import pytest

from sqlft.comparison import compare, invalid
from sqlft.database.result import Result
from tests.comparison.made import column, result

# --- columns and rows


def test_names_do_not_decide_and_columns_may_stand_in_any_order() -> None:
    gold = result((1, "x"), (2, "y"), columns="id name")
    prediction = result(("y", 2), ("x", 1), columns="who n")
    verdict = compare(gold, prediction)
    assert (verdict.status, verdict.strict, verdict.relaxed, verdict.reasons) == ("match", True, True, [])


def test_swapped_pairs_do_not_match_though_each_column_does() -> None:
    verdict = compare(result((1, "x"), (2, "y")), result((1, "y"), (2, "x")))
    assert verdict.status == "mismatch" and verdict.reasons == ["rows"]
    assert verdict.evidence["gold_rows"] == [[1, "x"], [2, "y"]]
    assert verdict.evidence["prediction_rows"] == [[1, "y"], [2, "x"]]


def test_values_swapped_within_a_row_do_not_match() -> None:
    assert not compare(result((1, 2), (3, 4)), result((1, 2), (4, 3))).strict


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        (column(1, 1, 2), column(1, 2, 2)),
        (column(1, 1, 2), column(1, 2)),
        (column(1, 2), column(1, 2, 2)),
        (result((1, "x"), (1, "x"), (2, "y")), result(("y", 2), ("x", 1), ("y", 2))),
    ],
)
def test_duplicates_count(gold: Result, prediction: Result) -> None:
    verdict = compare(gold, prediction)
    assert verdict.status == "mismatch" and "duplicates" in verdict.reasons and not verdict.relaxed


def test_one_row_is_not_broadcast_over_an_empty_prediction() -> None:
    verdict = compare(column(5), Result(["a"], []))
    assert (verdict.status, verdict.relaxed) == ("mismatch", False)
    assert verdict.reasons == ["prediction_empty", "row_count"]
    assert compare(Result(["a"], []), column(5)).reasons == ["gold_empty", "row_count"]


def test_extra_columns_are_relaxed_only() -> None:
    gold, prediction = result((1, "x"), (2, "y")), result(("x", 9, 1), ("y", 9, 2))
    verdict = compare(gold, prediction)
    assert (verdict.status, verdict.strict, verdict.relaxed) == ("mismatch", False, True)
    assert verdict.reasons == ["extra_columns"]


def test_extra_columns_need_the_same_rows() -> None:
    assert not compare(column(1, 2), result((1, "x"), (2, "y"), (2, "z"))).relaxed
    assert not compare(result((1, "x"), (2, "y")), result((1, "y", 0), (2, "x", 0))).relaxed


def test_a_gold_column_without_a_partner_is_named() -> None:
    fewer = compare(result((1, "x"), (2, "y"), columns="id name"), column(1, 2))
    assert (fewer.strict, fewer.relaxed, fewer.reasons) == (False, False, ["missing_columns"])
    assert fewer.evidence["columns"] == ["name"]
    other = compare(result((1, "x"), columns="id name"), result((1, "z")))
    assert other.reasons == ["missing_columns"] and other.evidence["columns"] == ["name"]


def test_columns_of_one_name_are_told_apart_by_their_cells() -> None:
    gold, prediction = result((1, 2), (3, 4), columns="n n"), result((2, 1), (4, 3), columns="n n")
    assert compare(gold, prediction).strict
    assert not compare(gold, result((2, 1), (3, 4), columns="n n")).strict


def test_evidence_holds_no_more_than_three_rows_a_side_and_is_json() -> None:
    verdict = compare(column(*range(10), float("nan")), column(*range(10, 21)))
    assert len(verdict.evidence["gold_rows"]) == len(verdict.evidence["prediction_rows"]) == 3
    assert '"nan"' in compare(column(float("nan")), column(1)).model_dump_json()


# --- tolerance row by row


def test_floats_pair_across_columns_that_match_exactly_on_their_own() -> None:
    assert compare(result((1.0, "x"), (1.0000001, "y")), result((1.0000001, "x"), (1.0, "y"))).strict


def test_a_chain_of_near_floats_does_not_make_its_ends_the_same() -> None:
    near = [1.0 + place * 8e-7 for place in range(4)]
    assert compare(column(*near), column(*reversed(near))).strict
    assert compare(column(*near), column(*(number + 5e-7 for number in near))).strict
    assert not compare(column(near[0], near[0]), column(near[0], near[3])).strict
    assert not compare(column(*near[:2], near[0]), column(*near[2:], near[3])).strict


def test_near_floats_in_two_columns_are_paired_as_rows() -> None:
    gold = result(*[(1.0 + a * 8e-7, 1.0 + b * 8e-7) for a, b in ((0, 2), (1, 1), (2, 0))])
    assert compare(gold, result(*[(x, y) for x, y in reversed(gold.rows)])).strict
    assert not compare(gold, result(*[(1.0 + a * 8e-7, 1.0 + b * 8e-7) for a, b in ((0, 0), (1, 1), (2, 2))])).strict


# --- searching for columns


def test_alike_columns_are_told_apart_in_good_time() -> None:
    rng = random.Random(1)
    rows = [tuple(rng.randint(0, 1) for _ in range(40)) for _ in range(30)]
    order = rng.sample(range(40), 40)
    shuffled = [tuple(row[place] for place in order) for row in rng.sample(rows, 30)]
    started = time.process_time()
    assert compare(result(*rows, columns=" ".join(map(str, range(40)))), Result(["c"] * 40, shuffled)).strict
    flipped = [(1 - shuffled[0][0], *shuffled[0][1:]), *shuffled[1:]]
    assert not compare(Result(["c"] * 40, rows), Result(["c"] * 40, flipped)).strict
    assert time.process_time() - started < 30, "a search through 40! mappings never ends"


def test_identical_columns_cost_nothing() -> None:
    rows = [(0,) * 60 + (n,) for n in range(20)]
    assert compare(Result(["c"] * 61, rows), Result(["c"] * 61, [row[::-1] for row in rows])).strict


def test_what_cannot_be_decided_is_undetermined_not_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlft.comparison.mapping._STEPS", 1)
    verdict = compare(result((1, 2, 0), (2, 1, 9)), result((0, 1, 2), (9, 2, 1)))
    assert (verdict.status, verdict.strict, verdict.reasons) == ("undetermined", False, ["columns_undecided"])


# --- order

GOLD = result(("x", 3), ("y", 2), ("z", 2), ("w", 1), columns="name n")
SWAPPED_TIES = result(("x", 3), ("z", 2), ("y", 2), ("w", 1), columns="name n")
REVERSED = Result(GOLD.columns, GOLD.rows[::-1])


@pytest.mark.parametrize(
    ("sql", "ties", "reverse"),
    [
        ("SELECT name, n FROM t", True, True),
        ("SELECT name, n FROM t ORDER BY n DESC", True, False),
        ("SELECT name, n FROM t ORDER BY 2 DESC, 'x'", True, False),
        ("SELECT t.name, count( * ) FROM t GROUP BY name ORDER BY COUNT(*) DESC", True, False),
        ("SELECT name, n FROM t ORDER BY -n", True, False),
        ("SELECT * FROM t ORDER BY n DESC LIMIT 9", True, False),
        ("SELECT name, n FROM t ORDER BY n DESC, name", False, False),
        ("SELECT name, n FROM t ORDER BY (n, name) DESC", False, False),
        ("SELECT name, n FROM t ORDER BY ALL", False, False),
        ("SELECT name, n FROM (SELECT name, n FROM t ORDER BY n DESC)", True, True),
        ("WITH q AS (SELECT * FROM t ORDER BY n LIMIT 4) SELECT name, n FROM q", True, True),
        ("SELECT name, n, rank() OVER (ORDER BY n) FROM t", True, True),
        ("SELECT name, n FROM t WHERE name != 'ORDER BY n' -- ORDER BY n", True, True),
        ('SELECT name, n AS "order by" FROM t', True, True),
        ("SELECT name, n FROM t UNION ALL SELECT name, n FROM u ORDER BY n", True, True),
        ("SELECT name, n FROM t ORDER BY NULL", True, True),
        ("SELECT name, n FROM t ORDER BY n DESC LIMIT 1 BY name LIMIT 4", True, False),
        ("(SELECT name, n FROM t ORDER BY n DESC);", True, False),
    ],
)
def test_order_counts_where_the_outermost_select_has_it(sql: str, ties: bool, reverse: bool) -> None:
    assert compare(GOLD, GOLD, gold_sql=sql).strict
    assert compare(GOLD, SWAPPED_TIES, gold_sql=sql).strict is ties
    verdict = compare(GOLD, REVERSED, gold_sql=sql)
    assert (verdict.strict, verdict.relaxed) == (reverse, reverse)
    assert verdict.reasons == ([] if reverse else ["order"])


def test_an_order_that_is_asked_for_or_not_goes_before_the_sql() -> None:
    assert not compare(GOLD, SWAPPED_TIES, ordered=True).strict
    assert compare(GOLD, SWAPPED_TIES, ordered=True, gold_sql="SELECT name, n FROM t ORDER BY n DESC").strict
    assert compare(GOLD, REVERSED, ordered=False, gold_sql="SELECT name, n FROM t ORDER BY n DESC").strict


def test_a_mapping_that_keeps_the_order_is_found_among_several() -> None:
    gold, sql = result((1, 2), (2, 1), columns="p q"), "SELECT p, q FROM t ORDER BY p"
    assert compare(gold, result((2, 1), (1, 2), columns="p q"), gold_sql=sql).strict


def test_thread_noise_in_a_key_is_a_tie() -> None:
    gold, prediction = result((0.3, "x"), (0.1 + 0.2, "y")), result((0.3, "y"), (0.1 + 0.2, "x"))
    assert compare(gold, prediction, gold_sql="SELECT a, b FROM t ORDER BY a").strict


@pytest.mark.parametrize("key", ["age", "length(name)", "u.name"])
def test_where_a_key_is_not_shown_strict_wants_golds_own_order(key: str) -> None:
    gold, prediction = result(("x",), ("y",), columns="name"), result(("y",), ("x",), columns="name")
    verdict = compare(gold, prediction, gold_sql=f"SELECT t.name FROM t JOIN u ON t.i = u.i ORDER BY {key}")
    assert (verdict.strict, verdict.relaxed, verdict.reasons) == (False, True, ["order", "order_keys_hidden"])


TOP = "SELECT name, n FROM t ORDER BY n DESC LIMIT 4"
TIED = result(("x", 3), ("y", 2), ("z", 2), ("other", 1), columns="name n")


def test_at_the_limit_any_row_with_the_last_key_is_right() -> None:
    verdict = compare(GOLD, TIED, gold_sql=TOP, prediction_sql=TOP)
    assert (verdict.status, verdict.strict, verdict.reasons) == ("match", True, ["tie_at_limit"])
    assert compare(GOLD, Result(["n", "who"], [row[::-1] for row in TIED.rows]), gold_sql=TOP).strict


def test_a_null_may_stand_among_the_rows_that_tie_at_the_limit() -> None:
    gold = result(("x", 3, "a"), ("w", 1, None), columns="name n note")
    prediction = result(("x", 3, "a"), ("other", 1, "b"), columns="name n note")
    sql = "SELECT name, n, note FROM t ORDER BY n DESC LIMIT 2"
    assert compare(gold, prediction, gold_sql=sql).strict and compare(prediction, gold, gold_sql=sql).strict


@pytest.mark.parametrize(
    ("prediction", "gold_sql", "prediction_sql"),
    [
        (TIED, TOP.replace("4", "5"), ""),  # the limit cut nothing
        (TIED, TOP.replace(" LIMIT 4", ""), ""),
        (TIED, TOP.replace("LIMIT", "LIMIT 1 BY n LIMIT 9 --"), ""),
        (TIED, TOP + " WITH TIES", ""),
        (TIED, TOP.replace("DESC", "DESC, hidden"), ""),
        (TIED, TOP, "SELECT name, n FROM t WHERE n < 4"),  # shows no choice of its own
        (TIED, TOP, TOP.replace("n DESC", "name")),
        (TIED, TOP, TOP.replace("4", "3")),
        (result(("x", 3), ("y", 2), ("z", 2), ("other", 0), columns="name n"), TOP, TOP),  # another key
        (result(("x", 3), ("u", 2), ("z", 2), ("w", 1), columns="name n"), TOP, TOP),  # before the last key
        (result(("x", 3), ("y", 2), ("z", 2), (7, 1), columns="name n"), TOP, TOP),  # another kind of value
    ],
)
def test_no_other_row_is_excused_by_a_limit(prediction: Result, gold_sql: str, prediction_sql: str) -> None:
    verdict = compare(GOLD, prediction, gold_sql=gold_sql, prediction_sql=prediction_sql)
    assert not verdict.strict and "tie_at_limit" not in verdict.reasons


# --- arrays


@pytest.mark.parametrize(
    ("sql", "free"),
    [
        ("SELECT k, groupArray(x) FROM t GROUP BY k", True),
        ("SELECT k, groupUniqArray(10)(x) AS xs FROM t GROUP BY k", True),
        ("SELECT k, arrayMap(v -> v, groupArrayIf(x, x > 0)) FROM t GROUP BY k", True),
        ("SELECT k, xs FROM (SELECT k, groupArray(x) AS xs FROM t GROUP BY k)", True),
        ("SELECT k, groupUniqArray(x) FROM (SELECT * FROM t ORDER BY x) GROUP BY k", True),
        ("SELECT k, groupArray(x) FROM (SELECT * FROM t ORDER BY x) GROUP BY k", False),
        ("SELECT k, arraySort(groupArray(x)) FROM t GROUP BY k", False),
        ("SELECT k, arrayReverseSort(v -> v, groupUniqArray(x)) FROM t GROUP BY k", False),
        ("SELECT k, groupArrayMovingSum(x) FROM t GROUP BY k", False),
        ("SELECT k, xs FROM t", False),
        ("SELECT groupArray(k), xs FROM t GROUP BY xs", False),
    ],
)
def test_arrays_keep_order_unless_they_were_collected_unsorted(sql: str, free: bool) -> None:
    gold, prediction = result(("x", [1, 2.5, 3]), ("y", [])), result(("x", [3, 1, 2.5 + 1e-9]), ("y", []))
    assert compare(gold, prediction, gold_sql=sql).strict is free
    assert not compare(gold, result(("x", [3, 1, 1]), ("y", [])), gold_sql=sql).strict


# --- totals and extremes

PLAIN = result(("x", 2), ("y", 3), columns="os n")
WITH_TOTALS = result(("x", 2), ("y", 3), columns="os n", totals=("", 5))


def test_totals_are_compared_as_a_block_of_their_own() -> None:
    swapped = Result(["n", "os"], [(3, "y"), (2, "x")], totals=(5, ""))
    assert compare(WITH_TOTALS, swapped).strict
    verdict = compare(WITH_TOTALS, Result(PLAIN.columns, PLAIN.rows, totals=("", 6)))
    assert not verdict.relaxed and verdict.reasons == ["totals"]
    traded = Result(PLAIN.columns, [("x", 2), ("", 5)], totals=("y", 3))
    assert not compare(WITH_TOTALS, traded).relaxed, "a row is no substitute for the totals"


def test_totals_that_were_asked_for_and_are_missing_are_a_mismatch() -> None:
    verdict = compare(WITH_TOTALS, PLAIN)
    assert (verdict.strict, verdict.relaxed, verdict.reasons) == (False, False, ["missing_totals"])
    wrong = result(("x", 2), ("y", 3), ("", 6), columns="os n")
    assert "missing_totals" in compare(WITH_TOTALS, wrong).reasons and not compare(WITH_TOTALS, wrong).relaxed


@pytest.mark.parametrize("label", ["Total", "", None])
def test_totals_as_an_ordinary_row_are_relaxed(label: str | None) -> None:
    rows = result((label, 5), ("x", 2), ("y", 3), columns="os n")
    for verdict in (compare(WITH_TOTALS, rows), compare(rows, WITH_TOTALS)):
        assert (verdict.strict, verdict.relaxed, verdict.reasons) == (False, True, ["totals_as_row"])


def test_totals_that_nobody_asked_for_are_relaxed() -> None:
    verdict = compare(PLAIN, WITH_TOTALS)
    assert (verdict.strict, verdict.relaxed, verdict.reasons) == (False, True, ["extra_totals"])


def test_extremes_are_a_block_too() -> None:
    asked = Result(PLAIN.columns, PLAIN.rows, extremes=(("x", 2), ("y", 3)))
    assert compare(asked, asked).strict
    assert compare(asked, Result(PLAIN.columns, PLAIN.rows[::-1], extremes=(("x", 2), ("y", 3)))).strict
    assert not compare(asked, Result(PLAIN.columns, PLAIN.rows, extremes=(("x", 2), ("y", 4)))).relaxed
    assert compare(asked, PLAIN).reasons == ["missing_extremes"] and not compare(asked, PLAIN).relaxed
    assert compare(PLAIN, asked).relaxed and not compare(PLAIN, asked).strict


# --- nothing, too much, no result


def test_two_empty_results_are_vacuous() -> None:
    verdict = compare(Result(["a"], []), Result(["b"], []))
    assert (verdict.status, verdict.strict) == ("vacuous", True)
    assert not compare(Result(["a", "b"], []), Result(["b"], [])).relaxed


@pytest.mark.parametrize("row", [(0, ""), (None, None), (0.0, float("nan")), ("", []), (False, [0])])
def test_a_match_of_nothing_but_zeros_and_nulls_is_degenerate(row: tuple[object, ...]) -> None:
    assert compare(result(row), result(row)).reasons == ["degenerate"]
    assert compare(result((*row, 1)), result((*row, 1))).reasons == []


def test_cut_results_of_other_lengths_differ_and_of_the_same_length_are_undetermined() -> None:
    cut = Result(["a"], [(1,)], total_rows=900)
    assert compare(cut, Result(["a"], [(1,)], total_rows=901)).reasons == ["row_count", "too_large"]
    assert compare(cut, column(1)).status == "mismatch"
    assert compare(cut, cut).status == "undetermined" and compare(cut, cut).reasons == ["too_large"]


def test_a_prediction_without_a_result_is_invalid() -> None:
    verdict = invalid("Unknown table", "error")
    assert (verdict.status, verdict.strict, verdict.relaxed, verdict.reasons) == ("invalid", False, False, ["error"])
    assert verdict.evidence == {"error": "Unknown table"}
