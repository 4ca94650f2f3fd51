"""Renders SQL whose columns are marked `«table|column»`: names alone for one table, aliases where tables are joined."""

from __future__ import annotations

import re

from sqlft.dataset.grammar.roles import Roles

_MARK = re.compile(r"«([^|]+)\|([^»]+)»")


def literal(value: object) -> str:
    """A value as SQL writes it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'" if isinstance(value, str) else str(value)


def render(sql: str, base: Roles) -> str:
    """The SQL with names for marks, and `{from}` filled with the tables that it then needs.

    Args:
        sql: One SELECT over `base` and the tables that it points to.
        base: The table of FROM.
    """
    aliases = {base.name: base.short[0]}
    for table in dict.fromkeys(match[1] for match in _MARK.finditer(sql)):
        letter = table.rpartition(".")[2][0]
        taken = set(aliases.values())
        aliases.setdefault(table, next(a for a in (letter, *(f"{letter}{i}" for i in range(2, 99))) if a not in taken))
    if len(aliases) == 1:
        return _MARK.sub(lambda m: write_name(m[2]), sql.replace("{from}", _named(base.name)))
    (_, alias), *others = aliases.items()
    tables = f"{_named(base.name)} AS {alias}"
    for table, alias in others:
        link = next(link for link in base.links if link.parent.name == table)
        tables += f" JOIN {_named(table)} AS {alias} ON {link.left.sql} = {link.right.sql}"
    return _MARK.sub(lambda m: f"{aliases[m[1]]}.{write_name(m[2])}", sql.replace("{from}", tables))


def _named(table: str) -> str:
    return ".".join(map(write_name, table.split(".", 1)))


def write_name(column: str) -> str:
    return column if re.fullmatch(r"[A-Za-z_]\w*", column) else f"`{column}`"
