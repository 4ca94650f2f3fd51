from typing import get_args

import pytest

from sqlft.database import QueryError, QueryRefused, Result
from sqlft.dataset.clean import Waterfall, count_validity
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.dataset.lint import rowwise
from sqlft.dataset.steps import ROW_STEPS, SET_STEPS
from sqlft.recipe import Clean, CleaningStep, Recipe
from sqlft.records import Example
from tests.dataset.lint.pairs import CARD, DATA, S, U

ONE = Result(columns=["n"], rows=[(7,)])
NONE = Result(columns=["n"], rows=[])
NAMES = [step.__name__ for step in (*ROW_STEPS, *SET_STEPS)]


def rows(count, total=None):
    return Result(columns=["n"], rows=[(n,) for n in range(count)], total_rows=total)


class Database:
    """Gives each statement the outcome that it was given, and 7 for any other; remembers what it ran."""

    def __init__(self, outcomes=None):
        self.outcomes, self.ran = outcomes or {}, []

    def __call__(self, sqls, progress):
        self.ran += sqls
        return [self.outcomes.get(sql, ONE) for sql in sqls]


def recipe(**clean):
    return Recipe(schema=DATA / "schema.yaml", seeds="s", golden="g", clean=Clean(**clean))


def cleaned(pairs, golden=(), card=CARD, second=None, **clean):
    """What becomes of (question, sql, outcome): the waterfall's answer, with the places as ids."""
    outcomes = {sql: outcome for _, sql, outcome in (*pairs, *golden)}
    examples = [Example(id=str(n), question=question, sql=sql) for n, (question, sql, _) in enumerate(pairs)]
    asked = [Example(question=question, sql=sql) for question, sql, _ in golden]
    return Waterfall(recipe(**clean), card, asked, Database(outcomes), second).clean(examples)


def reasons(pairs, **more):
    """Why each pair goes; '' where it stays."""
    made = cleaned(pairs, **more)
    found = {item.example.id: item.reason for item in made.rejected}
    assert [example.id for example in made.kept] == [str(n) for n in range(len(pairs)) if str(n) not in found]
    return [found.get(str(n), "") for n in range(len(pairs))]


def test_a_recipe_knows_every_step_in_its_order():
    assert list(get_args(CleaningStep)) == NAMES


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (ONE, ""),
        (QueryError("Syntax error", 62, "SYNTAX_ERROR"), "parse"),
        (QueryRefused("INSERT is not allowed"), "not_allowed"),
        (QueryError("no such column", 47, "UNKNOWN_IDENTIFIER"), "runs"),
        (QueryError("too slow", kind="timeout"), "runs"),
        (QueryError("the child died", kind="crashed"), "runs"),
        (NONE, "empty"),
        (rows(100), ""),
        (rows(101), "too_many_rows"),
        (rows(50, total=10**6), "too_many_rows"),
        (Result(columns=["n"], rows=[(None,)]), "degenerate"),
    ],
)
def test_a_pair_goes_by_what_its_query_gave(outcome, reason):
    assert reasons([("How old is the oldest user?", f"SELECT max(age) FROM {U}", outcome)]) == [reason]


