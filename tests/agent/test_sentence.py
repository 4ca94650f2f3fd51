"""What is said of a result: by the template, and which sentences of a model may stand in its place."""

from __future__ import annotations

from typing import Any

import pytest

from sqlft.agent.chart import choose_chart
from sqlft.agent.sentence import holds, say_result
from sqlft.database import Result


def result(columns: str, types: list[str], *rows: tuple[Any, ...], **more: Any) -> Result:
    return Result(columns.split(), list(rows), types, **more)


def say(found: Result) -> str:
    return say_result(found, choose_chart(found))


COUNTS = result("country users", ["String", "UInt64"], ("Spain", 12), ("France", 512), ("Malta", 44))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (result("users", ["UInt64"], (1234567,)), "The answer is 1,234,567 (users)."),
        (result("year", ["UInt16"], (2023,)), "The answer is 2023 (year)."),
        (result("share", ["Float64"], (0.123456,)), "The answer is 0.123 (share)."),
        (result("total", ["Nullable(Decimal(9, 2))"], ("12.30",)), "The answer is 12.30 (total)."),
        (
            result("country users share", ["String", "UInt64", "Float64"], ("Spain", 12, 3.14159)),
            "The answer is Spain (country), with 12 (users) and 3.14 (share).",
        ),
        (result("day", ["Nullable(Date)"], (None,)), "There is no value for day: the query ran and gave NULL."),
        (COUNTS, "There are 3 rows; users is greatest, 512 for France, and least, 12 for Spain."),
        (
            result("os n", ["String", "UInt8"], ("a", 3), ("b", 3)),
            "There are 2 rows, and n is 3 in each of them.",
        ),
        (
            result("os browser n", ["String", "String", "UInt8"], ("a", "x", 3), ("b", "y", 4)),
            "There are 2 rows of os, browser and n; the first is a, x and 3.",
        ),
        (
            result("id", ["UInt64"], (1,), (2,), total_rows=20_000),
            "There are 20,000 rows of id, of which 2 are shown; the first is 1.",
        ),
    ],
)
def test_the_template_says_what_the_result_holds(found: Result, said: str) -> None:
    assert say(found) == said


def test_a_result_without_rows_is_said_to_have_run() -> None:
    assert "gave no rows" in say(result("n", ["UInt8"]))


ONE = result("revenue", ["Float64"], (1234567.891,))


@pytest.mark.parametrize(
    ("sentence", "found", "stands"),
    [
        ("In 2023 France had 512 users, Spain 12.", COUNTS, True),
        ("All 3 countries are small.", COUNTS, True),
        ("France had 521 users in 2023.", COUNTS, False),
        ("France had 500 more users than Spain in 2023.", COUNTS, False),
        ("France had forty-four users in 2023.", COUNTS, False),
        ("There were 12 million users in Spain.", COUNTS, False),
        ("There were 12k users in Spain.", COUNTS, False),
        ("France had most.\nSpain had least.", COUNTS, False),
        ("SELECT 512 FROM France", COUNTS, False),
        ("", COUNTS, False),
        ("The revenue was 1,234,567.89.", ONE, True),
        ("The revenue was 1,234,568.", ONE, True),
        ("The revenue was 1,200,000.", ONE, False),
        ("The revenue was 1234567.80.", ONE, False),
        ("The revenue was -1,234,567.89.", ONE, False),
        ("The revenue in 2023 was high.", ONE, False),
        ("It was 3 users less.", result("change", ["Int64"], (-3,)), False),
        ("It changed by -3 users.", result("change", ["Int64"], (-3,)), True),
        ("It is 0% of them.", result("share", ["Float64"], (0.4,)), False),
        ("The first was on 2021-03-04.", result("day", ["Date"], ("2021-03-04",)), True),
        ("The first was on 2021-03-05.", result("day", ["Date"], ("2021-03-04",)), False),
        ("The total is 12.30.", result("total", ["Decimal(9, 2)"], ("12.30",)), True),
        ("Users in France's south and Malta's: 512 and 44.", COUNTS, True),
        ("Germany had 512 users.", COUNTS, False),
        ("France had 512 users, Germany 12.", COUNTS, False),
        ("France had 512 users on Mac OS.", COUNTS, True),
        ("France had 512 users on iOS.", COUNTS, False),
        ("In 'malta' there were 44 users.", COUNTS, True),
        ("In 'peru' there were 44 users.", COUNTS, False),
        ("In “peru” there were 44 users.", COUNTS, False),
        ("France had 512 USD.", COUNTS, False),
    ],
)
def test_a_models_sentence_stands_where_each_of_its_figures_and_names_does(
    sentence: str, found: Result, stands: bool
) -> None:
    sql = "SELECT country, count() AS users FROM shop.users WHERE os = 'Mac OS' GROUP BY country"
    assert holds(sentence, found, "How many users in 2023?", sql) is stands
