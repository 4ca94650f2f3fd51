import datetime
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_http import ClickHouseServer

from sqlft.database import ConnectError, Database, QueryError, QueryRefused, Result, open_gate, worker
from sqlft.database.clock import freeze
from sqlft.database.gate import Gate
from sqlft.problems import WrongUse
from sqlft.recipe import Limits
from tests.database.conftest import make_folder

DAY = datetime.date(2024, 12, 31)
TABLES = ["shop.t", "shop.v"]


def gate_to(
    place: Path | str,
    tables: list[str] | None = TABLES,
    date: datetime.date | None = None,
    sandbox: str = "process",
    **limits: float,
) -> Gate:
    dsn = place if isinstance(place, str) else f"chdb://{place}"
    wanted = Limits.model_validate({"seconds": 60, "rows": 10, "parallel": 2, **limits})
    try:
        return open_gate(dsn, limits=wanted, tables=tables, sandbox=sandbox, date=date)
    except WrongUse as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def gate(folder: Path) -> Iterator[Gate]:
    with gate_to(folder, date=DAY) as opened:
        yield opened


def kind_of(gate: Gate, sql: str) -> str:
    with pytest.raises(QueryError) as caught:
        gate.run(sql)
    return caught.value.kind


def test_a_result_comes_with_types_totals_and_the_format_that_was_asked_for(gate: Gate) -> None:
    result = gate.run(
        "SELECT s, count() AS n FROM shop.t GROUP BY s WITH TOTALS ORDER BY s LIMIT 2 FORMAT TSVWithNames"
    )
    assert (result.columns, result.types) == (["s", "n"], ["String", "UInt64"])
    assert (result.rows, result.totals) == ([("0", 143), ("1", 143)], ("", 1000))
    assert (result.format, result.total_rows, result.too_large) == ("TSVWITHNAMES", 2, False)
    assert gate.run("SELECT n FROM shop.v").rows == [(1000,)]


def test_the_report_is_told_what_protects(gate: Gate) -> None:
    assert gate.sandbox.startswith("process (landlock, ")
    assert gate.warnings == []


def test_what_the_list_refuses_is_never_sent(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate._engine, "query", lambda *_: pytest.fail("sent"))
    for sql in ("SELECT * FROM shop.secret", "SELECT 1; SELECT 2", "DROP TABLE shop.t", "SELECT * FROM system.tables"):
        with pytest.raises(QueryRefused):
            gate.run(sql)


def test_tables_that_are_not_allowed_are_closed_in_the_engine_too(gate: Gate) -> None:
    with pytest.raises(QueryError, match="Not enough privileges"):
        gate._engine.query("SELECT * FROM shop.secret", {})


def test_a_wrong_name_is_an_error_with_its_hint(gate: Gate) -> None:
    with pytest.raises(QueryError, match="UNKNOWN_IDENTIFIER") as caught:
        gate.run("SELECT sum(xs) FROM shop.t WHERE xs IN (1)")
    assert (caught.value.kind, caught.value.code) == ("error", 47)


def test_past_the_row_limit_the_first_rows_and_the_count_are_kept(gate: Gate) -> None:
    result = gate.run("SELECT a FROM shop.t ORDER BY a DESC -- all of them")
    assert [row[0] for row in result.rows] == list(range(999, 989, -1))
    assert (result.total_rows, result.too_large) == (1000, True)
    assert gate.run("SELECT a FROM shop.t LIMIT 11").total_rows == 11
    assert not gate.run("SELECT a FROM shop.t LIMIT 10").too_large


def test_a_digest_leaves_out_order_types_and_the_last_digits(gate: Gate) -> None:
    rows, total = gate.digest("SELECT a, s, x FROM shop.t ORDER BY a")
    assert rows == 1000
    same = "SELECT toInt32(a), s, toNullable(x * (1 + 1e-15)) FROM shop.t ORDER BY a DESC FORMAT CSV"
    assert gate.digest(same, threads=1) == (rows, total)
    assert gate.digest("SELECT a, s, if(a = 500, 0, x) FROM shop.t")[1] != total
    assert gate.digest("SELECT a, s, x FROM shop.t UNION ALL SELECT 1, '1', 0")[0] == 1001


def test_results_come_in_the_order_of_the_queries(gate: Gate) -> None:
    done: list[int] = []
    sqls = [f"SELECT {n} + sum(number) * 0 FROM numbers({(n % 3) * 10_000_000})" for n in range(12)]
    sqls[5], sqls[7] = "SELECT nothing", "DROP TABLE shop.t"
    found = gate.run_many(sqls, progress=done.append)
    assert [r.rows[0][0] for r in found if isinstance(r, Result)] == [n for n in range(12) if n not in (5, 7)]
    assert isinstance(found[5], QueryError) and isinstance(found[7], QueryRefused)
    assert done == list(range(1, 13))


