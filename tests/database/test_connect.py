import math
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlft.database import ConnectError, Database, QueryError, QueryRefused
from sqlft.database.connect import parse_dsn
from sqlft.database.wire import read_result
from sqlft.problems import SqlftError, WrongUse


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with Database.connect("chdb://memory") as handle:
        yield handle


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("18446744073709551615::UInt64", 2**64 - 1),
        ("toInt128('-170141183460469231731687303715884105728')", -(2**127)),
        (f"toUInt256('{2**256 - 1}')", 2**256 - 1),
        ("1.10::Decimal(10, 2)", "1.1"),
        ("'12345678901234567890.123456789012345678'::Decimal(40, 18)", "12345678901234567890.123456789012345678"),
        ("0.1::Float32", 0.1),
        ("100::Float64", 100.0),
        ("1 / 0", math.inf),
        ("[-inf, 1]", [-math.inf, 1.0]),
        ("NULL", None),
        ("NULL::Nullable(Float64)", None),
        ("true", True),
        ("toDate('2024-02-29')", "2024-02-29"),
        ("toDateTime64('2024-02-29 01:02:03.456', 3, 'UTC')", "2024-02-29 01:02:03.456"),
        ("CAST('b', 'Enum8(\\'a\\' = 1, \\'b\\' = 2)')", "b"),
        ("toFixedString('ab', 3)", "ab\0"),
        ("map(1, [2], 3, [])", {1: [2], 3: []}),
        ("(1, 'a', NULL)", [1, "a", None]),
        ("CAST((1, [2]), 'Tuple(a UInt8, `b c` Array(Float32))')", {"a": 1, "b c": [2.0]}),
        ("[(1, 0.5)]::Array(Tuple(UInt64, Decimal(5, 2)))", [[1, "0.5"]]),
        ("toLowCardinality('x')", "x"),
        ("INTERVAL 2 DAY", 2),
        ("(1.5, 1::Decimal(3, 1))::Tuple(Dynamic, Decimal(3, 1))", [1.5, "1"]),
    ],
)
def test_cells_are_exact(db: Database, expression: str, value: object) -> None:
    cell = db.run(f"SELECT {expression}").rows[0][0]
    assert cell == value
    assert type(cell) is type(value)


def test_nan_is_a_float_and_not_null(db: Database) -> None:
    row = db.run("SELECT 0 / 0, NULL, [nan]").rows[0]
    assert math.isnan(row[0]) and row[1] is None and math.isnan(row[2][0])


def test_totals_and_extremes_come_along(db: Database) -> None:
    result = db.run(
        "SELECT number % 2 AS k, count() FROM numbers(5) GROUP BY k WITH TOTALS ORDER BY k SETTINGS extremes = 1"
    )
    assert result.rows == [(0, 3), (1, 2)]
    assert result.totals == (0, 5)
    assert result.extremes == ((0, 2), (1, 3))
    assert result.types == ["UInt8", "UInt64"]


@pytest.mark.parametrize("column", ["count()", "[count()]", "map('a', count())"])
def test_totals_over_no_rows_are_read_though_the_engine_writes_them_awry(db: Database, column: str) -> None:
    result = db.run(f"SELECT number AS k, {column} FROM numbers(5) WHERE 0 GROUP BY k WITH TOTALS")
    assert result.rows == [] and result.total_rows == 0
    assert result.totals is not None and result.totals[0] == 0 and len(result.columns) == 2


def test_an_answer_that_is_no_document_is_a_failed_query() -> None:
    with pytest.raises(QueryError, match="cannot be read"):
        read_result(b'{"meta": [}')


def test_a_format_clause_is_remembered_and_changes_nothing(db: Database) -> None:
    result = db.run("SELECT a.x, b.x FROM (SELECT 1 AS x) AS a, (SELECT 2 AS x) AS b format TabSeparatedWithNames;")
    assert (result.columns, result.rows, result.format) == (["x", "b.x"], [(1, 2)], "TABSEPARATEDWITHNAMES")


def test_sql_runs_as_it_was_written(db: Database) -> None:
    assert db.run("SELECT toMonday(toDate('2024-05-16')), arrayMap(x -> x + 1, [1])").rows == [("2024-05-13", [2])]


def test_an_unknown_name_brings_code_name_and_hint(db: Database) -> None:
    with pytest.raises(QueryError) as caught:
        db.run("SELECT numbr FROM numbers(3)")
    error = caught.value
    assert (error.code, error.name, error.hint, error.kind) == (47, "UNKNOWN_IDENTIFIER", "number", "error")
    assert "version" not in str(error)


