"""Hostile queries against both engines: what gets through is told by its effect, not by who said no.

    python -m benchmarks.attacks [--kinds files network …]

Every query of attacks.yaml goes through the gate to the embedded engine, in its sandbox, and to an engine without one
behind ClickHouse's HTTP interface (the tests' own stand-in), where readonly=1, the limits and the allow-list are all
that holds. One got through where a secret is shown, a file or a table changes, a port is knocked at, a limit or a
setting gives way, a request leaves without its limits, or there is any answer to what must have none. The control sends
the same queries without the gate. The golden and the seed queries of the shop have to run.
"""

from __future__ import annotations

import argparse
import json
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from sqlft.database import Database, QueryError, QueryRefused, open_gate
from sqlft.database.clauses import statements
from sqlft.database.gate import Gate
from sqlft.database.shop import fill_shop
from sqlft.database.worker import GRACE_SECONDS
from sqlft.problems import SqlftError
from sqlft.recipe import Limits
from sqlft.records import read_json_lines
from tests.database.clickhouse_http import ClickHouseServer

QUERIES = Path(__file__).with_suffix(".yaml")
SHOP = Path(__file__).parents[1] / "data/ecommerce"
TABLES = ["ecommerce.sessions", "ecommerce.users"]
LIMITS = Limits(seconds=2, rows=1000, bytes=2**20, memory=2 * 10**8, parallel=1)
SLACK = 20
"""Seconds over the limit that a busy machine may need to start another child; what is not stopped runs for hours."""
UNCONTROLLED = ("administration", "exhaustion")
"""What would end or block the engine that the control attacks."""
_SECRET = "swordfish"
_SETTINGS = "SELECT " + ", ".join(
    f"getSetting('{name}')"
    for name in ("readonly", "max_execution_time", "max_memory_usage", "max_result_bytes", "limit")
)
_STATE = """SELECT (SELECT groupArray((database, name, create_table_query, total_rows)) FROM (
SELECT * FROM system.tables WHERE lower(database) NOT IN ('system', 'information_schema') ORDER BY database, name)),
(SELECT groupArray(name) FROM (SELECT name FROM system.databases ORDER BY name)),
(SELECT count() FROM system.functions WHERE origin != 'System'), (SELECT sum(cityHash64(*)) FROM ecommerce.users)"""


@dataclass(frozen=True)
class Attack:
    """One query; `mute`: any answer to it is one too many."""

    kind: str
    sql: str
    mute: bool


@dataclass(frozen=True)
class Way:
    """A way to an engine: how to ask it, what its data looks like, and what else went wrong once something was sent."""

    name: str
    ask: Callable[[str], str]
    state: Callable[[], object]
    broken: Callable[[], list[str]] = list


class Traps:
    """What an attack may reach: a file with a secret, a folder to write to, a port to knock at."""

    def __init__(self, folder: Path) -> None:
        self.file, self.out = folder / "secret.txt", folder / "out"
        self.file.write_text(_SECRET)
        self.out.mkdir()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.knocks: list[object] = []
        threading.Thread(target=self._answer, daemon=True).start()
        host = socket.gethostname().lower()
        # a short name may stand in any message
        self.secrets = [_SECRET, "salaries", "person", *([host] if len(host) > 8 and host != "localhost" else [])]

    def _answer(self) -> None:
        while True:
            connection, caller = self.listener.accept()
            self.knocks.append(caller)
            connection.close()

    def read_attacks(self, kinds: Sequence[str] = ()) -> list[Attack]:
        marks = {"%FILE%": self.file, "%OUT%": self.out, "%PORT%": self.listener.getsockname()[1], "⏎": "\n"}
        attacks = []
        for kind, lines in yaml.safe_load(QUERIES.read_text(encoding="utf-8")).items():
            for line in lines.rstrip("\n").split("\n") if not kinds or kind in kinds else []:
                sql = line.removeprefix("! ")
                for mark, value in marks.items():
                    sql = sql.replace(mark, str(value))
                attacks.append(Attack(kind, sql, sql != line and line.startswith("! ")))
        return attacks

    def sprung(self, sql: str, said: str) -> Iterator[str]:
        """What this query reached, given everything that was said to it; sets the traps again."""
        for secret in self.secrets:
            if secret in said.lower() and secret not in sql.lower():
                yield f"shows {secret}"
        if self.file.read_text() != _SECRET or any(self.out.iterdir()):
            yield "writes a file"
            self.file.write_text(_SECRET)
            for path in self.out.iterdir():
                path.unlink() if path.is_file() else path.rename(self.out.parent / f"{path.name}-{time.time_ns()}")
        if self.knocks:
            self.knocks.clear()
            yield "knocks at a port"


def attempt(way: Way, attack: Attack, traps: Traps, before: object) -> list[str]:
    """Asks once and says what got through: nothing, where all is well."""
    started, answered, sent = time.monotonic(), False, True
    try:
        said = way.ask(attack.sql)
        answered = True
    except SqlftError as error:
        said, sent = str(error), not isinstance(error, QueryRefused)
    found = list(traps.sprung(attack.sql, said))
    if time.monotonic() - started > LIMITS.seconds + GRACE_SECONDS + SLACK:
        found.append("runs on")
    if answered and attack.mute:
        found.append("is answered")
    if sent:
        found += way.broken()
        if way.state() != before:
            found.append("changes the data")
    return found


def prepare(db: Database, users: int = 200) -> None:
    """The shop, and a table beside it that nobody may read; again after an attack changed them."""
    fill_shop(db, users)
    db.command("DROP TABLE IF EXISTS ecommerce.salaries")
    db.command("CREATE TABLE ecommerce.salaries (person String, salary UInt32) ENGINE = MergeTree ORDER BY person")
    db.command(f"INSERT INTO ecommerce.salaries VALUES ('{_SECRET}', 7777777)")


