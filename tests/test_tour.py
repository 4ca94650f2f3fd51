"""The README's tour on a database that is not the shop: every command in order, on real weights, on CPU.

The commands are the README's own words, so that it stays true. Few rows and few steps: what is asserted is what each
command leaves, and that all of them speak of one adapter. What the answers are worth is a benchmark's to say.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

import sqlft
from sqlft.cli import app, main
from sqlft.database import Database
from sqlft.recipe import load_recipe
from sqlft.records import Example, read_examples, write_jsonl

ROOT = Path(__file__).parent.parent
README = re.sub(r"\s+", " ", (ROOT / "README.md").read_text())
HOURS = "toDateTime('2023-01-01 06:00:00') + intHash32(number + 7) % 62000000"
TABLES = {
    "depots": "toUInt16(number + 1) AS depot_id, ['Lyon', 'Porto', 'Turin', 'Ghent'][number + 1] AS city,"
    " toDate('2015-03-01') + number * 400 AS opened_on FROM numbers(4)",
    "vehicles": "toUInt32(number + 1) AS vehicle_id, toUInt16(1 + intHash32(number) % 4) AS depot_id,"
    " CAST(1 + intHash32(number + 1) % 3, 'Enum8(\\'van\\' = 1, \\'truck\\' = 2, \\'bike\\' = 3)') AS kind,"
    " toUInt16(50 + intHash32(number + 2) % 4000) AS capacity, intHash32(number + 3) % 3 = 0 AS is_electric"
    " FROM numbers(90)",
    "trips": "toUInt32(number + 1) AS trip_id, toUInt32(1 + intHash32(number) % 80) AS vehicle_id,"
    f" {HOURS} AS started_at, ['delivered', 'delivered', 'delivered', 'late', 'lost'][1 + intHash32(number + 4) % 5]"
    " AS outcome, toUInt16(2 + intHash32(number + 5) % 400) AS distance, toUInt16(intHash32(number + 6) % 60) AS parcels"
    " FROM numbers(2500)",
}
KEYS = {"depots": "depot_id", "vehicles": "vehicle_id", "trips": "trip_id"}
WORDS = {"depots": ("depot", "depots"), "vehicles": ("vehicle", "vehicles"), "trips": ("trip", "trips")}
LATE = "countIf(outcome = 'late')"
SEEDS = [
    ("How many vehicles are electric?", "SELECT count() FROM fleet.vehicles WHERE is_electric = 1"),
    ("How many trips ended with outcome lost?", "SELECT count() FROM fleet.trips WHERE outcome = 'lost'"),
    (
        "What is the total distance of trips in 2024?",
        "SELECT sum(distance) FROM fleet.trips WHERE toYear(started_at) = 2024",
    ),
]
GOLDEN = [
    ("How many depots are there?", "SELECT count() FROM fleet.depots"),
    ("How many trucks do we own?", "SELECT count() FROM fleet.vehicles WHERE kind = 'truck'"),
    ("Which share of trips in percent was late?", f"SELECT 100 * {LATE} / count() FROM fleet.trips"),
    ("How many parcels left from Porto?", "SELECT sum(t.parcels) FROM fleet.trips AS t JOIN fleet.vehicles AS v"
     " ON t.vehicle_id = v.vehicle_id JOIN fleet.depots AS d ON v.depot_id = d.depot_id WHERE d.city = 'Porto'"),
    ("What do our drivers earn?", ""),
]  # fmt: skip
QUESTION = "How many trips are there by outcome?"
