"""`sqlft init`: a first project that works as it is written."""

import json

import pytest

from sqlft.card import Column, SchemaCard, Table
from sqlft.database import Database
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import load_recipe
from sqlft.records import Example, read_jsonl
from sqlft.scaffold import _examples, write_project

FILES = ["golden.jsonl", "recipe.yaml", "schema.yaml", "seeds.jsonl"]


@pytest.fixture
def dsn(tmp_path):
    dsn = f"chdb://{tmp_path}/engine"
    with Database.connect(dsn) as db:
        db.command("CREATE DATABASE zoo")
        db.command("CREATE TABLE zoo.animals (id UInt64, `kind of` String, born Date) ENGINE = MergeTree ORDER BY id")
        db.command(
            "INSERT INTO zoo.animals SELECT number, ['cat', 'd''og'][1 + number % 2], '2024-01-01' FROM numbers(90)"
        )
    return dsn


def test_a_project_is_written_and_its_examples_run(dsn, tmp_path):
    written = write_project(tmp_path / "my zoo!", dsn)
    assert sorted(path.name for path in written) == FILES == sorted(p.name for p in (tmp_path / "my zoo!").iterdir())
    recipe = load_recipe(tmp_path / "my zoo!" / "recipe.yaml")
    assert recipe.name == "my-zoo" and recipe.database.dsn == dsn and recipe.prompt.decline
    assert SchemaCard.load(recipe.schema_).table_names == ["zoo.animals"]
    (seed,), (golden,) = read_jsonl(recipe.seeds, Example), read_jsonl(recipe.golden, Example)
    assert seed.sql != golden.sql and seed.question != golden.question
    with Database.connect(dsn) as db:
        assert db.run(seed.sql).rows == [(90,)]
        assert db.run(golden.sql).rows == [(45,)]


def test_nothing_is_overwritten_and_every_file_in_the_way_is_named(dsn, tmp_path):
    folder = tmp_path / "zoo"
    folder.mkdir()
    for name in ("schema.yaml", "golden.jsonl"):
        (folder / name).write_text("mine")
    with pytest.raises(WrongUse) as caught:
        write_project(folder, dsn)
    assert len(caught.value.problems) == 2
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"schema.yaml": "mine", "golden.jsonl": "mine"}


def test_a_database_without_tables_is_a_sentence_and_leaves_no_folder(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(SqlftError, match="no table there"):
        write_project(tmp_path / "empty", f"chdb://{tmp_path}/nothing")
    assert not (tmp_path / "empty").exists()


def test_a_mistyped_folder_is_wrong_use_and_is_not_made(tmp_path):
    with pytest.raises(WrongUse, match="no such folder"):
        write_project(tmp_path / "zoo", f"chdb://{tmp_path}/engin")
    assert list(tmp_path.iterdir()) == []


def test_a_password_is_not_written(dsn, tmp_path, monkeypatch):
    def connect(given):
        assert given == "clickhouse://me:hunter2@host:8123/zoo"
        return real(dsn)

    real = Database.connect
    monkeypatch.setattr(Database, "connect", connect)
    write_project(tmp_path / "zoo", "clickhouse://me:hunter2@host:8123/zoo")
    text = (tmp_path / "zoo" / "recipe.yaml").read_text()
    assert "hunter2" not in text and "CLICKHOUSE_PASSWORD" in text
    assert load_recipe(tmp_path / "zoo" / "recipe.yaml").database.dsn == "clickhouse://me@host:8123/zoo"


@pytest.mark.parametrize(
    ("column", "sql"),
    [
        (Column(name="state", type="String", values=["it's"]), "WHERE state = 'it\\'s'"),
        (Column(name="year", type="UInt16", values=[2024]), "WHERE year = 2024"),
        (Column(name="zip", type="String", values=[1011]), "WHERE zip = '1011'"),
        (Column(name="a b", type="String"), "uniqExact(`a b`)"),
    ],
)
def test_examples_quote_names_and_values(column, sql):
    _, golden = _examples(SchemaCard(tables=[Table(name="shop.my-orders", columns=[column])]))
    assert sql in golden.sql and "FROM shop.`my-orders`" in golden.sql
    assert json.loads(golden.model_dump_json())["question"]


def test_what_yaml_would_take_for_something_else_is_quoted(dsn, tmp_path, monkeypatch):
    given, real = f"chdb://{tmp_path}/data #1", Database.connect
    monkeypatch.setattr(Database, "connect", lambda _: real(dsn))
    (tmp_path / "data #1").mkdir()
    write_project(tmp_path / "2024", given)
    recipe = load_recipe(tmp_path / "2024" / "recipe.yaml")
    assert (recipe.name, recipe.database.dsn) == ("2024", given)
