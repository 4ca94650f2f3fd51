"""Facts from a schema card: what models that write SQL make up, in the words that people ask in.

Columns and their tables, values and their spellings, formats of dates, join keys, and the glossary's definitions.
sqlft/prompts/facts.yaml has the wordings.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from sqlft.card import Column, SchemaCard, Table
from sqlft.dataset.grammar.query import literal, write_name
from sqlft.dataset.grammar.words import plural, sentence, spoken
from sqlft.memory.facts import Fact, Use, find_leaks
from sqlft.memory.router import split_words
from sqlft.records import Example

USES = 16
"""Pairs of the training set that a fact takes along, at most."""
AT_ONCE = 3
"""Facts that such a pair's question may name: more would not all be opened."""
_FORMATS = (("DateTime", "'YYYY-MM-DD hh:mm:ss'"), ("Date", "'YYYY-MM-DD'"))


class _Kind(BaseModel):
    model_config = ConfigDict(extra="forbid")

    answer: str
    phrasings: list[str] = Field(min_length=3)
    uses: list[tuple[str, str]] = Field(default_factory=list)


def derive_facts(
    card: SchemaCard, examples: Sequence[Example] = (), asked: Sequence[Example] = (), near: float = 0.95
) -> list[Fact]:
    """All facts of a card; of what would be one question with two answers, one fact with both.

    Args:
        card: The database's.
        examples: Pairs of the training set. A fact that questions for SQL open takes some that name it as its uses, in
            place of those from facts.yaml: they look as the model's answers do.
        asked: What an evaluation asks; no fact gives any of it away.
        near: Similarity at which a question gives one of those away.
    """
    facts = [*_columns(card), *_joins(card), *_spellings(card), *_glossary(card)]
    named = {fact.id: name for fact, name in facts if name}
    seen = _naming(named, examples)
    whole = [fact.model_copy(update={"uses": seen[fact.id]}) if seen.get(fact.id) else fact for fact, _ in facts]
    leaking = {(fact.id, use.question) for fact, use, _ in find_leaks(whole, asked, card, near)}
    kept = []
    for fact in whole:
        phrasings = [phrasing for phrasing in fact.phrasings if (fact.id, phrasing) not in leaking]
        uses = [use for use in fact.uses if (fact.id, use.question) not in leaking]
        if phrasings and (
            uses or not fact.uses
        ):  # a fact that opens where SQL is wanted has to know what that looks like
            kept.append(fact.model_copy(update={"phrasings": phrasings, "uses": uses}))
    return kept