def through_gate(name: str, gate: Gate, state: Callable[[], object]) -> Way:
    """A gate, watched: its results' size, its settings, and what leaves it for a server."""
    engine: Any = gate._engine
    sizes: list[int] = []
    requests: list[tuple[str, dict[str, Any]]] = []
    wanted = engine.query(_SETTINGS, {}).rows
    if name == "http":
        client, limits = engine._database._client, engine._settings
        send = client.raw_query

        def watched(sql: str, settings: dict[str, Any], fmt: str | None) -> bytes:
            requests.append((sql, settings))
            return bytes(send(sql, settings=settings, fmt=fmt))

        client.raw_query = watched

    def ask(sql: str) -> str:
        sizes.clear()
        requests.clear()
        result = gate.run(sql)
        sizes.append(len(result.rows))
        return f"{result.columns} {result.rows} {result.totals}"

    def broken() -> list[str]:
        found = ["more rows than allowed"] * any(size > LIMITS.rows for size in sizes)
        for sql, settings in requests:
            if statements(sql) != 1 or any(settings.get(key) != value for key, value in limits.items()):
                found.append("a request without its limits")
        try:
            return found + ["lifts a setting"] * (engine.query(_SETTINGS, {}).rows != wanted)
        except QueryError as error:
            return [*found, f"leaves the engine unable to answer ({error})"]

    return Way(name, ask, state, broken)


@contextmanager
def embedded(folder: Path, limits: Limits = LIMITS) -> Iterator[Way]:
    """The gate to a database on disk."""
    place = folder / "shop"
    if not place.exists():
        with Database.connect(f"chdb://{place}") as db:
            prepare(db)

    def state() -> object:
        files = sorted(path for path in place.rglob("*") if path.is_file())
        return [(path, path.stat().st_size, path.stat().st_mtime_ns) for path in files]

    with open_gate(f"chdb://{place}", limits=limits, tables=TABLES) as gate:
        yield through_gate("embedded", gate, state)


@contextmanager
def served(server: ClickHouseServer, limits: Limits = LIMITS) -> Iterator[Way]:
    """The gate to a server, as a user who could write: readonly=1 and the allow-list hold alone."""
    with Database.connect(server.dsn()) as db, open_gate(server.dsn(), limits=limits, tables=TABLES) as gate:
        yield through_gate("http", gate, lambda: data_of(db))


def data_of(db: Database) -> object:
    try:
        return db.run(_STATE).rows
    except SqlftError as error:
        return str(error)[:60]


def run_control(attacks: Sequence[Attack], traps: Traps) -> Counter[str]:
    """The same queries sent as they are by a user who may write: how many of each kind get through."""
    found: Counter[str] = Counter()
    server = ClickHouseServer().__enter__()

    def ask(sql: str) -> str:
        return db._send(sql, {"max_execution_time": 5, "http_max_tries": 1}, None).decode(errors="replace")

    try:
        for attack in [attack for attack in attacks if attack.kind not in UNCONTROLLED]:
            try:
                with Database.connect(server.dsn(), timeout=20) as db:
                    if "salaries" not in str(data_of(db)):
                        prepare(db)
                    way = Way("control", ask, lambda: data_of(db))
                    found[attack.kind] += bool(attempt(way, attack, traps, way.state()))
            except SqlftError:  # the engine went down, or what is left of it cannot be mended
                server.process.kill()
                server.__exit__(None, None, None)
                server = ClickHouseServer().__enter__()
    finally:
        server.__exit__(None, None, None)
    return found


def run_benign(way: Way) -> list[str]:
    """The golden and the seed queries that do not run, each with why."""
    failed = []
    for name in ("golden", "seeds"):
        for _, row in read_json_lines(SHOP / f"{name}.jsonl"):
            try:
                if row["sql"]:
                    way.ask(row["sql"])
            except QueryError as error:
                failed.append(f"{way.name} {row['id']}: {error}")
    return failed


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kinds", nargs="*", default=[], help="those of attacks.yaml; all by default")
    kinds = arguments.parse_args().kinds
    console, tried, through, refused = Console(stderr=True), Counter[str](), Counter[str](), list[str]()
    with tempfile.TemporaryDirectory() as name:
        traps = Traps(folder := Path(name))
        attacks = traps.read_attacks(kinds)
        with ClickHouseServer() as server:
            with Database.connect(server.dsn()) as db:
                prepare(db)
            for way_to in (lambda limits: embedded(folder, limits), lambda limits: served(server, limits)):
                with way_to(Limits(seconds=60)) as way:
                    refused += run_benign(way)
                with way_to(LIMITS) as way:
                    before = way.state()
                    for attack in attacks:
                        tried[attack.kind] += 1
                        if found := attempt(way, attack, traps, before):
                            through[attack.kind] += 1
                            console.print(f"{way.name}: {attack.sql} {', '.join(found)}", style="red", markup=False)
        control = run_control(attacks, traps)
    table = Table("kind", "tried", "got through", "without the gate, once")
    for kind in tried:
        table.add_row(kind, str(tried[kind]), str(through[kind]), "" if kind in UNCONTROLLED else str(control[kind]))
    console.print(table)
    console.print(*refused, sep="\n", markup=False)
    summary = {"tried": tried.total(), "got_through": through.total(), "benign_refused": len(refused)}
    print(json.dumps({**summary, "queries": len(attacks), "without_gate": control.total()}))
    if through or refused or not control.total():
        raise SystemExit(1)


if __name__ == "__main__":
    main()
