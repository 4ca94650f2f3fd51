"""What is decided about rows by hand: it takes effect on the files, at once and in the next build."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest

from sqlft.database import Result
from sqlft.dataset.clean import Cleaned
from sqlft.dataset.review import Review
from sqlft.problems import WrongUse
from sqlft.records import Example, Rejected, read_examples, read_jsonl, write_jsonl

ROWS = [Example(question=f"How many of {n}?", sql=f"SELECT {n}", template="t", checks=["runs"]) for n in range(4)]
DROPPED = Rejected(example=Example(question="Empty?", sql="SELECT 9"), reason="empty", evidence="no rows")
RESULT = Result(["a"], [(7,)], ["UInt8"])
write = Review._write


@pytest.fixture
def review(tmp_path: Path) -> Review:
    write_jsonl(tmp_path / "train.jsonl", ROWS, whole=True)
    write_jsonl(tmp_path / "rejected.jsonl", [DROPPED])
    (tmp_path / "dataset.json").write_text(json.dumps({"counts": {"train": 4}, "files": {}, "rejected": {"empty": 1}}))
    return Review(tmp_path)


def train(review: Review) -> list[Example]:
    return read_examples(review.folder / "train.jsonl")


def told(review: Review) -> dict[str, dict[str, object]]:
    return json.loads((review.folder / "dataset.json").read_text())


def test_a_rejected_row_is_trained_on_no_more(review: Review) -> None:
    review.reject("train", ROWS[1])
    assert train(review) == [ROWS[0], *ROWS[2:]]
    assert read_jsonl(review.folder / "rejected.jsonl", Rejected) == [
        DROPPED,
        Rejected(example=ROWS[1], reason="by_hand", evidence="train"),
    ]
    assert told(review)["counts"]["train"] == 3 and told(review)["rejected"] == {"empty": 1, "by_hand": 1}
    digest = hashlib.sha256((review.folder / "train.jsonl").read_bytes()).hexdigest()
    assert told(review)["files"]["train.jsonl"] == digest


def test_what_was_rejected_by_hand_can_be_taken_back_and_what_cleaning_dropped_cannot(review: Review) -> None:
    review.reject("train", ROWS[1])
    assert review.accept("rejected", ROWS[1]) == "train"
    assert train(review) == [ROWS[0], *ROWS[2:], ROWS[1]]
    assert [row.reason for row in review.rows("rejected")] == ["empty"]
    with pytest.raises(WrongUse, match="cleaning dropped it: empty, no rows"):
        review.accept("rejected", DROPPED.example)
    with pytest.raises(WrongUse, match="rejected already"):
        review.reject("rejected", DROPPED.example)


def test_an_accepted_row_stays_and_is_noted(review: Review) -> None:
    before = (review.folder / "train.jsonl").read_bytes()
    assert review.accept("train", ROWS[0]) == "train"
    decided = review.decisions()[ROWS[0].question, ROWS[0].sql]
    assert (decided.choice, decided.part, decided.example) == ("accept", "train", ROWS[0])
    assert (review.folder / "train.jsonl").read_bytes() == before


def test_an_edited_row_stands_where_it_stood_and_claims_no_check(review: Review) -> None:
    new = review.edit("train", ROWS[1], "How many of seven? ", "SELECT 7", RESULT)
    assert train(review) == [ROWS[0], new, *ROWS[2:]]
    assert (new.question, new.sql, new.source) == ("How many of seven?", "SELECT 7", "hand")
    assert new.checks == [] and new.template == "" and new.fingerprint and new.id != ROWS[1].id
    with pytest.raises(WrongUse, match="holds this pair already"):
        review.edit("train", ROWS[0], ROWS[2].question, ROWS[2].sql, RESULT)
    with pytest.raises(WrongUse, match="nothing reads it"):
        review.edit("rejected", DROPPED.example, "?", "SELECT 1", RESULT)


def test_two_who_decide_about_one_row_are_told_apart(review: Review) -> None:
    review.reject("train", ROWS[1])
    with pytest.raises(WrongUse, match="not in train any more"):
        review.edit("train", ROWS[1], "?", "SELECT 1", RESULT)
    with pytest.raises(WrongUse, match="not in train any more"):
        review.reject("train", ROWS[1])


def test_people_who_reject_at_once_lose_no_row(review: Review) -> None:
    people = [threading.Thread(target=review.reject, args=("train", row)) for row in ROWS]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert train(review) == [] and len(review.rows("rejected")) == 5 and len(review.decisions()) == 4


def test_a_build_drops_and_edits_again_what_was_decided(review: Review) -> None:
    review.reject("train", ROWS[0])
    once = review.edit("train", ROWS[1], "Once?", "SELECT 7", RESULT)
    twice = review.edit("train", once, "Twice?", "SELECT 8", RESULT)
    review.reject("train", ROWS[2])
    review.accept("rejected", ROWS[2])
    made = review.apply_edits(ROWS)
    assert made == [ROWS[0], twice, *ROWS[2:]]
    cleaned = Cleaned(made, [0, 1, 2, 3], [], [], [], {})
    review.drop_rejected(cleaned)
    assert (cleaned.kept, cleaned.places) == ([twice, *ROWS[2:]], [1, 2, 3])
    assert cleaned.rejected == [Rejected(example=ROWS[0], reason="by_hand", evidence="train")]


def test_a_pair_that_was_edited_while_a_build_cleaned_is_not_trained_on_as_it_was(review: Review) -> None:
    cleaned = Cleaned(review.apply_edits(ROWS), [0, 1, 2, 3], [], [], [], {})
    review.edit("train", ROWS[1], "Once?", "SELECT 7", RESULT)
    once = review.edit("train", ROWS[2], "Back?", "SELECT 8", RESULT)
    review.edit("train", once, ROWS[2].question, ROWS[2].sql, RESULT)  # as it was
    review.drop_rejected(cleaned)
    assert cleaned.kept == [ROWS[0], ROWS[2], ROWS[3]]
    assert cleaned.rejected == [Rejected(example=ROWS[1], reason="by_hand", evidence="train")]


@pytest.mark.parametrize(("part", "question", "sql"), [("train", " ", "SELECT 7"), ("train", "Seven?", "\n")])
def test_no_edit_leaves_half_a_pair(review: Review, part: str, question: str, sql: str) -> None:
    with pytest.raises(WrongUse, match="half a pair"):
        review.edit(part, ROWS[1], question, sql, RESULT)
    assert train(review) == ROWS


def test_a_row_goes_back_to_a_part_and_to_no_other_file(review: Review) -> None:
    write_jsonl(review.folder / "rejected.jsonl", [Rejected(example=ROWS[0], reason="by_hand", evidence="../outside")])
    with pytest.raises(WrongUse, match="no part of a dataset"):
        review.accept("rejected", ROWS[0])
    assert not (review.folder.parent / "outside.jsonl").exists() and len(review.rows("rejected")) == 1


@pytest.mark.parametrize("then", ["accept", "reject"])
def test_a_kill_between_two_files_neither_doubles_a_row_nor_loses_what_was_decided(
    review: Review, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(Review, "_write", lambda self, part, rows: 1 / (part != "train") and write(self, part, rows))
        with pytest.raises(ZeroDivisionError):
            review.reject("train", ROWS[1])
    assert ROWS[1] in train(review) and len(review.rows("rejected")) == 2  # in both, never in none
    assert review.decisions()[ROWS[1].question, ROWS[1].sql].choice == "reject"
    if then == "accept":
        review.accept("rejected", ROWS[1])
    else:
        review.reject("train", ROWS[1])
    assert train(review).count(ROWS[1]) == (then == "accept")
    assert [row.reason for row in review.rows("rejected")] == ["empty", "by_hand"][: 1 + (then == "reject")]
