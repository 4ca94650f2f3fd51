"""Files are cut into statements with their questions, and tables get their databases."""

from pathlib import Path

import pytest

from sqlft.database import QueryRefused
from sqlft.dataset.harvest.sql_files import read_sql_files, split_statements
from sqlft.dataset.harvest.statements import Found, admit, name_tables
from sqlft.problems import WrongUse
from tests.dataset.harvest.people import CARD

FILE = """-- Reports of the sales team, 2023

-- How many people live in France?
SELECT count() FROM people WHERE country = 'France; or -- not'; -- trailing

/* Question: who called longest,
 * by country */
SELECT 1 /* ; */ FROM calls;
-- dashboards/tile 7
SELECT 2;;
-- anybody older than 50
SELECT 3
"""


def test_a_file_is_cut_at_semicolons_outside_strings_and_comments():
    found = list(split_statements(FILE))
    assert [statement for statement, _, _ in found] == [
        "SELECT count() FROM people WHERE country = 'France; or -- not'",
        "SELECT 1 /* ; */ FROM calls",
        "SELECT 2",
        "SELECT 3",
    ]
    assert [line for _, _, line in found] == [4, 8, 10, 12]


def test_a_comment_above_is_the_question_where_it_asks():
    questions = [question for _, question, _ in split_statements(FILE)]
    assert questions == ["How many people live in France?", "who called longest, by country", "", ""]


@pytest.mark.parametrize("text", ["", " \n", "-- nothing\n", ";;", "/* a */;"])
def test_a_file_without_statements_has_none(text):
    assert list(split_statements(text)) == []


def test_every_file_that_cannot_be_read_is_said(tmp_path):
    (tmp_path / "latin.sql").write_bytes("SELECT 'é'".encode("latin-1"))
    with pytest.raises(WrongUse) as error:
        (tmp_path / "bare.sql").write_text("-- nothing yet\n;")
        read_sql_files([Path("none.sql"), tmp_path / "latin.sql", tmp_path / "bare.sql"])
    assert len(error.value.problems) == 3 and "holds no statement" in str(error.value) and "UTF-8" in str(error.value)


@pytest.mark.parametrize(
    ("sql", "database", "named"),
    [
        ("SELECT 1 FROM people", "", "SELECT 1 FROM crm.people"),
        ("SELECT 1 FROM people", "other", "SELECT 1 FROM other.people"),
        ("SELECT 1 FROM crm.people AS people", "other", "SELECT 1 FROM crm.people AS people"),
        (
            "SELECT people.country FROM people JOIN `calls` AS c USING person_id",
            "crm",
            "SELECT people.country FROM crm.people JOIN crm.`calls` AS c USING person_id",
        ),
        ("WITH calls AS (SELECT 1 FROM people) SELECT 1 FROM calls", "crm",
         "WITH calls AS (SELECT 1 FROM crm.people) SELECT 1 FROM calls"),
        ("SELECT 1 FROM numbers(3), people", "", "SELECT 1 FROM numbers(3), crm.people"),
        ("SELECT 1 FROM unheard", "", "SELECT 1 FROM unheard"),
        ("SELECT FROM (", "crm", "SELECT FROM ("),
    ],
)  # fmt: skip
def test_a_table_without_a_database_gets_the_one_that_it_was_read_in(sql, database, named):
    assert name_tables(sql, database, CARD) == named


def test_a_statement_is_admitted_on_one_line_without_comments_and_format():
    found = Found("SELECT 1, -- all\n  'a\n' FROM people SETTINGS join_use_nulls = 1 FORMAT Native", database="crm")
    with pytest.raises(QueryRefused, match="not a text format"):
        admit(found, CARD)
    found = Found("SELECT 1, -- all\n  'a\n' FROM people SETTINGS join_use_nulls = 1 FORMAT JSON;", database="crm")
    sql = admit(found, CARD)
    assert sql == "SELECT 1, 'a\n' FROM crm.people SETTINGS join_use_nulls = 1"


@pytest.mark.parametrize(
    "sql",
    ["DROP TABLE people", "SELECT 1 FROM other.people", "SELECT 1 FROM system.users", "SELECT (", "SELECT {a:Int}"],
)
def test_what_the_guard_refuses_is_refused(sql):
    with pytest.raises(QueryRefused):
        admit(Found(sql), CARD)
