from pathlib import Path

import pytest
from rich.console import Console

from sqlft.database.result import Result
from sqlft.evaluation.diagnosis import Finding
from sqlft.evaluation.results import Opinion, Preview, Results, outcome
from sqlft.evaluation.statistics import share
from sqlft.evaluation.table import p_value, percent, results_table
from sqlft.problems import WrongUse
from tests.evaluation.made import answer, plain, question, results


def test_every_figure_is_counted_exactly() -> None:
    found = plain({"base": "mrxinx", "tuned": "mmmxmi"})
    base, tuned = found.models
    assert (base.strict.k, base.strict.n) == (1, 6)
    assert (base.relaxed.k, base.relaxed.n) == (2, 6)
    assert (base.validity.k, base.no_sql.k, base.exact.k) == (4, 1, 1)
    assert base.outcomes == {"match": 1, "relaxed": 1, "mismatch": 2, "invalid": 1, "no_sql": 1}
    assert (tuned.strict.k, tuned.validity.k) == (4, 5)
    assert (tuned.prompt_tokens, tuned.completion_tokens, tuned.seconds, tuned.cut) == (60, 24, 3.0, 0)
    assert base.against_base is None
    assert tuned.against_base is not None
    assert (tuned.against_base.fixed, tuned.against_base.broken) == (3, 0)


def test_prose_is_wrong_and_counted_apart_from_sql_that_fails() -> None:
    base = plain({"base": "nni"}).base
    assert (base.strict.k, base.strict.n, base.no_sql.k, base.outcomes["invalid"]) == (0, 3, 2, 1)


@pytest.mark.parametrize("gold", ["empty", "gold_error", "undetermined"])
def test_a_question_without_a_sound_gold_leaves_the_headline_of_every_model(gold: str) -> None:
    questions = [question(1), question(2, gold=gold)]
    answers = {
        name: [answer(q, name, what) for q in questions] for name, what in (("base", "mismatch"), ("a", "match"))
    }
    found = results(questions, answers)
    assert [(m.strict.k, m.strict.n) for m in found.models] == [(0, 1), (1, 1)]
    assert [m.validity.n for m in found.models] == [2, 2]
    assert found.out_of_headline == {gold: 1}
    assert found.models[1].outcomes == {"match": 1, "out": 1}


def test_one_undetermined_verdict_takes_its_question_from_all_models() -> None:
    found = plain({"base": "mmx", "tuned": "mum"})
    assert [(m.strict.k, m.strict.n) for m in found.models] == [(1, 2), (2, 2)]
    assert found.out_of_headline == {"undetermined": 1}


def test_breakdowns_follow_levels_tags_and_templates_and_leave_out_what_does_not_count() -> None:
    questions = [
        question(1, level="hard", template="t1", tags=["join", "date"]),
        question(2, level="easy", template="t1", tags=["join"]),
        question(3, level="hard", gold="empty", template="t2"),
    ]
    found = results(
        questions,
        {"base": [answer(q, "base", w) for q, w in zip(questions, ["match", "mismatch", "match"], strict=True)]},
    )
    shares = {kind: {key: (s.k, s.n) for key, s in rows.items()} for kind, rows in found.base.by.items()}
    assert shares == {
        "level": {"easy": (0, 1), "hard": (1, 1)},
        "construct": {"count": (1, 2)},
        "table": {"shop.users": (1, 2)},
        "tag": {"date": (1, 1), "join": (1, 2)},
        "template": {"t1": (1, 2)},
    }
    assert list(found.base.by["level"]) == ["easy", "hard"]


def test_a_breakdowns_interval_goes_by_the_templates_that_repeat_in_its_row() -> None:
    sql = "SELECT count() FROM shop.users WHERE age > {}"
    asked = [question(n, sql=sql.format(n), level="easy", template="older") for n in range(10)]
    more = [question(n, sql=f"SELECT {n} AS n{n}", level=("easy", "hard")[n % 2]) for n in range(10, 20)]
    given = [answer(q, "base", "match" if n < 10 or n % 3 else "mismatch") for n, q in enumerate([*asked, *more])]
    by = results([*asked, *more], {"base": given}).base.by
    easy, hard, older = by["level"]["easy"], by["level"]["hard"], by["template"]["older"]
    alone = share(easy.k, easy.n)
    assert easy.high - easy.low > 1.3 * (alone.high - alone.low)
    assert hard == share(hard.k, 5)  # no template repeats there
    assert older == share(10, 10)  # of one template its wordings are all that can be counted


def test_failures_come_by_level_and_then_by_length_without_those_that_do_not_count() -> None:
    levels = ["hard", "", "easy", "easy", "medium", "easy"]
    asked = [question(n, level=level, sql="SELECT 1" + " + 1" * (9 - n)) for n, level in enumerate(levels)]
    asked[5].gold = "empty"
    found = results(asked, {"base": [answer(q, "base", "match" if q.id == "q4" else "relaxed") for q in asked]})
    assert found.failures("base") == [3, 2, 0, 1]