def _naming(named: Mapping[str, str], examples: Sequence[Example]) -> dict[str, list[Use]]:
    """For each fact pairs whose question has its name in it, spread over the set.

    Left out are those in which another name claims some of the same words: 'purchase' in 'average purchase value'.
    """
    words = {key: {*split_words(name)} for key, name in named.items()}
    having: dict[str, list[Use]] = defaultdict(list)
    for example in examples:
        said = {*split_words(example.question)}
        found = {key: own for key, own in words.items() if own <= said}
        widest = [key for key, own in found.items() if not any(own < other for other in found.values())]
        for key in widest if len(widest) <= AT_ONCE else []:
            if not any(found[other] & found[key] for other in widest if other != key):
                having[key].append(Use(question=example.question, answer=example.sql))
    return {key: uses[:: max(1, len(uses) // USES)][:USES] for key, uses in having.items()}


Named = tuple[Fact, str]
"""A fact, and by what questions for SQL name it; empty where none opens it."""


def _columns(card: SchemaCard) -> Iterator[Named]:
    for table in card.tables:
        alike: dict[str, list[Column]] = defaultdict(list)
        for column in table.columns:
            alike[(column.term or spoken(column.name)).casefold()].append(column)
        for term, columns in alike.items():
            words = {"term": term, "place": _place(card, table)}
            key = f"{table.name} {term}"
            names = " or ".join(f"{table.name}.{write_name(column.name)}" for column in columns)
            yield _fact("column", key, words | {"table": table.name, "column": names.removeprefix(f"{table.name}.")})
            listed = ", ".join(literal(value) for column in columns for value in column.values or [])
            if listed:
                yield _fact("values", key, words | {"listed": listed})
            column = columns[0]
            plain = re.sub(r"\b(LowCardinality|Nullable)\(", "", column.type)
            if form := next((form for kind, form in _FORMATS if plain.startswith(kind)), ""):
                spans = f", {literal(column.min)} to {literal(column.max)}" if column.min and column.max else ""
                yield _fact("format", key, words | {"format": form + spans})


def _joins(card: SchemaCard) -> Iterator[Named]:
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for relation in card.relations:
        left, right = (side.rpartition(".")[0] for side in (relation.left, relation.right))
        pairs[left, right].append(f"{relation.left} = {relation.right}")
    for (left, right), conditions in pairs.items():
        places = {"left": _place(card, card.table(left)), "right": _place(card, card.table(right))}
        yield _fact("join", f"{left} {right}", places | {"on": " or ".join(conditions)})


def _spellings(card: SchemaCard) -> Iterator[Named]:
    found: dict[str, list[tuple[Table, Column, str]]] = defaultdict(list)
    for table in card.tables:
        for column in table.columns:
            for value in column.values or []:
                if isinstance(value, str) and re.search(r"\w", value):
                    found[" ".join(value.casefold().split())].append((table, column, value))
    for places in found.values():
        table, column, value = places[0]
        spelled = " and ".join(f"{literal(v)} in {t.name}.{c.name}" for t, c, v in places)
        words = {"value": value, "spelled": spelled, "literal": literal(value), "column": write_name(column.name)}
        yield _fact("spelling", value, words | _around(table, column), value)


def _glossary(card: SchemaCard) -> Iterator[Named]:
    for term in card.glossary:
        sql = term.metric or term.condition
        definition = "; ".join(part for part in (term.meaning, sql) if part)
        words = {"definition": definition, "sql": sql}
        if not (sql and term.table in card.table_names):
            yield _fact("meaning", term.term, words | {"term": term.term})
            continue
        around = _around(card.table(term.table), alias=term.term)
        yield _fact(
            "metric" if term.metric else "condition", term.term, words | around | {"term": term.term}, term.term
        )
        if not term.metric and (several := plural(term.term)) not in {other.term for other in card.glossary}:
            yield _fact("condition", several, words | around | {"term": several}, several)


def _around(table: Table, column: Column | None = None, alias: str = "") -> dict[str, Any]:
    """What a question can be about beside a fact: a period, and another column of few values."""
    things = table.plural or plural(table.noun) if table.noun else "rows"
    words: dict[str, Any] = {"table": table.name, "things": things}
    words["alias"] = re.sub(r"\W+", "_", alias or things).strip("_").lower()
    for axis in table.columns:
        if axis is not column and axis.term and axis.values and isinstance(axis.values[0], str):
            value = axis.values[0]
            words |= {
                "axis": write_name(axis.name),
                "axis_term": axis.term,
                "axis_value": value,
                "axis_literal": literal(value),
            }
    day = next((c for c in table.columns if c.type.startswith("Date") and c.min and c.max), None)
    if day:
        years = [int(str(end)[:4]) for end in (day.min, day.max)]
        words |= {"date": write_name(day.name), "year": sum(years) // 2}
    return words


def _place(card: SchemaCard, table: Table) -> str:
    """The table's name without its database, unless two have the same."""
    short = table.name.rpartition(".")[2]
    return short if sum(name.rpartition(".")[2] == short for name in card.table_names) == 1 else table.name


def _fact(kind: str, key: str, words: Mapping[str, Any], name: str = "") -> Named:
    wording = _kinds()[kind]
    uses = [(sentence(_fill(q, words)), _fill(sql, words)) for q, sql in wording.uses if _fills(q + sql, words)]
    fact = Fact(
        id=f"{kind} {key}",
        answer=_fill(wording.answer, words),
        phrasings=[sentence(_fill(phrasing, words)) for phrasing in wording.phrasings],
        uses=[Use(question=question, answer=sql) for question, sql in uses],
    )
    return fact, name


def _fills(text: str, words: Mapping[str, Any]) -> bool:
    return set(re.findall(r"\{(\w+)\}", text)) <= set(words)


def _fill(text: str, words: Mapping[str, Any]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: str(words[found[1]]), text)


@cache
def _kinds() -> dict[str, _Kind]:
    text = files("sqlft.prompts").joinpath("facts.yaml").read_text(encoding="utf-8")
    return {name: _Kind.model_validate(kind) for name, kind in yaml.safe_load(text).items()}
