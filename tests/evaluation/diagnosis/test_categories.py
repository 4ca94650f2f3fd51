# ruff: noqa: E501
"""Each category of mistake is named, and a difference that is none is not."""

from __future__ import annotations

from typing import Any

import pytest

from sqlft.card import Column, SchemaCard, Table
from sqlft.evaluation.diagnosis import LABELS, diagnose, find_flags
from sqlft.evaluation.diagnosis.difference import differences
from sqlft.evaluation.diagnosis.shape import read_shape
from sqlft.records import Verdict

FLAGS = frozenset({"is_fraud", "is_active"})
S, U = "FROM shop.sessions", "FROM shop.users"
JOINED = "FROM shop.sessions AS s JOIN shop.users AS u ON s.user_id = u.user_id"
INNER = "(SELECT user_id, min(day) AS first FROM shop.sessions GROUP BY user_id)"


def named(gold: str, sql: str) -> set[str]:
    ours, theirs = read_shape(gold, FLAGS), read_shape(sql, FLAGS)
    assert ours and theirs
    return {finding.category for finding in differences(ours, theirs)}


@pytest.mark.parametrize(
    ("gold", "sql", "category"),
    [
        (f"SELECT count() {S} WHERE os = 'iOS' AND x > 1", f"SELECT count() {S} WHERE x > 1", "missing_filter"),
        (f"SELECT avgIf(r, r > 0) {S}", f"SELECT avg(r) {S}", "missing_filter"),
        (
            f"SELECT os, count() {S} GROUP BY os HAVING count() > 5",
            f"SELECT os, count() {S} GROUP BY os",
            "missing_filter",
        ),
        (f"SELECT count() {U} WHERE id NOT IN (SELECT id {S})", f"SELECT count() {U}", "missing_filter"),
        (f"SELECT count() {S} WHERE x > 1", f"SELECT count() {S} WHERE x > 1 AND os = 'iOS'", "wrong_filter"),
        (f"SELECT count() {S} WHERE x > 1", f"SELECT count() {S} WHERE x >= 1", "wrong_filter"),
        (f"SELECT count() {S} WHERE x > 1", f"SELECT count() {S} WHERE y > 1", "wrong_filter"),
        (f"SELECT count() {S} WHERE os != 'iOS'", f"SELECT count() {S} WHERE os = 'iOS'", "wrong_filter"),
        (f"SELECT count() {S} WHERE os = 'iOS'", f"SELECT count() {S} WHERE os = 'ios'", "wrong_literal"),
        (f"SELECT count() {S} WHERE os IN ('a', 'b')", f"SELECT count() {S} WHERE os = 'a'", "wrong_literal"),
        (f"SELECT count() {S} WHERE is_fraud = 1", f"SELECT count() {S} WHERE is_fraud = 0", "wrong_literal"),
        (
            f"SELECT os {S} GROUP BY os HAVING count() > 5",
            f"SELECT os {S} GROUP BY os HAVING count() > 6",
            "wrong_literal",
        ),
        (f"SELECT quantileExact(0.5)(r) {S}", f"SELECT quantileExact(0.9)(r) {S}", "wrong_literal"),
        (f"SELECT count() {S} WHERE toYear(day) = 2023", f"SELECT count() {S} WHERE toYear(day) = 2022", "date_range"),
        (f"SELECT count() {S} WHERE toYear(day) = 2023", f"SELECT count() {S}", "date_range"),
        (f"SELECT count() {S} WHERE toYear(day) = 2023", f"SELECT count() {S} WHERE day > '2023-01-01'", "date_range"),
        (f"SELECT sum(r) {S}", f"SELECT sum(length) {S}", "wrong_metric"),
        (f"SELECT count() {S}", f"SELECT sum(r) {S}", "wrong_metric"),
        (
            f"SELECT avgIf(r, a = 1) - avgIf(r, a = 2) {S}",
            f"SELECT avgIf(r, a = 1) / avgIf(r, a = 2) {S}",
            "wrong_metric",
        ),
        (f"SELECT sum(r) / uniqExact(id) {S}", f"SELECT sum(r) / count() {S}", "wrong_metric"),
        (f"SELECT sum(r) {S}", f"SELECT avg(r) {S}", "wrong_aggregation"),
        (f"SELECT min(r), max(r) {S}", f"SELECT max(r), max(r) {S}", "wrong_aggregation"),
        (
            f"SELECT avg(n) FROM (SELECT max(r) AS n {S} GROUP BY id)",
            f"SELECT avg(n) FROM (SELECT sum(r) AS n {S} GROUP BY id)",
            "wrong_aggregation",
        ),
        (f"SELECT os, count() {S} GROUP BY os", f"SELECT browser, count() {S} GROUP BY browser", "wrong_grouping"),
        (f"SELECT os, count() {S} GROUP BY os", f"SELECT count() {S}", "wrong_grouping"),
        (f"SELECT count() {JOINED}", f"SELECT count() {S}", "wrong_join"),
        (f"SELECT count() {JOINED}", f"SELECT count() {JOINED.replace('JOIN', 'LEFT JOIN')}", "wrong_join"),
        (f"SELECT count() {JOINED}", f"SELECT count() {JOINED.replace('= u.user_id', '= u.age')}", "wrong_join"),
        (f"SELECT id {S} INTERSECT SELECT id {U}", f"SELECT id {S} EXCEPT SELECT id {U}", "wrong_join"),
        (
            f"SELECT os, count() AS n {S} GROUP BY os ORDER BY n DESC",
            f"SELECT os, count() AS n {S} GROUP BY os ORDER BY n",
            "wrong_order",
        ),
        (
            f"SELECT os, count() AS n {S} GROUP BY os ORDER BY n DESC",
            f"SELECT os, count() {S} GROUP BY os",
            "wrong_order",
        ),
        (f"SELECT os {S} ORDER BY os LIMIT 3", f"SELECT os {S} ORDER BY os LIMIT 5", "wrong_limit"),
        (f"SELECT os {S} ORDER BY os LIMIT 1 BY os", f"SELECT os {S} ORDER BY os LIMIT 1", "wrong_limit"),
        (f"SELECT os, count() {S} GROUP BY os", f"SELECT os {S} GROUP BY os", "missing_column"),
        (f"SELECT avg(r) {S}", f"SELECT avg(r), max(r) {S}", "extra_column"),
        (f"SELECT DISTINCT os {S}", f"SELECT os {S}", "distinct"),
        (f"SELECT uniqExact(id) {S}", f"SELECT count() {S}", "distinct"),
        (
            f"SELECT id {S} GROUP BY id HAVING uniqExact(os) > 1",
            f"SELECT id {S} GROUP BY id HAVING count() > 1",
            "distinct",
        ),
        (f"SELECT 100 * countIf(a = 1) / count() {S}", f"SELECT countIf(a = 1) / count() {S}", "scale"),
        (f"SELECT avg(r) {S}", f"SELECT round(avg(r)) {S}", "scale"),
        (
            f"SELECT id, 100 * sum(r) / sum(a) AS n {S} GROUP BY id ORDER BY n",
            f"SELECT id, sum(r) / sum(a) AS n {S} GROUP BY id ORDER BY n",
            "scale",
        ),
        (
            f"SELECT max(toYear(day) = 2022) AS a {S} GROUP BY id",
            f"SELECT max(toYear(day) = 2023) AS a {S} GROUP BY id",
            "date_range",
        ),
        (
            f"SELECT toStartOfMonth(first), count() FROM {INNER} GROUP BY 1",
            f"SELECT toStartOfQuarter(first), count() FROM {INNER} GROUP BY 1",
            "wrong_grouping",
        ),
        (f"SELECT os, count() {S} GROUP BY os WITH TOTALS", f"SELECT os, count() {S} GROUP BY os", "totals"),
    ],
)
def test_a_mistake_has_its_category_and_no_other(gold: str, sql: str, category: str) -> None:
    assert named(gold, sql) == {category}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"SELECT count() AS users {S} WHERE a = 1 AND b = 2", "select COUNT(*) from sessions where 2 = b and a = 1"),
        (f"SELECT s.os, count() {S} AS s GROUP BY s.os", f"SELECT os AS system, count(1) AS n {S} GROUP BY 1"),
        (f"SELECT os, count() AS n {S} GROUP BY os ORDER BY n DESC", f"SELECT os, count() {S} GROUP BY os ORDER BY count() DESC, os"),
        (f"SELECT count() {JOINED}", "SELECT count() FROM sessions a INNER JOIN users b ON b.user_id = a.user_id"),
        (f"SELECT count() {JOINED}", "SELECT count() FROM sessions a, users b WHERE b.user_id = a.user_id"),
        (f"SELECT count() {JOINED}", "SELECT count() FROM sessions JOIN users USING (user_id)"),
        (f"SELECT count() {S} WHERE toYear(day) = 2023", f"SELECT count() {S} WHERE day >= '2023-01-01' AND day < '2024-01-01'"),
        (f"SELECT count() {S} WHERE toYear(day) IN (2022, 2023)", f"SELECT count() {S} WHERE day BETWEEN '2022-01-01' AND '2023-12-31'"),
        (f"SELECT count() {S} WHERE toStartOfMonth(day) = '2023-03-01'", f"SELECT count() {S} WHERE toYear(day) = 2023 AND toMonth(day) = 3"),
        (f"SELECT count() {S} WHERE toStartOfQuarter(day) = '2023-04-01'", f"SELECT count() {S} WHERE toYYYYMM(day) BETWEEN 202304 AND 202306"),
        (f"SELECT count() {S} WHERE toDayOfWeek(day) >= 6", f"SELECT count() {S} WHERE toDayOfWeek(day) IN (7, 6)"),
        (f"SELECT count() {S} WHERE os = 'a' OR os = 'b'", f"SELECT count() {S} WHERE os IN ('b', 'a')"),
        (f"SELECT count() {S} WHERE is_fraud = 0", f"SELECT count() {S} WHERE NOT is_fraud"),
        (f"SELECT count() {S} WHERE is_fraud = 1", f"SELECT count() {S} WHERE is_fraud != 0"),
        (f"SELECT countIf(a = 1) {S}", f"SELECT count() {S} WHERE a = 1"),
        (f"SELECT countIf(a = 1), count() {S}", f"SELECT sum(if(a = 1, 1, 0)), count() {S}"),
        (f"SELECT uniqExact(id) {S}", f"SELECT count(DISTINCT id) {S}"),
        (f"SELECT 100 * countIf(a = 1) / count() {S}", f"SELECT countIf(a = 1) / count() * 100.0 {S}"),
        (f"SELECT count() FROM {INNER} WHERE toYear(first) = 2022", f"WITH f AS {INNER} SELECT count() AS n FROM f WHERE first BETWEEN '2022-01-01' AND '2022-12-31'"),
        (f"SELECT DISTINCT os {S}", f"SELECT os {S} GROUP BY os"),
        (f"SELECT multiIf(a < 3, 'x', 'y') AS c, count() {S} GROUP BY c", f"SELECT CASE WHEN a < 3 THEN 'x' ELSE 'y' END, count() {S} GROUP BY 1"),
        (f"SELECT count() {U} WHERE id IN (SELECT id {S} WHERE a = 1)", f"SELECT count() {U} WHERE id IN (SELECT DISTINCT id {S} WHERE a = 1)"),
        (f"SELECT count() {S} FORMAT JSON", f"SELECT count() {S};"),
    ],
)  # fmt: skip
def test_what_says_the_same_in_other_words_shows_no_difference(one: str, other: str) -> None:
    assert named(one, other) == set()
    assert named(other, one) == set()