def test_leaked_questions_are_also_left_out_in_a_figure_of_its_own() -> None:
    questions = [question(1, leaked=["sql"]), question(2)]
    found = results(
        questions, {"base": [answer(questions[0], "base", "match"), answer(questions[1], "base", "mismatch")]}
    )
    assert found.base.unleaked is not None
    assert (found.base.strict.k, found.base.unleaked.k, found.base.unleaked.n) == (1, 0, 1)
    assert plain({"base": "m"}).base.unleaked is None


def test_a_judge_without_an_opinion_is_in_no_count_and_never_in_the_headline() -> None:
    asked = [question(n) for n in range(3)]
    says = [Opinion(right=True, reason=""), Opinion(right=False, reason=""), Opinion(right=None, reason="it failed")]
    given = [answer(q, "base", "mismatch", judge=opinion) for q, opinion in zip(asked, says, strict=True)]
    base = results(asked, {"base": given}).base
    assert base.judge is not None
    assert (base.judge.k, base.judge.n, base.strict.k) == (1, 2, 0)


def test_a_judges_agreement_is_also_counted_by_which_query_it_saw_first() -> None:
    asked = [question(n) for n in range(4)]
    says = [Opinion(right=n < 3, reason="", first="gold" if n % 2 else "answer") for n in range(4)]
    given = [answer(q, "base", "match", judge=opinion) for q, opinion in zip(asked, says, strict=True)]
    found = results(asked, {"base": given}).base.agreement_by_first
    assert {first: (one.both, one.execution) for first, one in found.items()} == {"gold": (1, 1), "answer": (2, 0)}
    assert plain({"base": "m"}).base.agreement_by_first == {}


def test_saved_results_come_back_whole(tmp_path) -> None:
    found = plain({"base": "mrxinu", "tuned": "mmmmmm"}, warnings=["careful"])
    found.questions[0].template = found.questions[1].template = "two"
    found.models = results(found.questions, found.answers).models
    found.save(tmp_path / "heldout")
    again = Results.load(tmp_path / "heldout")
    assert again == found
    assert again.answers["tuned"][5] == found.answers["tuned"][5]
    assert sorted(p.name for p in (tmp_path / "heldout").iterdir()) == ["predictions.jsonl", "results.json"]


def test_half_written_results_are_an_error_and_not_a_shorter_evaluation(tmp_path) -> None:
    plain({"base": "mm"}).save(tmp_path)
    lines = (tmp_path / "predictions.jsonl").read_text()
    (tmp_path / "predictions.jsonl").write_text(lines[:-20])
    with pytest.raises(WrongUse, match=r"predictions\.jsonl:2"):
        Results.load(tmp_path)
    (tmp_path / "predictions.jsonl").write_text(lines.splitlines()[0] + "\n")
    with pytest.raises(WrongUse, match="1 answers of base to 2 questions"):
        Results.load(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(WrongUse, match="sqlft evaluate"):
        Results.load(tmp_path)


def test_a_preview_shows_null_apart_from_text_and_cuts_long_cells_and_results() -> None:
    result = Result(
        ["a", "b"], [(None, "x" * 500), (True, 0.1), *[(1, [None, "y"])] * 20], totals=(22, None), total_rows=99
    )
    shown = Preview.of(result)
    assert shown.rows[0] == [None, "x" * 200 + "…"]
    assert shown.rows[1] == ["true", "0.1"]
    assert (len(shown.rows), shown.row_count, shown.totals) == (10, 99, ["22", None])


def test_the_outcome_of_a_relaxed_match_is_not_right() -> None:
    kinds = ["match", "relaxed", "mismatch", "invalid", "no_sql"]
    assert [outcome(answer(question(1), "base", kind)) for kind in kinds] == kinds


def test_the_terminal_table_shows_every_figure_and_warning_within_80_columns() -> None:
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(results_table(plain({"base": "mxxxxxxxxx", "tuned": "mmmmmmmmix"}, warnings=["LEAKAGE: all of it"])))
    text = console.export_text()
    for wanted in (
        "10.0% (1 of 10)",
        "80.0% (8 of 10)",
        "49.0 to 94.3%",
        "+70.0 points",
        "p = 0.016",
        "! LEAKAGE: all of it",
    ):
        assert wanted in text
    assert "…" not in text


def test_percentages_never_round_to_all_or_nothing() -> None:
    assert [percent(x) for x in (0.0, 0.001, 0.5, 0.999, 1.0, None)] == ["0%", "0.1%", "50%", "99.9%", "100%", "–"]
    assert [percent(x, 1) for x in (0.0, 0.0004, 0.9996, 1.0)] == ["0.0%", "0.04%", "99.96%", "100.0%"]
    assert [p_value(p) for p in (0.0, 0.0421, 0.5)] == ["p < 0.001", "p = 0.042", "p = 0.50"]


def test_categories_of_mistakes_are_counted_and_kept(tmp_path: Path) -> None:
    wrong = {"findings": [Finding(category="date_range", detail="2022, not 2023"), Finding(category="scale")]}
    asked = [question(1), question(2)]
    found = results(asked, {"base": [answer(asked[0], "base", "mismatch", **wrong), answer(asked[1], "base", "match")]})
    found.save(tmp_path)
    assert found.base.categories == {"date_range": 1, "scale": 1}
    assert '"date_range": 1' in (tmp_path / "results.json").read_text()
    assert Results.load(tmp_path).answers["base"][0].findings == wrong["findings"]
