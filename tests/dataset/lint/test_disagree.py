"""Question and SQL: what is said of both, and what must stay silent."""

import pytest

from sqlft.dataset.lint.dates import dates_disagree
from sqlft.dataset.lint.numbers import numbers_disagree
from sqlft.dataset.lint.shape import (
    grouping_asked,
    grouping_unasked,
    percentage_without_hundred,
    superlative_without_order,
)
from sqlft.dataset.lint.values import terms_disagree, values_disagree
from tests.dataset.lint.pairs import BOTH, S, U, pair

CHECKS = (
    dates_disagree,
    numbers_disagree,
    values_disagree,
    terms_disagree,
    superlative_without_order,
    percentage_without_hundred,
    grouping_asked,
    grouping_unasked,
)


def said_by(question, sql):
    return {check.__name__ for check in CHECKS for _ in check(pair(question, sql))}


@pytest.mark.parametrize(
    ("question", "sql", "check"),
    [
        ("How many sessions in 2022?", f"SELECT count() FROM {S} WHERE toYear(action_date) = 2023", "dates_disagree"),
        ("How many sessions in 2022?", f"SELECT count() FROM {S}", "dates_disagree"),
        ("How many sessions are there?", f"SELECT count() FROM {S} WHERE toYear(action_date) = 2023", "dates_disagree"),
        (
            "How many sessions in May 2022?",
            f"SELECT count() FROM {S} WHERE toStartOfMonth(action_date) = '2022-06-01'",
            "dates_disagree",
        ),
        (
            "How many sessions in May 2022?",
            f"SELECT count() FROM {S} WHERE toYear(action_date) = 2022",
            "dates_disagree",
        ),
        (
            "How many sessions in Q2 2022?",
            f"SELECT count() FROM {S} WHERE toStartOfQuarter(action_date) = '2022-07-01'",
            "dates_disagree",
        ),
        (
            "How many sessions on 15 May 2022?",
            f"SELECT count() FROM {S} WHERE action_date = '2022-05-16'",
            "dates_disagree",
        ),
        ("How many users are over 65?", f"SELECT count() FROM {U} WHERE age > 60", "numbers_disagree"),
        ("How many users are there?", f"SELECT count() FROM {U} WHERE age > 60", "numbers_disagree"),
        (
            "The top five countries by users",
            f"SELECT country, count() AS n FROM {U} GROUP BY country ORDER BY n DESC LIMIT 3",
            "numbers_disagree",
        ),
        ("How many sessions on Linux?", f"SELECT count() FROM {S} WHERE os = 'macOS'", "values_disagree"),
        ("How many sessions on iPhones?", f"SELECT count() FROM {S}", "values_disagree"),
        ("How many Dutch users?", f"SELECT count() FROM {U} WHERE country = 'France'", "values_disagree"),
        ("How many sessions?", f"SELECT count() FROM {S} WHERE os = 'macOS'", "values_disagree"),
        ("Sessions by browser", f"SELECT os, count() FROM {S} GROUP BY os", "values_disagree"),
        ("How many purchases were there?", f"SELECT count() FROM {S}", "terms_disagree"),
        ("What is the average purchase revenue?", f"SELECT avg(revenue) FROM {S}", "terms_disagree"),
        ("How many active users are there?", f"SELECT count() FROM {U}", "terms_disagree"),
        ("How many weekend sessions?", f"SELECT count() FROM {S} WHERE session_duration > 0", "terms_disagree"),
        (
            "Which os has the most sessions?",
            f"SELECT os, count() FROM {S} GROUP BY os",
            "superlative_without_order",
        ),
        (
            "What percentage of sessions is fraudulent?",
            f"SELECT countIf(is_fraud = 1) / count() FROM {S}",
            "percentage_without_hundred",
        ),
        (
            "How many users have an account?",
            f"SELECT 100 * count() / 2 FROM {U}",
            "percentage_without_hundred",
        ),
        ("How many sessions for each month?", f"SELECT count() FROM {S}", "grouping_asked"),
        ("How many users in each age group?", f"SELECT count() FROM {U}", "grouping_asked"),
        ("How many sessions were there?", f"SELECT os, count() FROM {S} GROUP BY os", "grouping_unasked"),
        (
            "How many sessions were there?",
            f"SELECT toStartOfMonth(action_date) AS m, count() FROM {S} GROUP BY m",
            "grouping_unasked",
        ),
    ],
)
def test_question_and_sql_disagree(question, sql, check):
    assert check in said_by(question, sql)


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        (
            "How many purchases in 2023?",
            f"SELECT count() FROM {S} WHERE revenue > 0 AND action_date >= '2023-01-01' AND action_date < '2024-01-01'",
        ),
        ("How many sessions after 2022?", f"SELECT count() FROM {S} WHERE action_date >= '2023-01-01'"),
        (
            "How many sessions were there before July 2023?",
            f"SELECT count() FROM {S} WHERE action_date < '2023-07-01'",
        ),
        (
            "What was the share of users on Windows yesterday?",
            f"SELECT 100 * uniqExactIf(user_id, os = 'Windows') / uniqExact(user_id) FROM {S}"
            " WHERE action_date = today() - 1",
        ),
        ("How many sessions lasted more than 10 minutes?", f"SELECT count() FROM {S} WHERE session_duration > 600"),
        ("How many users are at least 60?", f"SELECT count() FROM {U} WHERE age > 59"),
        (
            "In which months of 2023 did fewer than 10% of the sessions end in a purchase?",
            f"SELECT toStartOfMonth(action_date) AS month FROM {S} WHERE toYear(action_date) = 2023 GROUP BY month"
            " HAVING countIf(revenue > 0) < 0.1 * count()",
        ),
        (
            "Revenue of mobile users in the UK",
            f"SELECT sum(revenue) FROM {BOTH} WHERE os IN ('iOS', 'Android') AND country = 'United Kingdom'",
        ),
        (
            "Compare the sessions of Chrome, Edge, Firefox and Safari",
            f"SELECT browser, count() FROM {S} GROUP BY browser",
        ),
        (
            "What was the total revenue of all purchases?",
            f"SELECT sum(revenue) FROM {S}",
        ),
        (
            "Show the daily number of active users for the last 7 days of 2024.",
            f"SELECT action_date, uniqExact(user_id) FROM {S} WHERE action_date BETWEEN '2024-12-25' AND '2024-12-31'"
            " GROUP BY action_date",
        ),
        ("How many users made at most three visits?", f"SELECT count() FROM {U} WHERE age <= 3"),
        (
            "How many sessions per day were there on average in March 2024?",
            f"SELECT count() / uniqExact(action_date) FROM {S} WHERE toStartOfMonth(action_date) = '2024-03-01'",
        ),
        (
            "For each year, on which day was the revenue highest?",
            f"SELECT toYear(day) AS year, argMax(day, daily) FROM (SELECT action_date AS day, sum(revenue) AS daily"
            f" FROM {S} GROUP BY day) GROUP BY year",
        ),
        (
            "What share of the first-time users of the first quarter of 2023 came again in the second?",
            f"SELECT 100 * countIf(b > 0) / count() FROM (SELECT countIf(toStartOfQuarter(action_date) = '2023-01-01')"
            f" AS a, countIf(toStartOfQuarter(action_date) = '2023-04-01') AS b FROM {S} GROUP BY user_id) WHERE a > 0",
        ),
    ],
)
def test_question_and_sql_agree(question, sql):
    assert said_by(question, sql) == set()
