import datetime

import pytest

from sqlft.database import QueryError, QueryRefused
from sqlft.dataset.lint.outcomes import degenerate, failures, sizes
from sqlft.dataset.lint.unsteady import approximations, relative_dates
from tests.dataset.lint.pairs import S, U, codes, pair, result


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (QueryError("Syntax error", 62, "SYNTAX_ERROR"), "parse"),
        (QueryRefused("It cannot be read as a SELECT, so what it reads is not known."), "parse"),
        (QueryRefused("INTO OUTFILE writes a file: leave it out."), "not_allowed"),
        (QueryError("Unknown identifier", 47, "UNKNOWN_IDENTIFIER", "revenue"), "runs"),
        (QueryError("too slow", kind="timeout"), "runs"),
    ],
)
def test_a_failure_has_its_code(outcome, code):
    assert codes(failures(pair("What?", f"SELECT 1 FROM {S}", outcome))) == [code]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("", "parse"),
        ("SELECT count( FROM t", "parse"),
        ("DROP TABLE t", "not_allowed"),
        ("SELECT 1; SELECT 2", "parse"),
        ("SELECT 1", None),
    ],
)
def test_without_a_database_the_text_alone_is_judged(sql, code):
    assert codes(failures(pair("What?", sql, card=None))) == ([code] if code else [])


@pytest.mark.parametrize(
    ("sql", "rows", "found"),
    [
        (f"SELECT count() FROM {S}", [(0,)], True),
        (f"SELECT avg(age) FROM {U}", [(float("nan"),)], True),
        (f"SELECT max(age) FROM {U}", [(None,)], True),
        (f"SELECT min(action_date) FROM {S}", [("1970-01-01",)], True),
        (f"SELECT min(age) FROM {U}", [(0,)], True),
        (f"SELECT min(revenue) FROM {S}", [(0.0,)], False),
        (f"SELECT os, countIf(is_fraud = 1) FROM {S} GROUP BY os", [("iOS", 0), ("Linux", 0)], True),
        (f"SELECT os, countIf(is_fraud = 1) FROM {S} GROUP BY os", [("iOS", 0), ("Linux", 1)], False),
        (f"SELECT DISTINCT is_fraud FROM {S}", [(0,), (1,)], False),
    ],
)
def test_an_answer_of_nothing_is_degenerate(sql, rows, found):
    assert codes(degenerate(pair("What?", sql, result(*rows)))) == (["degenerate"] if found else [])


@pytest.mark.parametrize(
    "condition", ["os = 'iOS' AND os = 'Linux'", "action_date BETWEEN '2022-06-30' AND '2022-03-01'"]
)
def test_a_condition_that_no_row_passes_is_degenerate(condition):
    assert codes(degenerate(pair("What?", f"SELECT os FROM {S} WHERE {condition}"))) == ["degenerate"]


def test_sizes():
    assert codes(sizes(pair("What?", "SELECT 1", result()), 2)) == ["empty"]
    assert codes(sizes(pair("What?", "SELECT 1", result((1,), (2,), (3,))), 2)) == ["too_many_rows"]
    assert codes(sizes(pair("What?", "SELECT 1", result((1,), (2,))), 2)) == []


def test_a_relative_date_is_told_and_fixed():
    [remark] = relative_dates(
        pair("What?", f"SELECT 1 FROM {S} WHERE action_date = today() - 1"), datetime.date(2024, 12, 31)
    )
    assert remark.level == "warning" and remark.edit and "toDate('2024-12-31') - 1" in remark.edit[1]


@pytest.mark.parametrize(
    ("sql", "fix"),
    [
        ("SELECT uniq(user_id) FROM t", "Write uniqExact."),
        ("SELECT quantile(0.5)(age) FROM t", "Write quantileExactInclusive."),
        ("SELECT any(os) FROM t", ""),
    ],
)
def test_an_approximation_is_told_with_the_exact_function(sql, fix):
    [remark] = approximations(pair("What?", sql))
    assert (remark.code, remark.fix) == ("approximate", fix)


def test_exact_functions_and_columns_of_such_names_are_not_told():
    assert codes(approximations(pair("What?", "SELECT uniqExact(a), median FROM t"))) == []
