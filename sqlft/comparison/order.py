"""What the gold SQL says about order: does it count, by which keys, what may a LIMIT choose, which arrays are unsorted.

The outermost SELECT's clauses are found among its tokens outside all brackets; sqlglot's parser then reads the
projections and the keys alone. Parsing whole statements would be four times slower, and fails on ClickHouse's
LIMIT … BY … LIMIT. The positions of the tokens also serve to widen a query without regenerating it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

Keys = list[list[int] | None]

_DIALECT = Dialect.get_or_raise("clickhouse")
_TAIL = {"LIMIT", "OFFSET", "FETCH", "SETTINGS", "FORMAT", "INTERPOLATE", "INTO"}
_AFTER_PROJECTIONS = _TAIL | {"FROM", "WHERE", "PREWHERE", "GROUP BY", "HAVING", "WINDOW", "QUALIFY", "ORDER BY"}
_KEY_ENDS = {"ASC", "ASCENDING", "DESC", "DESCENDING", "NULLS", "COLLATE", "WITH"}
_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
_QUOTED = {TokenType.STRING, TokenType.IDENTIFIER}
_COLLECTS = re.compile(r"group(uniq)?array(?!sorted|moving|insert|intersect)|array_?agg", re.IGNORECASE)
_APPROXIMATES = re.compile(
    r"\b(uniq(combined(64)?|hll12|theta)?|approx\w+|(quantiles?|median)(tdigest\w*|timing\w*|bfloat16\w*|dd|gk)?"
    r"|topk(weighted)?)(if|array)*\b", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True)
class Limit:
    """LIMIT of the outermost SELECT and where it stands; `count` is None where it is not a plain number of rows."""

    count: int | None
    offset: int
    start: int
    end: int


@dataclass(frozen=True)
class Outline:
    """The outermost SELECT: its projections' text and place, ORDER BY keys without direction, LIMIT."""

    sql: str
    distinct: bool
    projections: str
    projections_end: int
    keys: tuple[str, ...]
    limit: Limit | None

    def visible_keys(self, columns: list[str]) -> Keys:
        """Where the result shows each ORDER BY key: the places of its columns, or None where it does not."""
        if all(key in columns and columns.count(key) == 1 for key in self.keys):  # a column's name, no need to parse
            return [[columns.index(key)] for key in self.keys]
        try:
            tree = sqlglot.parse_one(f"SELECT {self.projections} ORDER BY {', '.join(self.keys)}", read="clickhouse")
        except SqlglotError:
            return [None] * len(self.keys)
        shown = tree.expressions if len(tree.expressions) == len(columns) and not tree.is_star else None
        return [_show(ordered.this, shown, columns) for ordered in tree.args["order"].expressions]

    def widened(self, hidden: Sequence[str]) -> str | None:
        """The same query with hidden keys as further columns, and with every row that its LIMIT could have chosen.

        Returns:
            None where that cannot be written: DISTINCT with hidden keys, a LIMIT that is not a number.
        """
        if (self.distinct and hidden) or (self.limit and self.limit.count is None):
            return None
        sql = self.sql
        if self.limit and self.limit.count is not None:
            ties = f"LIMIT {self.limit.offset + self.limit.count} WITH TIES" if self.keys else ""
            sql = sql[: self.limit.start] + ties + sql[self.limit.end :]
        more = "".join(f", ({key}) AS sqlft_key_{place}" for place, key in enumerate(hidden))
        return sql[: self.projections_end] + more + sql[self.projections_end :]


@lru_cache(maxsize=8192)
def read_outline(sql: str) -> Outline | None:
    """Finds the outermost SELECT of a statement; None where there is no single one, as in a UNION."""
    try:
        tokens = _DIALECT.tokenize(sql)
    except SqlglotError:
        return None
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    while len(_outside(tokens)) == 2 and tokens[0].token_type == TokenType.L_PAREN:  # brackets around it all
        tokens = tokens[1:-1]
    top = _outside(tokens)
    words = _words(top)
    after_from = words[words.index("FROM") :] if "FROM" in words else []
    if words.count("SELECT") != 1 or {"UNION", "INTERSECT"} & set(words) or "EXCEPT" in after_from:
        return None
    first = words.index("SELECT") + 1
    distinct = words[first : first + 1] == ["DISTINCT"]
    if distinct:
        first += 4 if words[first + 1 : first + 3] == ["ON", "("] else 1
    last = _until(words, first, _AFTER_PROJECTIONS)
    if first >= last:
        return None
    projections_end = top[last - 1].end + 1
    return Outline(
        sql=sql,
        distinct=distinct,
        projections=sql[top[first].start : projections_end],
        projections_end=projections_end,
        keys=tuple(_keys(sql, top, words)) if "ORDER BY" in words else (),
        limit=_limit(top, words),
    )


def _outside(tokens: list[Token]) -> list[Token]:
    """Tokens outside all brackets; of a bracketed part its two brackets."""
    outside, depth = [], 0
    for token in tokens:
        depth -= token.token_type in _CLOSING
        if depth == 0:
            outside.append(token)
        depth += token.token_type in _OPENING
    return outside


def _words(tokens: list[Token]) -> list[str]:
    """Upper case, blanks folded; '' for what is quoted or a name for sure: after AS or a dot, or `format(`."""
    words: list[str] = []
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        word = " ".join(token.text.upper().split())
        call = following is not None and following.token_type == TokenType.L_PAREN
        named = bool(words) and words[-1] in ("AS", ".")
        words.append("" if token.token_type in _QUOTED or named or (word == "FORMAT" and call) else word)
    return words


def _until(words: list[str], start: int, ends: set[str]) -> int:
    return next((place for place in range(start, len(words)) if words[place] in ends), len(words))


