"""A part of `python -m benchmarks.attacks`, and that its traps do spring."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import attacks
from benchmarks.attacks import Attack, Traps, Way, attempt, embedded, prepare, run_control, served
from sqlft.database import Database
from sqlft.problems import WrongUse
from tests.database.clickhouse_http import ClickHouseServer

QUICK = ("files", "into outfile", "several statements", "programs")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def traps(folder: Path) -> Traps:
    return Traps(folder)


def test_there_are_enough_and_no_two_are_the_same(traps: Traps) -> None:
    queries = [attack.sql for attack in traps.read_attacks()]
    assert len(set(queries)) == len(queries) >= 150
    assert not [sql for sql in queries if "%FILE%" in sql or "⏎" in sql]


def test_nothing_gets_through_to_the_embedded_engine(traps: Traps, folder: Path) -> None:
    with ExitStack() as stack:
        try:
            way = stack.enter_context(embedded(folder))
        except WrongUse as error:  # no sandbox on this machine; what is wrong later is a failure
            pytest.skip(str(error))
        before = way.state()
        for attack in traps.read_attacks(QUICK):
            assert attempt(way, attack, traps, before) == [], attack.sql


def test_nothing_gets_through_to_a_server(traps: Traps) -> None:
    with ClickHouseServer() as server:
        with Database.connect(server.dsn()) as db:
            prepare(db, 20)
        with served(server) as way:
            before = way.state()
            for attack in traps.read_attacks(QUICK):
                assert attempt(way, attack, traps, before) == [], attack.sql


def test_without_the_gate_some_of_them_do_get_through(traps: Traps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacks, "prepare", lambda db: prepare(db, 20))
    wanted = ("SELECT file(", "SELECT arrayMap(file,", "SELECT * APPLY(file)", "SELECT 1 INTO OUTFILE", "DROP TABLE ec")
    chosen = [attack for attack in traps.read_attacks() if attack.sql.startswith(wanted)]
    found = run_control(chosen, traps)
    assert found["files"] >= 3 and found["into outfile"] >= 1 and found["ddl"] >= 1


@pytest.mark.parametrize(
    ("said", "mute", "reason"),
    [("swordfish", False, "shows swordfish"), ("1", True, "is answered"), ("1", False, "changes the data")],
)
def test_every_effect_is_seen(traps: Traps, said: str, mute: bool, reason: str) -> None:
    way = Way("test", lambda _: said, lambda: "after")
    assert reason in attempt(way, Attack("files", "SELECT 1", mute), traps, "before")


def test_a_written_file_is_seen_once(traps: Traps) -> None:
    way = Way("test", lambda _: str((traps.out / "x").write_text("x")), lambda: 0)
    assert attempt(way, Attack("files", "SELECT 1", False), traps, 0) == ["writes a file"]
    quiet = Way("test", lambda _: "", lambda: 0)
    assert attempt(quiet, Attack("files", "SELECT 1", False), traps, 0) == []
