import http.server
import math
import os
import threading
from collections.abc import Iterator

import pytest
from clickhouse_http import ClickHouseServer

from sqlft.database import ConnectError, Database, QueryError, introspect
from sqlft.database.shop import fill_shop


@pytest.fixture(scope="module")
def server() -> Iterator[ClickHouseServer]:
    with ClickHouseServer() as running:
        yield running


@pytest.fixture(scope="module")
def writer(server: ClickHouseServer) -> Iterator[Database]:
    with Database.connect(server.dsn()) as db:
        fill_shop(db, 50)
        yield db


@pytest.fixture(scope="module")
def reader(server: ClickHouseServer, writer: Database) -> Iterator[Database]:
    with Database.connect(server.dsn("reader")) as db:
        yield db


def test_a_server_gives_the_same_cells_as_the_embedded_engine(writer: Database) -> None:
    result = writer.run(
        "SELECT 18446744073709551615, 1.10::Decimal(5, 2), 0 / 0, NULL, [1, nan] GROUP BY 1 WITH TOTALS"
    )
    assert result.rows[0][:2] == (2**64 - 1, "1.1")
    assert math.isnan(result.rows[0][2]) and result.rows[0][3] is None and math.isnan(result.rows[0][4][1])
    assert result.totals is not None


def test_a_reader_who_may_set_nothing_still_tells_nan_from_null(reader: Database) -> None:
    result = reader.run(
        "SELECT 0 / 0, -1 / 0, NULL::Nullable(Float64), CAST((nan, 'a\\'b\\n', NULL), "
        "'Tuple(a Float32, b String, c Nullable(UInt8))'), map('k', [inf]), 1.5::Decimal(9, 3), toDate('2024-01-02'), "
        "true, toUInt256(7), ['x', ''], 'it''s' FROM numbers(2) GROUP BY 1 WITH TOTALS FORMAT TSV"
    )
    assert not reader.may_set("output_format_json_quote_denormals")
    assert math.isnan(result.rows[0][0])
    assert result.rows[0][1:3] == (-math.inf, None)
    assert math.isnan(result.rows[0][3].pop("a"))
    assert result.rows[0][3:] == (
        {"b": "a'b\n", "c": None}, {"k": [math.inf]}, "1.5", "2024-01-02", True, 7, ["x", ""], "it's",
    )  # fmt: skip
    assert result.totals is not None and math.isnan(result.totals[0])


def test_a_reader_can_neither_write_nor_change_settings(reader: Database) -> None:
    with pytest.raises(QueryError) as caught:
        reader.command("DROP TABLE ecommerce.users")
    assert caught.value.kind == "refused"
    with pytest.raises(QueryError, match="READONLY") as caught:
        reader.run("SELECT 1", {"max_threads": 1})
    assert caught.value.kind == "refused"
    with pytest.raises(QueryError, match="Cannot modify 'max_threads'"):
        reader.run("SELECT 1 SETTINGS max_threads = 3")
    assert reader.run("SELECT count() FROM ecommerce.users").rows == [(50,)]


def test_a_writer_can_be_held_to_reading_for_one_query(writer: Database) -> None:
    with pytest.raises(QueryError) as caught:
        writer.run("CREATE TABLE t (a UInt8) ENGINE = Memory", {"readonly": 1, "max_threads": 1})
    assert (caught.value.code, caught.value.kind) == (164, "refused")


def test_server_errors_are_typed(writer: Database) -> None:
    with pytest.raises(QueryError) as caught:
        writer.run("SELECT contry FROM ecommerce.users")
    assert (caught.value.code, caught.value.name, caught.value.hint) == (47, "UNKNOWN_IDENTIFIER", "country")
    assert caught.value.message.startswith("Unknown expression identifier")
    with pytest.raises(QueryError) as caught:
        writer.run("SELECT sleepEachRow(0.1) FROM numbers(9) SETTINGS max_block_size = 1", {"max_execution_time": 0.2})
    assert caught.value.kind == "timeout"


def test_the_database_of_the_dsn_is_the_default(server: ClickHouseServer, writer: Database) -> None:
    with Database.connect(server.dsn(database="ecommerce")) as db:
        assert db.run("SELECT count() FROM users").rows == [(50,)]
        assert introspect(db).table_names == ["ecommerce.sessions", "ecommerce.users"]


def test_a_handle_may_be_shared_by_threads(writer: Database) -> None:
    answers: dict[int, object] = {}

    def ask(n: int) -> None:
        answers[n] = writer.run(f"SELECT {n}, sleep(0.2)").rows[0][0]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: n for n in range(4)}


@pytest.mark.parametrize(
    ("user", "password", "database", "says"),
    [
        ("writer", "wrong", "", "refuses the user 'writer' or the password: .* CLICKHOUSE_PASSWORD"),
        ("nobody", "secret", "", "refuses the user 'nobody'"),
        ("writer", "secret", "nowhere", "has no database 'nowhere'"),
    ],
)
def test_a_refused_connection_says_why(
    server: ClickHouseServer, user: str, password: str, database: str, says: str
) -> None:
    with pytest.raises(ConnectError, match=says) as caught:
        Database.connect(server.dsn(user, password, database))
    assert password not in str(caught.value).replace("CLICKHOUSE_PASSWORD", "")


def test_a_server_that_went_away_is_no_query_error(capfd: pytest.CaptureFixture[str]) -> None:
    with ClickHouseServer() as server:
        db = Database.connect(server.dsn())
    with pytest.raises(ConnectError, match="start the server"):
        db.run("SELECT 1")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("status", [200, 404])
def test_another_service_is_told_apart(status: int) -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        with pytest.raises(ConnectError, match="not as ClickHouse's HTTP interface"):
            Database.connect(f"clickhouse://127.0.0.1:{other.server_port}")
        other.shutdown()


@pytest.mark.skipif("SQLFT_TEST_CLICKHOUSE" not in os.environ, reason="SQLFT_TEST_CLICKHOUSE holds no DSN")
def test_a_real_server() -> None:
    with Database.connect(os.environ["SQLFT_TEST_CLICKHOUSE"]) as db:
        result = db.run("SELECT toUInt256(7), 0 / 0, NULL, count() FROM numbers(3) WITH TOTALS FORMAT CSV")
        assert result.rows[0][0] == 7 and math.isnan(result.rows[0][1]) and result.rows[0][2:] == (None, 3)
        assert result.totals is not None
        with pytest.raises(QueryError, match="UNKNOWN_IDENTIFIER"):
            db.run("SELECT numbr FROM numbers(3)")
