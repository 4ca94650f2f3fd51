"""A small stand-in for ClickHouse's HTTP interface, answered by the embedded engine in a process of its own.

Two users, both with the password 'secret': `writer` may do everything, `reader` has readonly=1, where the engine itself
refuses to write and to change any setting. It speaks what clickhouse-connect asks: basic authentication, settings and
the database as URL parameters, the statement as the body, errors with X-ClickHouse-Exception-Code.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

PASSWORD = "secret"
USERS = {"writer": 0, "reader": 1}
TRANSPORT = {"query_id", "wait_end_of_query", "client_protocol_version", "enable_http_compression", "query"}
STATUS = {516: 403, 497: 403, 164: 403, 60: 404, 81: 404, 62: 400, 47: 404}


class ClickHouseServer:
    """Starts the server; `dsn('reader')` connects to it. A context manager that ends its process."""

    def __enter__(self) -> ClickHouseServer:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate()  # closes its standard input, which ends it

    def dsn(self, user: str = "writer", password: str = PASSWORD, database: str = "") -> str:
        return f"clickhouse://{user}:{password}@127.0.0.1:{self.port}/{database}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200, b"Ok.\n")

    def do_POST(self) -> None:
        import chdb

        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        parameters = dict(parse_qsl(urlsplit(self.path).query))
        user, _, password = base64.b64decode(self.headers.get("Authorization", "Basic ")[6:]).decode().partition(":")
        if user not in USERS or password != PASSWORD:
            text = f"{user}: Authentication failed: password is incorrect, or there is no user with such name."
            return self.fail(f"Code: 516. DB::Exception: {text} (AUTHENTICATION_FAILED)")
        settings = {name: value for name, value in parameters.items() if name not in TRANSPORT}
        connection = chdb.connect(":memory:")
        try:
            if database := settings.pop("database", ""):
                connection.query(f"USE `{database}`")
            if USERS[user]:
                connection.query("SET readonly = 1")
            for name, value in sorted(settings.items(), key=lambda item: item[0] == "readonly"):
                connection.query(f"SET {name} = '{value}'")
            statement = parameters.get("query", "") + body
            self.answer(200, connection.query(statement, "TabSeparated").bytes())
        except RuntimeError as error:
            self.fail(str(error))
        finally:
            connection.close()

    def fail(self, text: str) -> None:
        found = re.search(r"Code: (\d+)", text)
        code = int(found[1]) if found else 0
        self.answer(STATUS.get(code, 500), text.encode(), {"X-ClickHouse-Exception-Code": str(code)})

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def serve_until_stdin_closes() -> None:
    import threading

    import chdb

    keep = chdb.connect(":memory:")  # the engine and its tables live as long as one connection does
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()
    keep.close()


if __name__ == "__main__":
    serve_until_stdin_closes()