def _keys(sql: str, top: list[Token], words: list[str]) -> Iterator[str]:
    place = words.index("ORDER BY") + 1
    end = _until(words, place, _TAIL)
    while place < end:
        comma = min(_until(words, place, {","}), end)
        stop = min(_until(words, place, _KEY_ENDS), comma)
        yield sql[top[place].start : top[stop - 1].end + 1]
        place = comma + 1


def _limit(top: list[Token], words: list[str]) -> Limit | None:
    beside = {"OFFSET", "FETCH"} & set(words)
    for place in (place for place, word in enumerate(words) if word == "LIMIT"):
        end = _until(words, place + 1, _TAIL - {"OFFSET"} | {"LIMIT"})
        if "BY" not in words[place:end]:
            count, offset = _window(words[place + 1 : end])
            return Limit(count, offset, top[place].start, top[end - 1].end + 1)
    return Limit(None, 0, 0, 0) if beside else None


def _window(words: list[str]) -> tuple[int | None, int]:
    numbers = [int(word) for word in words[::2] if word.isdecimal()]
    if len(words) == 1 and len(numbers) == 1:
        return numbers[0], 0
    if len(words) == 3 and len(numbers) == 2 and words[1] in (",", "OFFSET"):
        return (numbers[1], numbers[0]) if words[1] == "," else (numbers[0], numbers[1])
    return None, 0


def _show(key: Any, shown: list[Any] | None, columns: Sequence[str]) -> list[int] | None:
    while isinstance(key, exp.Paren | exp.Neg | exp.Collate):
        key = key.this
    if isinstance(key, exp.Tuple):
        parts = [_show(part, shown, columns) for part in key.expressions]
        return None if None in parts else [place for part in parts if part for place in part]
    if isinstance(key, exp.Null) or (isinstance(key, exp.Literal) and not key.this.isdecimal()):
        return []  # a constant orders nothing
    if isinstance(key, exp.Literal):
        place = int(key.this) - 1
        return [place] if 0 <= place < len(columns) else None
    name = key.name.casefold() if isinstance(key, exp.Column) else key.sql("clickhouse").casefold()
    table = key.table.casefold() if isinstance(key, exp.Column) else ""
    if name == "all" and not table and not key.this.quoted:
        return list(range(len(columns)))
    if shown is None:
        places = [place for place, column in enumerate(columns) if column.casefold() == name]
        return places if len(places) == 1 else None
    named = [place for place, item in enumerate(shown) if not table and item.alias.casefold() == name]
    alike = [place for place, item in enumerate(shown) if _alike(item.unalias(), key, name, table)]
    return (named or alike)[:1] or None


def _alike(item: Any, key: Any, name: str, table: str) -> bool:
    if isinstance(item, exp.Column) and isinstance(key, exp.Column):
        return item.name.casefold() == name and (not table or not item.table or item.table.casefold() == table)
    return bool(item.sql("clickhouse").casefold() == name)


def approximate_columns(sql: str, width: int) -> frozenset[int]:
    """Output columns that an approximate function has a part in, directly or by the alias of a subquery's column."""
    if not _APPROXIMATES.search(sql):
        return frozenset()
    items, calls = _read_items(sql, width, lambda call: _APPROXIMATES.fullmatch(_called(call)))
    aliases = {alias.alias for call in calls if (alias := call.find_ancestor(exp.Alias))}
    return frozenset(
        place
        for place, item in enumerate(items)
        if any(call in calls for call in item.find_all(exp.Func))
        or any(column.name in aliases for column in item.find_all(exp.Column))
    )


def _read_items(sql: str, width: int, wanted: Callable[[Any], Any]) -> tuple[list[Any], list[Any]]:
    """The outermost projections, and all calls that are wanted; none where they cannot be told."""
    try:
        tree = sqlglot.parse_one(sql, read="clickhouse").unnest()
    except SqlglotError:
        return [], []
    items = tree.selects if isinstance(tree, exp.Query) else []
    return (items, list(filter(wanted, tree.find_all(exp.Func)))) if len(items) == width else ([], [])


def unsorted_arrays(sql: str, width: int) -> frozenset[int]:
    """Output columns whose array groupArray or groupUniqArray built and nothing sorted: its order means nothing.

    An array is sorted by a function with 'sort' in its name around it, and groupArray by an ORDER BY in the subquery
    that it reads from. Arrays built in a subquery are followed by their alias.
    """
    if not _COLLECTS.search(sql):
        return frozenset()
    items, loose = _read_items(sql, width, lambda call: _COLLECTS.match(_called(call)) and not _sorted(call))
    aliases = {alias.alias for call in loose if (alias := call.find_ancestor(exp.Alias))}
    return frozenset(
        place
        for place, item in enumerate(items)
        if any(call is item.unalias() or _inside(call, item) for call in loose)
        or (isinstance(item.unalias(), exp.Column) and item.unalias().name in aliases)
    )


def _called(call: Any) -> str:
    return call.this if isinstance(call.this, str) else call.key


def _inside(call: Any, item: Any) -> bool:
    """Whether the item is this call with nothing but functions of arrays around it."""
    while call is not item:
        call = call.parent
        if call is None or isinstance(call, exp.Tuple | exp.Select) or _called(call).lower() in ("map", "tuple"):
            return False
    return True


def _sorted(call: Any) -> bool:
    select = call.parent_select
    source = select.args["from_"].this if select and select.args.get("from_") else None
    if isinstance(source, exp.Subquery) and source.this.args.get("order") and "uniq" not in _called(call).lower():
        return True
    ancestor = call.parent
    while ancestor is not None and ancestor is not select:
        if "sort" in _called(ancestor).lower():
            return True
        ancestor = ancestor.parent
    return False
