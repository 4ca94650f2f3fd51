import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlft.database.clauses import split_format, statements, tokens


@pytest.mark.parametrize(
    ("sql", "rest", "name"),
    [
        ("SELECT 1 FORMAT TabSeparatedWithNames", "SELECT 1 ", "TABSEPARATEDWITHNAMES"),
        ("select 1 format tsv ; -- done", "select 1   -- done", "TSV"),
        ("SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "SELECT 1  SETTINGS max_threads = 1", "CSV"),
        ("SELECT * /* FORMAT CSV */ FORMAT -- x\n JSON", "SELECT * /* FORMAT CSV */ ", "JSON"),
        ("SELECT $x$ FORMAT CSV; $x$ FORMAT `TSV`", "SELECT $x$ FORMAT CSV; $x$ ", "TSV"),
        ("SELECT a FROM t GROUP BY format FORMAT TSV", "SELECT a FROM t GROUP BY format ", "TSV"),
    ],
)
def test_takes_a_format_clause_off_and_nothing_else(sql: str, rest: str, name: str) -> None:
    assert split_format(sql) == (rest, name)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'x FORMAT TSV'",
        "SELECT 'it''s \\' FORMAT TSV'",
        "SELECT `FORMAT TSV` FROM t",
        "SELECT ‘x’ -- FORMAT TSV",
        "SELECT format('{}', x)",
        "SELECT a FROM t ORDER BY format DESC",
        "SELECT a FROM t ORDER BY t.format ASC",
        "SELECT a FROM format f",
        "SELECT 1 AS format SETTINGS max_threads = 1",
        "SELECT a FROM t WHERE x IN (SELECT y FORMAT TSV)",
        "SELECT /* a /* nested */ FORMAT TSV */ 1",
    ],
)
def test_leaves_what_only_looks_like_a_format_clause(sql: str) -> None:
    assert split_format(sql) == (sql, "")


@pytest.mark.parametrize(
    ("sql", "count"),
    [("SELECT 1", 1), ("SELECT 1;;\n", 1), ("SELECT ';' -- ;\n /* ; */", 1), ("SELECT 1; SELECT 2", 2), (" -- x", 0)],
)
def test_counts_statements(sql: str, count: int) -> None:
    assert statements(sql) == count


@pytest.mark.parametrize("sql", ["SELECT 'x", "SELECT `x", "SELECT /* x", "SELECT /* a /* b */ c */ 1", "SELECT “x"])
def test_calls_broken_what_engines_disagree_on(sql: str) -> None:
    assert "broken" in {token.kind for token in tokens(sql)}


@given(st.text(alphabet="aF1'\"`\\;/*-#$ ‘’“\n().", max_size=60))
def test_tokens_joined_are_the_text(sql: str) -> None:
    assert "".join(token.text for token in tokens(sql)) == sql
