"""The schema card: what the prompt, the teacher and the guard know of the database.

The card is a YAML file that `sqlft init` writes from a live database and that a person completes: descriptions,
plain words for columns, a glossary. This module holds its shape alone; `sqlft.database.introspect` fills it,
`sqlft.prompts` renders it.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sqlft.problems import Problem, WrongUse


def _as_written(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("YAML reads this word as true or false; put it into quotes, or write 1 or 0")
    return str(value) if isinstance(value, datetime.date) else value


def _as_spoken(text: str) -> str:
    if marks := sorted(set("{}«»") & set(text)):
        raise ValueError(f"there is a {marks[0]} in it, which no question says; write the word that people use")
    return text.strip()


Scalar = Annotated[int | float | str, BeforeValidator(_as_written)]
Words = Annotated[str, AfterValidator(_as_spoken)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Column(_Strict):
    """One column. `values` are all of its values where there are few; `min` and `max` bound dates and numbers."""

    name: str
    type: str
    description: str = ""
    term: Words = Field("", description="what people call it, in the singular: 'operating system'")
    values: list[Scalar] | None = None
    min: Scalar | None = None
    max: Scalar | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if len({isinstance(value, str) for value in self.values or []}) > 1:
            raise ValueError("values are either all text or all numbers; quote the numbers, or leave the text out")
        bounds = [_bound(end, self.type) for end in (self.min, self.max) if end is not None]
        if len(bounds) == 2 and bounds[0] > bounds[1]:
            raise ValueError(f"min {self.min} is above max {self.max}; write the smaller one as min")
        return self


def _bound(end: Scalar, kind: str) -> Any:
    """The least or greatest value of a column, as something that its like can be compared with."""
    plain = re.sub(r"\b(LowCardinality|Nullable)\(", "", kind)
    if plain.startswith("Date"):
        try:
            return datetime.date.fromisoformat(str(end)[:10])
        except ValueError:
            raise ValueError(f"{end!r} is no day, and the column is a {kind}; write it as 2024-12-31") from None
    if re.match(r"U?Int|Float|Decimal", plain) and isinstance(end, str):
        raise ValueError(f"{end!r} is no number, and the column is a {kind}; write a number without quotes")
    return end


class Table(_Strict):
    """One table, named `database.table`. `noun` is what one row is called, in the singular: 'session'."""

    name: str
    description: str = ""
    noun: Words = ""
    plural: Words = Field("", description="the noun's plural; the noun with an s where empty")
    key: list[str] = Field(default_factory=list, description="columns that identify a row")
    columns: list[Column]

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


class Relation(_Strict):
    """A join path between two columns, each written `database.table.column`; many rows of `left` to one of `right`."""

    left: str
    right: str


class GlossaryTerm(_Strict):
    """A business term, what it means, and its one definition in SQL over `table` (a metric or a condition)."""

    term: Words
    meaning: str
    table: str = ""
    metric: str = Field("", description="aggregate expression: '100 * countIf(is_fraud = 1) / count()'")
    condition: str = Field("", description="boolean expression over a row: 'revenue > 0'")


class SchemaCard(_Strict):
    """Tables, relations and glossary of the part of a database that questions may touch."""

    tables: list[Table]
    relations: list[Relation] = Field(default_factory=list)
    glossary: list[GlossaryTerm] = Field(default_factory=list)

    def table(self, name: str) -> Table:
        """The table of that full name; KeyError where the card has none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    @property
    def table_names(self) -> list[str]:
        return [table.name for table in self.tables]

    @classmethod
    def load(cls, path: Path) -> SchemaCard:
        """Reads a card.

        Raises:
            WrongUse: The file is missing, is not YAML, or is not a card; every problem at once.
        """
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise WrongUse(
                Problem(
                    str(path), "schema card", str(error.strerror), "Write the path of a card that `sqlft init` made."
                )
            ) from error
        except ValidationError as error:
            raise WrongUse(
                Problem(
                    f"{path}: {'.'.join(map(str, e['loc']))}",
                    repr(e["input"])[:80],
                    e["msg"].removeprefix("Value error, "),
                )
                for e in error.errors()
            ) from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or a 30th of February
            raise WrongUse(Problem(str(path), "schema card", f"not YAML ({error})".replace("\n", " "))) from error

    def save(self, path: Path) -> None:
        """Writes the card as YAML, leaving out what is empty."""
        path.write_text(
            yaml.safe_dump(self.model_dump(exclude_defaults=True), sort_keys=False, allow_unicode=True, width=120),
            encoding="utf-8",
        )