@pytest.mark.parametrize(
    ("sql", "settings", "kind"),
    [
        (
            "SELECT sleepEachRow(0.1) FROM numbers(50) SETTINGS max_block_size = 1",
            {"max_execution_time": 0.2},
            "timeout",
        ),
        ("SELECT number FROM numbers(1000)", {"max_result_rows": 10}, "limit"),
        ("SELECT groupArray(number) FROM numbers(10000000)", {"max_memory_usage": 10_000_000}, "limit"),
        ("SELECT 1; SELECT 2", {}, "error"),
        ("SELECT", {}, "error"),
    ],
)
def test_errors_say_of_which_kind_they_are(db: Database, sql: str, settings: dict[str, float], kind: str) -> None:
    with pytest.raises(QueryError) as caught:
        db.run(sql, settings)
    assert caught.value.kind == kind
    assert db.run("SELECT value FROM system.settings WHERE name = 'max_result_rows'").rows == [("0",)]


def test_the_rows_of_a_query_that_failed_half_way_do_not_reach_the_next(db: Database) -> None:
    with pytest.raises(QueryError):
        db.run("SELECT number, throwIf(number = 8) FROM numbers(10) SETTINGS max_block_size = 1")
    assert db.run("SELECT 5").rows == [(5,)]


@pytest.mark.parametrize("kind", [QueryError, QueryRefused])
def test_query_errors_survive_pickling(kind: type[QueryError]) -> None:
    error = kind("no", 47, "UNKNOWN_IDENTIFIER", "number")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.__dict__) == (kind, str(error), error.__dict__)


def test_a_second_place_for_the_embedded_engine_is_refused(db: Database, tmp_path: Path) -> None:
    with pytest.raises(SqlftError, match=r"has chdb://memory open, .* one place per process"):
        Database.connect(f"chdb://{tmp_path}/engine")


OPEN = """
import sys
from sqlft.database import ConnectError, Database
try:
    db = Database.connect(sys.argv[1])
    print("open", flush=True)
    sys.stdin.read()
except ConnectError as error:
    print(error, flush=True)
"""


def test_a_folder_in_use_and_a_folder_that_cannot_be_are_told_apart(tmp_path: Path) -> None:
    def start(place: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", OPEN, f"chdb://{place}"]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    (tmp_path / "file").write_text("")
    holder = start(tmp_path / "shop")
    assert holder.stdout and holder.stdout.readline() == "open\n"
    second, odd = start(tmp_path / "shop"), start(tmp_path / "file")
    assert "is in use by another process: wait" in second.communicate()[0]
    message = odd.communicate()[0]
    assert "cannot open" in message and "File exists" in message and "Stack trace" not in message
    holder.communicate()


@pytest.mark.parametrize(
    "dsn",
    ["", "x", "postgres://u:hush@h/d", "chdb://", "chdb://folder", "clickhouse://", "clickhouse://u:hush@h:port/d",
     "clickhouse://u:hu/sh@h:8123/d", "clickhouse://u:hush@h?x=1"],
)  # fmt: skip
def test_a_bad_dsn_is_wrong_use_and_says_what_to_write(dsn: str) -> None:
    with pytest.raises(WrongUse, match=r"Write|goes into CLICKHOUSE_PASSWORD|Leave out") as caught:
        Database.connect(dsn)
    assert "hu" not in str(caught.value).replace("https", "")


def test_dsns_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLICKHOUSE_PASSWORD", "from env")
    assert parse_dsn("chdb://./shop").path == tmp_path / "shop"
    assert parse_dsn(f"chdb://{tmp_path}").path == tmp_path
    address = parse_dsn("clickhouses://ann@db.example/sales")
    assert (address.host, address.port, address.user, address.database) == ("db.example", 8443, "ann", "sales")
    assert (address.tls, address.password) == (True, "from env")
    assert parse_dsn("clickhouse://ann:p%40ss@[::1]/").password == "p@ss"
    assert parse_dsn("clickhouse://h").port == 8123


def test_a_password_is_in_no_repr_and_no_message() -> None:
    dsn = "clickhouse://ann:hush@127.0.0.1:1/sales"
    assert str(parse_dsn(dsn)) == "clickhouse://ann:***@127.0.0.1:1/sales"
    assert "hush" not in repr(parse_dsn(dsn))
    with pytest.raises(ConnectError, match=r"Nothing answers at 127\.0\.0\.1:1 ") as caught:
        Database.connect(dsn)
    assert "hush" not in str(caught.value)
