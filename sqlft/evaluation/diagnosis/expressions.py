"""Expressions and conditions as text, for `sqlft.evaluation.diagnosis.shape`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from sqlft.dataset.lint.pair import function_name, literal
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


@dataclass
class Scope:
    """The names that mean something in one SELECT: its aliases, and the columns of the subqueries that it reads."""

    aliases: dict[str, Any]
    known: dict[str, Any]
    derived: dict[str, dict[str, str]] = field(default_factory=dict)
    shared: frozenset[Condition] = frozenset()
    open: set[str] = field(default_factory=set)


class Expressions(ABC):
    """Says expressions in the scope of one SELECT.

    Args:
        flags: Lower-case names of columns that hold 0 and 1 alone.
    """

    def __init__(self, flags: Collection[str]) -> None:
        self.flags, self.scope = flags, Scope({}, {})
        self.made: dict[str, Aggregate] = {}

    @abstractmethod
    def subquery(self, query: Any) -> str:
        """What a subquery in an expression gives."""

    @abstractmethod
    def set_of(self, query: Any) -> str:
        """What a subquery behind IN gives; the tables that it reads are joined to nothing."""

    def conditions(self, node: Any) -> list[Condition]:
        """What AND joins in it."""
        return settle(c for part in conjuncts(node) for c in self._condition(part))

    def _condition(self, node: Any) -> list[Condition]:
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.And):
            return self.conditions(node)
        if isinstance(node, exp.Not):
            inner = self.conditions(node.this)
            return [self._flag(inner[0].negated)] if len(inner) == 1 else [Condition(f"not ({self._joined(inner)})")]
        if isinstance(node, exp.Or):
            return [self._either([self.conditions(part) for part in node.flatten()])]
        if isinstance(node, exp.Between):
            subject = self.say(node.this)
            low, high = (frozenset({self.say(node.args[end])}) for end in ("low", "high"))
            return [Condition(subject, ">=", low), Condition(subject, "<=", high)]
        if isinstance(node, exp.In):
            if query := node.args.get("query"):
                return [Condition(self.say(node.this), "in", frozenset({self.set_of(query)}))]
            given = node.expressions if isinstance(node.this, exp.Tuple) else unwrapped(node.expressions)
            return [self._flag(Condition(self.say(node.this), "in", frozenset(map(self.say, given))))]
        if (operator := _COMPARED.get(type(node))) is not None:
            return [self._flag(self._compared(node.this, node.expression, operator))]
        return [Condition(self.say(node), "in", frozenset({"1"}))]

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

    def aggregate(self, node: Any) -> Aggregate:
        partition = order = None
        if isinstance(node, exp.Window):
            partition = ", ".join(sorted(map(self.say, node.args.get("partition_by") or [])))
            keys = (node.args.get("order") or exp.Order()).expressions
            order = ", ".join(self.say(key.this) + " desc" * bool(key.args.get("desc")) for key in keys)
            order += f" {spec.sql()}" if (spec := node.args.get("spec")) else ""
            node = node.this
        conditions: list[Condition] = []
        if isinstance(node, exp.Filter):
            conditions, node = self.conditions(node.expression.this), node.this
        name = function_name(node)
        name = _SYNONYMS.get(name, name)
        arguments = [a for a in (node.this, node.args.get("expression"), *node.expressions) if isinstance(a, exp.Expr)]
        parameters = [self.say(quantile)] if (quantile := node.args.get("quantile")) else []
        if isinstance(node, exp.ParameterizedAgg | exp.CombinedParameterizedAgg):
            parameters, arguments = [self.say(a) for a in arguments], node.args.get("params") or []
        if len(arguments) == 1 and isinstance(arguments[0], exp.Distinct):
            name, arguments = ("uniqexact" if name == "count" else f"{name} distinct"), arguments[0].expressions
        if name.endswith("if") and arguments:
            name, conditions = name.removesuffix("if"), conditions + self.conditions(arguments.pop())
        if (
            name == "sum"
            and len(arguments) == 1
            and isinstance(case := arguments[0], exp.If)
            and literal(case.args.get("false") or case) == 0
        ):
            conditions, arguments = conditions + self.conditions(case.this), [case.args["true"]]
        if name == "sum" and len(arguments) == 1 and literal(arguments[0]) == 1:
            name = "count"
        if name == "sum" and len(arguments) == 1 and type(arguments[0]) in _COMPARED:
            name, conditions, arguments = "count", conditions + self.conditions(arguments[0]), []
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
        if is_aggregate(node):
            found = self.aggregate(node)
            if self.scope.shared:
                rest = tuple(c for c in found.conditions if c not in self.scope.shared)
                found = Aggregate(found.name, found.arguments, rest, found.partition, found.order)
            self.made[str(found)] = found
            return f"⟦{found}⟧"
        if isinstance(node, exp.Subquery | exp.Query):
            return self.subquery(node)
        if isinstance(node, exp.And | exp.Or | exp.Not | exp.Between | exp.In | exp.Predicate) and not isinstance(
            node, exp.Exists
        ):
            return self._joined(self.conditions(node))
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
            yield self._joined(self.conditions(condition))
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


def is_aggregate(node: Any) -> bool:
    return isinstance(node, exp.AggFunc | exp.Window | exp.Filter | exp.ApproxDistinct | exp.CountIf)


def _children(node: Any) -> Iterator[Any]:
    for name, value in node.args.items():
        if name not in _SKIPPED:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, exp.Expr) and not (isinstance(node, exp.Anonymous) and name == "this"):
                    yield item


def conjuncts(node: Any) -> list[Any]:
    while isinstance(node, exp.Paren):
        node = node.this
    return [part for side in node.flatten() for part in conjuncts(side)] if isinstance(node, exp.And) else [node]


def unwrapped(keys: Sequence[Any]) -> list[Any]:
    return [key for item in keys for key in (item.expressions if isinstance(item, exp.Tuple | exp.Array) else [item])]
