"""Both ends of the pipe between the gate and a child process, which runs one query at a time on the embedded engine.

The child never opens the database's folder for writing: it works in a folder of its own whose entries lead to the
database's files. Its user may select from the allowed tables and do nothing else; that holds without a sandbox too.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from xml.sax.saxutils import escape

from sqlft.database.errors import ConnectError, Kind, QueryError
from sqlft.database.sandbox import (
    NETWORK,
    NoSandboxError,
    confine,
    die_with_parent,
    limit_cpu,
    limit_resources,
)

GRACE_SECONDS = 2
"""What a query gets beyond its limit, in which the engine should stop it, before the child is killed."""
START_SECONDS = 120
SYSTEM_DATABASES = ("system", "information_schema", "INFORMATION_SCHEMA")

_HEADER = struct.Struct(">?Q")  # of an answer: whether it is an error, its bytes
_TIME_ZONE = ("/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo")
_FILES = ("metadata", "data", "store", "user_defined")
# this module without what its packages import for everybody else: a child starts in a third of the time
_BOOT = """
import sys, types
for name, path in (("sqlft", sys.argv[1]), ("sqlft.database", sys.argv[1] + "/database")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
from sqlft.database.worker import serve
serve()
"""
_CONFIG = """<clickhouse>
<logger><level>none</level><console>0</console></logger>
<users_config>{folder}/config.xml</users_config>
<user_files_path>{folder}/nothing/</user_files_path>
<remote_url_allow_hosts><host>none.invalid</host></remote_url_allow_hosts>
<profiles><default>{settings}</default></profiles>
<quotas><default></default></quotas>
<users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
<grants>{grants}</grants></default></users>
</clickhouse>"""


class Child:
    """The parent's end: one child process, ready for queries.

    Attributes:
        layers: What confines it, see `sandbox.confine`; empty where nothing does.
        tables: The full names of every table that it may read.

    Raises:
        NoSandboxError: This system cannot confine it.
        ConnectError: The engine cannot open the database.
    """

    def __init__(
        self,
        database: Path | None,
        settings: Mapping[str, Any],
        tables: Sequence[str] | None,
        *,
        memory: int,
        confined: bool = True,
        network: Sequence[str] = NETWORK,
    ) -> None:
        self.folder = _private_folder(database, linked=confined)
        grants = (
            [f"GRANT SELECT ON {_quoted(name)}" for name in tables] if tables is not None else ["GRANT SELECT ON *.*"]
        )
        config = _CONFIG.format(
            folder=self.folder,
            settings="".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in settings.items()),
            grants="".join(f"<query>{escape(grant)}</query>" for grant in grants),
        )
        (self.folder / "config.xml").write_text(config, encoding="utf-8")
        package = importlib.util.find_spec("chdb")
        assert package and package.submodule_search_locations, "chdb is a dependency"
        # nothing else of this process's environment: secrets are there
        environment = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
        # a pair of sockets, as a query could open a pipe again by its name in /proc
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-c", _BOOT, str(Path(__file__).parents[1])],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )
        start = {
            "parent": os.getpid(),
            "library": str(Path(package.submodule_search_locations[0]) / "_chdb.abi3.so"),
            "folder": str(self.folder),
            "read": [str(self.folder), *([str(database)] if database else []), *filter(os.path.exists, _TIME_ZONE)],
            "memory": memory,
            "network": list(network) if confined else None,
        }
        try:
            answer = self._exchange(start, START_SECONDS)
        except OSError as error:
            self.close()
            raise ConnectError(f"The process for model-written SQL did not start ({self._end(error)}).") from error
        ready = json.loads(answer)
        if "failed" in ready:
            self.close()
            if ready["sandbox"]:
                raise NoSandboxError(ready["failed"])
            reason = QueryError.parse(ready["failed"]).message
            raise ConnectError(f"The embedded engine cannot open {database or 'memory'}: {reason}")
        self.layers: list[str] = ready["layers"]
        self.tables: list[str] = ready["tables"]

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, sql: str, settings: Mapping[str, Any], seconds: float) -> bytes:
        """Runs one query and returns its JSONCompact. After a timeout or a crash this child is dead.

        Raises:
            QueryError: The engine's own; 'timeout' where the child was killed for its time, 'crashed' where it died.
        """
        try:
            return self._exchange({"sql": sql, "settings": dict(settings), "seconds": seconds}, seconds + GRACE_SECONDS)
        except TimeoutError:
            self.close()
            raise QueryError(f"Stopped after {seconds:g} s.", kind="timeout") from None
        except OSError as error:
            self.close()
            kind: Kind = "timeout" if self._process.returncode == -signal.SIGXCPU else "crashed"
            raise QueryError(f"The process that ran it ended ({self._end(error)}).", kind=kind) from None

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, error: OSError) -> str:
        code = self._process.returncode
        return f"signal {-code}" if code and code < 0 else f"exit code {code}: {error}"

    def _exchange(self, request: Mapping[str, Any], seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        self._socket.settimeout(seconds)
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        failed, size = _HEADER.unpack(self._receive(_HEADER.size, deadline))
        body = self._receive(size, deadline)
        if failed:
            raise QueryError.parse(body.decode(errors="replace"))
        return body

    def _receive(self, size: int, deadline: float) -> bytes:
        parts = []
        while size:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            parts.append(self._socket.recv(min(size, 2**20)))
            if not parts[-1]:
                self._process.wait()
                raise ConnectionError("it hung up")
            size -= len(parts[-1])
        return b"".join(parts)


def _private_folder(database: Path | None, linked: bool) -> Path:
    """Makes the folder that one engine works in: it wants the lock of its folder for itself.

    Args:
        database: The folder of the data; None for an empty engine.
        linked: Lead to the database's own files, which the sandbox keeps from being written. Else the engine gets hard
            links (copies on another filesystem) and so cannot merge or remove the database's parts.
    """
    if linked or not database:
        folder = Path(tempfile.mkdtemp(prefix="sqlft-gate-"))
    else:
        near = database.parent if os.access(database.parent, os.W_OK) else None
        folder = Path(tempfile.mkdtemp(prefix=".sqlft-gate-", dir=near))
    for name in _FILES:
        source = database / name if database else None
        if not source or not source.exists():
            (folder / name).mkdir()
        elif linked:
            (folder / name).symlink_to(source)
        else:
            shutil.copytree(source, folder / name, symlinks=True, copy_function=_link)
    (folder / "tmp").mkdir()
    (folder / "status").touch()
    return folder


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _quoted(table: str) -> str:
    database, _, name = table.partition(".")
    return ".".join("`" + part.replace("\\", "\\\\").replace("`", "\\`") + "`" for part in (database, name))


class _Engine:
    """The child's end: connections to the engine, one for each set of settings."""

    def __init__(self, library: Any, folder: str) -> None:
        self._library, self._folder = library, folder
        self._connections: dict[str, Any] = {}
        self._database = "default"
        hidden = ", ".join(f"'{name}'" for name in SYSTEM_DATABASES)
        body = self.run(f"SELECT database, name FROM system.tables WHERE database NOT IN ({hidden})", {"limit": 0})
        rows = json.loads(body)["data"]
        self.tables = [f"{database}.{name}" for database, name in rows]
        if rows and "default" not in (databases := [database for database, _ in rows]):
            # chdb looks for files in 'default', so that an unknown column there is a lack of rights and not its name
            self._database = databases[0]
            self._connections.clear()

    def connection(self, settings: Mapping[str, Any]) -> Any:
        key = json.dumps(settings, sort_keys=True)
        if key not in self._connections:
            if len(self._connections) > 3:
                self._connections.popitem()[1].close()
            connection = self._library.connect(f"{self._folder}?config-file={self._folder}/config.xml")
            if self._database != "default":
                connection.query(f"USE `{self._database}`", "Null")
            for name, value in settings.items():
                connection.query(f"SET {name} = {value}", "Null")
            # last, as no setting can follow it
            connection.query("SET readonly = 1", "Null")
            self._connections[key] = connection
        return self._connections[key]

    def run(self, sql: str, settings: Mapping[str, Any]) -> bytes:
        connection = self.connection(settings)
        try:
            return bytes(connection.query(sql, "JSONCompact").bytes())
        except Exception:
            # chdb 4.4 hands the rows of a query that failed half-way to the next one
            connection.query("SELECT 1", "JSONCompact")
            raise


def serve() -> None:
    """The child's life: confine itself, open the engine, answer until the pipe closes."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(0), "wb")
    os.dup2(1, 0)  # nothing
    start = json.loads(requests.readline())
    layers: list[str] = []
    try:
        die_with_parent(start["parent"])
        library = _load(start["library"])
        limit_resources(start["memory"])
        if start["network"] is not None:
            layers = confine(start["read"], [f"{start['folder']}/status"], start["network"])
        engine = _Engine(library, start["folder"])
        ready: dict[str, Any] = {"layers": layers, "tables": engine.tables}
    except Exception as error:
        ready = {"failed": str(error), "sandbox": isinstance(error, NoSandboxError)}
    _reply(replies, json.dumps(ready).encode())
    for line in requests:
        request = json.loads(line)
        limit_cpu((request["seconds"] + GRACE_SECONDS) * (os.cpu_count() or 1))
        try:
            _reply(replies, engine.run(request["sql"], request["settings"]))
        except UnicodeDecodeError as error:  # the engine's message quotes text that is not UTF-8
            _reply(replies, bytes(error.object), failed=True)
        except Exception as error:
            _reply(replies, str(error).encode(errors="replace"), failed=True)
    os._exit(0)


def _reply(replies: BinaryIO, body: bytes, failed: bool = False) -> None:
    replies.write(_HEADER.pack(failed, len(body)) + body)
    replies.flush()


def _load(path: str) -> Any:
    """Loads chdb's engine without chdb's package, which would run a query, and so start threads, as it is imported.

    RTLD_DEEPBIND as in chdb/__init__.py: the engine brings its own allocator.
    """
    import ctypes

    ctypes.CDLL(path, mode=sys.getdlopenflags() | getattr(os, "RTLD_DEEPBIND", 0))
    loader = importlib.machinery.ExtensionFileLoader("_chdb", path)
    spec = importlib.util.spec_from_loader("_chdb", loader)
    assert spec
    library = importlib.util.module_from_spec(spec)
    loader.exec_module(library)
    return library
