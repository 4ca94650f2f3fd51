"""What a question is counted under: its level, what its SQL shows, the tables it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlft.database.clauses import split_format
from sqlft.dataset.slots.axes import axes
from sqlft.records import Example, Level

Axis = Literal["level", "construct", "table", "tag", "template"]
LEVELS: tuple[Level, ...] = (*get_args(Level)[1:], "")
"""The easiest first; what has no level comes last."""


def find_keys(examples: Sequence[Example]) -> dict[Axis, list[list[str]]]:
    """The keys of each example, by kind: constructs and tables are read from the SQL, the others are the example's."""
    constructs = axes().constructs
    return {
        "level": [[example.level] if example.level else [] for example in examples],
        "construct": [[one.name for one in constructs if one.is_in(example.sql)] for example in examples],
        "table": [name_tables(example.sql) for example in examples],
        "tag": [list(dict.fromkeys(example.tags)) for example in examples],
        "template": [[example.template] if example.template else [] for example in examples],
    }


def name_tables(sql: str) -> list[str]:
    """The tables that a query reads, as it names them; none where it cannot be parsed."""
    try:
        tree = sqlglot.parse_one(split_format(sql)[0], read="clickhouse")
    except (SqlglotError, RecursionError):
        return []
    named = {".".join(part.name for part in table.parts) for table in tree.find_all(exp.Table)}
    return sorted(named - {common.alias for common in tree.find_all(exp.CTE)} - {""})
