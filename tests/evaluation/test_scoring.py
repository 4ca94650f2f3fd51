import threading
from typing import Any

from sqlft.comparison import Gold
from sqlft.database import QueryError, Result
from sqlft.evaluation.results import Question, left_out
from sqlft.evaluation.scoring import QUESTIONS, check_gold, each, score, settle
from sqlft.records import Example, Prediction
from tests.evaluation.made import question


class FakeGate:
    """Answers from a table; a list gives its items one after the other."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.table = table
        self.asked: list[tuple[str, int | None]] = []
        self.hashed: list[str] = []

    def run(self, sql: str, *, threads: int | None = None) -> Result:
        found = self._find(sql, threads)
        if isinstance(found, QueryError):
            raise found
        return found

    def digest(self, sql: str) -> tuple[int, int]:
        self.hashed.append(sql)
        return 50, len(sql) if "unlike" in sql else 0

    def _find(self, sql: str, threads: int | None) -> Any:
        self.asked.append((sql, threads))
        found = self.table.get(sql, QueryError(f"no {sql}"))
        return found.pop(0) if isinstance(found, list) else found


def table(*rows: Any, total: int | None = None) -> Result:
    return Result(["a"], [(row,) for row in rows], ["UInt64"], total_rows=total)


def prepared(gate: FakeGate, *sqls: str) -> tuple[list[Question], list[Gold]]:
    return check_gold(
        gate, [Example(id=f"q{i}", question=f"Q{i}", sql=sql) for i, sql in enumerate(sqls)], lambda _: None
    )


def predicted(*sqls: str | None) -> list[Prediction]:
    return [
        Prediction(id=f"q{i}", question=f"Q{i}", model="m", text=sql or "Sorry.", sql=sql) for i, sql in enumerate(sqls)
    ]


def test_gold_runs_twice_the_second_time_with_one_thread_and_its_faults_are_named() -> None:
    gate = FakeGate({"sound": table(1), "empty": table(), "moody": [table(1), table(2)]})
    questions, _ = prepared(gate, "sound", "empty", "moody", "broken")
    assert [q.gold for q in questions] == ["sound", "empty", "undetermined", "gold_error"]
    assert {threads for sql, threads in gate.asked if sql == "sound"} == {None, 1}
    assert questions[0].gold_result is not None and questions[0].gold_result.rows == [["1"]]
    assert "no broken" in questions[3].gold_note
    assert questions[3].gold_result is None


def test_each_kind_of_prediction_gets_its_own_verdict() -> None:
    error = QueryError("Unknown table", 60, "UNKNOWN_TABLE", "shop.users")
    gate = FakeGate({"g": table(1), "same": table(1), "other": table(2), "bad": error, "none": table()})
    questions, golds = prepared(gate, "g", "g", "g", "g", "g", "g")
    given = score(
        gate, questions, golds, {"m": predicted("same", "other", "bad", None, "none", " G -- gold")}, lambda _: None
    )["m"]
    assert [a.verdict.status for a in given] == ["match", "mismatch", "invalid", "invalid", "mismatch", "invalid"]
    assert [a.runs for a in given] == [True, True, False, False, True, False]
    assert [a.exact for a in given] == [False, False, False, False, False, True]
    assert given[2].verdict.evidence == {
        "code": 60,
        "name": "UNKNOWN_TABLE",
        "message": "Unknown table",
        "hint": "shop.users",
    }
    assert given[2].verdict.reasons == ["error"]
    assert given[3].verdict.reasons == ["no_sql"]
    assert [a.verdict.id for a in given] == [q.id for q in questions]


def test_agreeing_with_an_empty_gold_is_vacuous_and_out_of_the_headline() -> None:
    gate = FakeGate({"empty": table(), "none": table(), "some": table(1)})
    questions, golds = prepared(gate, "empty", "empty")
    answers = score(gate, questions, golds, {"m": predicted("none", "some")}, lambda _: None)
    assert [a.verdict.status for a in answers["m"]] == ["vacuous", "mismatch"]
    assert left_out(questions, answers) == {0: "empty", 1: "empty"}


def test_nobody_is_judged_by_a_gold_that_fails_or_wavers() -> None:
    gate = FakeGate({"moody": [table(1), table(2)], "p": table(1)})
    questions, golds = prepared(gate, "moody", "broken")
    given = score(gate, questions, golds, {"m": predicted("p", "p")}, lambda _: None)["m"]
    assert [a.verdict.status for a in given] == ["undetermined", "gold_error"]
    assert [(a.verdict.strict, a.runs) for a in given] == [(False, True), (False, True)]


def test_results_past_the_row_limit_are_compared_by_count_and_by_a_hash_made_in_the_database() -> None:
    large = table(1, 2, total=50)
    gate = FakeGate({"big": large, "alike": large, "unlike": large, "small": table(1)})
    questions, golds = prepared(gate, "big", "big", "big", "small")
    given = score(gate, questions, golds, {"m": predicted("alike", "unlike", "small", "big")}, lambda _: None)["m"]
    assert [a.verdict.status for a in given] == ["match", "mismatch", "mismatch", "mismatch"]
    assert [(a.verdict.strict, a.result.row_count) for a in given if a.result][:1] == [(True, 50)]
    assert {"big", "alike", "unlike"} <= set(gate.hashed)
    assert not any("small" in sql for sql in gate.hashed)


def test_equal_sql_of_several_models_runs_once() -> None:
    gate = FakeGate({"g": table(1), "p0": table(1), "p1": table(1)})
    questions, golds = prepared(gate, "g", "g")
    gate.asked.clear()
    told: list[int] = []
    answers = score(
        gate, questions, golds, {"base": predicted("p0", "p1"), "tuned": predicted("p0", "p1")}, told.append
    )
    assert sorted(sql for sql, _ in gate.asked) == ["p0", "p1"]
    assert told == [1, 2]
    assert all(a.verdict.strict for given in answers.values() for a in given)


def test_a_query_that_hangs_holds_up_no_other_question() -> None:
    released, told = threading.Event(), list[int]()

    def work(number: int) -> int:
        if number == 0:
            assert released.wait(5), "the others wait for the first"
        elif number == 3 * QUESTIONS:
            released.set()
        return -number

    assert list(each(work, range(3 * QUESTIONS + 1), told.append)) == [-number for number in range(3 * QUESTIONS + 1)]
    assert told == list(range(1, 3 * QUESTIONS + 2))


def test_a_question_keeps_its_examples_own_fields() -> None:
    example = Example(question="Q?", sql="g", level="hard", tags=["join"], template="t9", source="template")
    [asked], _ = check_gold(FakeGate({"g": table(1)}), [example], lambda _: None)
    assert (asked.id, asked.level, asked.tags, asked.template) == (example.id, "hard", ["join"], "t9")
    assert question(1).gold == "sound"


def test_to_what_the_database_cannot_answer_the_right_answer_is_to_say_so() -> None:
    gate = FakeGate({"made up": table(1)})
    questions, golds = prepared(gate, "", "", "", "")
    said = predicted("made up", None, None, None)
    said[1].text, said[2].text, said[3].text = "The shop does not store weather.", "It rained.", ""
    given = score(gate, questions, golds, {"m": said}, lambda _: None)["m"]
    settle(questions, {"m": given}, frozenset())
    assert [q.gold for q in questions] == ["sound"] * 4 and left_out(questions, {"m": given}) == {}
    assert [a.verdict.strict for a in given] == [False, True, False, False]
    assert [[f.category for f in a.findings] for a in given] == [["unanswerable"], [], *[["unanswerable"]] * 2]
    assert gate.asked == [("made up", None)]


def test_wrong_answers_carry_why_they_are_wrong() -> None:
    error = QueryError("Unknown table", 60, "UNKNOWN_TABLE", "shop.users")
    gold, other = "SELECT max(a) FROM t WHERE b = 1", "SELECT max(a) FROM t WHERE b = 2"
    gate = FakeGate({gold: table(1), other: table(2), "bad": error})
    questions, golds = prepared(gate, gold, gold, gold)
    given = score(gate, questions, golds, {"m": predicted(gold, other, "bad")}, lambda _: None)["m"]
    settle(questions, {"m": given}, frozenset())
    assert [[f.category for f in a.findings] for a in given] == [[], ["wrong_literal"], ["unknown_table"]]
    assert given[2].findings[0].detail == "Unknown table Maybe: shop.users."
