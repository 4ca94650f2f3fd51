"""What a schema card offers to the grammar: for each table its nouns, and its columns by the part they can play."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from dataclasses import dataclass, field

from sqlft.card import Column, GlossaryTerm, SchemaCard, Table
from sqlft.dataset.grammar.words import plural, spoken

_NUMERIC = re.compile(r"U?Int|Float|Decimal")
_NO_SUM = re.compile(r"\b(age|rate|rating|score|price|percent|percentage|ratio|temperature|grade|level|capacity)\b")
_NO_MEAN = re.compile(r"\b(year|number|code|floor|rank|latitude|longitude)\b")


class Unavailable(Exception):
    """The card lacks what a template needs, or this draw came to nothing."""


@dataclass(frozen=True)
class Field:
    """A column in its table.

    Attributes:
        word: What people call it, in the singular.
        unique: No other table has a column of that word, so that it needs no table's noun beside it.
        tells: Its values stand in no other column of the card, so that a value tells the column.
        tells_here: The same within its table.
    """

    table: str
    column: Column
    word: str
    unique: bool = True
    tells: bool = False
    tells_here: bool = False

    @property
    def sql(self) -> str:
        """A mark that `query.render` turns into the column's name, with its table's alias where tables are joined."""
        return f"«{self.table}|{self.column.name}»"

    @property
    def values(self) -> list[int | float | str]:
        return self.column.values or []

    @property
    def whole(self) -> bool:
        return "Int" in self.column.type

    @property
    def day(self) -> str:
        """The column as a day, in SQL."""
        return f"toDate({self.sql})" if "DateTime" in self.column.type else self.sql

    @property
    def days(self) -> tuple[datetime.date, datetime.date]:
        """The first and the last day of a date column."""
        low, high = (datetime.date.fromisoformat(str(bound)[:10]) for bound in (self.column.min, self.column.max))
        return low, high

    @property
    def participle(self) -> str:
        """'registered' of a date that is called 'registered on'; else nothing."""
        return self.word[:-3] if self.word.endswith((" on", " at")) else ""

    @property
    def bounds(self) -> tuple[float, float]:
        """The range of a number; a guess where the card does not say."""
        if self.column.min is None or self.column.max is None:
            return (18, 80) if self.word == "age" else (0, 500)
        return float(self.column.min), float(self.column.max)


@dataclass(frozen=True)
class Term:
    """A business term with its SQL, its columns marked as `Field.sql` is."""

    word: str
    sql: str


@dataclass
class Roles:
    """One table's nouns and the parts that its columns can play.

    Attributes:
        names: All of its columns.
        categories: Columns with a few known values.
        flags: Columns of 0 and 1.
        numbers: Other numbers that are no keys.
        dates: Days and times of known range.
        synonyms: Other nouns for a row, by a glossary entry that reads 'another word for user'.
        newcomers: The glossary says what a 'first-time user' is.
        metrics: Glossary terms that are aggregates over this table.
        kinds: Glossary terms that are conditions on its rows, each a noun for such a row.
        links: The tables that a row points to.
        children: The tables whose rows point here.
    """

    name: str
    noun: str
    plural: str
    names: list[str]
    key: Field | None = None
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
        return [f for f in self.numbers if not _NO_MEAN.search(f.word)]

    @property
    def amounts(self) -> list[Field]:
        """Numbers whose sum means something."""
        return [f for f in self.measures if self.links and not _NO_SUM.search(f.word)]


@dataclass(frozen=True)
class Link:
    """Many rows of `child` point to one of `parent`."""

    child: Roles
    parent: Roles
    left: Field
    right: Field


def read_roles(card: SchemaCard) -> list[Roles]:
    """The roles of every table of the card, joined by its relations."""
    tables = {table.name: _read_table(table, card) for table in card.tables}
    columns = {f"{table.name}.{column.name}" for table in card.tables for column in table.columns}
    known = [relation for relation in card.relations if {relation.left, relation.right} <= columns]
    sides = [(*r.left.rpartition(".")[::2], *r.right.rpartition(".")[::2]) for r in known]
    paths = Counter((child, parent) for child, _, parent, _ in sides)
    for child, left, parent, right in sides:
        if child == parent or paths[child, parent] > 1:
            continue  # "the city" would not say by which of two paths
        ends = (Field(name, card.table(name).column(c), spoken(c)) for name, c in ((child, left), (parent, right)))
        link = Link(tables[child], tables[parent], *ends)
        tables[child].links.append(link)
        tables[parent].children.append(link)
    for term in card.glossary:
        _read_term(term, tables, card)
    return list(tables.values())


def _word(column: Column) -> str:
    return column.term or spoken(column.name)


def _read_table(table: Table, card: SchemaCard) -> Roles:
    related = {side for relation in card.relations for side in (relation.left, relation.right)}
    words = Counter(_word(column) for other in card.tables for column in other.columns)
    everywhere, here = (
        Counter(v for t in tables for c in t.columns for v in _lower(c)) for tables in (card.tables, [table])
    )
    noun = table.noun or spoken(re.sub(r"(?<!s)s$", "", table.name.rpartition(".")[2]))
    roles = Roles(table.name, noun, table.plural or plural(noun), [c.name for c in table.columns])
    for column in table.columns:
        told, told_here = (all(known[v] == 1 for v in _lower(column)) for known in (everywhere, here))
        item = Field(table.name, column, _word(column), words[_word(column)] == 1, told, told_here)
        number = _NUMERIC.search(column.type)
        bounds = (min(column.values), max(column.values)) if column.values and number else (column.min, column.max)
        if [column.name] == table.key:
            roles.key = item
        if column.name in table.key or f"{table.name}.{column.name}" in related or re.search(r"(^|_)id$", column.name):
            continue
        if re.search(r"Array\(|Map\(|Tuple\(", column.type):
            continue
        if any(set("{}«»") & set(str(value)) for value in column.values or []):
            continue  # a frame's slots and a column's marks are written with these
        if "Bool" in column.type or (bounds == (0, 1) and "Int" in column.type):
            roles.flags.append(item)
        elif column.values:
            roles.categories += [item] if len(column.values) > 1 else []
        elif "Date" in column.type:
            roles.dates += [item] if None not in bounds else []
        elif number and (None in bounds or bounds[0] != bounds[1]):
            roles.numbers.append(item)
    return roles


def _lower(column: Column) -> set[str]:
    return {str(value).lower() for value in column.values or []}


def _read_term(term: GlossaryTerm, tables: dict[str, Roles], card: SchemaCard) -> None:
    for roles in tables.values():
        roles.newcomers |= term.term == f"first-time {roles.noun}"
        if re.match(rf"another word for {roles.noun}\b", term.meaning):
            roles.synonyms.append(term.term)
    if term.table in tables:
        roles = tables[term.table]
        roles.metrics += [Term(term.term, _mark(term.metric, roles))] if term.metric else []
        roles.kinds += [Term(term.term, _mark(term.condition, roles))] if term.condition else []


def _mark(sql: str, roles: Roles) -> str:
    """Marks the table's columns in an expression, leaving strings as they are."""

    def mark(match: re.Match[str]) -> str:
        return f"«{roles.name}|{match[0]}»" if match[0] in roles.names else match[0]

    return re.sub(r"'(?:[^']|'')*'|\b[A-Za-z_]\w*\b(?!\()", mark, sql)
