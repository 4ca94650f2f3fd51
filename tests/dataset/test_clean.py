import pytest

from sqlft.database import QueryError, QueryRefused, Result
from sqlft.dataset.clean import STEPS, clean, count_validity
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.records import Example

ONE = Result(columns=["n"], rows=[(1,)])
NONE = Result(columns=["n"], rows=[])
GOLDEN = [
    Example(question="How many users are there?", sql="SELECT count() FROM shop.users FORMAT TabSeparatedWithNames")
]


def result(rows, total=None):
    return Result(columns=["n"], rows=[(n,) for n in range(rows)], total_rows=total)


def reasons(pairs, max_rows=100):
    """(reason or '') of each (question, sql, outcome)."""
    examples = [Example(id=str(place), question=question, sql=sql) for place, (question, sql, _) in enumerate(pairs)]
    cleaned = clean(examples, [outcome for _, _, outcome in pairs], GOLDEN, max_rows)
    found = {item.example.id: item.reason for item in cleaned.rejected}
    assert [example.id for example in cleaned.kept] == [e.id for e in examples if e.id not in found]
    return [found.get(example.id, "") for example in examples]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (ONE, ""),
        (QueryError("no such column", 47, "UNKNOWN_IDENTIFIER"), "error"),
        (QueryRefused("INSERT is not allowed"), "refused"),
        (QueryError("too slow", kind="timeout"), "timeout"),
        (QueryError("too much memory", kind="limit"), "limit"),
        (QueryError("the child died", kind="crashed"), "crashed"),
        (NONE, "empty"),
        (result(100), ""),
        (result(101), "too_many_rows"),
        (result(50, total=10**6), "too_many_rows"),
    ],
)
def test_a_pair_goes_by_what_its_query_gave(outcome, reason):
    assert reasons([("How old is the oldest user?", "SELECT max(age) FROM shop.users", outcome)]) == [reason]


def test_a_blank_question_goes():
    assert reasons([(" ?", "SELECT 1", ONE)]) == ["blank_question"]


def test_the_second_of_two_same_questions_goes_case_and_blanks_aside():
    pairs = [
        ("How  old are they?", "SELECT 1", ONE),
        ("HOW OLD are they", "SELECT 2", ONE),
        ("How old are we?", "SELECT 1", ONE),
    ]
    assert reasons(pairs) == ["", "duplicate_question", ""]


def test_two_equal_pairs_are_one():
    sql = "SELECT 1"
    assert reasons([("Why?", sql, ONE), ("Why?", sql, ONE)]) == ["", "duplicate_question"]


def test_of_two_same_questions_the_one_that_runs_is_kept():
    assert reasons([("How many?", "SELEC 1", QueryError("syntax")), ("How many?", "SELECT 1", ONE)]) == ["error", ""]


@pytest.mark.parametrize(
    ("question", "sql", "reason"),
    [
        ("how many users   are there", "SELECT 1", "golden_question"),
        ("Count the users.", "select COUNT( ) from shop.users;", "golden_sql"),
        ("Count the users.", "SELECT count() FROM shop.users -- all\nFORMAT CSV", "golden_sql"),
        ("How many users were there?", "SELECT count() + 0 FROM shop.users", ""),
    ],
)
def test_nothing_golden_comes_through(question, sql, reason):
    assert reasons([(question, sql, ONE)]) == [reason]


def test_what_is_dropped_keeps_its_evidence():
    examples = [Example(question="A?", sql="x"), Example(question="B?", sql="y"), Example(question="a", sql="z")]
    cleaned = clean(examples, [ONE, QueryError("Maybe you meant age", 47, "UNKNOWN_IDENTIFIER"), ONE], GOLDEN, 100)
    assert [(item.reason, item.evidence) for item in cleaned.rejected] == [
        ("error", "UNKNOWN_IDENTIFIER (47): Maybe you meant age"),
        ("duplicate_question", "x"),
    ]


def test_counts_of_the_steps_add_up():
    examples = [Example(question=f"{n}?", sql="x") for n in range(5)] + [Example(question="4?", sql="x")]
    cleaned = clean(examples, [QueryError("no"), result(200), NONE, ONE, ONE, ONE], GOLDEN, 100)
    assert [name for name, _, _ in cleaned.steps] == [step.__name__ for step in STEPS]
    came = 6
    for _, arrived, dropped in cleaned.steps:
        assert arrived == came
        came -= dropped
    assert came == len(cleaned.kept) == 2


def test_validity_counts_with_and_without_the_format_clause():
    outcomes = [
        ONE,
        Result(["n"], [(1,)], format="TABSEPARATEDWITHNAMES"),
        Result(["n"], [(1,)], format="CSV"),
        QueryError("no"),
    ]
    counts = {"queries": 4, "run": 3, "run_with_format_clause": 2, "run_with_format_as_asked": 1}
    assert count_validity(outcomes, format_clause=True) == counts
    assert count_validity(outcomes, format_clause=False) == counts


def test_folding_keeps_strings_apart():
    assert fold_sql("SELECT  1 -- one\n") == fold_sql("select 1;")
    assert fold_sql("SELECT a>=1") == fold_sql("select A >= 1")
    assert fold_sql("SELECT 'Opera  Mini'") != fold_sql("SELECT 'Opera Mini'")
    assert fold_sql("SELECT 'Opera'") != fold_sql("SELECT 'opera'")
    assert fold_sql("SELECT '-- no comment', 1") != fold_sql("SELECT '-- no comment', 2")
    assert fold_question(" Straße  NORD? ") == fold_question("STRASSE nord")
