import pytest

from sqlft.dataset.lint.literals import nearest, out_of_range, unknown_literals
from tests.dataset.lint.pairs import BOTH, S, U, codes, pair


@pytest.mark.parametrize(
    ("condition", "near"),
    [
        ("country = 'German'", "Germany"),
        ("country IN ('France', 'UK')", "United Kingdom"),
        ("country != 'germany'", "Germany"),
        ("lower(country) = 'German'", "Germany"),
        ("country LIKE '%Holland%'", "Netherlands"),
        ("country = 'United States'", ""),
    ],
)
def test_a_value_that_the_column_does_not_hold_is_told_with_the_nearest(condition, near):
    [remark] = unknown_literals(pair("?", f"SELECT count() FROM {U} WHERE {condition}"))
    assert (remark.code, remark.level) == ("unknown_literal", "error")
    assert remark.fix == (f"Write {near!r}." if near else "Write one of France, Germany, Netherlands, United Kingdom.")


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count() FROM {U} WHERE lower(country) = 'germany'",
        f"SELECT count() FROM {U} WHERE country LIKE 'Ger%'",
        f"SELECT if(os IN ('iOS', 'Android'), 'mobile', 'desktop') AS device FROM {S} GROUP BY device",
        f"SELECT country AS c FROM {U} WHERE c = 'France'",
        f"SELECT 1 FROM (SELECT argMin(os, action_date) AS first FROM {S} GROUP BY user_id) WHERE first = 'Linux'",
    ],
)
def test_values_that_are_held_are_not_told(sql):
    assert codes(unknown_literals(pair("?", sql))) == []


def test_a_value_is_found_behind_an_alias_and_a_value_keeping_aggregate():
    sql = f"SELECT 1 FROM (SELECT argMin(os, action_date) AS first FROM {S} GROUP BY user_id) WHERE first = 'OS X'"
    [remark] = unknown_literals(pair("?", sql))
    assert remark.edit == ("'OS X'", "'macOS'")


@pytest.mark.parametrize(
    ("condition", "beyond"),
    [
        ("toYear(action_date) = 2025", True),
        ("toStartOfMonth(action_date) = '2025-01-01'", True),
        ("action_date >= '2025-01-01'", True),
        ("action_date < '2021-01-01'", True),
        ("toYYYYMM(action_date) = 202012", True),
        ("toYear(action_date) = 2024", False),
        ("action_date < '2025-01-01'", False),
        ("action_date >= '2020-01-01'", False),
        ("toYear(action_date) > 2021", False),
        ("session_duration > 1423", True),
        ("session_duration > 1400", False),
    ],
)
def test_what_no_row_can_pass_is_out_of_range(condition, beyond):
    found = codes(out_of_range(pair("?", f"SELECT count() FROM {S} WHERE {condition}")))
    assert found == (["out_of_range"] if beyond else [])


def test_flags_have_a_range_too():
    assert codes(out_of_range(pair("?", f"SELECT count() FROM {BOTH} WHERE u.is_active = 2"))) == ["out_of_range"]


@pytest.mark.parametrize(
    ("value", "known", "near"),
    [
        ("windows", ["Windows", "Linux"], "Windows"),
        ("Windows 10", ["Windows", "Linux"], "Windows"),
        ("Microsoft Edge", ["Chrome", "Edge"], "Edge"),
        ("Grmany", ["France", "Germany"], "Germany"),
        ("Atlantis", ["France", "Germany"], ""),
    ],
)
def test_nearest(value, known, near):
    assert nearest(value, known) == near
