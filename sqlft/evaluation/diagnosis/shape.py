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

from sqlft.dataset.lint.pair import function_name, literal, readable
from sqlft.evaluation.diagnosis.conditions import INNER, Condition, settle

_COMPARED: dict[type[exp.Expr], str] = {
    exp.EQ: "in", exp.NEQ: "not in", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.Like: "like", exp.ILike: "like", exp.Is: "is",
}  # fmt: skip
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NEUTRAL = {"tofloat64", "tofloat32", "todate", "todate32", "assumenotnull", "tonullable", "materialize", "round"}
_SYNONYMS = {"approx_distinct": "uniq", "any_value": "any", "countdistinct": "uniqexact", "count_if": "countif"}
_SYNONYMS |= {"arg_max": "argmax", "arg_min": "argmin"}
_SKIPPED = ("_type", "typed", "safe", "big_int", "nulls_first", "nested", "nullable", "binary")
_MEANINGLESS = (exp.Paren, exp.Alias, exp.Cast, exp.TsOrDsToDate, exp.Round, exp.Nullif, exp.Coalesce)


@dataclass(frozen=True)
class Aggregate:
    """An aggregate or window function.

    Attributes:
        name: Lower case, parameters included, -If and DISTINCT taken out.
        arguments: Its arguments.
        conditions: What its -If says.
        partition, order: Of its OVER; None where it has none.
    """

    name: str
    arguments: str
    conditions: tuple[Condition, ...] = ()
    partition: str | None = None
    order: str | None = None

    def __str__(self) -> str:
        text = f"{self.name}({self.arguments})"
        if self.conditions:
            text += f" if {' and '.join(sorted(c.text for c in self.conditions))}"
        parts = [f"partition by {self.partition}" * bool(self.partition), f"order by {self.order}" * bool(self.order)]
        return text if self.partition is None else f"{text} over ({' '.join(filter(None, parts))})"


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
    except (SqlglotError, RecursionError, ValueError, IndexError, KeyError, AttributeError):
        return None
    return reader.shape


@dataclass
class _Scope:
    """The names that mean something in one SELECT: its aliases, and the columns of the subqueries that it reads."""

    aliases: dict[str, Any]
    known: dict[str, Any]
    derived: dict[str, dict[str, str]] = field(default_factory=dict)
    shared: frozenset[Condition] = frozenset()
    open: set[str] = field(default_factory=set)


