"""Each layer on its own: the allow-list is never asked, the engine's grants only where they are the subject."""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlft.database import ConnectError, QueryError, sandbox, worker
from sqlft.database.sandbox import NETWORK, NoSandboxError
from sqlft.database.worker import Child

MEMORY = 6 * 2**30
WRITES = [
    "INSERT INTO shop.t SELECT 1, 'x', 1",
    "ALTER TABLE shop.t DELETE WHERE 1",
    "TRUNCATE TABLE shop.t",
    "DROP TABLE shop.t",
    "OPTIMIZE TABLE shop.t FINAL",
    "CREATE DATABASE other",
    "CREATE TEMPORARY TABLE x (a UInt8)",
    "SYSTEM DROP MARK CACHE",
    "SELECT 1; DROP TABLE shop.t",
]


def start(database: Path | None, monkeypatch: pytest.MonkeyPatch, *, free: bool = False, **kwargs) -> Child:
    """A child whose user may select; `free`: who may do everything, so that the sandbox stands alone."""
    if free:
        user = worker._CONFIG.replace("<users_config>{folder}/config.xml</users_config>", "")
        monkeypatch.setattr(
            worker,
            "_CONFIG",
            user.replace("<remote_url_allow_hosts><host>none.invalid</host>", "").replace(
                "</remote_url_allow_hosts>", ""
            ),
        )
    kwargs = {"settings": {}, "tables": ["shop.t"], "memory": MEMORY, **kwargs}
    try:
        return Child(database, **kwargs)
    except NoSandboxError as error:
        pytest.skip(f"this machine cannot: {error}")


