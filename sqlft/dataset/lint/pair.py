"""A pair as the checks read it: the question's text, the SQL's tree, and what each literal is compared with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeVar

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlft.card import Column, SchemaCard
from sqlft.database import QueryError, Result
from sqlft.database.clauses import split_format, tokens
from sqlft.dataset.lint.wording import template

E = TypeVar("E", bound=exp.Expr)
Scalar = str | float
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "like"]

_OPERATORS: dict[type[exp.Expr], Operator] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.Like: "like",
    exp.ILike: "like",
}
_TURNED: dict[Operator, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_KEEPS_VALUE = (exp.Min, exp.Max, exp.AnyValue, exp.ArgMax, exp.ArgMin, exp.Paren, exp.Distinct)
_KEEPS_VALUE_NAMED = {"any", "anylast", "argmax", "argmin", "argmaxif", "argminif", "minif", "maxif", "assumenotnull"}
_KEEPS_VALUE_NAMED |= {"tonullable", "tostring", "todate", "todatetime", "materialize", "grouparray", "groupuniqarray"}


@dataclass(frozen=True)
class Use:
    """A literal that something is compared with.

    Attributes:
        column: The card's column in it; None where there is none, or more than one.
        function: What is around the column, lower case: '', 'toyear', 'trunc:month', 'lower'; '?' for an expression.
        node: The comparison.
    """

    column: Column | None
    function: str
    operator: Operator
    value: Scalar
    node: exp.Expr


@dataclass
class Pair:
    """One row of a set.

    Attributes:
        row: Its place in the file, from 0.
        sql: Without its FORMAT clause.
        tree: None where sqlglot cannot read it.
        outcome: What the database said; None without one.
        card: None without a recipe.
    """

    row: int
    question: str
    sql: str
    card: SchemaCard | None = None
    dialect: str = "clickhouse"
    outcome: Result | QueryError | None = None
    error: str = field(default="", init=False)

    @cached_property
    def tree(self) -> exp.Expr | None:
        try:
            trees = [tree for tree in sqlglot.parse(readable(self.sql), read=self.dialect) if tree is not None]
        except (SqlglotError, RecursionError, ValueError, IndexError) as error:
            self.error = re.sub(r"\x1b\[\d+m|\s+", " ", str(error).partition(". Line")[0])[:160]
            return None
        if len(trees) != 1:
            self.error = f"{len(trees)} statements" if trees else "there is no SQL"
            return None
        return trees[0]

    @cached_property
    def _walked(self) -> list[exp.Expr]:
        return [] if self.tree is None else list(self.tree.walk())

    def nodes(self, *kinds: type[E]) -> Iterator[E]:
        """The tree's nodes of these kinds, outer before inner; the tree is walked once for all checks."""
        return (node for node in self._walked if isinstance(node, kinds))

    @cached_property
    def words(self) -> str:
        """The question in lower case, its blanks folded, typographic quotes made plain."""
        return " ".join(self.question.replace("’", "'").lower().split())

    @cached_property
    def code(self) -> str:
        """The SQL's tokens in lower case without blanks between, comments left out and strings emptied."""
        parts = [
            "''" if token.kind == "string" else token.text.lower()
            for token in tokens(self.sql)
            if token.kind not in ("blank", "comment")
        ]
        return " ".join(parts)

    @cached_property
    def template(self) -> str:
        """The SQL's tokens but for its literals."""
        return template(self.sql)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The card's columns by lower-case name: of the tables that the SQL names, of all where it names none."""
        if self.card is None or self.tree is None:
            return {}
        named = {table.name.lower() for table in self.nodes(exp.Table)}
        tables = [table for table in self.card.tables if table.name.split(".")[-1].lower() in named]
        return {column.name.lower(): column for table in tables or self.card.tables for column in table.columns}

    @cached_property
    def used(self) -> set[str]:
        """Names of the card's columns that the SQL names, lower case."""
        return {node.name.lower() for node in self.nodes(exp.Column)} & set(self.columns)

    @cached_property
    def aliases(self) -> dict[str, exp.Expr]:
        """What each alias stands for, by lower-case name."""
        return {node.alias.lower(): node.this for node in self.nodes(exp.Alias)}

    @cached_property
    def uses(self) -> list[Use]:
        """Every comparison with a literal."""
        return list(self._uses())

    @cached_property
    def keys(self) -> list[exp.Expr]:
        """What the outermost SELECT groups by, aliases and places resolved."""
        select = self.tree if isinstance(self.tree, exp.Select) else None
        group = select.args.get("group") if select else None
        found = []
        for key in group.expressions if select is not None and group else []:
            assert select is not None
            if isinstance(key, exp.Literal) and not key.is_string and int(key.this) <= len(select.expressions):
                key = select.expressions[int(key.this) - 1]
            found.append(self.resolve(key.unalias()))
        return found

    def resolve(self, node: exp.Expr) -> exp.Expr:
        """What a name means: an alias's expression, else the node itself."""
        for _ in range(5):
            if not isinstance(node, exp.Column):
                return node
            meant = self.aliases.get(node.name.lower())
            if meant is None or (isinstance(meant, exp.Column) and meant.name.lower() == node.name.lower()):
                return node
            node = meant
        return node

    def read(self, node: exp.Expr) -> tuple[Column | None, str]:
        """The card's column that an expression shows, and the function around it; (None, '?') where it is another."""
        node = self.resolve(node)
        if isinstance(node, exp.Column):
            return self.columns.get(node.name.lower()), ""
        name = function_name(node)
        inner = [item for item in _arguments(node) if not isinstance(item, exp.Literal | exp.Var | exp.Interval)]
        if not inner or (len(inner) > 1 and not name.startswith("arg") and not name.endswith("if")):
            return None, "?"
        column, within = self.read(inner[0])
        if isinstance(node, _KEEPS_VALUE) or name in _KEEPS_VALUE_NAMED:
            return column, within
        return (column, name) if within == "" and not isinstance(node, exp.Binary) else (None, "?")

    def _uses(self) -> Iterator[Use]:
        for node in self._walked:
            if (operator := _OPERATORS.get(type(node))) is not None:
                left, right = node.this, node.expression
                if literal(left) is not None and literal(right) is None:
                    left, right, operator = right, left, _TURNED.get(operator, operator)
                if (value := literal(right)) is not None:
                    column, function = self.read(left)
                    yield Use(column, function, operator, value, node)
            elif isinstance(node, exp.Between):
                column, function = self.read(node.this)
                if (value := literal(node.args["low"])) is not None:
                    yield Use(column, function, ">=", value, node)
                if (value := literal(node.args["high"])) is not None:
                    yield Use(column, function, "<=", value, node)
            elif isinstance(node, exp.In):
                column, function = self.read(node.this)
                negated = isinstance(node.parent, exp.Not)
                for item in node.expressions:
                    for one in item.expressions if isinstance(item, exp.Tuple | exp.Array) else [item]:
                        if (value := literal(one)) is not None:
                            yield Use(column, function, "!=" if negated else "=", value, node)