class _Reader:
    def __init__(self, flags: Collection[str]) -> None:
        self.flags, self.shape, self.scope = flags, Shape(), _Scope({}, {})
        self.made: dict[str, Aggregate] = {}

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
            found = self.query(node.left, known, outermost=outermost)
            self.query(node.right, known)
            return found
        aliases = {name: item for name, item in known.items() if not isinstance(item, dict)}
        around, self.scope = self.scope, _Scope(aliases, known)
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
        own = [frozenset(self._aggregate(one).conditions) for one in aggregates]
        scope.shared = frozenset.intersection(*own) if own else frozenset()
        shape.conditions += settle([c for part in where for c in self._conditions(part)] + list(scope.shared))
        columns = [column for item in node.expressions for column in self._column(item)]
        texts = [text for _, text in columns]
        group = node.args.get("group")
        keys = [self._key(key, node) for key in _unwrapped(group.expressions)] if group else []
        having = settle(c for part in self._where(node, "having") for c in self._conditions(part))
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
            on = _conjuncts(join.args["on"]) if join.args.get("on") else []
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
        return _conjuncts(node.args[clause].this) if node.args.get(clause) else []

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

    def _conditions(self, node: Any) -> list[Condition]:
        """What AND joins in it."""
        return settle(c for part in _conjuncts(node) for c in self._condition(part))

    def _condition(self, node: Any) -> list[Condition]:
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.And):
            return self._conditions(node)
        if isinstance(node, exp.Not):
            inner = self._conditions(node.this)
            return [self._flag(inner[0].negated)] if len(inner) == 1 else [Condition(f"not ({self._joined(inner)})")]
        if isinstance(node, exp.Or):
            return [self._either([self._conditions(part) for part in node.flatten()])]
        if isinstance(node, exp.Between):
            subject = self.say(node.this)
            low, high = (frozenset({self.say(node.args[end])}) for end in ("low", "high"))
            return [Condition(subject, ">=", low), Condition(subject, "<=", high)]
        if isinstance(node, exp.In):
            if query := node.args.get("query"):
                return [Condition(self.say(node.this), "in", frozenset({self._set(query)}))]
            given = node.expressions if isinstance(node.this, exp.Tuple) else _unwrapped(node.expressions)
            return [self._flag(Condition(self.say(node.this), "in", frozenset(map(self.say, given))))]
        if (operator := _COMPARED.get(type(node))) is not None:
            return [self._flag(self._compared(node.this, node.expression, operator))]
        return [Condition(self.say(node), "in", frozenset({"1"}))]

    def _set(self, query: Any) -> str:
        """What a subquery behind IN gives; the tables that it reads are joined to nothing."""
        around, self.shape.tables = self.shape.tables, set()
        columns = self.query(query, self.scope.known, in_set=True)
        read, self.shape.tables = self.shape.tables, around
        return f"({', '.join(columns.values())} of {', '.join(sorted(read))})".translate(INNER)

    def _compared(self, left: Any, right: Any, operator: str) -> Condition:
        if literal(left) is not None and literal(right) is None:
            left, right, operator = right, left, _TURNED.get(operator, operator)
        sides = [self.say(left), self.say(right)]
        if literal(right) is None and operator in ("in", "not in"):
            sides.sort()
        elif literal(right) is None and operator in (">", ">="):
            sides, operator = sides[::-1], _TURNED[operator]
        return Condition(sides[0], operator, frozenset(sides[1:]))

    def _flag(self, condition: Condition) -> Condition:
        if condition.operator == "not in" and condition.subject in self.flags and condition.values <= {"0", "1"}:
            return Condition(condition.subject, "in", frozenset({"0", "1"}) - condition.values)
        return condition

    def _either(self, parts: list[list[Condition]]) -> Condition:
        single = [part[0] for part in parts if len(part) == 1 and part[0].operator == "in"]
        if len(single) == len(parts) and len({one.subject for one in single}) == 1:
            return Condition(single[0].subject, "in", frozenset().union(*(one.values for one in single)))
        return Condition(" or ".join(sorted(self._joined(part) for part in parts)))

    def _joined(self, conditions: list[Condition]) -> str:
        return " and ".join(sorted(c.text for c in conditions))

    def _aggregate(self, node: Any) -> Aggregate:
        partition = order = None
        if isinstance(node, exp.Window):
            partition = ", ".join(sorted(map(self.say, node.args.get("partition_by") or [])))
            keys = (node.args.get("order") or exp.Order()).expressions
            order = ", ".join(self.say(key.this) + " desc" * bool(key.args.get("desc")) for key in keys)
            order += f" {spec.sql()}" if (spec := node.args.get("spec")) else ""
            node = node.this
        conditions: list[Condition] = []
        if isinstance(node, exp.Filter):
            conditions, node = self._conditions(node.expression.this), node.this
        name = function_name(node)
        name = _SYNONYMS.get(name, name)
        arguments = [a for a in (node.this, node.args.get("expression"), *node.expressions) if isinstance(a, exp.Expr)]
        parameters = [self.say(quantile)] if (quantile := node.args.get("quantile")) else []
        if isinstance(node, exp.ParameterizedAgg | exp.CombinedParameterizedAgg):
            parameters, arguments = [self.say(a) for a in arguments], node.args.get("params") or []
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            name, arguments = ("uniqexact" if name == "count" else f"{name} distinct"), arguments[0].expressions
        if name.endswith("if") and arguments:
            name, conditions = name.removesuffix("if"), conditions + self._conditions(arguments.pop())
        if (
            name == "sum"
            and len(arguments) == 1
            and isinstance(case := arguments[0], exp.If)
            and literal(case.args.get("false") or case) == 0
        ):
            conditions, arguments = conditions + self._conditions(case.this), [case.args["true"]]
        if name == "sum" and len(arguments) == 1 and literal(arguments[0]) == 1:
            name = "count"
        if name == "sum" and len(arguments) == 1 and type(arguments[0]) in _COMPARED:
            name, conditions, arguments = "count", conditions + self._conditions(arguments[0]), []
        said = [] if name == "count" else [self.say(a) for a in arguments]
        name += f"({', '.join(parameters)})" * bool(parameters)
        return Aggregate(name, ", ".join(said), tuple(settle(conditions)), partition, order)

    def say(self, node: Any) -> str:
        """An expression's text."""
        if isinstance(node, _MEANINGLESS):
            return self.say(node.this)
        if isinstance(node, exp.Column):
            return self._name(node)
        if isinstance(node, exp.Literal | exp.Neg) and (value := literal(node)) is not None:
            return f"'{value}'" if isinstance(value, str) else _number(value)
        if isinstance(node, exp.Boolean):
            return str(int(node.this))
        if _is_aggregate(node):
            found = self._aggregate(node)
            if self.scope.shared:
                rest = tuple(c for c in found.conditions if c not in self.scope.shared)
                found = Aggregate(found.name, found.arguments, rest, found.partition, found.order)
            self.made[str(found)] = found
            return f"⟦{found}⟧"
        if isinstance(node, exp.Subquery | exp.Query):
            return f"({', '.join(self.query(node, self.scope.known).values())})".translate(INNER)
        if isinstance(node, exp.And | exp.Or | exp.Not | exp.Between | exp.In | exp.Predicate) and not isinstance(
            node, exp.Exists
        ):
            return self._joined(self._conditions(node))
        if isinstance(node, exp.Mul | exp.Div):
            return self._product(node)
        if isinstance(node, exp.Add):
            return " + ".join(sorted(self.say(part) for part in node.flatten()))
        if isinstance(node, exp.Sub):
            return f"({self.say(node.this)} - {self.say(node.expression)})"
        if isinstance(node, exp.If | exp.Case) or function_name(node) == "multiif":
            return f"case({', '.join(self._cases(node))})"
        name = function_name(node)
        arguments = [self.say(child) for child in _children(node)]
        if name in _NEUTRAL and arguments:
            return arguments[0]
        if name.startswith("trunc:"):
            return f"{name}({self.say(node.this) if isinstance(node.this, exp.Expr) else arguments[0]})"
        return (
            f"{name or node.key}({', '.join(arguments)})" if name or arguments else str(node.name or node.key).lower()
        )

    def _cases(self, node: Any) -> Iterator[str]:
        if isinstance(node, exp.Anonymous):
            parts = node.expressions
            branches, last = list(zip(parts[:-1:2], parts[1::2], strict=False)), parts[-1] if len(parts) % 2 else None
        elif isinstance(node, exp.If):
            branches, last = [(node.this, node.args["true"])], node.args.get("false")
        else:
            branches, last = [(one.this, one.args["true"]) for one in node.args["ifs"]], node.args.get("default")
        for condition, value in branches:
            yield self._joined(self._conditions(condition))
            yield self.say(value)
        yield self.say(last) if last else "null"

    def _name(self, node: Any) -> str:
        name, table, scope = node.name.lower(), node.table.lower(), self.scope
        if isinstance(node.this, exp.Star):
            return "*"
        if table:
            return scope.derived.get(table, {}).get(name, name).translate(INNER)
        if name in scope.aliases and name not in scope.open:
            scope.open.add(name)
            try:
                return self.say(scope.aliases[name])
            finally:
                scope.open.discard(name)
        inner = (columns[name].translate(INNER) for columns in scope.derived.values() if name in columns)
        return next(inner, name)

    def _product(self, node: Any) -> str:
        factor, above, below = self._factors(node)
        text = " * ".join(sorted(above)) or "1"
        text += f" / {' / '.join(sorted(below))}" if below else ""
        return text if factor == 1 else f"{_number(factor)} * {text}"

    def _factors(self, node: Any) -> tuple[float, list[str], list[str]]:
        while isinstance(node, _MEANINGLESS) or function_name(node) in _NEUTRAL:
            node = node.this if isinstance(node.this, exp.Expr) else node.expressions[0]
        if isinstance(node, exp.Mul | exp.Div):
            one, other = self._factors(node.this), self._factors(node.expression)
            if isinstance(node, exp.Div) and other[0]:
                return one[0] / other[0], one[1] + other[2], one[2] + other[1]
            if isinstance(node, exp.Mul):
                return one[0] * other[0], one[1] + other[1], one[2] + other[2]
        value = literal(node)
        return (value, [], []) if isinstance(value, float) else (1.0, [self.say(node)], [])


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.10g}"


