"""Reading and writing records: nothing lost in silence."""

import json

import pytest

from sqlft.problems import WrongUse
from sqlft.records import Example, Prediction, question_id, read_examples, read_jsonl, write_jsonl


def test_question_id_ignores_blanks_and_case_only():
    assert question_id("How many  users?\n") == question_id("how many users?")
    assert question_id("How many users?") != question_id("How many user?")
    assert len(question_id("x")) == 12


def test_example_without_an_id_gets_its_questions():
    assert Example(question="How many?", sql="SELECT 1").id == question_id("How many?")
    assert Example(id="g01", question="How many?", sql="SELECT 1").id == "g01"


def test_records_come_back_as_they_were_written(tmp_path):
    examples = [
        Example(question="Wie viele?\nГде?", sql="SELECT '\u2028', 1", tags=["a"]),
        Example(question="b", sql=""),
    ]
    write_jsonl(tmp_path / "deep" / "e.jsonl", examples)
    assert read_jsonl(tmp_path / "deep" / "e.jsonl", Example) == examples


def test_defaults_are_not_written(tmp_path):
    write_jsonl(tmp_path / "e.jsonl", [Example(id="a", question="q", sql="s")])
    assert json.loads((tmp_path / "e.jsonl").read_text()) == {"id": "a", "question": "q", "sql": "s"}


def test_whole_records_have_the_same_fields_in_each_line(tmp_path):
    examples = [Example(id="a", question="q", sql="s"), Example(id="b", question="q", sql="s", teacher="template")]
    write_jsonl(tmp_path / "e.jsonl", examples, whole=True)
    lines = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert list(lines[0]) == list(lines[1]) == list(Example.model_fields)
    assert read_jsonl(tmp_path / "e.jsonl", Example) == examples


def test_a_row_of_an_earlier_version_is_still_read(tmp_path):
    old = {"id": "a", "question": "q", "sql": "s", "source": "gpt-4o", "level": "easy", "tags": ["count"]}
    (tmp_path / "e.jsonl").write_text(json.dumps(old) + "\n")
    (read,) = read_examples(tmp_path / "e.jsonl")
    assert read.time is None and read.teacher == "" and read.checks == [] and read.source == "gpt-4o"


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "e.jsonl"
    write_jsonl(path, [Example(question="old", sql="s")])

    def records():
        yield Example(question="new", sql="s")
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        write_jsonl(path, records())
    assert [e.question for e in read_jsonl(path, Example)] == ["old"]


def test_half_written_last_line_is_an_error_with_its_number(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_text('{"question": "a", "sql": "b"}\n{"question": "c", "sq')
    with pytest.raises(WrongUse, match=r"e\.jsonl:2.*ends in the middle"):
        read_jsonl(path, Example)


def test_all_bad_lines_are_reported_together(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_text('{"question": "a"}\n\n{"question": "a", "sql": "b", "mood": 1}\n')
    with pytest.raises(WrongUse) as caught:
        read_jsonl(path, Example)
    assert [p.where.rpartition(":")[2] for p in caught.value.problems] == ["1", "3"]


def test_a_line_that_is_no_object_is_named(tmp_path):
    (tmp_path / "e.jsonl").write_text("[1]\n")
    with pytest.raises(WrongUse, match=r"e\.jsonl:1"):
        read_jsonl(tmp_path / "e.jsonl", Example)


def test_json_list_with_sql_query_is_read(tmp_path):
    path = tmp_path / "set.json"
    path.write_text('[{"question": "a", "sql_query": "SELECT 1"}, {"question": "b", "sql": "SELECT 2"}]')
    assert [(e.question, e.sql) for e in read_examples(path)] == [("a", "SELECT 1"), ("b", "SELECT 2")]


@pytest.mark.parametrize(
    ("text", "what"), [("{}", "not a list"), ("[", "not JSON"), ('[{"question": 1}]', r"set\.json\[0\]")]
)
def test_bad_json_list_says_what_is_wrong(tmp_path, text, what):
    path = tmp_path / "set.json"
    path.write_text(text)
    with pytest.raises(WrongUse, match=what):
        read_examples(path)


@pytest.mark.parametrize("name", ["none.jsonl", "none.json"])
def test_missing_file_is_wrong_use(tmp_path, name):
    with pytest.raises(WrongUse, match="No such file"):
        read_examples(tmp_path / name)


def test_a_prediction_without_sql_keeps_its_text(tmp_path):
    write_jsonl(tmp_path / "p.jsonl", [Prediction(id="1", question="q", model="base", text="I cannot.", sql=None)])
    (read,) = read_jsonl(tmp_path / "p.jsonl", Prediction)
    assert read.sql is None and read.text == "I cannot." and read.stopped


@pytest.mark.parametrize("name", ["set.json", "set.jsonl"])
def test_a_file_that_is_not_utf_8_is_wrong_use(tmp_path, name):
    (tmp_path / name).write_bytes('[{"question": "café", "sql": "SELECT 1"}]'.encode("latin-1"))
    with pytest.raises(WrongUse, match=r"not .*JSON.*utf-8"):
        read_examples(tmp_path / name)
