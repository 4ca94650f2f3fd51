"""What a schema card offers to the grammar: for each table its nouns, and its columns by the part they can play."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from dataclasses import dataclass, field

from sqlft.card import Column, SchemaCard, Table
from sqlft.dataset.grammar.words import plural, spoken

_NUMERIC = re.compile(r"U?Int|Float|Decimal")
_NOT_ADDITIVE = re.compile(
    r"\b(age|year|rate|rating|score|price|percent|percentage|ratio|temperature|grade|level|capacity)\b"
)
_ORDINAL = re.compile(r"\b(year|number|code|floor|rank|latitude|longitude)\b")


@dataclass(frozen=True)
class Field:
    """A column in its table, with what people call it.

    Attributes:
        word: What people call it, in the singular.
        unique: No other table has a column of that word, so that it needs no table's noun beside it.
    """

    table: str
    column: Column
    word: str
    unique: bool = True

    @property
    def sql(self) -> str:
        """A mark that `query.render` turns into the column's name, with its table's alias where tables are joined."""
        return f"«{self.table}|{self.column.name}»"

    @property
    def whole(self) -> bool:
        return "Int" in self.column.type

    @property
    def day(self) -> str:
        """The column as a day, in SQL."""
        return f"toDate({self.sql})" if "DateTime" in self.column.type else self.sql

    @property
    def bounds(self) -> tuple[float, float]:
        """The range of a number; a guess where the card does not say."""
        if self.column.min is None or self.column.max is None:
            return (18, 80) if self.word == "age" else (0, 500)
        return float(self.column.min), float(self.column.max)

    @property
    def days(self) -> tuple[datetime.date, datetime.date]:
        """The first and the last day of a date column."""
        low, high = (datetime.date.fromisoformat(str(bound)[:10]) for bound in (self.column.min, self.column.max))
        return low, high


@dataclass(frozen=True)
class Term:
    """A business term with its SQL, marked as `Field.sql` is."""

    word: str
    sql: str


@dataclass
class Roles:
    """One table's nouns and the parts that its columns can play.

    Attributes:
        categories: Columns with a few known values.
        flags: Columns of 0 and 1.
        numbers: Other numbers that are no keys.
        dates: Days and times of known range.
        synonyms: Other nouns for a row, by a glossary entry that reads 'another word for user'.
        newcomers: The glossary says what a first-time row of it is: 'first-time user'.
        metrics: Glossary terms that are aggregates over this table.
        kinds: Glossary terms that are conditions on its rows, each a noun for such a row.
        links: The tables that a row points to.
        children: The tables whose rows point here.
    """

    name: str
    noun: str
    plural: str
    key: Field | None
    names: frozenset[str]
    categories: list[Field] = field(default_factory=list)
    flags: list[Field] = field(default_factory=list)
    numbers: list[Field] = field(default_factory=list)
    dates: list[Field] = field(default_factory=list)
    synonyms: list[str] = field(default_factory=list)
    newcomers: bool = False
    metrics: list[Term] = field(default_factory=list)
    kinds: list[Term] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    children: list[Link] = field(default_factory=list)

    @property
    def short(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def event(self) -> bool:
        """A row happened on one day, so that 'in March 2023' needs no word for the date."""
        return bool(self.links) and len(self.dates) == 1

    @property
    def measures(self) -> list[Field]:
        """Numbers whose average means something."""
        return [f for f in self.numbers if not _ORDINAL.search(f.word)]

    @property
    def amounts(self) -> list[Field]:
        """Numbers whose sum means something."""
        return [f for f in self.measures if self.links and not _NOT_ADDITIVE.search(f.word)]


@dataclass(frozen=True)
class Link:
    """Many rows of `child` point to one of `parent`."""

    child: Roles
    parent: Roles
    left: Field
    right: Field


def read_roles(card: SchemaCard) -> list[Roles]:
    """The roles of every table of the card, joined by its relations."""
    related = {side for relation in card.relations for side in (relation.left, relation.right)}
    words = Counter(_word(column) for table in card.tables for column in table.columns)
    roles = {table.name: _table(table, related, words) for table in card.tables}
    sides = [tuple(side.rpartition(".")[::2] for side in (r.left, r.right)) for r in card.relations]
    paths = Counter((child, parent) for (child, _), (parent, _) in sides)
    for (child, left), (parent, right) in sides:
        if child == parent or paths[child, parent] > 1:
            continue  # "the city" would not say by which of two paths
        link = Link(
            roles[child],
            roles[parent],
            *(
                Field(name, card.table(name).column(column), spoken(column))
                for name, column in ((child, left), (parent, right))
            ),
        )
        roles[child].links.append(link)
        roles[parent].children.append(link)
    for term in card.glossary:
        for table in roles.values():
            table.newcomers |= term.term == f"first-time {table.noun}"
            if re.match(rf"another word for {table.noun}\b", term.meaning):
                table.synonyms.append(term.term)
        if term.table in roles:
            for sql, place in ((term.metric, roles[term.table].metrics), (term.condition, roles[term.table].kinds)):
                if sql:
                    place.append(Term(term.term, _mark(sql, card.table(term.table))))
    return list(roles.values())


Values = Counter[tuple[str, str]]


def known_values(card: SchemaCard) -> Values:
    """In how many columns each value stands, case ignored: by (table, value), and by ("", value) over all tables."""
    found = [(t.name, str(v).lower()) for t in card.tables for c in t.columns for v in set(c.values or [])]
    return Counter(found) + Counter(("", value) for _, value in found)


def _word(column: Column) -> str:
    return column.term or spoken(column.name)


def _table(table: Table, related: set[str], words: Counter[str]) -> Roles:
    noun = table.noun or spoken(re.sub(r"(?<!s)s$", "", table.name.rpartition(".")[2]))
    fields = {c.name: Field(table.name, c, _word(c), words[_word(c)] == 1) for c in table.columns}
    roles = Roles(
        table.name,
        noun,
        table.plural or plural(noun),
        fields[table.key[0]] if len(table.key) == 1 else None,
        frozenset(fields),
    )
    for name, item in fields.items():
        column = item.column
        number = _NUMERIC.search(column.type)
        bounds = (column.min, column.max) if column.values is None else (min(column.values), max(column.values))
        if "Array(" in column.type or "Map(" in column.type:
            continue
        if "Bool" in column.type or (number and bounds == (0, 1) and "Int" in column.type):
            roles.flags.append(item)
        elif name in table.key or f"{table.name}.{name}" in related or re.search(r"(^|_)id$", name):
            continue
        elif column.values is not None:
            roles.categories += [item] if len(column.values) > 1 else []
        elif "Date" in column.type:
            roles.dates += [item] if None not in bounds else []
        elif number and (None in bounds or bounds[0] != bounds[1]):
            roles.numbers.append(item)
    return roles


def _mark(sql: str, table: Table) -> str:
    """Marks the table's columns in an expression, leaving strings as they are."""
    names = {column.name for column in table.columns}

    def mark(match: re.Match[str]) -> str:
        return f"«{table.name}|{match[0]}»" if match[0] in names else match[0]

    return re.sub(r"'(?:[^']|'')*'|\b[A-Za-z_]\w*\b(?!\()", mark, sql)
