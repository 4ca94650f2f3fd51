import sys
from collections.abc import Iterator

import pytest

from sqlft.card import SchemaCard
from sqlft.database import Database, introspect
from sqlft.database.shop import fill_shop
from sqlft.problems import WrongUse

OFFICE = """
CREATE DATABASE `back office`;
CREATE TABLE `back office`.orders (id UInt32 COMMENT 'Number', `the \\` name` LowCardinality(Nullable(String)),
    customer_code Nullable(Int64), amount Nullable(Decimal(10, 2)), state Enum8('open' = 1, 'paid' = 2), ok Bool,
    ratio Float64, flag Int32, at DateTime('UTC'), tags Array(String), made UInt8 MATERIALIZED 3, gone String EPHEMERAL,
    note String) ENGINE = MergeTree ORDER BY id COMMENT 'What was ordered';
INSERT INTO `back office`.orders (id, `the \\` name`, customer_code, amount, state, ok, ratio, flag, at, tags, note)
    SELECT number, if(number % 2, 'x', NULL), number % 3, number / 4, 'open', number % 2, if(number = 1, nan, number),
    number % 2, toDateTime('2024-01-01 00:00:00', 'UTC') + number, ['a'], toString(number) FROM numbers(100);
CREATE TABLE `back office`.order_items (order_id UInt64, line UInt8, product String)
    ENGINE = MergeTree ORDER BY (order_id, line);
INSERT INTO `back office`.order_items SELECT number % 100, intDiv(number, 100), 'p' || number FROM numbers(300);
CREATE TABLE `back office`.dim_customers (code Int64, long String) ENGINE = Log;
INSERT INTO `back office`.dim_customers SELECT number, repeat('x', 100) FROM numbers(3);
CREATE TABLE `back office`.categories (x Int8, y String) ENGINE = MergeTree ORDER BY tuple();
CREATE VIEW `back office`.paid AS SELECT id, amount FROM `back office`.orders;
CREATE VIEW `back office`.one AS SELECT id FROM `back office`.orders WHERE id = {x:UInt8};
CREATE VIEW `back office`.broken AS SELECT throwIf(1) AS z FROM `back office`.orders
"""


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with Database.connect("chdb://memory") as handle:
        fill_shop(handle, 500)
        for statement in OFFICE.split(";"):
            handle.command(statement)
        yield handle


@pytest.fixture(scope="module")
def shop(db: Database) -> SchemaCard:
    return introspect(db, ["ecommerce"])


@pytest.fixture(scope="module")
def office(db: Database) -> SchemaCard:
    return introspect(db, ["back office"])


def test_the_shop_is_described_whole(shop: SchemaCard) -> None:
    sessions, users = shop.tables
    assert (sessions.name, sessions.noun, sessions.key) == ("ecommerce.sessions", "session", ["session_id"])
    assert (users.name, users.noun, users.key) == ("ecommerce.users", "user", ["user_id"])
    assert sessions.column("action_date").description == "The day of the visit"
    assert [(r.left, r.right) for r in shop.relations] == [("ecommerce.sessions.user_id", "ecommerce.users.user_id")]


def test_low_cardinality_columns_carry_their_values(shop: SchemaCard, office: SchemaCard) -> None:
    assert shop.tables[0].column("os").values == ["Android", "Linux", "Windows", "iOS", "macOS"]
    assert shop.tables[0].column("is_fraud").values == [0, 1]
    orders = office.table("back office.orders")
    values = {column.name: column.values for column in orders.columns if column.values is not None}
    assert values == {"the ` name": ["x"], "state": ["open"], "ok": [0, 1], "flag": [0, 1], "made": [3]}
    assert office.table("back office.dim_customers").column("long").values is None


def test_dates_and_numbers_carry_their_bounds(shop: SchemaCard, office: SchemaCard) -> None:
    day, revenue = (shop.tables[0].column(name) for name in ("action_date", "revenue"))
    assert "2021-01-01" <= str(day.min) < str(day.max) <= "2024-12-31"
    assert revenue.min == 0 and isinstance(revenue.max, float)
    orders = office.table("back office.orders")
    assert (orders.column("amount").min, orders.column("amount").max) == (0, 24.75)
    assert orders.column("at").max == "2024-01-01 00:01:39"
    assert orders.column("ok").min is None


def test_keys_are_columns_that_identify_a_row(office: SchemaCard) -> None:
    keys = {table.name.partition(".")[2]: table.key for table in office.tables}
    assert keys["orders"] == ["id"]
    assert keys["order_items"] == ["order_id", "line"]
    assert keys["dim_customers"] == ["code"]
    assert keys["categories"] == []


def test_join_paths_are_found_by_name_and_never_lead_to_a_view(office: SchemaCard) -> None:
    assert {(relation.left, relation.right) for relation in office.relations} == {
        ("back office.orders.customer_code", "back office.dim_customers.code"),
        ("back office.order_items.order_id", "back office.orders.id"),
    }


def test_views_empty_tables_and_what_cannot_be_read_are_there_too(office: SchemaCard) -> None:
    assert [name.partition(".")[2] for name in office.table_names] == [
        "broken", "categories", "dim_customers", "order_items", "orders", "paid",
    ]  # fmt: skip
    assert office.table("back office.paid").column("amount").max == 24.75
    empty = office.table("back office.categories").column("x")
    assert (empty.values, empty.min, empty.max) == (None, None, None)
    assert "could not be read" in office.table("back office.broken").description
    assert "gone" not in {column.name for column in office.table("back office.orders").columns}


def test_nouns_are_singular(office: SchemaCard) -> None:
    nouns = {table.name.partition(".")[2]: (table.noun, table.plural) for table in office.tables}
    assert nouns["order_items"] == ("order item", "")
    assert nouns["categories"] == ("category", "categories")
    assert nouns["dim_customers"] == ("customer", "")
    assert nouns["paid"] == ("paid", "")


def test_a_huge_table_is_read_in_part_and_says_so(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["sqlft.database.introspect"], "ROWS_READ", 50)
    card = introspect(db, ["back office"])
    assert "first 50 rows" in card.table("back office.orders").description
    assert card.table("back office.orders").column("id").max == 49


def test_all_databases_but_the_systems_own_by_default(db: Database) -> None:
    assert {name.partition(".")[0] for name in introspect(db).table_names} == {"ecommerce", "back office"}


@pytest.mark.parametrize("name", ["nowhere", "system"])
def test_an_unknown_database_is_wrong_use(db: Database, name: str) -> None:
    with pytest.raises(WrongUse, match=r"It has back office, default, ecommerce"):
        introspect(db, [name])


def test_an_empty_database_is_wrong_use(db: Database) -> None:
    with pytest.raises(WrongUse, match="no table"):
        introspect(db, ["default"])


def test_a_card_survives_its_file(office: SchemaCard, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("card") / "schema.yaml"
    office.save(path)
    assert SchemaCard.load(path) == office
