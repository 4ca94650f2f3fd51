"""Random results, and the register of the ways in which the comparator's benchmark makes pairs of them."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from typing import Any

Rows = list[list[Any]]
Line = dict[str, Any]
Means = Callable[[random.Random], Line]

MEANS: dict[str, tuple[str, Means]] = {}
"""By name: what is expected, and how a pair is made."""

WORDS = "Berlin Paris Oslo Rome Wien Bern Lyon Turin Gent Graz".split()


def means(expected: str) -> Callable[[Means], Means]:
    """Registers one: expected is strict, relaxed, mismatch, vacuous or invalid, and a reason after a colon."""

    def register(make: Means) -> Means:
        MEANS[make.__name__] = expected, make
        return make

    return register


def cells(rng: random.Random, kind: str, count: int) -> list[Any]:
    """Cells of a type, as JSONCompact has them."""
    day = datetime.date(2024, 1, 1)
    make: dict[str, Callable[[], Any]] = {
        "UInt64": lambda: rng.randrange(1000),
        "Int64": lambda: rng.randrange(-500, 500),
        "Int256": lambda: rng.randrange(2**200) + 2**100,
        "Float64": lambda: rng.uniform(-1e5, 1e5),
        "Decimal(18, 4)": lambda: f"{rng.randrange(10**7)}.{rng.randrange(1, 10**4):04}",
        "String": lambda: rng.choice(WORDS) + rng.choice(["", " 2", "-x"]),
        "Nullable(String)": lambda: rng.choice([None, *WORDS]),
        "Nullable(Int32)": lambda: rng.choice([None, rng.randrange(1, 50)]),
        "LowCardinality(String)": lambda: rng.choice(WORDS[:4]),
        "Date": lambda: str(day + datetime.timedelta(days=rng.randrange(900))),
        "DateTime('UTC')": lambda: f"{day + datetime.timedelta(days=rng.randrange(900))} {rng.randrange(10, 24)}:30:05",
        "Bool": lambda: rng.random() < 0.5,
        "Array(UInt8)": lambda: rng.sample(range(100), rng.randrange(2, 5)),
        "Map(String, UInt8)": lambda: {word: rng.randrange(9) for word in rng.sample(WORDS, 3)},
        "Tuple(UInt8, String)": lambda: [rng.randrange(9), rng.choice(WORDS)],
    }
    return [make[kind]() for _ in range(count)]


KINDS = ["UInt64", "Int64", "Int256", "Float64", "Decimal(18, 4)", "String", "Nullable(String)", "Nullable(Int32)",
         "LowCardinality(String)", "Date", "DateTime('UTC')", "Bool", "Array(UInt8)", "Map(String, UInt8)",
         "Tuple(UInt8, String)"]  # fmt: skip


def result(rng: random.Random, *kinds: str, rows: int = 0) -> tuple[list[str], Rows]:
    """Types and rows: a column of distinct texts, these, and up to three of any kind."""
    types = ["String", *kinds, *rng.choices(KINDS, k=rng.randrange(4))]
    count = rows or rng.randrange(2, 15)
    keys = [f"row {number}" for number in rng.sample(range(10_000), count)]
    return types, list(map(list, zip(keys, *(cells(rng, kind, count) for kind in types[1:]), strict=True)))


def line(
    gold: tuple[list[str], Rows], pred: tuple[list[str], Rows], sql: str = "", other: str = "", **more: Any
) -> Line:
    """A pair as a line of the file; columns are named by their place."""
    given: Line = {"gold": sql or "SELECT * FROM t", "pred": other or sql or "SELECT * FROM t"}
    for side, (types, rows) in (("gold", gold), ("pred", pred)):
        given |= {f"{side}_columns": [f"c{place}" for place in range(len(types))], f"{side}_types": types,
                  f"{side}_rows": rows}  # fmt: skip
    return given | more


def copied(rows: Rows) -> Rows:
    return [row[:] for row in rows]


def with_cells(rows: Rows, place: int, new: list[Any]) -> Rows:
    return [[*row[:place], cell, *row[place + 1 :]] for row, cell in zip(rows, new, strict=True)]


def changed(rng: random.Random, kind: str, new: Callable[[Any], Any]) -> Line:
    """One cell of a column of this type is another one."""
    types, rows = result(rng, kind)
    other, place = copied(rows), rng.randrange(len(rows))
    other[place][1] = new(other[place][1])
    return line((types, rows), (types, other))


def retyped(rng: random.Random, kind: str, to: str, new: Callable[[Any], Any]) -> Line:
    """A column comes in another type, which says the same."""
    types, rows = result(rng, kind)
    return line((types, rows), ([types[0], to, *types[2:]], with_cells(rows, 1, [new(row[1]) for row in rows])))


# --- what is the same
