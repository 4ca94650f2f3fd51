"""A first project for any ClickHouse database: recipe, schema card, and one working seed and golden question."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from sqlft.card import Column, SchemaCard, Table
from sqlft.database import Database, introspect
from sqlft.database.connect import parse_dsn
from sqlft.problems import Problem, WrongUse
from sqlft.records import Example, write_jsonl

RECIPE = """\
# One run, from the database to the report. `sqlft check {recipe}` finds what is wrong with it;
# `sqlft recipe --json-schema` is for editors. Paths are relative to this file, run folders to the working directory.
name: {name}
database:
  dsn: {dsn}{password}
schema: schema.yaml # complete it: descriptions, plain words for columns (term, noun), a glossary
seeds: seeds.jsonl # question and SQL that the teacher is shown; write 20 or more
golden: golden.jsonl # hand-checked pairs that only the evaluation asks; write 50 or more, none of them a seed
  # (a few with an empty sql: the database cannot answer them, and the right answer says so)

teacher: # GPT-4o writes the pairs: set OPENAI_API_KEY. base_url: any other OpenAI-compatible endpoint
  kind: openai # template: an offline grammar over the schema card, for a try without a teacher
  model: gpt-4o
  examples: 2000
  budget_usd: 20
split:
  validation: 64
  heldout: 200

prompt:
  decline: true # what the tables cannot answer is answered in a sentence that says so
model: # gated: accept its licence on huggingface.co and set HF_TOKEN, or write a local folder
  base: meta-llama/Llama-3.1-8B-Instruct
  quantization: nf4
lora:
  r: 32
  alpha: 64
  targets: all-linear
training: # every key is TRL's SFTConfig's own
  max_steps: 50
  learning_rate: 1.0e-4
  per_device_train_batch_size: 16 # rows of a batch share the schema, which is read once
  gradient_checkpointing: true
"""


def write_project(folder: Path, dsn: str, databases: Sequence[str] | None = None) -> list[Path]:
    """Introspects a database and writes recipe.yaml, schema.yaml, seeds.jsonl and golden.jsonl.

    Args:
        folder: Made where it is missing.
        dsn: See `Database.connect`. Its password is not written.
        databases: What to describe; the DSN's own databases where None.

    Returns:
        The files.

    Raises:
        WrongUse: One of the files is there already, or the DSN is none.
        SqlftError: The database cannot be reached, or has no tables.
    """
    recipe, schema, seeds, golden = (
        folder / name for name in ("recipe.yaml", "schema.yaml", "seeds.jsonl", "golden.jsonl")
    )
    there = [path for path in (recipe, schema, seeds, golden) if path.exists()]
    if there:
        why, write = "it is there already, and nothing is overwritten", "Write another folder, or delete it."
        raise WrongUse(Problem("FOLDER", str(path), why, write) for path in there)
    address = parse_dsn(dsn)
    if address.path and not address.path.is_dir():  # which the engine would make
        why, write = "there is no such folder", "Write the folder of a database that chdb has written."
        raise WrongUse(Problem("database.dsn", str(address), why, write))
    with Database.connect(dsn) as db:
        card = introspect(db, databases)
        seed, gold = _examples(card)
        for example in (seed, gold):
            db.run(example.sql)
    name = re.sub(r"[^\w.-]+", "-", folder.resolve().name).strip("-") or "project"
    secret = " # the password comes from CLICKHOUSE_PASSWORD" if address.password else ""
    clean = _scalar(str(dataclasses.replace(address, password="")))
    folder.mkdir(parents=True, exist_ok=True)
    card.save(schema)
    write_jsonl(seeds, [seed])
    write_jsonl(golden, [gold])
    recipe.write_text(RECIPE.format(recipe=recipe, name=_scalar(name), dsn=clean, password=secret), encoding="utf-8")
    return [recipe, schema, seeds, golden]


def _scalar(text: str) -> str:
    """Text as YAML writes it: quoted where it would be read as a number, a date or a comment."""
    return yaml.safe_dump(text, width=10_000, allow_unicode=True).removesuffix("\n").removesuffix("\n...")


def _examples(card: SchemaCard) -> tuple[Example, Example]:
    tables = [table for table in card.tables if table.columns]
    table = next((t for t in tables if any(c.values for c in t.columns)), tables[0])
    rows = table.plural or (f"{table.noun}s" if table.noun else "rows")
    seed = Example(
        id="s1", question=f"How many {rows} are in {table.name}?", sql=f"SELECT count() AS rows FROM {_quoted(table)}"
    )
    column = next((c for c in table.columns if c.values), None)
    if column and column.values:
        value = column.values[0]
        question = f"How many {rows} in {table.name} have {column.term or column.name} {value}?"
        sql = f"SELECT count() AS rows FROM {_quoted(table)} WHERE {_name(column.name)} = {_literal(column, value)}"
    else:
        column = table.columns[0]
        question = f"How many different values of {column.term or column.name} does {table.name} have?"
        sql = f"SELECT uniqExact({_name(column.name)}) AS different FROM {_quoted(table)}"
    return seed, Example(id="g1", question=question, sql=sql)


def _quoted(table: Table) -> str:
    database, _, name = table.name.partition(".")
    return f"{_name(database)}.{_name(name)}"


def _name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _literal(column: Column, value: object) -> str:
    if isinstance(value, int | float) and "String" not in column.type:
        return str(value)
    return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"