def test_queries_run_at_the_same_time_but_no_more_than_the_limit(folder: Path) -> None:
    with gate_to(folder, parallel=3) as gate:
        gate.run_many(["SELECT count() FROM numbers(30000000)"] * 6)
        assert 1 < len(gate._engine._idle) <= 3


def test_one_thread_when_asked_for(gate: Gate) -> None:
    asked = "SELECT getSetting('max_threads')"
    assert gate._engine.query(asked, {"max_threads": 1}).rows == [(1,)]
    assert gate.run("SELECT count() FROM shop.t", threads=1).rows == [(1000,)]


def test_a_setting_that_a_query_may_choose_holds_for_it_alone(gate: Gate) -> None:
    sql = "SELECT toTypeName(b) FROM (SELECT 1 AS a) AS p LEFT JOIN (SELECT 2 AS a, 3 AS b) AS q USING a"
    assert gate.run(f"{sql} SETTINGS join_use_nulls = 1").rows == [("Nullable(UInt8)",)]
    assert gate.run(sql).rows == [("UInt8",)]


def test_time_numbers_sleep_and_memory_are_bounded(folder: Path) -> None:
    with gate_to(folder, seconds=0.5, memory=100_000_000, bytes=100_000) as gate:
        assert kind_of(gate, "SELECT count() FROM numbers(1000000000000)") == "timeout"
        with pytest.raises(QueryError) as caught:
            gate._engine.query("SELECT sleep(3)", {})
        assert caught.value.kind == "timeout"
        assert kind_of(gate, "SELECT repeat('x', 1000000)") == "limit"
    with gate_to(folder, memory=100_000_000) as gate:
        assert kind_of(gate, "SELECT length(groupArray(number)) FROM numbers(1000000000)") == "limit"
        assert gate.run("SELECT 1").rows == [(1,)]


def test_a_killed_child_costs_one_query(folder: Path) -> None:
    with gate_to(folder, parallel=1) as gate:
        [child] = gate._engine._idle
        threading.Timer(0.5, os.kill, (child._process.pid, signal.SIGKILL)).start()
        slow, after = gate.run_many(["SELECT count() FROM numbers(1000000000000)", "SELECT 2"])
        assert isinstance(slow, QueryError) and slow.kind == "crashed"
        assert isinstance(after, Result) and after.rows == [(2,)]


def test_a_child_that_died_idle_costs_nothing(folder: Path) -> None:
    with gate_to(folder) as gate:
        [child] = gate._engine._idle
        child._process.kill()
        child._process.wait()
        assert gate.run("SELECT 1").rows == [(1,)]
        assert not child.folder.exists()


def test_an_interrupted_query_leaves_no_answer_for_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gate_to(folder, parallel=1) as gate:
        [child] = gate._engine._idle
        receive = child._receive
        monkeypatch.setattr(child, "_receive", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            gate.run("SELECT 1")
        monkeypatch.setattr(child, "_receive", receive)
        assert gate.run("SELECT 2").rows == [(2,)]


def test_nothing_is_left_behind(folder: Path) -> None:
    gate = gate_to(folder)
    [child] = gate._engine._idle
    gate.close()
    assert not child.alive and not child.folder.exists()


def test_the_process_that_filled_the_database_may_keep_it_open(tmp_path: Path) -> None:
    make_folder(tmp_path / "db")
    with Database.connect(f"chdb://{tmp_path}/db") as db, gate_to(tmp_path / "db") as gate:
        assert gate.run("SELECT sum(a) FROM shop.t").rows == [(499500,)]
        # parts move under the child's feet, as when another handle merges them
        db.command("ALTER TABLE shop.t DETACH PARTITION tuple()")
        db.command("ALTER TABLE shop.t ATTACH PARTITION tuple()")
        assert gate.run("SELECT sum(a), sum(length(s)) FROM shop.t").rows == [(499500, 1000)]


def test_without_a_list_every_table_of_the_folder_may_be_read_but_no_system_table(folder: Path) -> None:
    with gate_to(folder, tables=None) as gate:
        assert gate.tables == {"shop.t", "shop.secret", "shop.v"}
        assert gate.run("SELECT count() FROM shop.secret").rows == [(1000,)]
        assert kind_of(gate, "SELECT count() FROM system.tables") == "refused"


def test_memory_is_an_empty_engine() -> None:
    with gate_to("chdb://memory", tables=None) as gate:
        assert gate.tables == frozenset()
        assert gate.run("SELECT sum(number) FROM numbers(10)").rows == [(45,)]


def test_a_folder_without_a_database_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="no database"):
        open_gate(f"chdb://{tmp_path}/nothing", limits=Limits(), tables=None)
    assert list(tmp_path.iterdir()) == []


