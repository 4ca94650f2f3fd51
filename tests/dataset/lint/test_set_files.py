import datetime
import json

import pyarrow
import pyarrow.parquet
import pytest

from sqlft.dataset.lint.files import Rows, read_rows, write_rows
from sqlft.problems import WrongUse

ASKED = ["How many users are there?", "How many sessions, on iOS?"]
SQL = ["SELECT count() FROM users", "SELECT count() FROM sessions WHERE os = 'iOS'"]
DAY = datetime.date(2024, 5, 1)
LLAMA = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\nTables: …<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
)
FORMS = {
    "question": lambda q, s: {"question": q, "sql_query": s},
    "named otherwise": lambda q, s: {"id": 3, "Frage": q, "Antwort": s},
    "query is the question": lambda q, s: {"query": q, "sql": s, "level": "easy"},
    "input": lambda q, s: {"input": q, "output": s},
    "a prompt in input": lambda q, s: {"input": LLAMA.format(q), "output": s},
    "a marked question": lambda q, s: {"prompt": f"Schema:\nusers(id)\n\nQuestion: {q}\nSQL:", "completion": s},
    "chat": lambda q, s: {
        "messages": [{"role": "user", "content": q}, {"role": "assistant", "content": f"```sql\n{s}\n```"}]
    },
    "turns": lambda q, s: {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": s}]},
    "a list of this and that": lambda q, s: {"question": q, "sql": s, "tags": [{"a": 1}, 2]},
    "prompt and completion": lambda q, s: {
        "prompt": [{"role": "system", "content": "…"}, {"role": "user", "content": q}],
        "completion": [{"role": "assistant", "content": s}],
    },
}


def _parquet(path, records):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), path)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_any_name(form, tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(json.dumps(FORMS[form](q, s)) for q, s in zip(ASKED, SQL, strict=True)))
    rows = read_rows(path)
    assert (rows.questions, rows.sqls) == (ASKED, SQL)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_tables_with_any_delimiter(delimiter, tmp_path):
    path = tmp_path / "set.csv"
    lines = [f'"{q}"{delimiter}"{s}"' for q, s in zip(ASKED, SQL, strict=True)]
    path.write_text("\n".join([f"question{delimiter}sql", *lines]))
    assert (read_rows(path).questions, read_rows(path).sqls) == (ASKED, SQL)


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "parquet"])
def test_a_set_is_written_again_with_other_sql(ending, tmp_path):
    source = tmp_path / "set.json"
    source.write_text(json.dumps([{"question": q, "sql": s, "n": 1} for q, s in zip(ASKED, SQL, strict=True)]))
    rows = read_rows(source)
    out = tmp_path / f"out.{ending}"
    write_rows(out, rows, [SQL[0], "SELECT 2"])
    again = read_rows(out)
    assert (again.questions, again.sqls) == (ASKED, [SQL[0], "SELECT 2"])


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.json", "[1, 2]", "not a list of objects"),
        ("a.json", '[{"question": "How many are there?"}]', "none of them holds SQL"),
        ("a.jsonl", '[{"sql": "SELECT 1"}]', "none of them holds questions"),
        ("a.jsonl", "{", "cannot be read"),
        ("a.jsonl", "1\n2", "not a list of objects"),
        ("a.jsonl", '{"question": "a b", "sql": "SELECT 1"}\n{"questi', "line 2: Unterminated"),
        ("a.json", "[" * 100_000, "cannot be read"),
        ("a.PARQUET", "x", "cannot be read"),
        ("a.csv", "question,sql\n\udcff", "cannot be read"),
    ],
)
def test_what_is_no_set_is_said(name, text, why, tmp_path):
    (tmp_path / name).write_text(text, errors="surrogateescape")
    with pytest.raises(WrongUse, match=why):
        read_rows(tmp_path / name)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(WrongUse, match="No such file"):
        read_rows(tmp_path / "none.csv")


def test_a_byte_order_mark_and_an_uppercase_ending_are_no_part_of_the_set(tmp_path):
    path = tmp_path / "SET.CSV"
    path.write_text(f"question;sql\n{ASKED[0]};{SQL[0]}\n", encoding="utf-8-sig")
    assert (read_rows(path).questions, read_rows(path).sqls) == (ASKED[:1], SQL[:1])


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "parquet"])
def test_rows_that_lack_a_column_or_have_one_more_are_written_again_whole(ending, tmp_path):
    source = tmp_path / "set.jsonl"
    made = [{"question": q, "sql": s} for q, s in zip(ASKED, SQL, strict=True)]
    source.write_text("\n".join(map(json.dumps, [made[0], {**made[1], "note": "x"}])))
    write_rows(tmp_path / f"out.{ending}", read_rows(source), SQL)
    assert read_rows(tmp_path / f"out.{ending}").records[1]["note"] == "x"


def test_a_line_with_more_fields_than_the_header_keeps_them(tmp_path):
    source = tmp_path / "set.csv"
    source.write_text(f'question,sql\n{ASKED[0]},{SQL[0]},more,yet\n"{ASKED[1]}",{SQL[1]}\n')
    write_rows(tmp_path / "out.csv", read_rows(source), ["SELECT 2", SQL[1]])
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == f"{ASKED[0]},SELECT 2,more,yet"


def test_what_json_has_no_form_for_is_written_as_text(tmp_path):
    rows = read_rows(_parquet(tmp_path / "set.parquet", [{"question": ASKED[0], "sql": SQL[0], "day": DAY}]))
    write_rows(tmp_path / "out.jsonl", rows, SQL[:1])
    assert read_rows(tmp_path / "out.jsonl").records[0]["day"] == str(DAY)


def test_columns_of_two_types_are_no_parquet(tmp_path):
    rows = Rows(ASKED, SQL, [{"question": ASKED[0], "sql": SQL[0], "n": 1}, {"question": "", "sql": "", "n": "x"}])
    with pytest.raises(WrongUse, match=r"ends in \.jsonl"):
        write_rows(tmp_path / "out.parquet", rows, SQL)
