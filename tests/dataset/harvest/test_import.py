"""From a query log or a file to pairs: what is kept, what is dropped and why, and that nothing personal leaves."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from sqlft.database import Database, open_gate
from sqlft.dataset.build import build
from sqlft.dataset.harvest import LogFilter, import_files, import_log
from sqlft.dataset.lint.files import read_rows
from sqlft.inference.endpoint import Endpoint
from sqlft.problems import WrongUse
from sqlft.recipe import Limits
from sqlft.records import Example, Origin, Rejected, append_jsonl, locked, read_jsonl
from tests.database.clickhouse_http import ClickHouseServer
from tests.dataset.harvest.people import CARD, fill_people, make_recipe, put_into_words
from tests.openai_stub import OpenAIStub

PERSONAL = ("anna", "schmidt", "web.de", "4000077", "1234567", "o'neil", "secret")
QUERIES = [  # user, when, the database that it ran in, the query
    ("ann", "2024-05-01 10:00:00", "crm", "SELECT country, count() FROM people WHERE born < '1980-01-01' GROUP BY 1"),
    ("ann", "2024-05-03 10:00:00", "crm", "SELECT country, count() FROM people WHERE born < '1990-01-01' GROUP BY 1"),
    ("bob", "2024-05-02 10:00:00", "crm", "SELECT country, count() FROM people WHERE born < '1970-01-01' GROUP BY 1"),
    ("bob", "2024-05-02 11:00:00", "crm", "SELECT countIf(first_name = 'Anna'), count() FROM people FORMAT JSON"),
    ("bob", "2024-05-02 12:00:00", "crm", "SELECT surname FROM people WHERE email = 'anna.schmidt@web.de' -- secret"),
    ("bob", "2024-05-02 12:00:00", "crm", "SELECT person_id, minutes FROM calls"),
    ("bob", "2024-05-02 13:00:00", "crm", "SELECT count() FROM calls WHERE toUInt8(person_id = 4000077) > nosuch"),
    ("bob", "2024-05-02 13:00:00", "crm", "SELECT count(), sleep(1) FROM people WHERE surname = 'Schmidt'"),
    ("bob", "2024-05-02 13:00:00", "crm", "SELECT count() FROM calls"),
    ("bob", "2024-05-02 13:00:00", "other", "SELECT count() FROM orders"),
    ("bob", "2024-05-02 13:00:00", "crm", "INSERT INTO people SELECT * FROM people"),
    ("eve", "2024-06-02 13:00:00", "crm", "SELECT max(minutes) FROM calls"),
]  # fmt: skip
LOG = """INSERT INTO system.query_log SELECT 'QueryFinish', true, if(query LIKE 'INSERT%', 'Insert', 'Select'), *,
    normalizedQueryHash(query), [concat(current_database, '.', extract(query, 'FROM (\\w+)'))]
    FROM values('user String, event_time DateTime, current_database String, query String', {rows})"""
# made up: the embedded engine, which answers for the server, keeps no log
COLUMNS = """type Enum8('QueryStart' = 1, 'QueryFinish' = 2), is_initial_query UInt8, query_kind LowCardinality(String),
    user LowCardinality(String), event_time DateTime, current_database LowCardinality(String), query String,
    normalized_query_hash UInt64, tables Array(LowCardinality(String))"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(Endpoint, "backoff", 0.002)


@pytest.fixture(scope="module")
def server():
    with ClickHouseServer() as running:
        rows = ", ".join(f"({', '.join(map(_quoted, row))})" for row in QUERIES)
        with Database.connect(running.dsn()) as database:
            database.command(f"CREATE TABLE system.query_log ({COLUMNS}) ENGINE = Memory")
            database.command(LOG.format(rows=rows))
        yield running


@pytest.fixture(scope="module")
def dsn(tmp_path_factory):
    dsn = f"chdb://{tmp_path_factory.mktemp('crm')}/db"
    with Database.connect(dsn) as database:
        fill_people(database)
    return dsn


@pytest.fixture(scope="module")
def gate(dsn):
    with open_gate(dsn, limits=Limits(parallel=1), tables=CARD.table_names) as opened:
        yield opened