def literal(node: exp.Expr) -> Scalar | None:
    """A number or a string, also inside toDate('…') and its kin; None for what is none."""
    sign = 1
    while isinstance(node, exp.Neg | exp.Paren):
        sign = -sign if isinstance(node, exp.Neg) else sign
        node = node.this
    if isinstance(node, exp.Literal):
        return node.this if node.is_string else sign * float(node.this)
    if isinstance(node, exp.Cast | exp.TsOrDsToDate | exp.Date) and isinstance(node.this, exp.Literal):
        return literal(node.this)
    if function_name(node) in ("todate", "todate32", "todatetime", "todatetime64", "parsedatetimebesteffort"):
        first = next(iter(_arguments(node)), None)
        return literal(first) if isinstance(first, exp.Literal) else None
    return None


def function_name(node: exp.Expr) -> str:
    """A function's ClickHouse name in lower case, 'trunc:UNIT' for what cuts a date; '' for anything else."""
    if isinstance(node, exp.TimestampTrunc | exp.DateTrunc):
        return f"trunc:{node.args['unit'].name.lower()}"
    if isinstance(node, exp.Extract):
        return f"to{node.name.lower()}"
    if isinstance(node, exp.Year | exp.Month | exp.Quarter):
        return f"to{type(node).__name__.lower()}"
    if isinstance(node, exp.DayOfWeekIso | exp.DayOfWeek):
        return "todayofweek"
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc | exp.ParameterizedAgg | exp.CombinedAggFunc):
        name = str(node.this).lower()
        if name == "tostartofinterval":
            interval = node.find(exp.Interval)
            return f"trunc:{interval.unit.name.lower()}" if interval and interval.unit else "?"
        return f"trunc:{name.removeprefix('tostartof')}" if name.startswith("tostartof") else name
    return node.sql_name().lower() if isinstance(node, exp.Func) else ""


def _arguments(node: exp.Expr) -> list[exp.Expr]:
    found = [node.this] if isinstance(node.args.get("this"), exp.Expr) else []
    if isinstance(node, exp.Extract):
        found = []
    rest = [node.args.get("expression"), *node.expressions, *(node.args.get("params") or [])]
    return found + [item for item in rest if isinstance(item, exp.Expr)]


_SECOND_LIMIT = re.compile(
    r"(LIMIT\s+\d+(?:\s*,\s*\d+)?\s+BY\s+[^()]+?)\s+LIMIT\s+\d+(\s*,\s*\d+)?(?=\s*(\)|$))", re.IGNORECASE
)


def readable(sql: str) -> str:
    """The statement without what sqlglot 30.30 cannot read and no check needs: FORMAT, XOR, LIMIT after LIMIT BY."""
    text = split_format(sql)[0].strip().rstrip(";")
    upper = text.upper()
    if "XOR" in upper:
        text = re.sub(r"\bXOR\b", "OR", text, flags=re.IGNORECASE)
    return _SECOND_LIMIT.sub(r"\1", text) if " BY " in upper and upper.count("LIMIT") > 1 else text
