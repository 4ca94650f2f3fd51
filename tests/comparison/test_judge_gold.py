"""Gold first: run twice, widened where it has a choice, then compared with predictions, on the real engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from sqlft.comparison import Gold, judge, judge_pair, prepare_gold
from sqlft.database import Database, QueryError
from sqlft.database.result import Result
from sqlft.records import Verdict
from tests.comparison.made import column

# n 0…11, k four groups of three in n's order, s three groups of four across it
T = "(SELECT number AS n, intDiv(number, 3) AS k, toString(number % 3) AS s FROM numbers(12))"


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database.connect("chdb://memory") as database:
        yield database


@pytest.fixture
def verdict_on(database: Database) -> Callable[[str, str | None], Verdict]:
    def run(sql: str, threads: int | None) -> Result:
        return database.run(sql, {"max_threads": threads} if threads else None)

    return lambda gold, prediction: judge_pair(gold.format(T=T), prediction and prediction.format(T=T), run)


On = Callable[[str, str | None], Verdict]


@pytest.mark.parametrize(
    ("gold", "prediction", "reasons"),
    [
        # ties at the limit, with the key shown and hidden, and at both ends of a window
        (
            "SELECT n, k FROM {T} ORDER BY k LIMIT 4",
            "SELECT n, k FROM {T} ORDER BY k, n DESC LIMIT 4",
            ["tie_at_limit"],
        ),
        ("SELECT n FROM {T} ORDER BY k LIMIT 4", "SELECT n FROM {T} ORDER BY k, n DESC LIMIT 4", ["tie_at_limit"]),
        (
            "SELECT n FROM {T} ORDER BY k LIMIT 2 OFFSET 2",
            "SELECT n FROM {T} ORDER BY k, n DESC LIMIT 2, 2",
            ["tie_at_limit"],
        ),
        (
            "SELECT s, count() FROM {T} GROUP BY s ORDER BY count() LIMIT 1",
            "SELECT s, count() FROM {T} GROUP BY s ORDER BY count(), s DESC LIMIT 1",
            ["tie_at_limit"],
        ),
        # ties inside, by a hidden key
        ("SELECT n FROM {T} ORDER BY k", "SELECT n FROM {T} ORDER BY k, n DESC", []),
        # a LIMIT without an order promises no rows in particular
        ("SELECT n FROM {T} LIMIT 3", "SELECT n FROM {T} ORDER BY n DESC LIMIT 3", ["limit_without_order"]),
        # what the engine writes
        (
            "SELECT s, groupArray(n) FROM {T} GROUP BY s",
            "SELECT s, arrayReverse(groupArray(n)) FROM {T} GROUP BY s",
            [],
        ),
        ("SELECT sum(number / 7) FROM numbers(300000)", "SELECT sum(number) / 7 FROM numbers(300000)", []),
        (
            "SELECT toDecimal64(3, 2), toDateTime('2024-01-01 00:00:00', 'Asia/Tokyo'), nan, toFixedString('ab', 4)",
            "SELECT 3, toDate('2024-01-01'), 0 / 0, 'ab'",
            [],
        ),
        ("SELECT (1, 'x')::Tuple(p UInt8, q String), map('k', 1)", "SELECT (1, 'x'), map('k', toFloat64(1))", []),
    ],
)
def test_every_right_answer_matches(verdict_on: On, gold: str, prediction: str, reasons: list[str]) -> None:
    verdict = verdict_on(gold, prediction)
    assert verdict.strict and set(verdict.reasons) <= set(reasons)


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("SELECT n FROM {T} ORDER BY k LIMIT 4", "SELECT n FROM {T} ORDER BY k DESC, n DESC LIMIT 4"),
        ("SELECT n FROM {T} ORDER BY k LIMIT 4", "SELECT n FROM {T} WHERE n != 1 ORDER BY k, n LIMIT 4"),
        ("SELECT n, k FROM {T} ORDER BY k LIMIT 4", "SELECT n + 100, k FROM {T} ORDER BY k LIMIT 4"),
        ("SELECT n FROM {T} ORDER BY k LIMIT 2 OFFSET 2", "SELECT n FROM {T} ORDER BY k, n LIMIT 2 OFFSET 4"),
        ("SELECT n FROM {T} ORDER BY k", "SELECT n FROM {T} ORDER BY k DESC"),
        (
            "SELECT s FROM {T} GROUP BY s ORDER BY max(n) LIMIT 1",
            "SELECT s FROM {T} GROUP BY s ORDER BY s DESC LIMIT 1",
        ),
        ("SELECT n FROM {T} LIMIT 3", "SELECT n + 10 FROM {T} LIMIT 3"),
        ("SELECT n FROM {T} LIMIT 3", "SELECT 1 FROM {T} LIMIT 3"),
    ],
)
def test_no_wrong_answer_does(verdict_on: On, gold: str, prediction: str) -> None:
    verdict = verdict_on(gold, prediction)
    assert verdict.status == "mismatch" and not verdict.relaxed


def test_totals_of_the_engine_and_its_rollup(verdict_on: On) -> None:
    gold = "SELECT s, sum(n) FROM {T} GROUP BY s WITH TOTALS ORDER BY s"
    assert verdict_on(gold, gold).strict
    assert verdict_on(gold, "SELECT s, sum(n) FROM {T} GROUP BY s ORDER BY s").reasons == ["missing_totals"]
    rollup = verdict_on(gold, "SELECT s, sum(n) FROM {T} GROUP BY ROLLUP(s) ORDER BY s")
    assert (rollup.strict, rollup.relaxed, rollup.reasons) == (False, True, ["totals_as_row"])


def test_a_gold_query_that_fails_or_changes_judges_nobody(verdict_on: On) -> None:
    failing = verdict_on("SELECT nope FROM {T}", "SELECT 1")
    assert failing.status == "gold_error" and "nope" in failing.evidence["error"]
    changing = verdict_on("SELECT rand()", "SELECT rand()")
    assert changing.status == "undetermined" and changing.reasons[0] == "nondeterministic"


def test_a_prediction_that_fails_or_is_not_there_is_invalid(verdict_on: On) -> None:
    assert verdict_on("SELECT 1", "SELECT nope").status == "invalid"
    assert verdict_on("SELECT 1", None).reasons == ["no_sql"]
    timeout = judge(Gold("SELECT 1", column(1)), QueryError("stopped after 10 s", kind="timeout"))
    assert (timeout.status, timeout.reasons) == ("invalid", ["timeout"])


def test_gold_runs_twice_the_second_time_on_one_thread_and_only_then_may_be_widened() -> None:
    asked: list[tuple[str, int | None]] = []

    def run(sql: str, threads: int | None) -> Result:
        asked.append((sql, threads))
        return Result(["n"], [(1,), (2,)])

    prepare_gold("SELECT n FROM t ORDER BY n", run)
    assert asked == [("SELECT n FROM t ORDER BY n", None), ("SELECT n FROM t ORDER BY n", 1)]
    asked.clear()
    prepare_gold("SELECT n /* FROM */ FROM t ORDER BY -lower(m) DESC LIMIT 1, 2 FORMAT CSV", run)
    assert [sql for sql, _ in asked][2:] == [
        "SELECT n, (-lower(m)) AS sqlft_key_0 /* FROM */ FROM t ORDER BY -lower(m) DESC LIMIT 3 WITH TIES FORMAT CSV"
    ]


def test_a_wider_query_that_fails_or_says_something_else_is_not_believed() -> None:
    answers = itertools.cycle([column(1, 2), column(1, 2), column(8, 9, 10)])
    assert prepare_gold("SELECT a FROM t LIMIT 2", lambda *_: next(answers)).pool is None

    def run(sql: str, threads: int | None) -> Result:
        if "TIES" in sql:
            raise QueryError("no")
        return column(1, 2)

    gold = prepare_gold("SELECT a FROM t ORDER BY a LIMIT 2", run)
    assert gold.pool is None and gold.verdict is None


def test_past_the_row_limit_counts_and_digests_decide() -> None:
    cut = Result(["p", "q"], [(1, 2)], total_rows=50_000)
    digests = {"gold": (50_000, "a"), "same": (50_000, "a"), "other": (50_000, "b"), "longer": (50_001, "a")}

    def digest(sql: str) -> tuple[int, str]:
        inner = {"SELECT `q` FROM (\ngold\n)": "2", "SELECT `p` FROM (\ngold\n)": "1"}
        inner |= {"SELECT `q` FROM (\nturned\n)": "1", "SELECT `p` FROM (\nturned\n)": "2"}
        inner |= {"turned": "ba", "SELECT `q`, `p` FROM (\nturned\n)": "a"}
        return digests.get(sql) or (50_000, inner.get(sql, "?" + sql))

    gold = prepare_gold("gold", lambda *_: cut)
    assert gold.verdict is None
    same = judge(gold, cut, "same", digest)
    assert (same.status, same.strict, same.reasons) == ("match", True, ["too_large"])
    assert judge(gold, cut, "other", digest).reasons == ["rows", "too_large"]
    assert judge(gold, cut, "longer", digest).reasons == ["row_count", "too_large"]
    assert judge(gold, cut, "turned;", lambda sql: digest(sql.rstrip(";"))).strict, "its columns in another order"
    assert judge(gold, cut, "same").status == "undetermined", "nobody was there to ask"


@pytest.mark.parametrize(("fails", "status"), [("gold", "undetermined"), ("pred", "invalid")])
def test_only_a_gold_that_cannot_be_read_whole_judges_nobody(fails: str, status: str) -> None:
    cut = Result(["a"], [(1,)], total_rows=50_000)
    gold = prepare_gold("gold", lambda *_: cut)

    def digest(sql: str) -> tuple[int, str]:
        if sql == fails:
            raise QueryError("10 s are over", kind="timeout")
        return 50_000, "a"

    assert judge(gold, cut, "pred", digest).status == status