def test_a_system_without_a_sandbox_is_refused_unless_the_recipe_says_static(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_BOOT", worker._BOOT.replace("\nserve()", "\nsys.platform = 'darwin'\nserve()"))
    with pytest.raises(WrongUse, match=r"database\.sandbox: process: .* has no Landlock.*sandbox: static"):
        open_gate(f"chdb://{folder}", limits=Limits(), tables=TABLES)


def test_static_is_said_loudly_and_works_on_links(tmp_path: Path) -> None:
    path = make_folder(tmp_path / "db")
    before = {file: file.stat().st_ino for file in sorted(path.rglob("*")) if file.is_file()}
    with gate_to(path, sandbox="static") as gate:
        assert gate.sandbox == "static"
        assert "without a sandbox" in gate.warnings[0]
        assert gate.run("SELECT sum(a) FROM shop.t").rows == [(499500,)]
        [child] = gate._engine._idle
        assert all(not (child.folder / name).is_symlink() for name in ("metadata", "store"))
        shutil.rmtree(child.folder / "store")
    assert {file: file.stat().st_ino for file in sorted(path.rglob("*")) if file.is_file()} == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["db"]


def test_today_is_the_day_of_the_prompt(gate: Gate) -> None:
    [(today, now, days)] = gate.run("SELECT today(), now(), dateDiff('day', toDate('2024-12-01'), today())").rows
    assert (today, now, days) == ("2024-12-31", "2024-12-31 12:00:00", 30)
    assert kind_of(gate, "SELECT count() FROM shop.t WHERE a > today - 7") == "refused"


@pytest.mark.parametrize(
    ("sql", "frozen"),
    [
        ("SELECT TODAY ( ), yesterday()", "SELECT toDate('2024-12-31'), toDate('2024-12-30')"),
        ("SELECT now('UTC')", "SELECT toDateTime('2024-12-31 12:00:00', 'UTC')"),
        ("SELECT now64()", "SELECT toDateTime64('2024-12-31 12:00:00', 3)"),
        ("SELECT now64(6, 'UTC')", "SELECT toDateTime64('2024-12-31 12:00:00', 6, 'UTC')"),
        ("SELECT CURRENT_DATE - 1, `now`()", "SELECT toDate('2024-12-31') - 1, toDateTime('2024-12-31 12:00:00')"),
        ("SELECT 'today()', \"now()\", x.today, today.x FROM today", None),
        ("SELECT max(d) AS today FROM t HAVING today > 1", None),
        ("SELECT max(d) now FROM t HAVING now > 1", None),
        ("WITH today AS (SELECT 1) SELECT * FROM today", None),
        ("SELECT Yesterday(), `today` FROM t", None),
    ],
)  # fmt: skip
def test_only_the_clock_is_frozen(sql: str, frozen: str | None) -> None:
    assert freeze(sql, DAY) == (frozen or sql)


def test_every_frozen_clock_keeps_its_type(gate: Gate) -> None:
    clocks = "today() yesterday() curdate() now() now('UTC') now64() now64(6) nowInBlock() UTCTimestamp() localtime()"
    for clock in [*clocks.split(), "CURRENT_DATE", "CURRENT_TIMESTAMP", "now64(6, 'Europe/Berlin')", "nowInBlock64(0)"]:
        [(running,)] = gate._engine.query(f"SELECT toTypeName({clock})", {}).rows
        assert gate.run(f"SELECT toTypeName({clock})").rows == [(running,)]


@pytest.fixture(scope="module")
def server() -> Iterator[ClickHouseServer]:
    with ClickHouseServer() as running:
        with Database.connect(running.dsn()) as db:
            db.command("CREATE DATABASE shop")
            db.command("CREATE TABLE shop.t (a UInt64) ENGINE = MergeTree ORDER BY a")
            db.command("CREATE TABLE default.other (a UInt64) ENGINE = MergeTree ORDER BY a")
            db.command("INSERT INTO shop.t SELECT number FROM numbers(1000)")
        yield running


def test_a_server_gets_readonly_and_the_limits_with_every_query(server: ClickHouseServer) -> None:
    with gate_to(server.dsn(database="shop"), tables=None, date=DAY) as gate:
        assert (gate.sandbox, gate.tables) == ("server readonly", {"shop.t"})
        asked = "SELECT getSetting('readonly'), getSetting('max_execution_time'), getSetting('max_threads')"
        assert gate._engine.query(asked, {"max_threads": 1}).rows == [(1, 60, 1)]
        for sql in ("INSERT INTO shop.t VALUES (1)", "DROP TABLE shop.t", "SELECT 1 SETTINGS max_execution_time = 9"):
            with pytest.raises(QueryError, match="READONLY"):
                gate._engine.query(sql, {})
        result = gate.run("SELECT a, today() FROM t ORDER BY a")
        assert (result.rows[0], len(result.rows), result.total_rows) == ((0, "2024-12-31"), 10, 1000)
        assert gate.digest("SELECT a FROM t")[0] == 1000
        assert kind_of(gate, "SELECT * FROM default.other") == "refused"
        assert gate.run("SELECT 1 SETTINGS union_default_mode = 'ALL'").rows == [(1,)]
    with gate_to(server.dsn(database="shop"), seconds=3) as gate:
        assert kind_of(gate, "SELECT count() FROM numbers(1000000000000)") == "timeout"


def test_a_bare_name_is_looked_for_where_this_user_s_server_looks(
    server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Database.run
    here = Result(["currentDatabase()"], [("shop",)])
    monkeypatch.setattr(
        Database,
        "run",
        lambda self, sql, settings=None: here if "currentDatabase" in sql else answer(self, sql, settings),
    )
    with (
        gate_to(server.dsn(), tables=["default.t"]) as gate,
        pytest.raises(QueryRefused, match=r"shop\.t is not among"),
    ):
        gate.run("SELECT * FROM t")


def test_a_user_who_could_write_is_warned_of_loudly(server: ClickHouseServer) -> None:
    with gate_to(server.dsn(), tables=None) as gate:
        assert gate.tables == {"shop.t", "default.other"}
        assert "The user 'writer' could write" in gate.warnings[0]


def test_a_user_with_readonly_is_sent_no_setting_that_it_may_not_choose(server: ClickHouseServer) -> None:
    with gate_to(server.dsn("reader"), tables=["shop.t"]) as gate:
        assert "could write" not in "".join(gate.warnings)
        assert "'reader' may not choose max_execution_time" in gate.warnings[0]
        assert gate.run("SELECT count() FROM shop.t", threads=1).rows == [(1000,)]
        result = gate.run("SELECT a FROM shop.t ORDER BY a")
        assert (len(result.rows), result.total_rows) == (10, 1000)
        with pytest.raises(QueryRefused, match="may not choose the setting join_use_nulls"):
            gate.run("SELECT 1 SETTINGS join_use_nulls = 1")


@pytest.mark.parametrize(
    ("grant", "writes"),
    [
        ("GRANT SELECT ON shop.* TO x", False),
        ("GRANT SHOW DATABASES, SHOW TABLES, SELECT(a, b), dictGet ON shop.t TO x", False),
        ("GRANT SELECT, INSERT ON *.* TO x", True),
        ("GRANT ALTER UPDATE(a) ON shop.t TO x", True),
        ("GRANT analyst TO x", True),
    ],
)
def test_a_grant_beyond_reading_is_seen(
    server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch, grant: str, writes: bool
) -> None:
    answer = Database.run
    shown = Result(["grants"], [(grant,)])
    monkeypatch.setattr(
        Database,
        "run",
        lambda self, sql, settings=None: shown if sql == "SHOW GRANTS FINAL" else answer(self, sql, settings),
    )
    with gate_to(server.dsn(), tables=None) as gate:
        assert bool(gate.warnings) == writes


@pytest.mark.skipif("SQLFT_TEST_CLICKHOUSE" not in os.environ, reason="SQLFT_TEST_CLICKHOUSE holds no DSN")
def test_a_real_server_refuses_to_write_through_the_gate() -> None:
    with gate_to(os.environ["SQLFT_TEST_CLICKHOUSE"], tables=None) as gate:
        assert gate.run("SELECT sum(number) FROM numbers(10)").rows == [(45,)]
        with pytest.raises(QueryError):
            gate._engine.query("CREATE TABLE default.sqlft_test (a UInt8) ENGINE = Memory", {})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_a_gate_leaves_this_process_without_an_engine(folder: Path) -> None:
    import subprocess

    program = (
        "import sys; from sqlft.database import open_gate; from sqlft.recipe import Limits\n"
        "with open_gate('chdb://' + sys.argv[1], limits=Limits(), tables=None) as gate: gate.run('SELECT 1')\n"
        "print(any('chdb' in line for line in open('/proc/self/maps')))"
    )
    said = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
