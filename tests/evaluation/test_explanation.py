"""Queries in words: what they do, and what their writer has assumed."""

import datetime
from pathlib import Path

import pytest

from sqlft.card import SchemaCard
from sqlft.evaluation.explanation import explain

CARD = SchemaCard.load(Path(__file__).parent.parent.parent / "data" / "ecommerce" / "schema.yaml")
DAY = datetime.date(2024, 12, 31)


def told(sql):
    found = explain(sql, CARD, DAY)
    return " ".join(found.does), " ".join(found.assumes)


def test_tables_joins_filters_groups_order_limit_and_totals_are_told_in_their_order():
    does, assumes = told(
        "SELECT u.country AS country, count() AS sessions, 100 * sum(s.revenue) AS cents FROM ecommerce.sessions AS s "
        "JOIN ecommerce.users AS u ON u.user_id = s.user_id WHERE toYear(s.action_date) = 2023 AND s.os = 'Linux' "
        "GROUP BY country WITH TOTALS ORDER BY sessions DESC, country LIMIT 3"
    )
    sentences = [
        "It reads sessions and users.",
        "Joins rows where user_id = user_id.",
        "action_date from 2023-01-01 to 2023-12-31",
        "It groups by country.",
        "It gives country, the number of rows and 100 times the sum of revenue.",
        "It sorts by the number of rows, greatest first; then by country.",
        "It stops after 3 rows.",
        "It adds a row of totals.",
    ]
    places = [does.find(sentence) for sentence in sentences]
    assert places == sorted(places) and places[0] == 0 and "os = 'Linux'" in does
    assert "The period: action_date from 2023-01-01 to 2023-12-31." in assumes
    assert "os is compared with 'Linux', one of the values" in assumes and "tie with the last one" in assumes


def test_a_value_that_the_card_does_not_list_is_pointed_at():
    assert "'Holland', none of the values" in told("SELECT count() FROM ecommerce.users WHERE country = 'Holland'")[1]


def test_no_period_is_an_assumption_too():
    assumes = told("SELECT count() FROM ecommerce.sessions WHERE revenue > 0")[1]
    assert "No period: all days count (action_date from 2021-01-01 to 2024-12-31 by the schema card)." in assumes
    assert "The bound or value: revenue > 0." in assumes
    inner = told("SELECT countIf(toYear(action_date) = 2023) FROM ecommerce.sessions")[1]
    assert "No period" not in inner and "No period" not in told("SELECT count() FROM ecommerce.users")[1]


def test_today_is_the_recipes():
    assert "Today is 2024-12-31" in told("SELECT count() FROM ecommerce.sessions WHERE action_date = today()")[1]


def test_inner_queries_are_told_with_the_outer_one():
    sql = "SELECT count() FROM (SELECT user_id FROM ecommerce.sessions GROUP BY user_id HAVING count() > 3)"
    assert "told together" in told(sql)[0] and "the number of rows > 3" in told(sql)[0]


@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT * FROM ecommerce.users"])
def test_a_query_of_little_is_told_too(sql):
    assert told(sql)[0]