def test_several_categories_hold_at_once_each_with_what_shows_it() -> None:
    ours = read_shape(f"SELECT os, sum(r) {S} WHERE toYear(day) = 2023 GROUP BY os")
    theirs = read_shape(f"SELECT browser, avg(r) {S} WHERE toYear(day) = 2022 GROUP BY browser")
    assert ours and theirs
    found = {finding.category: finding.detail for finding in differences(ours, theirs)}
    assert found == {
        "wrong_aggregation": "avg(r), not sum(r)",
        "date_range": "day from 2022-01-01 to 2022-12-31, not day from 2023-01-01 to 2023-12-31",
        "wrong_grouping": "by browser, not by os",
    }


@pytest.mark.parametrize(
    "odd",
    [
        f"SELECT 0 * sum(r), 1e999 * count() {S}",
        f"SELECT sum(r) / 0 {S}",
        f"SELECT count() {S} WHERE day < '0001-01-01' AND toYear(day) = 99999 AND toMonth(day) = 13",
        f"SELECT count() {S} WHERE a IN () AND b IN (SELECT 1) AND (a, b) IN ((1, 2))",
        "SELECT 1",
        "SELECT * FROM numbers(10)",
        "SELECT arrayFilter(x -> x > 1, [1, 2])[1], (SELECT max(a) FROM t), -x, NULL, today() - INTERVAL 1 DAY",
    ],
)
def test_odd_text_of_a_model_stops_nothing(odd: str) -> None:
    for one, other in ((odd, f"SELECT sum(r) {S}"), (f"SELECT sum(r) {S}", odd), (odd, odd)):
        found = diagnose(one, other, verdict("mismatch", "rows"))
        assert found and all(finding.category in LABELS for finding in found)


