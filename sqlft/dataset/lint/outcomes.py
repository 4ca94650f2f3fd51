"""What the database said of a query: it failed, gave nothing, too much, or only zeros."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from sqlft.database import QueryError, QueryRefused, Result
from sqlft.dataset.lint.pair import Pair, literal
from sqlft.dataset.lint.remark import Remark

_NOTHING = ("1970-01-01", "1970-01-01 00:00:00", "1900-01-01", "", "nan", "-nan")
_SYNTAX_ERROR = 62


def failures(pair: Pair, max_rows: int = 0) -> Iterator[Remark]:
    """The codes parse, not_allowed and runs; without a database the first two, as far as sqlglot can tell."""
    error = pair.outcome
    if not pair.question.strip(" ?.!"):
        yield Remark("parse", "error", "there is no question", "Write one.")
    elif not pair.sql.strip():
        yield Remark("parse", "error", "there is no SQL", "Write it: the golden set alone may leave it out.")
    elif isinstance(error, QueryRefused | QueryError):
        if error.code == _SYNTAX_ERROR or "cannot be read as a SELECT" in error.message:
            yield Remark("parse", "error", error.message[:200], _bracket_hint(pair.sql))
        elif error.kind == "refused":
            yield Remark("not_allowed", "error", error.message[:200], "Write one SELECT over the card's tables.")
        else:
            yield Remark("runs", "error", str(error)[:200], f"Perhaps {error.hint}?" if error.hint else "")
    elif error is None:
        if pair.tree is None:
            yield Remark("parse", "error", pair.error, _bracket_hint(pair.sql))
        elif not isinstance(pair.tree, exp.Query):
            yield Remark("not_allowed", "error", f"a {type(pair.tree).__name__.upper()} statement", "Write one SELECT.")
        elif re.search(r"\binto outfile\b", pair.code):
            yield Remark("not_allowed", "error", "INTO OUTFILE writes a file", "Leave it out.")


def sizes(pair: Pair, max_rows: int) -> Iterator[Remark]:
    """The codes empty and too_many_rows."""
    if not isinstance(pair.outcome, Result):
        return
    count = len(pair.outcome.rows) if pair.outcome.total_rows is None else pair.outcome.total_rows
    if count == 0:
        yield Remark("empty", "warning", "the query returns no rows")
    elif count > max_rows:
        yield Remark("too_many_rows", "warning", f"{count} rows, the limit is {max_rows}", "Aggregate, or add a LIMIT.")


def degenerate(pair: Pair, max_rows: int = 0) -> Iterator[Remark]:
    """An answer of zeros, NULLs or nothing, and conditions that no row can pass."""
    if isinstance(pair.outcome, QueryError):
        return
    if evidence := _contradiction(pair):
        yield Remark("degenerate", "error", evidence, "Correct the condition.")
    elif isinstance(pair.outcome, Result) and pair.outcome.rows:
        figures = _figures(pair, pair.outcome)
        if figures and all(_is_nothing(row[place], figures[place]) for row in pair.outcome.rows for place in figures):
            names = ", ".join(pair.outcome.columns[place] for place in list(figures)[:4])
            yield Remark("degenerate", "error", f"{names}: nothing but {_shown(pair.outcome.rows[0][min(figures)])}",
                         "Ask for something that the data holds.")  # fmt: skip


def _figures(pair: Pair, result: Result) -> dict[int, bool]:
    """The columns that hold figures, and whether a 0 there says that nothing was counted."""
    tree = pair.tree
    if isinstance(tree, exp.Select) and len(tree.expressions) == len(result.columns):
        places = [place for place, item in enumerate(tree.expressions) if item.find(exp.AggFunc, exp.Div, exp.Subquery)]
        if tree.args.get("group") or (places and len(result.rows) == 1):
            return {place: _counts(pair, tree.expressions[place]) for place in places}
    return dict.fromkeys(range(len(result.columns)), True) if len(result.rows) == 1 else {}


def _counts(pair: Pair, item: exp.Expr) -> bool:
    """Whether 0 is no value that was found: a count, a sum, a ratio, or the least of a column that is never 0."""
    node = item.unalias()
    if not isinstance(node, exp.Min | exp.Max | exp.Quantile | exp.ParameterizedAgg | exp.AnonymousAggFunc | exp.Sub):
        return True
    column, _ = pair.read(node)
    return column is not None and isinstance(column.min, int | float) and column.min > 0


def _is_nothing(value: Any, zero: bool) -> bool:
    if value is None or value in ([], {}):
        return True
    if isinstance(value, float) and math.isnan(value):
        return True
    return (zero and value == 0) or (isinstance(value, str) and value in _NOTHING)


def _shown(value: Any) -> str:
    return "NULL" if value is None else repr(value)


def _contradiction(pair: Pair) -> str:
    """Two different values of one column at once, or a BETWEEN whose ends are turned."""
    for between in pair.nodes(exp.Between):
        low, high = literal(between.args["low"]), literal(between.args["high"])
        if low is not None and type(low) is type(high) and low > high:  # type: ignore[operator]
            return f"BETWEEN {low} AND {high}: the ends are turned"
    for where in pair.nodes(exp.Where):
        wanted: dict[str, str] = {}
        for part in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
            part = part.unnest()
            if (
                isinstance(part, exp.EQ)
                and isinstance(part.this, exp.Column)
                and isinstance(part.expression, exp.Literal)
            ):
                value = part.expression.this
                if wanted.setdefault(part.this.sql(), value) != value:
                    return f"{part.this.sql()} cannot be {wanted[part.this.sql()]!r} and {value!r} in one row"
    return ""


def _bracket_hint(sql: str) -> str:
    gap = sql.count("(") - sql.count(")")
    return f"{abs(gap)} bracket{'s' * (abs(gap) > 1)} too {'few' if gap > 0 else 'many'} of ')'." if gap else ""
