"""A database that knows people, and a recipe over it whose teacher is a stub."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from sqlft.card import SchemaCard
from sqlft.database import Database
from sqlft.recipe import Recipe
from sqlft.records import Example, write_jsonl

CARD = SchemaCard.model_validate(
    yaml.safe_load("""
tables:
- name: crm.people
  noun: person
  columns:
  - {name: person_id, type: UInt64}
  - {name: first_name, type: String}
  - {name: surname, type: String}
  - {name: email, type: String}
  - {name: phone, type: String}
  - {name: ip, type: String}
  - {name: born, type: Date, min: '1950-01-01', max: '2004-12-31'}
  - {name: country, type: String, values: [France, Germany]}
  - {name: notes, type: String}
  - {name: props, type: "Map(String, String)"}
- name: crm.calls
  columns:
  - {name: person_id, type: UInt64}
  - {name: at, type: DateTime, min: '2024-01-01 00:00:00', max: '2024-12-31 00:00:00'}
  - {name: minutes, type: UInt16, min: 1, max: 60}
""")
)
SEEDS = [Example(question="How many people are there?", sql="SELECT count() FROM crm.people")]
GOLDEN = [Example(question="How many calls were there?", sql="SELECT count() FROM crm.calls")]


def fill_people(database: Database) -> None:
    """40 people and 200 calls, the same every time."""
    database.command("CREATE DATABASE crm")
    database.command(
        "CREATE TABLE crm.people ENGINE = MergeTree ORDER BY person_id AS SELECT 4000000 + number * 77 AS person_id, "
        "['Anna', 'Bob'][1 + number % 2] AS first_name, concat('Sur', toString(number)) AS surname, "
        "concat(lower(surname), '@web.de') AS email, concat('+49 170 ', toString(1000000 + number)) AS phone, "
        "'10.0.0.7' AS ip, toDate('1950-01-01') + number * 400 AS born, "
        "['France', 'Germany'][1 + number % 2] AS country, "
        "'' AS notes, map('city', 'Oslo') AS props FROM numbers(40)"
    )
    database.command(
        "CREATE TABLE crm.calls ENGINE = MergeTree ORDER BY at AS SELECT 4000000 + number % 40 * 77 AS person_id, "
        "toDateTime('2024-01-01 00:00:00') + number * 150000 AS at, "
        "toUInt16(1 + number % 60) AS minutes FROM numbers(200)"
    )


def make_recipe(folder: Path, dsn: str, url: str, **sections) -> Recipe:
    """Writes the recipe's files and reads it."""
    CARD.save(folder / "card.yaml")
    write_jsonl(folder / "seeds.jsonl", SEEDS)
    write_jsonl(folder / "golden.jsonl", GOLDEN)
    paths = {"schema": folder / "card.yaml", "seeds": folder / "seeds.jsonl", "golden": folder / "golden.jsonl"}
    teacher = {"base_url": url, "budget_usd": 1, "pairs_per_prompt": 3, **sections.pop("teacher", {})}
    database = {"dsn": dsn, "limits": {"parallel": 1}}
    return Recipe.model_validate({"name": "run", "database": database, **paths, "teacher": teacher, **sections})


def put_into_words(body) -> dict:
    """What the stub's teacher says: a question for each query that the prompt shows."""
    asked = body["messages"][0]["content"].partition("\nQueries\n")[2]
    sqls = re.findall(r"^SQL: (.*)$", asked, re.MULTILINE)
    return {"pairs": [{"question": f"What is {sql[7:]}?", "sql": sql, "comment": ""} for sql in sqls]}