@pytest.fixture
def recipe(gate, dsn, tmp_path, monkeypatch):
    """Makes a recipe; a child process takes seconds to start, so all share one gate."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sqlft.dataset.queries.open_gate", lambda *_, **__: nullcontext(gate))
    return lambda stub, **sections: make_recipe(tmp_path, dsn, stub.url, **sections)


@pytest.fixture
def stub():
    with OpenAIStub(put_into_words) as running:
        yield running


def _quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def everything_said(folder, stub):
    """All that left the machine or was written."""
    files = [path.read_text() for path in sorted(folder.glob("pairs*"))]
    return "\n".join([*files, *(json.dumps(body) for body in stub.requests)]).lower()


def test_a_log_becomes_pairs_one_of_each_kind(recipe, server, stub, gate, tmp_path):
    out = Path("pairs.jsonl")
    report = import_log(recipe(stub), out, LogFilter(), server.dsn())
    pairs = {pair.sql: pair for pair in read_jsonl(out, Example)}
    common = pairs["SELECT country, count() FROM crm.people WHERE born < '1990-01-01' GROUP BY 1"]
    assert common.origin is not None and (common.origin.source, common.origin.runs) == ("query_log", 3)
    assert common.origin.hash.isdigit() and common.source == "gpt-4o" and common.question.startswith("What is country")
    assert set(pairs) == {
        common.sql, "SELECT countIf(first_name = 'Alex'), count() FROM crm.people", "SELECT max(minutes) FROM crm.calls"
    }  # fmt: skip
    for pair in pairs.values():  # masking keeps it
        hashed = gate.run(f"SELECT toString(normalizedQueryHash({_quoted(pair.sql)}))").rows
        assert hashed == [(pair.origin.hash,)]
    assert report.left == {"no SELECT": 1, "reads other tables": 1}
    assert report.rejected == {"refused": 1, "empty": 1, "too_many_rows": 1, "error": 1, "leak_template": 1}
    assert (report.found, report.runs, report.pairs, report.asked) == (8, 10, 3, 4)
    assert report.masked == [("e-mail", "email", 1), ("long number", "person_id", 1), ("name", "first_name", 1)]
    assert report.dollars == pytest.approx(2 * 0.0075)
    dropped = read_jsonl(Path("pairs.rejected.jsonl"), Rejected)
    assert sorted(item.reason for item in dropped) == ["empty", "error", "leak_template", "refused", "too_many_rows"]
    assert json.loads(Path("pairs.json").read_text()) == json.loads(json.dumps(report.to_json()))
    said = everything_said(tmp_path, stub)
    assert [value for value in PERSONAL if value in said] == []


def test_the_log_is_filtered_by_user_time_table_and_limit(recipe, server, stub):
    def found(**chosen):
        report = import_log(recipe(stub), Path("pairs.jsonl"), LogFilter(**chosen), server.dsn())
        return report.found, report.runs, report.left

    import datetime as dt

    assert found(users=["ann", "eve"]) == (2, 3, {})
    assert found(users=["o'neil"]) == (0, 0, {})
    assert found(since=dt.datetime(2024, 5, 3)) == (2, 2, {})
    assert found(until=dt.datetime(2024, 5, 2))[:2] == (1, 1)
    assert found(tables=["calls"], users=["eve"]) == (1, 1, {})
    assert found(limit=1) == (1, 3, {"no SELECT": 1, "reads other tables": 1, "beyond --limit": 7})


def test_what_cannot_be_read_says_what_to_write(recipe, server, stub, tmp_path):
    made = recipe(stub)
    with pytest.raises(WrongUse, match=r"--table: orders.*crm.people"):
        import_log(made, Path("pairs.jsonl"), LogFilter(tables=["orders"]), server.dsn())
    with pytest.raises(WrongUse, match=r"keeps no query log\. .*`sqlft import FILE`"):
        import_log(made, Path("pairs.jsonl"), LogFilter(), "chdb://memory")
    with pytest.raises(WrongUse, match=r"JSONL.*\.jsonl"):
        import_files(made, [], Path("pairs.csv"))
    assert not stub.requests


def test_the_grammar_cannot_put_queries_into_words(recipe, server, stub):
    made = recipe(stub, teacher={"kind": "template"})
    with pytest.raises(WrongUse, match=r"template.*teacher.kind=openai.*OpenAI-compatible"):
        import_log(made, Path("pairs.jsonl"), LogFilter(), server.dsn())
    Path("own.sql").write_text("-- Who has the longest call?\nSELECT max(minutes) FROM calls")
    assert import_files(made, [Path("own.sql")], Path("pairs.jsonl")).pairs == 1


def test_files_become_pairs_with_the_questions_in_them(recipe, stub, tmp_path):
    Path("a.sql").write_text(
        "-- How many people are called Anna O'Neil (anna@web.de)?\n"
        "SELECT countIf(first_name = 'Anna' AND surname = 'O\\'Neil'), count() FROM people;\n"
        "-- by anna, 2024\nSELECT min(minutes) FROM calls WHERE minutes > 3;\nDROP TABLE people;"
    )
    Path("b.sql").write_text("SELECT min(minutes) FROM calls WHERE minutes > 5; SELECT 'anna@web.de FROM people")
    report = import_files(recipe(stub), [Path("a.sql"), Path("b.sql")], Path("pairs.jsonl"))
    first, second = sorted(read_jsonl(Path("pairs.jsonl"), Example), key=lambda pair: pair.source)[::-1]
    assert first.question == "How many people are called Alex Robin (user1@example.com)?"
    assert first.sql == "SELECT countIf(first_name = 'Alex' AND surname = 'Robin'), count() FROM crm.people"
    assert first.source == "hand" and first.origin == Origin("file", first.origin.hash, 1)
    assert second.sql == "SELECT min(minutes) FROM crm.calls WHERE minutes > 5" and second.origin.runs == 2
    assert (report.found, report.merged, report.asked, report.rejected) == (5, 1, 1, {"refused": 2})
    said = everything_said(tmp_path, stub)
    assert [value for value in PERSONAL if value in said] == []
    rows = read_rows(Path("pairs.jsonl"))
    assert sorted(rows.questions) == sorted([first.question, second.question])


def test_what_a_hand_added_to_the_file_stays_when_it_is_written_anew(recipe, stub):
    Path("a.sql").write_text("SELECT min(minutes) FROM calls")
    first = import_files(recipe(stub), [Path("a.sql")], Path("pairs.jsonl"))
    by_hand = Example(question="The longest call?", sql="SELECT max(minutes) FROM crm.calls")
    with locked(Path("pairs.jsonl")) as file:
        append_jsonl(file, by_hand)
    again = import_files(recipe(stub), [Path("a.sql")], Path("pairs.jsonl"))
    kept = [*read_jsonl(Path("pairs.jsonl"), Example)]
    assert (len(kept), again.pairs) == (1 + first.pairs, first.pairs) and kept[0] == by_hand
    assert any("1 pairs without an origin stay" in note for note in again.notes)


def test_a_question_for_other_sql_is_not_taken(recipe, stub):
    Path("a.sql").write_text("SELECT min(minutes) FROM calls; SELECT max(minutes) FROM calls")
    stub.answer = lambda body: {
        "pairs": [{"question": "Shortest?", "sql": "SELECT MIN(minutes) FROM  crm.calls", "comment": ""},
                  {"question": "Longest?", "sql": "SELECT max(minutes) FROM crm.calls LIMIT 1", "comment": ""}]
    }  # fmt: skip
    report = import_files(recipe(stub), [Path("a.sql")], Path("pairs.jsonl"))
    (pair,) = read_jsonl(Path("pairs.jsonl"), Example)
    assert (pair.question, pair.sql) == ("Shortest?", "SELECT min(minutes) FROM crm.calls")
    assert report.rejected == {"no_question": 1}


def test_money_is_agreed_to_and_nothing_is_asked_twice(recipe, stub):
    Path("a.sql").write_text("SELECT min(minutes) FROM calls; SELECT max(minutes) FROM calls")
    unbounded = recipe(stub, teacher={"budget_usd": None})
    with pytest.raises(WrongUse, match=r"1 calls of gpt-4o.*Write --yes"):
        import_files(unbounded, [Path("a.sql")], Path("pairs.jsonl"))
    assert not stub.requests
    for _ in range(2):
        report = import_files(unbounded, [Path("a.sql")], Path("pairs.jsonl"), confirm=lambda estimate: True)
    assert len(stub.requests) == 1 and report.pairs == 2


def test_nothing_is_asked_about_what_would_be_dropped(recipe, stub):
    Path("a.sql").write_text("SELECT minutes FROM calls; SELECT minutes FROM calls WHERE minutes > 60; SELECT 1 + 'a';")
    report = import_files(recipe(stub), [Path("a.sql")], Path("pairs.jsonl"))
    assert not stub.requests and report.rejected == {"too_many_rows": 1, "empty": 1, "error": 1}


def test_an_error_that_quotes_a_row_is_not_written_down(recipe, stub, tmp_path):
    Path("a.sql").write_text("SELECT sum(toUInt64(first_name)) FROM people")
    report = import_files(recipe(stub), [Path("a.sql")], Path("pairs.jsonl"))
    dropped = Path("pairs.rejected.jsonl").read_text().lower()
    assert report.rejected == {"error": 1} and "cannot parse" in dropped and "anna" not in dropped


def test_a_build_takes_imported_pairs_before_the_teachers(recipe, stub, tmp_path):
    Path("a.sql").write_text("-- How long is the longest call?\nSELECT max(minutes) FROM calls")
    import_files(recipe(stub), [Path("a.sql")], tmp_path / "pairs.jsonl")
    said = [
        ("how long is the longest call", "SELECT max(minutes), 1 FROM crm.calls"),
        ("Shortest?", "SELECT min(minutes) FROM crm.calls"),
    ]
    stub.answer = lambda body: {"pairs": [{"question": q, "sql": s, "comment": ""} for q, s in said]}
    teacher = {"examples": 2, "slots": False}
    made = recipe(stub, imported=tmp_path / "pairs.jsonl", split={"validation": 0}, teacher=teacher)
    report = build(made)
    train = read_jsonl(report.folder / "train.jsonl", Example)
    assert [pair.sql for pair in train] == ["SELECT max(minutes) FROM crm.calls", "SELECT min(minutes) FROM crm.calls"]
    assert train[0].origin is not None and report.rejected == {"duplicate": 1}
    assert (report.written, report.validity["queries"]) == (2, 2)
    assert any("1 of 1 pairs of" in note for note in report.notes)