def test_what_sqlglot_cannot_read_has_no_shape() -> None:
    assert read_shape("SELECT FROM WHERE") is None and read_shape("") is None


def verdict(status: Any, *reasons: str, relaxed: bool = False, **evidence: Any) -> Verdict:
    return Verdict(status=status, strict=False, relaxed=relaxed, reasons=list(reasons), evidence=evidence)


@pytest.mark.parametrize(
    ("code", "kind", "category"),
    [
        (62, "error", "syntax"), (47, "error", "unknown_column"), (60, "error", "unknown_table"),
        (46, "error", "unknown_function"), (81, "error", "unknown_database"), (73, "error", "unknown_format"),
        (43, "error", "wrong_types"), (42, "error", "wrong_types"), (184, "error", "aggregate_misuse"),
        (215, "error", "aggregate_misuse"), (241, "limit", "limit"), (159, "timeout", "limit"), (0, "crashed", "limit"),
        (0, "refused", "refused"), (497, "refused", "refused"), (60, "refused", "unknown_table"), (999, "error", "error"),
    ],
)  # fmt: skip
def test_an_error_of_the_database_is_read_by_its_code(code: int, kind: str, category: str) -> None:
    [finding] = diagnose("SELECT 1", "SELECT 2", verdict("invalid", kind, code=code, message="It fails."))
    assert (finding.category, finding.detail) == (category, "It fails.")