# (question, SQL, outcome) of each pair, why each goes, and the step that drops it
PLANTED = [
    ([(" ?", f"SELECT count() FROM {U}", ONE)], ["parse"], "parse"),
    ([("Remove all.", f"TRUNCATE TABLE {U}", QueryRefused("no SELECT"))], ["not_allowed"], "allow_list"),
    ([("How tall?", f"SELECT avg(height) FROM {U}", QueryError("height", 47))], ["runs"], "runs"),
    ([("Show all users.", f"SELECT user_id FROM {U}", rows(900))], ["too_many_rows"], "row_limit"),
    ([("Which users are 40?", f"SELECT user_id FROM {U} WHERE age = 40", NONE)], ["empty"], "empty"),
    ([("How many users are 40?", f"SELECT count() FROM {U} WHERE age = 40", rows(1))], ["degenerate"], "degenerate"),
    ([("How many German users?", f"SELECT count() FROM {U} WHERE country = 'German'", ONE)], ["unknown_literal"],
     "unknown_literal"),
    ([("Sessions in 2031?", f"SELECT count() FROM {S} WHERE toYear(action_date) = 2031", ONE)], ["out_of_range"],
     "out_of_range"),
    ([("Sessions in 2022?", f"SELECT count() FROM {S} WHERE toYear(action_date) = 2023", ONE)], ["disagree"],
     "disagree"),
    ([("How many users?", "SELECT 1", ONE), ("how many  USERS", "SELECT 1 + 0", ONE)], ["", "duplicate"], "duplicate"),
    ([("What is the average age of all the users of the shop?", f"SELECT avg(age) FROM {U}", ONE),
      ("What is the average age of all users of the shops?", f"SELECT avg( age ) FROM {U}", ONE)],
     ["", "near_duplicate"], "near_duplicate"),
    ([("How many users?", "SELECT 1", ONE), ("How many users?", "SELECT 2", rows(2))], ["conflict", "conflict"],
     "conflict"),
]  # fmt: skip


@pytest.mark.parametrize(("pairs", "why", "step"), PLANTED, ids=[step for *_, step in PLANTED])
def test_each_step_drops_what_it_is_for_and_lets_it_pass_where_it_is_skipped(pairs, why, step):
    made = cleaned(pairs)
    assert reasons(pairs) == why
    assert {name: dropped for name, _, dropped in made.steps if dropped} == {step: sum(map(bool, why))}
    assert made.examples[step].example == made.rejected[0].example
    others = cleaned(pairs, skip=[step])
    assert step not in [name for name, _, _ in others.steps] and step not in others.examples


def test_empty_names_the_literal_that_no_row_passes():
    made = cleaned([("How many German users?", f"SELECT user_id FROM {U} WHERE country = 'German'", NONE)])
    assert made.rejected[0].reason == "empty" and "never is 'German'" in made.rejected[0].evidence


CLOCK = ("How many sessions were there today?", f"SELECT count() FROM {S} WHERE action_date = today()", ONE)
SKETCH = ("How many users are there?", f"SELECT uniq(user_id) FROM {U}", ONE)
ANY = ("Name a country.", f"SELECT any(country) FROM {U}", Result(columns=["c"], rows=[("France",)]))


def test_the_recipe_says_what_becomes_of_the_clock_and_of_approximations():
    skip = ["disagree"]
    assert reasons([CLOCK, SKETCH, ANY], skip=skip) == ["", "", ""]
    assert reasons([CLOCK, SKETCH, ANY], skip=skip, unsteady="drop") == ["relative_date", "approximate", "approximate"]
    made = cleaned([CLOCK, SKETCH, ANY], skip=skip, unsteady="rewrite")
    assert [example.sql for example in made.kept] == [
        f"SELECT count() FROM {S} WHERE action_date = toDate('2024-12-31')",
        f"SELECT uniqExact(user_id) FROM {U}",
    ]
    assert made.rewritten == 2 and [item.reason for item in made.rejected] == ["approximate"]


def test_a_rewritten_query_is_the_one_that_runs():
    database = Database()
    Waterfall(recipe(unsteady="rewrite"), CARD, [], database).clean([Example(question="?", sql=SKETCH[1])])
    assert database.ran == [f"SELECT uniqExact(user_id) FROM {U}"]


def test_nearly_the_same_words_are_no_repetition_where_the_answers_differ():
    asked = "How many sessions of the shop were there on the {} day of all the years?"
    pairs = [
        (asked.format("busiest"), f"SELECT count() FROM {S}", ONE),
        (asked.format("busier"), f"SELECT count() + 1 FROM {S}", rows(2)),
    ]
    assert reasons(pairs, skip=["disagree"], near_duplicate=0.7) == ["", ""]
    same = [pairs[0], (pairs[1][0], f"SELECT count( ) FROM {S}", ONE)]
    assert reasons(same, skip=["disagree"], near_duplicate=0.7) == ["", "near_duplicate"]


