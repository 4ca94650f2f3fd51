import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlft.inference.extract import declines, extract_sql

SQL = "SELECT country, count() FROM shop.users WHERE name != 'a;b' GROUP BY country ORDER BY 2 DESC LIMIT 3"
WITH = "WITH t AS (SELECT 1 AS a)\n\nSELECT a FROM t"


@pytest.mark.parametrize(
    "sql", [SQL, WITH, SQL.lower(), f"({SQL}) UNION ALL ({SQL})", SQL.replace(" FROM", "\n\nFROM")]
)
@pytest.mark.parametrize(
    "answer",
    [
        "{}",
        "{};",
        "  {} ;\n\n",
        "```sql\n{}\n```",
        "```\n{};\n```",
        "```sql\n{}",
        "```clickhouse\n{}\n```\nIt counts the users of each country.",
        "Here is the query:\n\n```sql\n{}\n```\n\nAlternatively:\n\n```sql\nSELECT 2\n```",
        "SQL: {}",
        "SQL query: {}",
        "**Answer:** {}",
        "The query is:\n{}\n\nThis query counts the users of each country.",
        "{};\n\nFrom this you see the countries.",
        "{}; This selects three.",
        "<think>SELECT would do, or ```sql\nSELECT 9\n```</think>\n{}",
    ],
)
def test_the_sql_comes_out_untouched_whatever_stands_around_it(answer, sql):
    assert extract_sql(answer.format(sql)) == sql


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot answer this.",
        "You should pick the users first.",
        "```python\nprint(1)\n```",
        "DROP TABLE x",
        "The shop does not record that, and I cannot answer with a SELECT.",
        "This wants a SELECT: there is nothing to SELECT, and no SELECT statement helps",
    ],
)
def test_where_no_select_is_there_is_no_sql(text):
    assert extract_sql(text) is None


@pytest.mark.parametrize(
    ("text", "says_so"),
    [
        ("The tables hold no information on costs.", True),
        ("There’s no way to tell; the data doesn’t include it.", True),
        ("No products are recorded.", True),
        ("It can not be determined, as the schema has nothing about hours.", True),
        ("It rained.", False),
        ("The best month was May, with 42 sessions.", False),
        ("", False),
    ],
)
def test_an_answer_declines_where_it_says_what_is_not_there(text, says_so):
    assert declines(text) is says_so


def test_inline_code_is_found_in_a_sentence():
    assert extract_sql("Use `SELECT count() FROM t`.") == "SELECT count() FROM t"
    assert extract_sql("SELECT 1 AS `WITH tax`, 2 AS `SELECT it`") == "SELECT 1 AS `WITH tax`, 2 AS `SELECT it`"


def test_prose_that_selects_is_passed_over_for_the_query():
    assert extract_sql("I would SELECT by country, so:\nSELECT 1 FROM t") == "SELECT 1 FROM t"


def test_a_second_statement_is_left_for_the_gate_to_refuse():
    both = "SELECT 1; DROP TABLE users"
    assert extract_sql(both) == both
    assert extract_sql("INSERT INTO t SELECT 1") == "INSERT INTO t SELECT 1"
    assert extract_sql("```sql\nINSERT INTO t SELECT 1\n```") == "INSERT INTO t SELECT 1"


def test_semicolons_and_blank_lines_inside_text_and_comments_stay():
    sql = "SELECT 'a;\n\nb', -- first; second\n/* c;\n\nd */ 1"
    assert extract_sql(sql + ";\n\nDone.") == sql


@settings(max_examples=50)
@given(st.text())
def test_what_comes_out_is_always_a_slice_of_the_answer(text):
    found = extract_sql("SELECT " + text)
    assert found is None or found in "SELECT " + text
