"""Neighbour databases: what is changed, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from sqlft.card import Column, Relation, SchemaCard, Table
from sqlft.database import Database, Gate, open_gate
from sqlft.database.changes import CHANGES, Copy, change
from sqlft.database.edges import edges, literals_by_column
from sqlft.database.neighbours import copy_tables, write_neighbours
from sqlft.recipe import Limits

USERS = Copy(
    name="shop.users",
    columns=["id", "plan", "age", "email", "joined"],
    types=["UInt64", "String", "UInt8", "Nullable(String)", "Date"],
    rows=[(number, "free", 30 + number % 9, f"a{number}@b", f"2024-01-{1 + number % 28:02}") for number in range(50)],
    key=[0],
    parents={},
    edges=[{2: [64, 65, 66]}, {4: ["2023-12-31", "2024-02-01"]}, {}],
    closed={1: ["free", "paid"]},
)
ORDERS = Copy(
    name="shop.orders",
    columns=["id", "user_id", "paid"],
    types=["String", "UInt64", "Float64"],
    rows=[(f"o{number}", number % 50, 1.5 * number) for number in range(80)],
    key=[0],
    parents={1: ("shop.users", 0)},
    edges=[{}, {}, {2: [-1.0, 0.0, 1.0]}],
    closed={},
)
EVERY = range(len(CHANGES))


def made(number: int, limit: int = 4000) -> tuple[list[list[Any]], list[list[Any]]]:
    users, orders = change([USERS, ORDERS], number, limit)
    return users, orders


@pytest.mark.parametrize("number", EVERY)
def test_keys_stay_keys_and_references_lead_somewhere(number: int) -> None:
    users, orders = made(number)
    assert len({row[0] for row in users}) == len(users) and len({row[0] for row in orders}) == len(orders)
    assert {row[1] for row in orders} <= {row[0] for row in users}
    assert len(users) <= 4000 and len(orders) <= 4000


@pytest.mark.parametrize("number", EVERY)
def test_values_stay_what_they_could_be(number: int) -> None:
    users, orders = made(number)
    assert {row[1] for row in users} <= {"free", "paid"}, "all values are known"
    assert all(row[1] is not None and row[2] is not None for row in users), "NULLs only where the type allows"
    assert all(row[2] >= 0 for row in orders), "what was never negative is not now"


def test_what_queries_ask_about_is_there() -> None:
    users, _ = made(0)
    assert {64, 65, 66} <= {row[2] for row in users}
    assert {"2023-12-31", "2024-02-01"} <= {row[4] for row in users}
    assert "paid" in {row[1] for row in users}, "a value that happens not to be used"
    assert None in {row[3] for row in users}


def test_the_same_number_makes_the_same_rows_and_another_other_ones() -> None:
    assert made(0) == made(0) and made(0) != made(len(CHANGES)) != made(1)


def test_a_limit_bounds_every_table() -> None:
    assert {len(rows) <= 60 for number in EVERY for rows in made(number, limit=60)} == {True}


def test_a_key_that_cannot_be_made_anew_doubles_no_row() -> None:
    days = Copy("shop.days", ["day"], ["Date"], [("2024-01-01",), ("2024-01-02",)], [0], {}, [{}], {})
    for number in EVERY:
        [rows] = change([days], number, 4000)
        assert len({row[0] for row in rows}) == len(rows) <= 2


def test_literals_are_found_through_functions_aliases_and_having() -> None:
    sql = """SELECT toYear(day) AS year, min(age) AS youngest FROM t WHERE name LIKE '%an%' AND n IN (3, 5)
    AND id IN (SELECT id FROM u WHERE kind = 'x') GROUP BY year HAVING youngest > 20 AND year = 2024"""
    found = literals_by_column([sqlglot.parse_one(sql, read="clickhouse")])
    assert found["day"] == {"2024"} and found["age"] == {"20"} and found["name"] == {"%an%"}
    assert found["n"] == {"3", "5"} and found["kind"] == {"x"} and not found["id"]


@pytest.mark.parametrize(
    ("kind", "literals", "values", "some", "never"),
    [
        ("UInt8", {"0", "255"}, None, [0, 1, 254, 255], [-1, 256]),
        ("Nullable(Int8)", {"0"}, None, [-1, 0, 1], []),
        ("Decimal(9, 2)", {"9.5"}, None, [8.5, 9.5, 10.5], []),
        ("Date", {"2024", "3"}, None, ["2023-12-31", "2024-01-01", "2024-12-31", "2025-01-01"], ["0003-01-01"]),
        ("Date", {"2024-02-01"}, None, ["2024-01-31", "2024-02-01", "2024-02-29", "2024-03-01"], []),
        ("DateTime('UTC')", {"2024-05-06 08:00:00"}, None, ["2024-05-06 00:00:00", "2024-05-07 12:00:00"], []),
        ("LowCardinality(String)", {"%Ab%"}, None, ["Ab", "aB", "Abx", "xAb"], ["%Ab%"]),
        ("String", {"a", "elsewhere"}, ["a", "b"], ["a", "b"], ["elsewhere", "ax"]),
        ("UInt8", {"1"}, [1], [0, 1], [2]),
        ("Date", {"2024-02-31"}, None, [], []),
        ("Array(UInt8)", {"1"}, None, [], [1]),
    ],
)
def test_the_edges_of_a_literal(kind: str, literals: set[str], values: Any, some: list[Any], never: list[Any]) -> None:
    found = edges(kind, literals, values)
    assert set(some) <= set(found) and not set(never) & set(found)


TYPES = {
    "id": "UInt64", "wide": "UInt256", "price": "Decimal(18, 4)", "ratio": "Float64", "flag": "Bool",
    "moment": "DateTime64(3, 'UTC')", "kind": "Enum8('it\\'s' = 1, 'b' = 2)", "tags": "Array(Nullable(String))",
    "place": "Tuple(lat Float32, name String)", "counts": "Map(String, UInt64)",
    "note": "LowCardinality(Nullable(String))",
    "sums": "AggregateFunction(sum, UInt64)",
}  # fmt: skip
CARD = SchemaCard(
    tables=[
        Table(name="odd.rows", key=["id"], columns=[Column(name=n, type=kind, term="") for n, kind in TYPES.items()]),
        Table(name="odd.parts", columns=[Column(name="row_id", type="UInt64", term="")]),
    ],
    relations=[Relation(left="odd.parts.row_id", right="odd.rows.id")],
)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    dsn = f"chdb://{tmp_path_factory.mktemp('odd')}/db"
    with Database.connect(dsn) as db:
        db.command("CREATE DATABASE odd")
        columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
        db.command(f"CREATE TABLE odd.rows ({columns}) ENGINE = MergeTree ORDER BY id")
        db.command(
            "INSERT INTO odd.rows SELECT number, 1 + toUInt256('9' || repeat('0', 60)), 1.5, if(number % 2, nan, 0.1),"
            " 1, '2024-01-02 03:04:05.678', 'it''s', ['a', NULL, '\\'\"'], (1.5, 'x\\ny'), map('k', number), NULL,"
            " initializeAggregation('sumState', number) FROM numbers(100)"
        )
        db.command("CREATE TABLE odd.parts (row_id UInt64) ENGINE = MergeTree ORDER BY tuple() AS SELECT number % 100"
                   " FROM numbers(300)")  # fmt: skip
    with open_gate(dsn, limits=Limits(seconds=60), tables=CARD.table_names) as gate:
        yield gate


def test_every_type_comes_back_as_it_was(gate: Gate, tmp_path: Path) -> None:
    copies = copy_tables(gate, CARD, {"odd.rows", "odd.parts"}, [{}], 1000)
    assert [copy.name for copy in copies] == ["odd.rows", "odd.parts"], "what is referred to comes first"
    assert copies[1].parents == {0: ("odd.rows", 0)} and "sums" not in copies[0].columns
    [place] = write_neighbours(tmp_path, copies, [0], 1000, database="odd")
    query = f"SELECT {', '.join(name for name in TYPES if name not in ('id', 'sums'))} FROM "
    theirs = gate.run(f"{query} odd.rows")
    with open_gate(f"chdb://{place}", limits=Limits(seconds=60), tables=["odd.rows", "default.rows"]) as near:
        found = near.run(f"{query} odd.rows ORDER BY id LIMIT 200")
        bare = near.run(f"{query} rows ORDER BY id LIMIT 200")
    assert repr(bare.rows) == repr(found.rows), "a server's own database is where it looks for a bare name"
    assert found.types == theirs.types and len(found.rows) == 200
    for ours, known in zip(zip(*found.rows, strict=True), zip(*theirs.rows, strict=True), strict=True):
        assert set(map(repr, ours)) <= set(map(repr, known))


def test_a_sample_keeps_what_belongs_together(gate: Gate) -> None:
    rows, parts = copy_tables(gate, CARD, {"odd.rows", "odd.parts"}, [{}], 60)
    assert (len(rows.rows), len(parts.rows)) == (60, 60)
    assert {row[0] for row in parts.rows} <= {row[0] for row in rows.rows}, "parts of the same rows were taken"