def test_the_databases_own_hint_is_kept() -> None:
    [finding] = diagnose(
        "SELECT 1", "SELECT x", verdict("invalid", "error", code=47, message="Unknown x.", hint="y, z")
    )
    assert finding.detail == "Unknown x. Maybe: y, z."


def test_no_sql_and_answers_to_what_cannot_be_answered_have_categories_of_their_own() -> None:
    [prose] = diagnose("SELECT 1", None, verdict("invalid", "no_sql", error="there is no SQL in the answer"))
    [made_up] = diagnose("", "SELECT 1", verdict("mismatch", "unanswerable"))
    assert (prose.category, made_up.category) == ("no_sql", "unanswerable")


def test_right_answers_and_those_that_cannot_be_judged_have_none() -> None:
    right = Verdict(status="match", strict=True, relaxed=True)
    assert diagnose("SELECT 1", "SELECT 2", right) == []
    assert diagnose("SELECT 1", "SELECT 2", verdict("undetermined", "too_large")) == []


def test_where_the_results_are_nearly_the_same_only_what_they_show_counts() -> None:
    gold, sql = f"SELECT os, r {S} ORDER BY r", f"SELECT os, r {S} WHERE r >= 0"
    assert [f.category for f in diagnose(gold, sql, verdict("mismatch", "order"))] == ["wrong_order"]
    shown = diagnose(gold, sql, verdict("mismatch", "extra_columns", relaxed=True), columns=(2, 3))
    assert [f.category for f in shown] == ["extra_column"]


def test_a_reason_of_the_results_is_named_where_the_queries_show_nothing() -> None:
    found = diagnose(f"SELECT a {S}", f"SELECT a {S} ", verdict("mismatch", "row_count", "duplicates"), columns=(1, 1))
    assert [f.category for f in found] == ["distinct"]
    assert diagnose(f"SELECT a {S}", f"SELECT a {S} ", verdict("mismatch", "rows"))[0].category == "unexplained"


def test_columns_whose_values_differ_are_not_missing() -> None:
    said = verdict("mismatch", "missing_columns")
    assert diagnose("SELECT any(a) FROM t", "SELECT any(a) FROM t", said, columns=(1, 1))[0].category == "unexplained"
    assert diagnose("SELECT f(a) FROM t", "SELECT f(a) FROM t", said, columns=(2, 1))[0].category == "missing_column"


def test_every_category_has_a_label_of_its_own() -> None:
    assert len(set(LABELS.values())) == len(LABELS)


def test_columns_of_0_and_1_are_told_by_the_card() -> None:
    columns = [
        Column(name="Is_On", type="UInt8", values=[0, 1]),
        Column(name="ok", type="Bool"),
        Column(name="n", type="UInt8"),
    ]
    assert find_flags(SchemaCard(tables=[Table(name="a.t", columns=columns)])) == {"is_on", "ok"}
