"""What a query does, written so that two queries that do the same are read the same.

Aliases, those of subqueries and WITH included, are replaced by what they stand for, qualifiers of columns are left out,
commutative operands are sorted, synonyms are one. Everything is text; aggregates stand in it between ⟦ and ⟧, or, where
a subquery computes them, between ⟪ and ⟫, so that they can be compared apart from what is around them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlft.dataset.lint.pair import readable
from sqlft.evaluation.diagnosis.conditions import INNER, Condition, settle
from sqlft.evaluation.diagnosis.expressions import Aggregate, Expressions, Scope, conjuncts, is_aggregate, unwrapped


@dataclass(frozen=True)
class Item:
    """A column of the result: what it shows, times a number, rounded or not."""

    text: str
    factor: float
    rounded: bool


@dataclass
class Shape:
    """A query, taken apart; of its SELECTs together, where nothing else is said.

    Attributes:
        joins: (kind, what is compared) of each.
        conditions: Of WHERE and HAVING.
        aggregates: How often each stands in a column or a condition.
        keys: What is grouped by.
        items: The outermost SELECT's columns.
        order: The outermost SELECT's keys, True for descending.
        limits: 'n' or 'n by keys' of each.
        distinct: What DISTINCT, or a GROUP BY without aggregates, is about; that in IN aside.
    """

    tables: set[str] = field(default_factory=set)
    joins: Counter[tuple[str, str]] = field(default_factory=Counter)
    conditions: list[Condition] = field(default_factory=list)
    aggregates: Counter[Aggregate] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    items: list[Item] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    limits: Counter[str] = field(default_factory=Counter)
    distinct: Counter[str] = field(default_factory=Counter)
    totals: bool = False


@lru_cache(4096)
def read_shape(sql: str, flags: frozenset[str] = frozenset()) -> Shape | None:
    """Takes a query apart.

    Args:
        sql: One SELECT, as it was written.
        flags: Lower-case names of columns that hold 0 and 1 alone.

    Returns:
        None where sqlglot cannot read it.
    """
    try:
        tree = sqlglot.parse_one(readable(sql), read="clickhouse")
        reader = _Reader(flags)
        reader.query(tree, {}, outermost=True)
    except (SqlglotError, RecursionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return (
            None  # its own errors, and what odd text of a model leads to: a number without end, a day before all days
        )
    return reader.shape


class _Reader(Expressions):
    def __init__(self, flags: Collection[str]) -> None:
        super().__init__(flags)
        self.shape = Shape()

    def query(
        self, node: Any, known: dict[str, Any], *, outermost: bool = False, in_set: bool = False
    ) -> dict[str, str]:
        """Reads a query into the shape; gives its columns' text by their names, in order."""
        known = dict(known)
        for cte in (node.args.get("with_") or exp.With()).expressions:
            inner = isinstance(cte.this, exp.Query)
            known[cte.alias.lower()] = self.query(cte.this, known) if inner else cte.this
        if isinstance(node, exp.Subquery | exp.Paren):
            return self.query(node.this, known, outermost=outermost, in_set=in_set)
        if isinstance(node, exp.SetOperation):
            self.shape.joins[node.key, ""] += 1
            found = self.query(node.left, known, outermost=outermost)
            self.query(node.right, known)
            return found
        aliases = {name: item for name, item in known.items() if not isinstance(item, dict)}
        around, self.scope = self.scope, Scope(aliases, known)
        try:
            return self._select(node, known, outermost, in_set)
        finally:
            self.scope = around

    def _select(self, node: Any, known: dict[str, Any], outermost: bool, in_set: bool) -> dict[str, str]:
        scope, shape = self.scope, self.shape
        joins = node.args.get("joins") or []
        sources = [clause.this for clause in (node.args.get("from_"), *joins) if clause]
        for source in sources:
            self._source(source, known)
        scope.aliases |= {item.alias.lower(): item.this for item in node.expressions if item.alias}
        given = [self._where(node, clause) for clause in ("where", "prewhere")]
        where = [part for parts in given for part in parts]
        where = self._joins(joins, where)
        within = [*node.expressions, node.args.get("having"), node.args.get("order")]
        aggregates = [one for item in within if item for one in _aggregates(item)]
        own = [frozenset(self.aggregate(one).conditions) for one in aggregates]
        scope.shared = frozenset.intersection(*own) if own else frozenset()
        shape.conditions += settle([c for part in where for c in self.conditions(part)] + list(scope.shared))
        columns = [column for item in node.expressions for column in self._column(item)]
        texts = [text for _, text in columns]
        group = node.args.get("group")
        keys = [self._key(key, node) for key in unwrapped(group.expressions)] if group else []
        having = settle(c for part in self._where(node, "having") for c in self.conditions(part))
        shape.conditions += having
        alone = set(keys) == set(texts) if keys else node.args.get("distinct")  # one is the other in other words
        if not alone or aggregates:
            shape.keys.update(keys)
        elif not in_set:
            shape.distinct.update(texts)
        by = (node.args.get("order") or exp.Order()).expressions
        order = [(self._key(one.this, node), bool(one.args.get("desc"))) for one in by]
        self._limit(node, single=bool(aggregates) and not keys)
        if outermost:
            rounded = [item.find(exp.Round) is not None for item in node.expressions]
            rounded = rounded if len(rounded) == len(texts) else [False] * len(texts)  # a star
            shape.items = [Item(*_scale(text)[::-1], done) for text, done in zip(texts, rounded, strict=True)]
            shape.order = order
            shape.totals = bool(group and group.args.get("totals"))
        shown = " ".join([*texts, *(c.text for c in having)])
        counted = Counter({found: shown.count(f"⟦{found}⟧") for found in self.made.values()})
        sorted_by = {found for found in self.made.values() for key, _ in order if f"⟦{found}⟧" in key}
        shape.aggregates += counted | Counter(sorted_by)
        return dict(columns)

    def _source(self, source: Any, known: dict[str, Any]) -> None:
        name = source.alias.lower()
        if isinstance(source, exp.Subquery):
            self.scope.derived[name] = self.query(source, known)
        elif (
            isinstance(source, exp.Table)
            and not source.args.get("db")
            and isinstance(known.get(source.name.lower()), dict)
        ):
            self.scope.derived[name or source.name.lower()] = known[source.name.lower()]
        elif isinstance(source, exp.Table):
            self.shape.tables.add(
                source.name.lower() if isinstance(source.this, exp.Identifier) else self.say(source.this)
            )

    def _joins(self, joins: Sequence[Any], where: list[Any]) -> list[Any]:
        """Reads the joins; a comma's conditions stand in WHERE, of which the others are given back."""
        for join in joins:
            kind = " ".join(filter(None, (join.side, join.kind, str(join.args.get("method") or "")))).lower()
            on = conjuncts(join.args["on"]) if join.args.get("on") else []
            keys = [" = ".join([name := using.name.lower(), name]) for using in join.args.get("using") or []]
            if not on and not keys and kind in ("", "cross", ","):
                on = [part for part in where if isinstance(part, exp.EQ) and _between_tables(part)]
                where = [part for part in where if part not in on]
            for part in on:
                if isinstance(part, exp.EQ):
                    keys.append(" = ".join(sorted((self.say(part.this), self.say(part.expression)))))
                else:
                    where = [*where, part]
            kind = "" if keys and kind in ("inner", "cross", ",") else kind.removesuffix(" outer")
            self.shape.joins[kind, ", ".join(sorted(keys))] += 1
        return where

    def _where(self, node: Any, clause: str) -> list[Any]:
        return conjuncts(node.args[clause].this) if node.args.get(clause) else []

    def _column(self, item: Any) -> Iterator[tuple[str, str]]:
        if item.is_star:
            inner = [columns for columns in self.scope.derived.values()]
            found = [(name, text.translate(INNER)) for name, text in inner[0].items()] if len(inner) == 1 else []
            yield from found or [("*", "*")]
        else:
            named = item.alias or (item.name if isinstance(item, exp.Column) else item.sql())
            yield named.lower(), self.say(item.unalias())

    def _key(self, key: Any, node: Any) -> str:
        if isinstance(key, exp.Literal) and not key.is_string and 0 < int(key.this) <= len(node.expressions):
            key = node.expressions[int(key.this) - 1].unalias()
        return self.say(key)

    def _limit(self, node: Any, single: bool) -> None:
        limit = node.args.get("limit")
        if limit and not single:
            by = sorted(self._key(key, node) for key in limit.expressions)
            offset = node.args.get("offset") or limit.args.get("offset")
            text = self.say(limit.expression) + (f" offset {self.say(offset.expression or offset)}" if offset else "")
            self.shape.limits[text + (f" by {', '.join(by)}" if by else "")] += 1

    def subquery(self, query: Any) -> str:
        return f"({', '.join(self.query(query, self.scope.known).values())})".translate(INNER)

    def set_of(self, query: Any) -> str:
        around, self.shape.tables = self.shape.tables, set()
        columns = self.query(query, self.scope.known, in_set=True)
        read, self.shape.tables = self.shape.tables, around
        return f"({', '.join(columns.values())} of {', '.join(sorted(read))})".translate(INNER)


def _scale(text: str) -> tuple[float, str]:
    head, star, rest = text.partition(" * ")
    try:
        return (float(head), rest) if star else (1.0, text)
    except ValueError:
        return 1.0, text


def _aggregates(node: Any) -> Iterator[Any]:
    """The outermost aggregates in it, those of subqueries left out."""
    if is_aggregate(node):
        yield node
    elif not isinstance(node, exp.Query):
        for child in node.iter_expressions():
            yield from _aggregates(child)


def _between_tables(node: Any) -> bool:
    sides = (node.this, node.expression)
    return all(isinstance(side, exp.Column) for side in sides) and sides[0].table != sides[1].table
