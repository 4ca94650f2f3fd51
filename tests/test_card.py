"""The schema card's shape on disk."""

import pytest

from sqlft.card import Column, GlossaryTerm, Relation, SchemaCard, Table
from sqlft.problems import WrongUse


def card() -> SchemaCard:
    return SchemaCard(
        tables=[Table(name="shop.orders", noun="order", key=["id"], columns=[
            Column(name="id", type="UInt64"),
            Column(name="day", type="Date", min="2024-01-01", max="2024-12-31"),
            Column(name="state", type="String", values=["new", "paid", "no"]),
        ])],
        relations=[Relation(left="shop.orders.id", right="shop.bills.order_id")],
        glossary=[GlossaryTerm(term="paid order", meaning="paid", table="shop.orders", condition="state = 'paid'")],
    )  # fmt: skip


def test_a_saved_card_reads_back_the_same(tmp_path):
    card().save(tmp_path / "schema.yaml")
    assert SchemaCard.load(tmp_path / "schema.yaml") == card()


def test_values_that_yaml_would_retype_stay_text(tmp_path):
    card().save(tmp_path / "schema.yaml")
    table = SchemaCard.load(tmp_path / "schema.yaml").table("shop.orders")
    assert table.column("state").values == ["new", "paid", "no"]
    assert table.column("day").min == "2024-01-01"


def test_empty_fields_are_not_written(tmp_path):
    card().save(tmp_path / "schema.yaml")
    assert "description" not in (tmp_path / "schema.yaml").read_text()


def test_unknown_table_is_a_key_error():
    with pytest.raises(KeyError):
        card().table("shop.order")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("tables: [{name: a, columns: [{name: b}]}]", r"tables\.0\.columns\.0\.type"),
        ("tables: []\ncolour: red", "colour"),
        ("tables: [", "not YAML"),
    ],
)
def test_a_bad_card_says_where(tmp_path, text, what):
    (tmp_path / "schema.yaml").write_text(text)
    with pytest.raises(WrongUse, match=what):
        SchemaCard.load(tmp_path / "schema.yaml")


def test_all_problems_of_a_card_come_together(tmp_path):
    (tmp_path / "schema.yaml").write_text("tables: [{columns: []}]\ncolour: red")
    with pytest.raises(WrongUse) as caught:
        SchemaCard.load(tmp_path / "schema.yaml")
    assert len(caught.value.problems) == 2


def test_a_missing_card_is_wrong_use(tmp_path):
    with pytest.raises(WrongUse, match="sqlft init"):
        SchemaCard.load(tmp_path / "none.yaml")


COLUMN = "tables: [{name: a, columns: [{name: b, type: String, %s}]}]"


def test_a_word_that_yaml_takes_for_false_is_named(tmp_path):
    (tmp_path / "schema.yaml").write_text(COLUMN % "values: [DE, NO, SE]")
    with pytest.raises(WrongUse, match=r"values\.1: False.*quotes"):
        SchemaCard.load(tmp_path / "schema.yaml")


def test_a_day_needs_no_quotes(tmp_path):
    (tmp_path / "schema.yaml").write_text(COLUMN % "min: 2024-01-01, max: 2024-01-02 03:04:05")
    column = SchemaCard.load(tmp_path / "schema.yaml").table("a").column("b")
    assert (column.min, column.max) == ("2024-01-01", "2024-01-02 03:04:05")


@pytest.mark.parametrize("text", [b"\xff", (COLUMN % "min: 2024-02-30").encode()])
def test_what_yaml_cannot_read_is_a_sentence_too(tmp_path, text):
    (tmp_path / "schema.yaml").write_bytes(text)
    with pytest.raises(WrongUse, match="not YAML"):
        SchemaCard.load(tmp_path / "schema.yaml")


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("type: UInt8, min: 90, max: 10", "min 90 is above max 10"),
        ("type: Date, min: 2024-01-01, max: 2020-01-01", "min 2024-01-01 is above max 2020-01-01"),
        ("type: Nullable(Int32), min: young", "'young' is no number"),
        ("type: DateTime64(3), max: soon", "'soon' is no day"),
        ("type: String, values: [DE, 1]", "either all text or all numbers"),
        ("type: String, term: '{land}'", r"there is a \{ in it"),
    ],
)
def test_what_no_column_can_hold_is_said(tmp_path, column, why):
    (tmp_path / "schema.yaml").write_text("tables: [{name: a, columns: [{name: b, %s}]}]" % column)  # noqa: UP031
    with pytest.raises(WrongUse, match=why):
        SchemaCard.load(tmp_path / "schema.yaml")
