"""Failure categories: what a model got wrong, as kinds of question, for a teacher to write more of that kind."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, Field

from sqlft.card import SchemaCard
from sqlft.dataset.slots.axes import axes
from sqlft.problems import Problem, WrongUse
from sqlft.records import Record, read_jsonl

ABOUT_ANYTHING = 3
"""Of so many pairs one is about anything: what a model was asked is a sample, and other kinds fail too."""


class Failure(Record):
    """One category. It has no room for the text of a question, so that none of the golden set reaches a teacher.

    Attributes:
        category: What went wrong, in a few words.
        construct_: `construct` in the file: one of the constructs' names; any where empty.
        beside: Other constructs in the same query; any where empty.
        tables: Full names; any where empty.
        terms: Terms of the glossary that the questions used.
        count: How often; slots are drawn in this proportion.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    category: str
    construct_: str = Field("", alias="construct")
    beside: list[str] = Field(default_factory=list)
    tables: list[str] = Field(default_factory=list)
    terms: list[str] = Field(default_factory=list)
    count: int = Field(1, gt=0)


def read_failures(path: Path, card: SchemaCard) -> list[Failure]:
    """Reads the categories that slots are drawn from.

    Raises:
        WrongUse: Every line that is no category, or names a construct or a table that there is not.
    """
    found = read_jsonl(path, Failure)
    constructs = [construct.name for construct in axes().constructs]
    problems = []
    for place, failure in enumerate(found, 1):
        if unknown := [name for name in (failure.construct_, *failure.beside) if name and name not in constructs]:
            what = f"construct {', '.join(map(repr, unknown))}"
            advice = f"Write one of {', '.join(constructs)}, or leave it out."
            problems.append(Problem(f"{path}: record {place}", what, "there is no such construct", advice))
        if unknown := [name for name in failure.tables if name not in card.table_names]:
            advice = f"Write some of {', '.join(card.table_names)}."
            why = "the schema card has no such table"
            problems.append(Problem(f"{path}: record {place}", ", ".join(unknown), why, advice))
    if not found:
        problems.append(Problem(str(path), "failures", "the file holds none", "Write a category a line."))
    if problems:
        raise WrongUse(problems)
    return found
