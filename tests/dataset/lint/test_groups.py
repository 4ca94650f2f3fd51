from sqlft.dataset.lint.groups import conflicts, crowded_templates, metrics_two_ways, near_duplicates
from sqlft.dataset.lint.leakage import leaks
from tests.dataset.lint.pairs import S, U, pair, result

VALUES = ["France", "Germany"]


def found(remarks):
    return [(place, remark.code, remark.level) for place, remark in remarks]


def test_one_question_with_two_results_is_a_conflict_of_both_rows():
    pairs = [
        pair("How many users?", "SELECT 1", result((1,))),
        pair("how many  users", "SELECT 2", result((2,)), row=1),
        pair("How many sessions?", "SELECT 2", result((2,)), row=2),
    ]
    assert found(conflicts(pairs)) == [(0, "conflict", "error"), (1, "conflict", "error")]


def test_percent_and_ratio_for_one_question_are_a_conflict_though_a_model_is_forgiven_it():
    pairs = [
        pair("Which share?", "SELECT 1", result((12.5,))),
        pair("Which share?", "SELECT 2", result((0.125,)), row=1),
    ]
    assert found(conflicts(pairs)) == [(0, "conflict", "error"), (1, "conflict", "error")]


def test_one_question_with_one_result_is_a_duplicate_whatever_the_sql():
    pairs = [pair("How many?", "SELECT 1", result((1,))), pair("How many?", "SELECT 2 - 1 AS n", result((1.0,)), row=1)]
    assert found(conflicts(pairs)) == [(1, "duplicate", "note")]


def test_without_results_other_sql_is_a_warning():
    pairs = [pair("How many?", "SELECT 1 FROM a"), pair("How many?", "SELECT 2 FROM a", row=1)]
    assert {level for _, _, level in found(conflicts(pairs))} == {"warning"}


def test_near_duplicates_have_the_same_literals():
    questions = [
        "What was the average revenue of the users who visited the shop in 2023?",
        "What was the average revenue of users who visited the shop in 2023",
        "What was the average revenue of the users who visited the shop in 2022?",
    ]
    pairs = [pair(question, "SELECT 1", row=row) for row, question in enumerate(questions)]
    assert [place for place, *_ in found(near_duplicates(pairs, VALUES, 0.85))] in ([1], [])
    assert not [place for place, *_ in found(near_duplicates(pairs, VALUES)) if place == 2]


def test_a_rate_that_most_rows_count_otherwise_is_told():
    users = f"SELECT 100 * uniqExactIf(user_id, is_fraud = 1) / uniqExact(user_id) FROM {S}"
    rows = f"SELECT 100 * countIf(is_fraud = 1) / count() FROM {S}"
    pairs = [
        pair("What was the fraud rate in 2022?", users),
        pair("What was the fraud rate in 2023?", users, row=1),
        pair("What was the fraud rate in 2024?", rows, row=2),
        pair("What was the fraud rate of sessions in 2024?", rows, row=3),
    ]
    assert found(metrics_two_ways(pairs)) == [(2, "metric_two_ways", "warning")]


def test_one_note_tells_of_a_crowded_template():
    pairs = [pair(f"Users over {n}?", f"SELECT count() FROM {U} WHERE age > {n}", row=n) for n in range(9)]
    assert found(crowded_templates(pairs, quota=5)) == [(5, "same_template", "note")]


def test_leaks_tell_exact_from_near_and_name_the_golden_question():
    golden = [
        pair(
            "How many customers bought something in December 2024?",
            f"SELECT 1 FROM {S} WHERE d = '2024-12-01'",
            result((31,)),
        ),
        pair("What is the average age of all users in France?", f"SELECT avg(age) FROM {U}", result((40.5,))),
    ]
    rows = [
        pair("how many customers bought something in december 2024", "SELECT 5", result((5,))),
        pair("How many customers bought something in November 2024?", "SELECT 6", result((6,)), row=1),
        pair(
            "What is the mean age of all the users in France?", f"SELECT avg(age) FROM {U} AS u", result((40.5,)), row=2
        ),
        pair("How old are people?", f"select avg(age) from {U}", result((40.5,)), row=3),
        pair("How many sessions ran on Linux?", "SELECT 7", result((7,)), row=4),
    ]
    told = [(place, remark.code, remark.level, remark.golden) for place, remark in leaks(rows, golden, VALUES)]
    assert told == [
        (0, "leak_exact", "error", golden[0].question),
        (1, "leak_near", "error", golden[0].question),
        (2, "leak_near", "error", golden[1].question),
        (3, "leak_template", "note", golden[1].question),
    ]


def test_a_golden_question_without_sql_leaks_by_its_words_alone():
    golden = [pair("What was the profit of the whole shop in 2022?", "")]
    rows = [
        pair("What was the profit of the whole shop in 2023?", "SELECT 1"),
        pair("What was the revenue of the whole shop by country?", "", row=1),
        pair("How many sessions ran on Linux?", "", row=2),
    ]
    assert [(place, remark.code) for place, remark in leaks(rows, golden, VALUES)] == [(0, "leak_near")]


def test_a_row_that_leaks_into_two_golden_questions_has_a_finding_for_each():
    golden = [pair("Users in May 2022?", "SELECT 1"), pair("Users in June 2022?", "SELECT 2", row=1)]
    assert len(list(leaks([pair("Users in July 2022?", "SELECT 3")], golden))) == 2
