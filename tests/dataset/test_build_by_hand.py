"""What was decided about rows by hand, and the builds that come after or meanwhile."""

import threading

import pytest

from sqlft.dataset.build import build
from sqlft.dataset.review import Review
from sqlft.dataset.split import split
from sqlft.records import Example, Rejected, write_jsonl
from tests.dataset.built import dsn, gate, one_gate, openai, read, recipe, stub

__all__ = ["dsn", "gate", "one_gate", "recipe", "stub"]


@pytest.mark.usefixtures("one_gate")
def test_what_was_decided_by_hand_is_so_in_the_next_build(recipe, stub, gate):
    made = recipe(teacher=openai(stub), split={"validation": 0})
    report = build(made)
    rows = {example.question: example for example in read(report, "train")}
    review, sql = Review(report.folder), "SELECT max(age) FROM ecommerce.users"
    review.reject("train", rows["How many countries are there?"])
    review.edit("train", rows["How old is the oldest user?"], "What age has the eldest?", sql, gate.run(sql))
    decided, again = {example.question for example in read(report, "train")}, build(made)
    train = {example.question: example for example in read(again, "train")}
    assert set(train) == decided and len(train) == len(rows) - 1
    assert train["What age has the eldest?"].checks  # the build judged it
    assert again.rejected["by_hand"] == 1 and again.counts["train"] == len(train)


@pytest.mark.usefixtures("one_gate")
def test_an_edit_of_a_pair_that_cleaning_rewrote_is_done_again(recipe, stub, gate, tmp_path):
    asked = [Example(question="About how many users are there?", sql="SELECT uniq(user_id) FROM ecommerce.users")]
    write_jsonl(tmp_path / "real.jsonl", asked)
    section = {"imported": tmp_path / "real.jsonl", "clean": {"unsteady": "rewrite"}, "split": {"validation": 0}}
    report = build(made := recipe(teacher=openai(stub), **section))
    (row,) = (example for example in read(report, "train") if example.question == asked[0].question)
    assert "uniqExact" in row.sql
    sql = "SELECT count() + 1 FROM ecommerce.users"
    Review(report.folder).edit("train", row, "How many users and one more?", sql, gate.run(sql))
    again = build(made)
    questions = {example.question for example in read(again, "train")}
    assert "How many users and one more?" in questions and row.question not in questions
    assert any("1 pairs were rewritten" in note for note in again.notes)


@pytest.mark.usefixtures("one_gate")
def test_who_decides_while_the_files_are_written_decides_about_the_new_ones(recipe, stub, monkeypatch):
    report = build(made := recipe(teacher=openai(stub), split={"validation": 0}))
    row, started = read(report, "train")[0], []

    def while_it_splits(*given):
        started.append(threading.Thread(target=Review(report.folder).reject, args=("train", row)))
        started[0].start()
        started[0].join(0.3)
        return split(*given)

    monkeypatch.setattr("sqlft.dataset.build.split", while_it_splits)
    build(made)
    started[0].join(30)
    assert row.question not in {example.question for example in read(report, "train")}
    assert [item.reason for item in read(report, "rejected", Rejected)].count("by_hand") == 1
