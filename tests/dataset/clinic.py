"""A clinic: a database that is not the shop, whose card has what the shop's lacks.

DateTime, Bool, Enum, Decimal and Nullable columns, two parents of one table, a chain of three tables, one word in two
tables, values with a quote and outside ASCII, a date that is no event's, a table whose noun the card leaves out.
"""

from __future__ import annotations

import yaml

from sqlft.card import SchemaCard
from sqlft.database import Database

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


def fill_clinic(database: Database) -> None:
    """Makes the clinic's tables, the same rows every time."""
    database.command("CREATE DATABASE clinic")
    for table, rows in ROWS.items():
        database.command(f"CREATE TABLE clinic.{table} ENGINE = Memory AS SELECT {rows}")
