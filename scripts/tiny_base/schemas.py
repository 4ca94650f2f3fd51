"""Random schemas: an entity table, one or two event tables about it, and rows to run queries on."""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass, field

from sqlft.card import Column, Relation, SchemaCard, Table
from tiny_base import words

FIRST_DAY = datetime.date(2018, 1, 1)


@dataclass
class Source:
    """A table as questions see it: its key, its columns by kind, its words."""

    table: Table
    noun: str
    nouns: str
    id: str
    entity_key: str = ""
    dates: list[Column] = field(default_factory=list)
    categories: list[Column] = field(default_factory=list)
    measures: list[Column] = field(default_factory=list)
    flags: list[Column] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.table.name


@dataclass
class Schema:
    card: SchemaCard
    entity: Source
    events: list[Source]


def random_schema(rng: random.Random, small: bool = False) -> Schema:
    """One database: an entity table and, unless `small`, one event table or two that refer to it."""
    database = rng.choice(words.DATABASES) if rng.random() < 0.5 else words.invented(rng)
    taken: set[str] = set()
    entity_noun = _pick(rng, words.ENTITIES, taken, 0.5)
    plural_names = rng.random() < 0.75
    key = rng.choice(
        [f"{entity_noun}_id", f"{entity_noun}_id", f"{entity_noun}_id", f"{entity_noun}_no", f"{entity_noun}_key", "id"]
    )
    entity = _source(
        rng, database, entity_noun, key, plural_names, taken, date=rng.random() < 0.3, size=(1, 2, 0, 2, 0, 2)
    )
    foreign = f"{entity_noun}_id" if key == "id" else key
    events = []
    for _ in range(rng.choice((0, 1)) if small else (2 if rng.random() < 0.08 else 1)):
        noun = _pick(rng, words.EVENTS, taken, 0.5)
        event = _source(rng, database, noun, f"{noun}_id", plural_names, taken, date=True, size=(1, 2, 1, 2, 0, 1))
        event.entity_key = foreign
        event.table.columns.insert(rng.choice((0, 0, 1)), Column(name=foreign, type="UInt64"))
        events.append(event)
    tables = [entity.table, *(event.table for event in events)]
    if rng.random() < 0.4:
        tables.reverse()
    relations = [Relation(left=f"{e.name}.{foreign}", right=f"{entity.name}.{key}") for e in events]
    return Schema(SchemaCard(tables=tables, relations=relations), entity, events)


def _date_name(rng: random.Random, taken: set[str]) -> str:
    if rng.random() < 0.5:
        return _pick(rng, words.DATES, taken, 0.1)
    return words.invented(rng) + rng.choice(("_date", "_date", "_day", "_on", "_at"))


def _pick(rng: random.Random, pool: list[str], taken: set[str], invent: float, noun: str = "") -> str:
    """A word for a name, invented at such a rate; some begin with the table's noun, as its key does."""
    while True:
        word = words.invented(rng) if rng.random() < invent else rng.choice(pool)
        if noun and "_" not in noun + word and rng.random() < 0.15:
            word = f"{noun}_{word}"
        if word not in taken:
            taken.add(word)
            return word


def _source(
    rng: random.Random,
    database: str,
    noun: str,
    key: str,
    plural_names: bool,
    taken: set[str],
    date: bool,
    size: tuple[int, ...],
) -> Source:
    name = f"{database}.{words.plural(noun) if plural_names else noun}"
    source = Source(
        Table(name=name, key=[key], columns=[]), noun.replace("_", " "), words.plural(noun).replace("_", " "), key
    )
    for _ in range(rng.randint(size[0], size[1])):
        column = _pick(rng, words.CATEGORIES, taken, 0.5, noun)
        source.categories.append(
            Column(name=column, type=rng.choice(("String", "String", "LowCardinality(String)")), values=_values(rng))
        )
    for _ in range(rng.randint(size[2], size[3])):
        source.measures.append(_measure(rng, _pick(rng, words.MEASURES + words.ATTRIBUTES, taken, 0.5, noun)))
    for _ in range(rng.randint(size[4], size[5])):
        flag = _pick(rng, words.FLAGS, taken, 0.5)
        prefix = rng.choice(("is_", "is_", "is_", "", "was_", "has_been_"))
        source.flags.append(
            Column(
                name=prefix + flag,
                type="UInt8",
                description=flag,
                **rng.choice(({"values": [0, 1]}, {"min": 0, "max": 1})),
            )
        )
    if date:
        first = FIRST_DAY + datetime.timedelta(days=rng.randint(0, 2000))
        last = first + datetime.timedelta(days=rng.randint(400, 1800))
        source.dates.append(Column(name=_date_name(rng, taken), type="Date", min=str(first), max=str(last)))
    columns = source.categories + source.measures + source.flags + source.dates
    if rng.random() < 0.5:
        rng.shuffle(columns)
    source.table.columns[:] = [Column(name=key, type=rng.choice(("UInt64", "UInt64", "UInt32"))), *columns]
    return source


def _values(rng: random.Random) -> list[int | float | str]:
    count = rng.choice((2, 3, 3, 4, 4, 5, 6))
    if rng.random() < 0.5:
        parts = rng.choice((1, 1, 1, 2))
        found = {" ".join(words.invented(rng).capitalize() for _ in range(rng.randint(1, parts))) for _ in range(count)}
        return sorted(w if rng.random() < 0.8 else w.lower() for w in found)
    pool = rng.choice(list(words.VALUES.values()))
    return sorted(rng.sample(sorted(set(pool)), min(count, len(pool))))


def _measure(rng: random.Random, name: str) -> Column:
    low = rng.choice((0, 0, 1, 5, 10, 18, 100))
    high = low + rng.choice((5, 10, 50, 80, 100, 500, 1000, 5000))
    return Column(
        name=name, type=rng.choice(("UInt32", "UInt64", "UInt16", "Float32", "Float64", "Int32")), min=low, max=high
    )


def statements(schema: Schema, rng: random.Random, entities: int = 60, events: int = 400) -> list[str]:
    """CREATE and INSERT statements that fill the schema's tables with random rows."""
    database = schema.entity.name.split(".")[0]
    out = [f"CREATE DATABASE IF NOT EXISTS {database}"]
    for source, rows in ((schema.entity, entities), *((event, events) for event in schema.events)):
        columns = source.table.columns
        out.append(
            f"CREATE TABLE {source.name} ({', '.join(f'{c.name} {c.type}' for c in columns)}) ENGINE = MergeTree ORDER BY tuple()"
        )
        lines = [f"({', '.join(_cell(c, source, n, entities, rng) for c in columns)})" for n in range(rows)]
        out.append(f"INSERT INTO {source.name} VALUES {', '.join(lines)}")
    return out


def _cell(column: Column, source: Source, row: int, entities: int, rng: random.Random) -> str:
    if column.name == source.id:
        return str(row)
    if column.name == source.entity_key:
        return str(rng.randrange(int(entities * 0.9)))
    if column.values:
        return repr(rng.choice(column.values))
    if column.type == "Date":
        first, last = (datetime.date.fromisoformat(str(v)) for v in (column.min, column.max))
        return f"'{first + datetime.timedelta(days=rng.randint(0, (last - first).days))}'"
    low, high = int(column.min or 0), int(column.max or 1)
    return str(rng.randint(low, high) if not column.type.startswith("Float") else round(rng.uniform(low, high), 2))
