"""The template teacher over a database that is not the shop: every card's columns by the part that they can play."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sqlft.card import Relation, SchemaCard
from sqlft.database import Database
from sqlft.dataset.grammar.words import article, plural
from sqlft.dataset.template_teacher import TemplateTeacher
from sqlft.records import Example
from tests.dataset.clinic import CARD, fill_clinic


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.connect(f"chdb://{tmp_path_factory.mktemp('clinic')}") as database:
        fill_clinic(database)
        yield database


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    teacher = TemplateTeacher(CARD, 0)
    found = teacher.examples(len(teacher.template_ids))
    assert {e.template for e in found} == set(teacher.template_ids)
    return found


def test_the_clinic_has_at_least_eighty_templates_on_every_table() -> None:
    ids = TemplateTeacher(CARD, 0).template_ids
    assert len(ids) == len(set(ids)) >= 80
    assert {i.split("-")[0].split("/")[0] for i in ids} == {"patients", "doctors", "visits", "prescriptions"}


def test_one_query_of_every_template_runs_and_most_return_something(clinic: Database, examples: list[Example]) -> None:
    results = [clinic.run(example.sql) for example in examples]
    full = sum(any(cell not in (None, 0) and cell == cell for row in r.rows for cell in row) for r in results)
    assert full >= 0.9 * len(examples)


def sqls(examples: list[Example], pattern: str) -> list[str]:
    return [e.sql for e in examples if re.search(pattern, e.question)]


@pytest.fixture(scope="module")
def many() -> list[Example]:
    return TemplateTeacher(CARD, 1).examples(3000)


def test_a_value_of_two_tables_is_never_left_without_its_table(many: list[Example]) -> None:
    assert not sqls(many, r"(visits|prescriptions) (from|in) (Oslo|Bergen|Tromsø)")
    both = sqls(many, r"visits .*(Oslo|Bergen)")
    assert both and all("p.city" in sql or "d.city" in sql for sql in both if " JOIN " in sql)


def test_a_word_of_two_tables_is_said_with_its_table_when_it_is_reached_by_a_join(many: list[Example]) -> None:
    assert all("p.city" in sql for sql in sqls(many, r"patient cit(y|ies)"))
    assert all("d.city" in sql for sql in sqls(many, r"doctor cit(y|ies)"))


def test_a_quote_in_a_value_is_doubled_in_sql_and_left_alone_in_the_question(many: list[Example]) -> None:
    assert all("'children''s medicine'" in sql for sql in sqls(many, "children's medicine"))
    assert sqls(many, "children's medicine")


def test_days_of_a_datetime_are_compared_as_days(many: list[Example]) -> None:
    ranges = [e.sql for e in many if "visits" in e.template and {"range", "since", "before", "day"} & set(e.tags)]
    assert ranges and all(re.search(r"toDate\((v\.)?started_at\)", sql) for sql in ranges)


def test_a_date_that_is_no_event_s_is_named(many: list[Example]) -> None:
    dated = [e for e in many if e.template.startswith("patients-count/where-month") and "by-" not in e.template]
    assert dated and all("registration date" in e.question for e in dated)


def test_what_has_no_sum_is_not_summed_and_years_are_not_averaged(many: list[Example]) -> None:
    assert not [e.sql for e in many if re.search(r"avg\(.*birth_year|sum\((birth_year|years_of_experience)", e.sql)]


def test_columns_that_a_question_cannot_name_are_left_alone(many: list[Example]) -> None:
    assert not [e.sql for e in many if "full_name" in e.sql]


def test_two_tables_of_one_letter_get_aliases_of_their_own() -> None:
    card = CARD.model_copy(deep=True)
    text = card.model_dump_json().replace("clinic.doctors", "clinic.physicians").replace("clinic.visits", "clinic.pays")
    joins = [e.sql for e in TemplateTeacher(SchemaCard.model_validate_json(text), 0).examples(800) if " JOIN " in e.sql]
    assert joins and all(len(set(re.findall(r" AS (p\d?)\b", sql))) == 2 for sql in joins)


@pytest.mark.parametrize(
    ("one", "many"),
    [("country", "countries"), ("day", "days"), ("status", "statuses"), ("branch", "branches"), ("person", "people"),
     ("operating system", "operating systems"), ("month of loan date", "months of loan date")],
)  # fmt: skip
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


@pytest.mark.parametrize(
    "words", ["an age", "a user", "a revenue", "an operating system", "years of experience", "a status"]
)
def test_articles(words: str) -> None:
    assert article(re.sub("^an? ", "", words)) == words


def test_a_backslash_in_a_value_stays_one() -> None:
    text = CARD.model_dump_json().replace("insulin", "in\\\\nsulin")
    found = TemplateTeacher(SchemaCard.model_validate_json(text), 0).examples(400)
    assert sqls(found, r"in\\nsulin") and all("'in\\\\nsulin'" in sql for sql in sqls(found, r"in\\nsulin"))


@pytest.mark.parametrize("right", ["clinic.wards.ward_id", "clinic.patients.ward_id", "patients"])
def test_a_relation_to_what_the_card_leaves_out_is_not_spoken_of(right: str) -> None:
    card = CARD.model_copy(deep=True)
    card.relations.append(Relation(left="clinic.visits.visit_id", right=right))
    assert TemplateTeacher(card, 0).template_ids == TemplateTeacher(CARD, 0).template_ids


def test_values_that_yaml_reads_as_numbers_and_text_are_still_values() -> None:
    card = CARD.model_copy(deep=True)
    card.table("clinic.patients").column("city").values = [1011, "1012AB"]
    assert TemplateTeacher(card, 0).examples(50)
