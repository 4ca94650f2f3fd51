from pathlib import Path

import pytest

from sqlft.database import Database


def make_folder(path: Path) -> Path:
    """A database on disk: shop.t with 1,000 rows, shop.secret, and the view shop.v over t."""
    with Database.connect(f"chdb://{path}") as db:
        db.command("CREATE DATABASE shop")
        for table in ("t", "secret"):
            db.command(f"CREATE TABLE shop.{table} (a UInt64, s String, x Float64) ENGINE = MergeTree ORDER BY a")
            db.command(f"INSERT INTO shop.{table} SELECT number, toString(number % 7), number / 3 FROM numbers(1000)")
        db.command("CREATE VIEW shop.v AS SELECT count() AS n FROM shop.t")
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that no test may change."""
    return make_folder(tmp_path_factory.mktemp("gate") / "db")