def test_a_metric_is_counted_as_most_rows_count_it():
    users = f"SELECT 100 * uniqExactIf(user_id, is_fraud = 1) / uniqExact(user_id) FROM {S} WHERE toYear(action_date)="
    sessions = f"SELECT 100 * countIf(is_fraud = 1) / count() FROM {S} WHERE toYear(action_date)="
    pairs = [(f"What was the fraud rate in {y}?", f"{users}{y}", rows(y - 2019)) for y in (2022, 2023)]
    pairs.append(("What was the fraud rate in 2024?", f"{sessions}2024", ONE))
    assert reasons(pairs, skip=["disagree", "degenerate"]) == ["", "", "metric_two_ways"]


def test_a_quota_is_kept_by_the_first_of_a_template():
    pairs = [
        (f"How many users are over {n}?", f"SELECT count() FROM {U} WHERE age > {n}", rows(n)) for n in range(20, 25)
    ]
    assert reasons(pairs, template_quota=3) == ["", "", "", "same_template", "same_template"]


GOLDEN = [
    ("How many users were active in 2023?", f"SELECT count() FROM {U} WHERE y = 2023", rows(3)),
    ("What is the average age of all users?", f"SELECT avg(age) FROM {U}", rows(9)),
    ("What does it cost to acquire a user?", "", QueryError("there is no SQL", kind="refused")),
]


@pytest.mark.parametrize(
    ("question", "sql", "outcome", "reason"),
    [
        ("how many users   WERE active in 2023", "SELECT 1", ONE, "leak_exact"),
        ("How many users were active in 2022?", "SELECT 1", ONE, "leak_near"),
        ("How old are people?", f"select AVG( age ) from {U} FORMAT CSV", ONE, "leak_template"),
        ("What is the average age of the users?", f"SELECT sum(age) / count() FROM {U}", rows(9), "leak_near"),
        ("What is the average age of users in total?", f"SELECT sum(age) / count() FROM {U}", rows(9), "leak_result"),
        ("How many sessions are there?", f"SELECT count() FROM {S}", ONE, ""),
        ("What does it cost to acquire a user", "SELECT 1", ONE, "leak_exact"),
    ],
)  # fmt: skip
def test_nothing_golden_comes_through(question, sql, outcome, reason):
    made = cleaned([(question, sql, outcome)], golden=GOLDEN, skip=["disagree"])
    assert [item.reason for item in made.rejected] == [reason] * bool(reason)
    assert all(any(asked in item.evidence for asked, *_ in GOLDEN) for item in made.rejected)


class Teacher:
    """A second opinion with answers that were written before."""

    def __init__(self, sqls=(), said=""):
        self.sqls, self.said = sqls, said

    def regenerate(self, questions):
        return [[Example(question=question, sql=sql) for sql in self.sqls] for question in questions]

    def read_back(self, sqls):
        return [self.said for _ in sqls]


@pytest.mark.parametrize(
    ("again", "why"),
    [
        (["SELECT 1", "SELECT 0 + 1", "SELECT 2"], ["", "conflict"]),
        (["SELECT 1", "SELECT 2", "SELECT 3"], ["conflict", "conflict"]),
        (["SELECT 1"], ["conflict", "conflict"]),  # one of three: the others could not be read
        ([], ["conflict", "conflict"]),
    ],
)
def test_the_majority_of_the_regenerations_decides_between_results(again, why):
    pairs = [("How many users?", "SELECT 1", ONE), ("How many users?", "SELECT 2", rows(2))]
    extra = [("", "SELECT 3", rows(3))]
    outcomes = {sql: outcome for _, sql, outcome in (*pairs, *extra)}
    examples = [Example(id=str(n), question=q, sql=sql) for n, (q, sql, _) in enumerate(pairs)]
    made = Waterfall(recipe(regenerations=3), CARD, [], Database(outcomes), Teacher(again)).clean(examples)
    found = {item.example.id: item for item in made.rejected}
    assert [found[str(n)].reason if str(n) in found else "" for n in range(2)] == why
    assert all("of 3 regenerations" in item.evidence for item in found.values() if again)


