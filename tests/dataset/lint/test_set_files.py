import json

import pytest

from sqlft.dataset.lint.files import read_rows, write_rows
from sqlft.problems import WrongUse

ASKED = ["How many users are there?", "How many sessions, on iOS?"]
SQL = ["SELECT count() FROM users", "SELECT count() FROM sessions WHERE os = 'iOS'"]
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
    "prompt and completion": lambda q, s: {
        "prompt": [{"role": "system", "content": "…"}, {"role": "user", "content": q}],
        "completion": [{"role": "assistant", "content": s}],
    },
}


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
    ],
)
def test_what_is_no_set_is_said(name, text, why, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(WrongUse, match=why):
        read_rows(tmp_path / name)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(WrongUse, match="No such file"):
        read_rows(tmp_path / "none.csv")