@pytest.fixture
def confined(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    child = start(folder, monkeypatch, free=True)
    yield child
    child.close()


def rows(child: Child, sql: str) -> list[list[object]]:
    return json.loads(child.ask(sql, {}, 20))["data"]


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT file('{secret}')",
        "SELECT * FROM file('{secret}', LineAsString)",
        "SELECT * FROM `{secret}`",
        "SELECT * FROM sqlite('{secret}', 'x')",
        "SELECT * FROM executable('cat {secret}', LineAsString, 'a String')",
        "SELECT * FROM python('{secret}')",
        "SELECT file('/etc/passwd')",
        "SELECT file('/proc/self/environ')",
        "SELECT * FROM file('/proc/self/fd/*', LineAsString, 'a String')",
    ],
)
def test_a_confined_child_reads_no_file_outside_the_database(confined: Child, tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("swordfish")
    with pytest.raises(QueryError) as caught:
        confined.ask(sql.format(secret=secret), {}, 20)
    assert "swordfish" not in str(caught.value)
    assert rows(confined, "SELECT count() FROM shop.t") == [[1000]]


def test_the_same_queries_do_read_without_a_sandbox(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("swordfish")
    child = start(folder, monkeypatch, free=True, confined=False)
    assert child.layers == []
    assert rows(child, f"SELECT file('{secret}')") == [["swordfish"]]
    child.close()


def test_a_confined_child_writes_no_file(confined: Child, folder: Path, tmp_path: Path) -> None:
    before = fingerprint(folder)
    for place in (tmp_path, folder, folder / "metadata", confined.folder, confined.folder / "tmp", Path("/dev/shm")):
        with pytest.raises(QueryError):
            confined.ask(f"SELECT 1 INTO OUTFILE '{place}/written.csv'", {}, 20)
        assert not (place / "written.csv").exists()
    with pytest.raises(QueryError):
        confined.ask(f"SELECT 1 INTO OUTFILE '{folder}/metadata/shop.sql' TRUNCATE FORMAT CSV", {}, 20)
    assert fingerprint(folder) == before


@pytest.mark.parametrize("network", [*((way,) for way in NETWORK), NETWORK])
def test_a_confined_child_makes_no_request(
    folder: Path, monkeypatch: pytest.MonkeyPatch, network: tuple[str, ...]
) -> None:
    child = start(folder, monkeypatch, free=True, network=network)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        for sql in (
            f"SELECT * FROM url('http://127.0.0.1:{port}/x', CSV, 'a String')",
            f"DESCRIBE url('http://127.0.0.1:{port}/x', CSV)",
            f"SELECT * FROM s3('http://127.0.0.1:{port}/b/x.csv', NOSIGN, CSV, 'a String')",
            f"SELECT * FROM remote('127.0.0.1:{port}', system.one)",
            f"SELECT * FROM mysql('127.0.0.1:{port}', 'd', 't', 'u', 'p')",
            f"SELECT hasColumnInTable('127.0.0.1:{port}', 'default', '', 'system', 'one', 'dummy')",
        ):
            with pytest.raises(QueryError):
                child.ask(sql, {}, 4)
            if not child.alive:
                child = start(folder, monkeypatch, free=True, network=network)
        with pytest.raises(TimeoutError):
            server.accept()
    child.close()


def test_the_same_request_is_made_without_a_sandbox(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = start(folder, monkeypatch, free=True, confined=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def ask() -> None:
            with contextlib.suppress(QueryError):
                child.ask(f"DESCRIBE url('http://127.0.0.1:{server.getsockname()[1]}/x', CSV)", {}, 60)

        asked = threading.Thread(target=ask)
        asked.start()
        server.accept()[0].close()
    child._process.kill()
    asked.join()
    child.close()


def test_every_layer_that_holds_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = start(folder, monkeypatch, network=("seccomp",))
    assert child.layers == ["landlock", "seccomp"]
    child.close()


def test_without_any_way_to_take_the_network_the_child_refuses_to_live(folder: Path) -> None:
    with pytest.raises(NoSandboxError, match="network"):
        Child(folder, {}, ["shop.t"], memory=MEMORY, network=())


def test_the_grants_alone_keep_every_row_and_every_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = start(folder, monkeypatch, confined=False)
    before = fingerprint(folder)
    sources = [
        "url('http://127.0.0.1:1/', CSV, 'a String')",
        "file('/etc/passwd', LineAsString)",
        "shop.secret",
        "executable('x', CSV, 'a String')",
    ]
    for sql in [*WRITES, *(f"SELECT * FROM {source}" for source in sources)]:
        with pytest.raises(QueryError, match=r"ACCESS_DENIED|READONLY|Not enough privileges"):
            child.ask(sql, {}, 20)
    assert rows(child, "SELECT count() FROM shop.t") == [[1000]]
    assert fingerprint(folder) == before
    child.close()


def test_the_sandbox_alone_keeps_the_database_as_it_is(confined: Child, folder: Path) -> None:
    before = fingerprint(folder)
    for sql in WRITES:
        with pytest.raises((QueryError, json.JSONDecodeError)):
            rows(confined, sql)
    assert fingerprint(folder) == before


def test_readonly_is_set_last_and_stays(confined: Child) -> None:
    assert rows(confined, "SELECT getSetting('readonly')") == [[1]]
    for sql in ("SET readonly = 0", "SET max_memory_usage = 5", "SELECT 1 SETTINGS max_execution_time = 5"):
        with pytest.raises(QueryError, match="READONLY"):
            confined.ask(sql, {}, 20)


def test_settings_of_one_query_do_not_reach_the_next(confined: Child) -> None:
    asked = "SELECT toTypeName(b) FROM (SELECT 1 AS a) AS x LEFT JOIN (SELECT 2 AS a, 3 AS b) AS y USING a"
    assert json.loads(confined.ask(asked, {"join_use_nulls": "1"}, 20))["data"] == [["Nullable(UInt8)"]]
    assert rows(confined, asked) == [["UInt8"]]


def test_a_query_that_failed_half_way_leaves_no_rows_behind(confined: Child) -> None:
    with pytest.raises(QueryError):
        confined.ask("SELECT throwIf(number = 900000) FROM numbers(1000000) SETTINGS max_block_size = 1000", {}, 20)
    with pytest.raises(QueryError):
        confined.ask("SELECT number, throwIf(number = 900000) FROM numbers(1000000)", {}, 20)
    assert rows(confined, "SELECT 7") == [[7]]


def test_kill_query_reaches_nobody_else(folder: Path, confined: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    other = start(folder, monkeypatch, free=True)
    answers: list[object] = []
    slow = threading.Thread(target=lambda: answers.append(rows(other, "SELECT count() FROM numbers(3000000000)")))
    slow.start()
    confined.ask("KILL QUERY WHERE 1 SYNC", {}, 20)
    slow.join()
    assert answers == [[[3000000000]]]
    other.close()


@pytest.mark.parametrize("sql", ["SELECT sleep(3)", "SELECT count() FROM numbers(1000000000000)"])
def test_a_query_that_the_engine_does_not_stop_is_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.setattr(worker, "GRACE_SECONDS", 0.1)
    child = start(folder, monkeypatch)
    with pytest.raises(QueryError) as caught:
        child.ask(sql, {}, 0.2)
    assert caught.value.kind == "timeout"
    assert not child.alive and not child.folder.exists()


def test_a_child_that_stands_still_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "GRACE_SECONDS", 0.1)
    child = start(folder, monkeypatch)
    os.kill(child._process.pid, signal.SIGSTOP)
    with pytest.raises(QueryError, match=r"Stopped after 0\.2 s"):
        child.ask("SELECT 1", {}, 0.2)
    assert not child.alive


def test_a_child_that_dies_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = start(folder, monkeypatch)
    threading.Timer(0.3, os.kill, (child._process.pid, signal.SIGKILL)).start()
    with pytest.raises(QueryError, match="signal 9") as caught:
        child.ask("SELECT count() FROM numbers(1000000000000)", {}, 60)
    assert caught.value.kind == "crashed"


def test_cpu_time_is_bounded_even_if_nobody_watches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    child = start(folder, monkeypatch)
    line = json.dumps({"sql": "SELECT count() FROM numbers(1000000000000)", "settings": {}, "seconds": -1.9})
    child._socket.sendall(line.encode() + b"\n")
    assert child._process.wait(60) == -signal.SIGXCPU
    child.close()


def test_memory_beyond_the_engines_own_limit_is_bounded_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = start(folder, monkeypatch, memory=3 * 2**30)
    with pytest.raises(QueryError):
        child.ask("SELECT length(groupArray(number)) FROM numbers(1000000000)", {}, 60)
    child.close()


def test_a_child_does_not_outlive_its_parent(folder: Path) -> None:
    program = (
        "import sys, pathlib; from sqlft.database.worker import Child\n"
        "child = Child(pathlib.Path(sys.argv[1]), {}, ['shop.t'], memory=2**33, confined=False)\n"
        "print(child._process.pid, child.folder, flush=True)\n"
        "child.ask('SELECT count() FROM numbers(1000000000000)', {}, 60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    pid, own = parent.stdout.readline().split()
    time.sleep(0.2)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "the child goes on"
        time.sleep(0.02)
    shutil.rmtree(own)


def test_the_child_inherits_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "swordfish")
    child = start(folder, monkeypatch, confined=False, free=True)
    assert "swordfish" not in Path(f"/proc/{child._process.pid}/environ").read_text()
    child.close()


def test_a_folder_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "broken.sql").write_text("no SQL")
    with pytest.raises(ConnectError, match="cannot open"):
        Child(tmp_path, {}, None, memory=MEMORY, confined=False)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_seccomp_program_denies_sockets_and_programs_and_allows_threads(machine: str) -> None:
    program = sandbox._filter(machine)
    steps = [struct.unpack("=HBBI", program[i : i + 8]) for i in range(0, len(program), 8)]
    numbers = {
        "x86_64": {"socket": 41, "execve": 59, "read": 0, "clone": 56},
        "aarch64": {"socket": 198, "execve": 221, "read": 63, "clone": 220},
    }[machine]
    arch = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]

    def verdict(call: int, argument: int = 0, arch: int = arch) -> int:
        data = {0: call, 4: arch, 16: argument}
        place, register = 0, 0
        while True:
            code, yes, no, value = steps[place]
            place += 1
            if code == 0x06:
                return value
            if code == 0x20:
                register = data[value]
            else:
                test = {0x15: register == value, 0x35: register >= value, 0x45: bool(register & value)}[code]
                place += yes if test else no

    allowed, thread, process = 0x7FFF0000, 0x10000, 17
    assert verdict(numbers["read"]) == allowed
    assert verdict(numbers["clone"], thread) == allowed
    denied = [
        verdict(numbers["socket"]),
        verdict(numbers["execve"]),
        verdict(425),
        verdict(435),
        verdict(numbers["clone"], process),
    ]
    assert allowed not in denied
    assert verdict(numbers["read"], arch=0x40000003) == 0x80000000


def test_elsewhere_than_on_linux_there_is_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(NoSandboxError, match="Darwin has no Landlock"):
        sandbox.confine([], [])