def test_back_translation_compares_and_is_off_by_default():
    pair = ("How many users were there in 2023?", "SELECT 1", ONE)
    skip = ["disagree"]
    assert reasons([pair], second=Teacher(said="Something else."), skip=skip) == [""]
    for said, why in (
        ("How many users did we have in 2023?", ""),
        ("How many users did we have in 2024?", "back_translation"),
        ("What is the revenue of the shop?", "back_translation"),
        ("", ""),
    ):
        assert reasons([pair], second=Teacher(said=said), skip=skip, back_translation=0.3) == [why]


def test_what_is_dropped_keeps_its_evidence():
    made = cleaned([("How tall?", "x", QueryError("Maybe you meant age", 47, "UNKNOWN_IDENTIFIER"))])
    assert [(item.reason, item.evidence) for item in made.rejected] == [
        ("runs", "UNKNOWN_IDENTIFIER (47): Maybe you meant age")
    ]


def test_counts_of_the_steps_add_up():
    pairs = [(f"Who is {n}?", f"SELECT {n}", ONE) for n in range(3)]
    pairs += [("No?", "SELECT x", QueryError("no")), ("Many?", "SELECT y", rows(200)), ("Who is 2?", "SELECT 2", ONE)]
    made = cleaned(pairs, skip=["leakage", "disagree"])
    off = ("leakage", "disagree", "unsteady", "back_translation")  # the last two have nothing to do
    assert [name for name, _, _ in made.steps] == [name for name in NAMES if name not in off]
    came = 6
    for _, arrived, dropped in made.steps:
        assert arrived == came
        came -= dropped
    assert came == len(made.kept) == 3 and made.places == [0, 1, 2] and len(made.outcomes) == 6


def test_what_survives_a_round_is_told_without_looking_at_the_golden_set_or_asking_anybody():
    database = Database({"SELECT 2": NONE})
    asked = [Example(question=q, sql=s) for q, s in (("A?", "SELECT 1"), ("a", "SELECT 1"), ("B?", "SELECT 2"))]
    golden = [Example(question="A?", sql="SELECT 9")]
    waterfall = Waterfall(recipe(regenerations=3, back_translation=0.3), CARD, golden, database, object())
    assert waterfall.survives(asked) == [True, False, False]
    assert "SELECT 9" not in database.ran


def test_the_same_pairs_survive_however_often_they_were_judged_before():
    examples = [Example(question=q, sql=s) for pairs, *_ in PLANTED for q, s, _ in pairs]
    outcomes = {sql: outcome for pairs, *_ in PLANTED for _, sql, outcome in pairs}
    once = Waterfall(recipe(), CARD, [], Database(outcomes))
    again = Waterfall(recipe(), CARD, [], Database(outcomes))
    again.survives(examples[:5])
    again.survives(examples)
    assert once.clean(examples).rejected == again.clean(examples).rejected


def test_many_pairs_are_judged_in_processes_with_the_same_end_and_rounds_are_not(monkeypatch):
    examples = [Example(question=q, sql=s) for pairs, *_ in PLANTED for q, s, _ in pairs]
    outcomes = {sql: outcome for pairs, *_ in PLANTED for _, sql, outcome in pairs}
    once = Waterfall(recipe(), CARD, [], Database(outcomes)).clean(examples)
    seen = []
    monkeypatch.setattr("sqlft.dataset.lint.rowwise._MANY", 1)
    pool = rowwise.ProcessPoolExecutor
    monkeypatch.setattr(rowwise, "ProcessPoolExecutor", lambda *args, **more: seen.append(args) or pool(*args, **more))
    again = Waterfall(recipe(), CARD, [], Database(outcomes))
    again.survives(examples[:5])
    assert not seen
    assert again.clean(examples) == once and len(seen) == 1


def test_an_unknown_step_is_no_step():
    with pytest.raises(ValueError, match="skip"):
        Clean(skip=["parsing"])


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
