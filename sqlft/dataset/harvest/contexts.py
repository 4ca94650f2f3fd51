"""What each literal of a query meets: the columns that its nearest expression names, through aliases and subqueries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlft.card import Column, SchemaCard
from sqlft.database.clauses import Token, tokens
from sqlft.dataset.lint.pair import readable

_MARK = "literal_{}_of_this"
_MARKED = re.compile(r"literal_(\d+)_of_this")
_MARK_NUMBER = 77_000_000_000_000_000
_DATED_FUNCTION = re.compile(r"date|time|yyyy", re.IGNORECASE)
_DATED_COLUMN = re.compile(r"(^|_)(date|datetime|day|time|timestamp|ts|at|yyyymmdd|epoch)$", re.IGNORECASE)
_KEY = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Met:
    """What a literal is compared with.

    Attributes:
        names: The columns' names, and the keys of maps and JSON around them.
        columns: Those that the card knows.
        dated: One of them, or a function around it, is about dates.
    """

    names: frozenset[str] = frozenset()
    columns: tuple[Column, ...] = ()
    dated: bool = False


@dataclass
class Contexts:
    """A statement's tokens, what its literals meet, and the names that it gives itself.

    Attributes:
        parts: Its tokens.
        met: By the place of a literal among the tokens.
        aliases: Names that the statement gives to expressions and subqueries.
    """

    parts: list[Token]
    met: dict[int, Met] = field(default_factory=dict)
    aliases: set[str] = field(default_factory=set)


def read_contexts(sql: str, card: SchemaCard) -> Contexts:
    """Reads a statement that the guard has let through.

    Raises:
        ValueError: It cannot be parsed.
    """
    parts = list(tokens(sql))
    try:
        tree = sqlglot.parse_one(readable(_mark(parts)), read="clickhouse")
    except (SqlglotError, RecursionError, IndexError) as error:
        raise ValueError(str(error).partition(".")[0]) from error
    known: dict[str, list[Column]] = {}
    for table in card.tables:
        for column in table.columns:
            known.setdefault(column.name.lower(), []).append(column)
    aliased: dict[str, list[exp.Expr]] = {}
    for node in tree.find_all(exp.Alias):
        aliased.setdefault(node.alias.lower(), []).append(node.this)
    found = Contexts(parts, aliases={node.alias for node in tree.walk() if node.alias})
    reader = _Reader(tree, parts, known, aliased)
    for literal in tree.find_all(exp.Literal):
        if (place := _place(literal)) is not None:
            found.met[place] = reader.meet(literal)
    return found


def _mark(parts: Sequence[Token]) -> str:
    """The statement with each string and each long number replaced by one that says where it stands."""
    text = []
    for place, token in enumerate(parts):
        before = next((p.upper for p in reversed(parts[:place]) if p.kind not in ("blank", "comment")), "")
        if token.kind == "string" and before != "INTERVAL":
            text.append(f"'{_MARK.format(place)}'")
        elif token.kind == "number" and token.text.isdigit() and len(token.text) >= 5:
            text.append(str(_MARK_NUMBER + place))
        else:
            text.append(" " if token.kind == "comment" else token.text)
    return "".join(text)


def _place(node: exp.Expr) -> int | None:
    if node.is_string:
        marked = _MARKED.fullmatch(node.name)
        return int(marked[1]) if marked else None
    return int(node.name) - _MARK_NUMBER if node.name.isdigit() and int(node.name) >= _MARK_NUMBER else None


@dataclass
class _Reader:
    tree: exp.Expr
    parts: Sequence[Token]
    known: dict[str, list[Column]]
    aliased: dict[str, list[exp.Expr]]

    def meet(self, literal: exp.Expr) -> Met:
        nodes = [literal]
        names: set[str] = set()
        dated = False
        followed: set[str] = set()
        while nodes:
            node = nodes.pop()
            while (parent := node.parent) is not None:
                if isinstance(parent, exp.Alias | exp.CTE) and (alias := parent.alias.lower()) not in followed:
                    followed.add(alias)
                    nodes += [c for c in self.tree.find_all(exp.Column) if c.name.lower() == alias]
                dated = dated or self._speaks_of_dates(parent)
                # a literal, or a name that stands for one, says nothing of its own
                columns = [c for c in parent.find_all(exp.Column) if c.name.lower() not in followed]
                if columns:
                    if not isinstance(parent, exp.Query):
                        for column in columns:
                            names |= self._bases(column.name, frozenset())
                        names |= self._keys(parent, literal)
                    break
                node = parent
        columns_met = tuple(column for name in names for column in self.known.get(name.lower(), []))
        dated = dated or any("Date" in column.type for column in columns_met) or any(map(_DATED_COLUMN.search, names))
        return Met(frozenset(names), columns_met, dated)

    def _bases(self, name: str, seen: frozenset[str]) -> set[str]:
        """The columns behind a name, which may be an alias, or an alias of a subquery's."""
        folded = name.lower()
        if folded in seen:
            return {name}
        found = {name} if folded in self.known else set()
        for node in self.aliased.get(folded, []):
            for column in node.find_all(exp.Column):
                found |= self._bases(column.name, seen | {folded})
        return found or {name}

    def _keys(self, node: exp.Expr, literal: exp.Expr) -> set[str]:
        """Literals beside this one that may be keys of a map or of JSON."""
        texts = [other.name for other in node.find_all(exp.Literal, exp.JSONPathKey) if other is not literal]
        places = [int(marked[1]) for text in texts if (marked := _MARKED.fullmatch(text))]
        return {key for place in places if _KEY.fullmatch(key := self.parts[place].text.strip("'"))}

    def _speaks_of_dates(self, node: exp.Expr) -> bool:
        if isinstance(node, exp.Query | exp.Where | exp.And | exp.Or):
            return False
        if isinstance(node, exp.DataType | exp.Cast):
            return "DATE" in node.sql().upper()
        functions = node.find_all(exp.Func)
        return any(_DATED_FUNCTION.search(f.name if isinstance(f, exp.Anonymous) else f.sql_name()) for f in functions)
