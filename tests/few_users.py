"""A gate to an embedded database with one small table, on a day that is pinned."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlft.database import Database, Gate, open_gate
from sqlft.recipe import Limits

DAY = datetime.date(2024, 12, 31)


def fill_users(folder: Path) -> str:
    """Makes the table there, and gives the database's DSN."""
    dsn = f"chdb://{folder}"
    with Database.connect(dsn) as database:
        database.command("CREATE DATABASE shop")
        database.command(
            "CREATE TABLE shop.users ENGINE = MergeTree ORDER BY id AS SELECT number AS id,"
            " ['France', 'Spain'][1 + number % 3 % 2] AS country FROM numbers(20)"
        )
    return dsn


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    dsn = fill_users(tmp_path_factory.mktemp("shop"))
    with open_gate(dsn, limits=Limits(seconds=20), tables=["shop.users"], date=DAY) as gate:
        yield gate
