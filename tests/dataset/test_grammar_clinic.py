"""The template teacher over a database that is not the shop: a clinic, whose card has what the shop's lacks.

DateTime, Bool, Enum, Decimal and Nullable columns, two parents of one table, a chain of three tables, one word in two
tables, values with a quote and outside ASCII, dates that are no event's, a table whose plural the card leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from sqlft.card import SchemaCard
from sqlft.database import Database
from sqlft.dataset.grammar.words import article, plural
from sqlft.dataset.template_teacher import TemplateTeacher
from sqlft.records import Example

CARD = SchemaCard.model_validate(
    yaml.safe_load("""
tables:
- name: clinic.patients
  noun: patient
  key: [patient_id]
  columns:
  - {name: patient_id, type: UInt32}
  - {name: full_name, type: String}
  - {name: city, type: LowCardinality(String), values: [Bergen, Oslo, Tromsø]}
  - {name: has_insurance, type: Bool, values: [0, 1]}
  - {name: birth_year, type: UInt16, min: 1931, max: 2019}
  - {name: registered_on, type: Date, term: registration date, min: '2019-01-05', max: '2024-06-28'}
- name: clinic.doctors
  key: [doctor_id]
  columns:
  - {name: doctor_id, type: UInt16}
  - {name: city, type: LowCardinality(String), values: [Bergen, Oslo]}
  - {name: specialty, type: String, values: [cardiology, "children's medicine", dermatology, surgery]}
  - {name: years_of_experience, type: UInt8, min: 1, max: 35}
  - {name: is_on_call, type: UInt8, min: 0, max: 1}
- name: clinic.visits
  noun: visit
  key: [visit_id]
  columns:
  - {name: visit_id, type: UInt32}
  - {name: patient_id, type: UInt32}
  - {name: doctor_id, type: UInt16}
  - {name: started_at, type: DateTime, min: '2022-01-01 08:00:00', max: '2024-06-30 17:45:00'}
  - {name: status, type: "Enum8('done' = 1, 'cancelled' = 2, 'missed' = 3)", values: [done, cancelled, missed]}
  - {name: minutes, type: UInt16, term: length in minutes, min: 5, max: 120}
  - {name: cost, type: "Decimal(9, 2)", min: 20, max: 900}
  - {name: is_emergency, type: Bool, min: 0, max: 1}
- name: clinic.prescriptions
  noun: prescription
  key: [prescription_id]
  columns:
  - {name: prescription_id, type: UInt32}
  - {name: visit_id, type: UInt32}
  - {name: drug, type: String, values: [amoxicillin, ibuprofen, insulin, paracetamol]}
  - {name: doses, type: Nullable(UInt8), min: 1, max: 60}
relations:
- {left: clinic.visits.patient_id, right: clinic.patients.patient_id}
- {left: clinic.visits.doctor_id, right: clinic.doctors.doctor_id}
- {left: clinic.prescriptions.visit_id, right: clinic.visits.visit_id}
""")
)
ROWS = {
    "patients": """number AS patient_id, concat('P', toString(number)) AS full_name,
        toLowCardinality(['Bergen', 'Oslo', 'Tromsø'][1 + intHash32(number) % 3]) AS city,
        intHash32(number + 1) % 4 > 0 AS has_insurance, toUInt16(1931 + intHash32(number + 2) % 89) AS birth_year,
        toDate('2019-01-05') + intHash32(number + 3) % 2000 AS registered_on FROM numbers(900)""",
    "doctors": """toUInt16(number) AS doctor_id, ['Bergen', 'Oslo'][1 + number % 2] AS city,
        ['cardiology', 'children\\'s medicine', 'dermatology', 'surgery'][1 + intHash32(number) % 4] AS specialty,
        toUInt8(1 + number % 35) AS years_of_experience, toUInt8(number % 3 = 0) AS is_on_call FROM numbers(60)""",
    "visits": """number AS visit_id, toUInt32(intHash32(number) % 800) AS patient_id,
        toUInt16(intHash32(number + 7) % 55) AS doctor_id,
        toDateTime('2022-01-01 08:00:00') + intHash32(number + 4) % 78800000 AS started_at,
        CAST([1, 1, 1, 2, 3][1 + intHash32(number + 5) % 5],
            'Enum8(\\'done\\' = 1, \\'cancelled\\' = 2, \\'missed\\' = 3)') AS status,
        toUInt16(5 + intHash32(number + 6) % 116) AS minutes, toDecimal64(20 + intHash32(number + 8) % 881, 2) AS cost,
        intHash32(number + 9) % 7 = 0 AS is_emergency FROM numbers(6000)""",
    "prescriptions": """number AS prescription_id, toUInt32(intHash32(number) % 5000) AS visit_id,
        ['amoxicillin', 'ibuprofen', 'insulin', 'paracetamol'][1 + intHash32(number + 1) % 4] AS drug,
        if(number % 20 = 0, NULL, toUInt8(1 + intHash32(number + 2) % 60)) AS doses FROM numbers(7000)""",
}


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.connect(f"chdb://{tmp_path_factory.mktemp('clinic')}") as database:
        database.command("CREATE DATABASE clinic")
        for table, rows in ROWS.items():
            database.command(f"CREATE TABLE clinic.{table} ENGINE = Memory AS SELECT {rows}")
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
