import pytest

from sqlft.dataset.journal import Entry, Journal, read_answers
from sqlft.problems import WrongUse


def answer(*questions):
    return {"pairs": [{"question": f" {question} ", "sql": "SELECT 1", "comment": ""} for question in questions]}


def test_answers_are_read_in_the_order_of_their_requests_and_the_file_is_left_alone(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(Entry(key="b", number=1, answer=answer("Second?")))
        journal.add(Entry(key="a", number=0, answer=answer("First?", "And?")))
        journal.add(Entry(key="round", number=0, answer=[1, 2]))
        journal.add(Entry(key="c", number=2, fault="no JSON"))
    path.write_bytes(path.read_bytes() + b'{"key": "half')
    before = path.read_bytes()
    found = read_answers(path, "gpt-4o")
    assert [example.question for example in found] == ["First?", "And?", "Second?"]
    assert found[0].source == "gpt-4o" and path.read_bytes() == before


def test_a_line_that_is_no_entry_is_wrong_use(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text("no entry\n")
    with pytest.raises(WrongUse, match=r"journal.jsonl"):
        read_answers(path, "gpt-4o")
