"""The axes of a slot, read from sqlft/prompts/slots.yaml: levels, constructs, styles, kinds of period."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from sqlft.records import Level


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Difficulty(_Strict):
    """A level: its part of all pairs, and what makes a pair of that level."""

    share: float
    text: str


class Construct(_Strict):
    """A way to write SQL.

    Attributes:
        needs: What the card must have: dates with a range, a number to add up, a relation between tables.
        docs: Names in the engine's documentation.
        tags: Of seeds that show it.
        sign: A regular expression that finds it in SQL.
    """

    name: str
    levels: list[Level]
    text: str
    needs: list[Literal["date", "number", "relation"]] = []
    docs: list[str]
    tags: list[str]
    sign: str

    def is_in(self, sql: str) -> bool:
        """Whether the SQL shows it, as far as its text tells."""
        return re.search(self.sign, sql, re.IGNORECASE | re.DOTALL) is not None


class Axes(_Strict):
    levels: dict[Level, Difficulty]
    styles: dict[str, str]
    windows: dict[str, str]
    constructs: list[Construct]

    def find_construct(self, name: str) -> Construct:
        return next(construct for construct in self.constructs if construct.name == name)


@cache
def axes() -> Axes:
    """All axes, in a fixed order."""
    text = files("sqlft.prompts").joinpath("slots.yaml").read_text(encoding="utf-8")
    return Axes.model_validate(yaml.safe_load(text))