def _scale(text: str) -> tuple[float, str]:
    head, star, rest = text.partition(" * ")
    try:
        return (float(head), rest) if star else (1.0, text)
    except ValueError:
        return 1.0, text


def _is_aggregate(node: Any) -> bool:
    return isinstance(node, exp.AggFunc | exp.Window | exp.Filter | exp.ApproxDistinct | exp.CountIf)


def _aggregates(node: Any) -> Iterator[Any]:
    """The outermost aggregates in it, those of subqueries left out."""
    if _is_aggregate(node):
        yield node
    elif not isinstance(node, exp.Query):
        for child in node.iter_expressions():
            yield from _aggregates(child)


def _children(node: Any) -> Iterator[Any]:
    for name, value in node.args.items():
        if name not in _SKIPPED:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, exp.Expr) and not (isinstance(node, exp.Anonymous) and name == "this"):
                    yield item


def _conjuncts(node: Any) -> list[Any]:
    while isinstance(node, exp.Paren):
        node = node.this
    return [part for side in node.flatten() for part in _conjuncts(side)] if isinstance(node, exp.And) else [node]


def _unwrapped(keys: Sequence[Any]) -> list[Any]:
    return [key for item in keys for key in (item.expressions if isinstance(item, exp.Tuple | exp.Array) else [item])]


def _between_tables(node: Any) -> bool:
    sides = (node.this, node.expression)
    return all(isinstance(side, exp.Column) for side in sides) and sides[0].table != sides[1].table
