"""The static allow-list: what SQL may reach a database at all, decided from its text alone.

It fails closed: what cannot be read, or could be read in two ways, is refused. Token rules come first, as the text is
what the engine sees; a parse tree then says which tables are read. What is sent is the text as it was written, less
comments, which lexers read apart. The engine's own limits and grants, and the sandbox, stand behind it.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sqlglot import errors, exp
from sqlglot.dialects import ClickHouse

from sqlft.database.clauses import Token, ends_an_expression, split_format, tokens
from sqlft.database.errors import QueryRefused

LONGEST = 2**16
"""Characters of a statement; ClickHouse's own limit is four times that."""

STEPS_OF_ONE_TOKEN = 10
"""How often the parser may pass a token, on average; queries that people write need one or two."""

SYNTAX_ERROR, UNKNOWN_TABLE, UNKNOWN_FORMAT, UNKNOWN_DATABASE = 62, 60, 73, 81
"""ClickHouse's codes for what is refused because it is wrong, not because it is unsafe."""

TABLE_FUNCTIONS = frozenset("generateseries generate_series numbers numbers_mt values view".split())
"""Table functions that make their rows themselves. Every other one is refused, known or not."""

HARMLESS_SETTINGS = frozenset(
    "aggregate_functions_null_for_empty final group_by_use_nulls join_use_nulls transform_null_in "
    "union_default_mode".split()
)
"""Settings that a query may choose: they say what it means, and loosen no limit."""

# Names that are refused wherever a bracket follows them, from system.functions and system.table_functions of 26.9, read
# one by one; case does not count. Functions of data that stay: every other.
_REFUSED_FUNCTIONS = {
    "reads files": r"file|filesystem\w*|showcertificate",
    "reads a dictionary, a model or a table that only its argument names": r"dict(get\w*|has|isin)|joinget(ornull)?"
    r"|region(to\w+|in|hierarchy)|naivebayesclassifier\w*|evalmlmethod|catboostevaluate|modelevaluate|hascolumnintable",
    "asks a service on the network": r"ai(classify|embed|extract|filter|generate|redact|similarity|translate)",
    "only waits": r"sleep(eachrow)?",
    "tells of the server, not of its data": r"get(server|mergetree)?setting(ordefault)?|getmacro|getserverport|tcpport"
    r"|getclienthttpheader|getoskernelversion|getmaxtablenamelengthfordatabase|globalvariable|hostname|fqdn|fullhostname"
    r"|displayname|buildid|serveruuid|uptime|zookeepersessionuptime|version|revision|chdb|tid|shard(num|count)"
    r"|(current_?|session_?|auth|authenticated)?user|current_?(profiles|roles|handler|requesturl|schemas)"
    r"|(default|enabled)(profiles|roles)|(initial_?|current_?)?query_?(id|start_?time)|connection_?id|transaction(id|latestsnapshot|oldestsnapshot)"
    r"|pg_?(get_?user_?by_?id|table_?is_?visible)|hasthreadfuzzer|mergetreepartinfo|partition_?id",
    "changes the server's state": r"generateserialid|logtrace|timeseriesstoretags",
    "is internal": r"__\w+|addressto\w+|demangle|aggthrow|flamegraph",
    "reads a table that it is given": r"(global)?(not)?(null)?in(ignoreset)?",
    "reads or runs what its arguments name": r"\w*cluster(allreplicas)?|arrowstream|azureblobstorage|bigquery|cosn"
    r"|deltalake\w*|dictionary|eval|executable|explain|fuzz(json|query)|gcs|hdfs|hudi|iceberg(?!bucket|hash|truncate)\w*|input|jdbc|loop"
    r"|merge|mergetree(analyze|codec|index|projection|text)\w*|mongodb|mysql|odbc|oss|paimon\w*|postgresql"
    r"|prometheusquery\w*|python|redis|remote\w*|s3\w*|sqlite|timeseries(data|metric\w*|samples|selector|tags)|url"
    r"|view(explain|ifpermitted)|ytsaurus",
}
_REFUSED_NAMES = [(re.compile(names, re.IGNORECASE), why) for why, names in _REFUSED_FUNCTIONS.items()]

_TAKES_FUNCTIONS = re.compile(r"[`\"“]?(array|map)", re.IGNORECASE)
_TEXT_FORMAT = re.compile(r"(TABSEPARATED|TSV|CSV|JSON|PRETTY|VERTICAL|MARKDOWN|VALUES|XML)\w*")
_PLAIN_STRING = re.compile(r"'[^'\\\x00-\x1f]*'")
_PLAIN_NAME = re.compile(r"""[^`"'\\\x00-\x1f]+""")
_SOURCES = (exp.Final, exp.Subquery, exp.Table, exp.Values)
_STATEMENTS = (exp.Command, exp.DDL, exp.DML, exp.Describe, exp.Into, exp.Kill, exp.Lateral, exp.Set, exp.Show, exp.Use)
logging.getLogger("sqlglot").addHandler(logging.NullHandler())


class _Parser(ClickHouse.parser_class):
    """Gives up where it goes back and forth too often: 20 nested tuple() take sqlglot 30.30 a million steps."""

    steps = 0

    def _advance(self, times: int = 1) -> None:
        self.steps += 1
        if self.steps > STEPS_OF_ONE_TOKEN * (self._tokens_size + 100):
            raise RecursionError("it nests too deep")
        super()._advance(times)


@dataclass(frozen=True)
class Statement:
    """A statement that may be sent.

    Attributes:
        sql: As it was written, less comments, semicolons, the FORMAT and the last SETTINGS clause.
        format: The FORMAT clause's name in upper case, or ''.
        settings: The last SETTINGS clause: harmless names, values as SQL writes them.
        tables: The full names of the tables that it reads.
    """

    sql: str
    format: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    tables: frozenset[str] = field(default=frozenset(), compare=False)


def check(sql: str, *, tables: Collection[str] | None, default_database: str) -> Statement:
    """Lets one SELECT over allowed tables through.

    Args:
        sql: What a model wrote.
        tables: Full names, `database.table`, that may be read; None for every table that is not a system table.
        default_database: Where a table without a database is looked for.

    Raises:
        QueryRefused: With a sentence saying why.
    """
    return read(sql, tables=tables, default_database=default_database)[0]


def read(sql: str, *, tables: Collection[str] | None, default_database: str) -> tuple[Statement, exp.Query]:
    """`check`, with the parse tree that says so: a reading of the statement, never what is sent."""
    if len(sql) > LONGEST:
        raise QueryRefused(f"The statement has {len(sql)} characters; at most {LONGEST} are read.")
    if re.search(r"[\ud800-\udfff\x00]", sql):
        raise QueryRefused("The statement holds what is no text: a NUL, or half of a UTF-16 pair.")
    sql, format_name = split_format(sql)
    if format_name and not _TEXT_FORMAT.fullmatch(format_name):
        raise QueryRefused(f"FORMAT {format_name} is not a text format: leave the clause out.", UNKNOWN_FORMAT)
    sql = "".join(re.sub(r"\S", " ", t.text) if t.kind == "comment" else t.text for t in tokens(sql))
    code = [token for token in tokens(sql) if token.kind != "blank"]
    _check_tokens(code)
    sql, code, settings = _take_settings(sql, code)
    tree = _parse(code)
    touched = frozenset(_check_tree(tree, tables, default_database))
    return Statement(sql.strip(), format_name, settings, touched), tree


def _check_tokens(code: list[Token]) -> None:
    for token in code:
        if token.kind == "broken":
            raise QueryRefused(f"A quote or comment does not end, or comments nest: {_near(token)}.", SYNTAX_ERROR)
        if token.text == ";":
            raise QueryRefused("There is more than one statement: write one.")
        foreign = token.kind in ("symbol", "word", "number") and not token.text.isascii()
        if foreign or (token.kind == "symbol" and token.text in "{}@\\$#"):
            raise QueryRefused(f"{_near(token)} may not stand outside a string or a quoted name here.")
        if token.kind == "string" and token.text[0] == "‘":
            raise QueryRefused(f"Write plain quotes, 'like this', not {_near(token)}.")
        if token.kind == "quoted" and not _PLAIN_NAME.fullmatch(token.text[1:-1]):
            raise QueryRefused(f"A quoted name holds a quote or a backslash: {_near(token)}.")
    if not code:
        raise QueryRefused("There is no statement.")
    if code[0].upper not in ("SELECT", "WITH") and code[0].text != "(":
        raise QueryRefused(f"Only SELECT may run here; this begins with {_near(code[0])}.")
    _check_clauses(code)
    for place, (token, after) in enumerate(itertools.pairwise(code)):
        if token.upper == "INTO" and after.upper == "OUTFILE":
            raise QueryRefused("INTO OUTFILE writes a file: leave it out.")
        if token.text == "(" and after.upper == "EXPLAIN":
            raise QueryRefused("Only SELECT may run here, no EXPLAIN.")
        if token.text == "|" and after.text == ">":
            raise QueryRefused("Pipes may be read in two ways: write SELECT … FROM ….", SYNTAX_ERROR)
        if token.upper in ("X", "B", "N") and after.kind == "string" and after.start == token.start + 1:
            raise QueryRefused(f"Write a plain string for {token.text}{_near(after)}.")
        if token.kind in ("word", "quoted") and (after.text == "(" or (after.text != "." and _is_applied(code, place))):
            _check_function(code, place)


def _check_clauses(code: list[Token]) -> None:
    """Refuses FROM before SELECT, where ClickHouse may read SELECT as an alias, and what follows as more tables."""
    begun, scopes = "", []
    for place, token in enumerate(code):
        before = code[place - 1].upper if place else ""
        if token.text == "(":
            scopes.append(begun)
            begun = ""
        elif token.text == ")":
            begun = scopes.pop() if scopes else ""
        elif token.upper in ("UNION", "EXCEPT", "INTERSECT"):
            begun = ""
        elif token.upper == "SELECT" or (token.upper == "WITH" and not begun):
            begun = token.upper
        elif token.upper == "FROM":
            compared = before == "DISTINCT" and code[place - 2].upper in ("IS", "NOT")
            opened = place and code[place - 1].text == "("
            if (
                begun == "WITH"
                or opened
                or (before in ("UNION", "ALL", "DISTINCT", "EXCEPT", "INTERSECT") and not compared)
            ):
                raise QueryRefused("FROM stands before SELECT: write SELECT … FROM ….", SYNTAX_ERROR)


def _check_function(code: list[Token], place: int) -> None:
    if code[place].upper == "IN" and _is_operator(code, place):
        return
    name = code[place].text.strip('`"“”')
    for names, why in _REFUSED_NAMES:
        if names.fullmatch(name):
            raise QueryRefused(f"The function {name}() {why}: leave it out.")


def _is_applied(code: list[Token], place: int) -> bool:
    """Whether a function may be named there without being called: arrayMap(file, …), * APPLY(file)."""
    left = place - 1
    while left >= 0 and code[left].text == "(":
        left -= 1
    if left < 0:
        return False
    return code[left].upper == "APPLY" or (left < place - 1 and bool(_TAKES_FUNCTIONS.match(code[left].text)))


def _is_operator(code: list[Token], place: int) -> bool:
    """Whether the word there has an operand on its left, NOT and GLOBAL aside."""
    left = code[:place]
    while left and left[-1].upper in ("NOT", "GLOBAL"):
        left = left[:-1]
    return bool(left) and ends_an_expression(left[-1])


def _take_settings(sql: str, code: list[Token]) -> tuple[str, list[Token], dict[str, str]]:
    """Takes the last SETTINGS clause off; refuses any that is not last or not harmless."""
    for index, token in enumerate(code[:-2]):
        if token.upper != "SETTINGS" or code[index + 2].text != "=":
            continue
        clause = code[index + 1 :]
        values = {name.text: value.text for name, value in zip(clause[::4], clause[2::4], strict=False)}
        shape = [
            t.text if t.kind == "symbol" else "value" if t.kind in ("number", "string") else t.kind for t in clause
        ]
        if shape != (["word", "=", "value", ","] * len(values))[:-1]:
            raise QueryRefused("A SETTINGS clause may stand only at the end, as name = value, ….")
        for name, value in values.items():
            if name not in HARMLESS_SETTINGS or not re.fullmatch(r"\d+|'\w*'", value):
                raise QueryRefused(f"The setting {name} = {value} may not be chosen by a query: leave it out.")
        return sql[: token.start], code[:index], values
    return sql, code, {}


def _parse(code: list[Token]) -> exp.Query:
    """Parses the statement, less what two lexers could read apart and what sqlglot cannot read."""
    text, end, skipped = [], 0, 0
    for place, token in enumerate(code):
        written = token.text
        if token.kind == "string" and not _PLAIN_STRING.fullmatch(written):
            written = "'text'"
        elif token.kind == "quoted":
            written = f'"{written[1:-1]}"'
        elif token.upper == "XOR" and _is_operator(code, place):
            written = "OR"  # sqlglot 30.30 knows no XOR
        elif token.upper == "LIMIT":
            skipped = place + _limit_by_numbers(code[place:])  # nor two LIMIT clauses, nor WITH TIES
        text.append(" " * (token.start > end) + written if place >= skipped else " ")
        end = token.start + len(token.text)
    try:
        dialect = ClickHouse()
        parser = _Parser(dialect=dialect, error_level=errors.ErrorLevel.RAISE)
        trees = parser.parse(dialect.tokenize("".join(text)), "".join(text))
    except Exception as error:  # its own errors, and IndexError or RecursionError on odd text
        reason = re.sub(r"\x1b\[\d+m|\s+", " ", str(error).partition(". Line")[0])
        said = f"It cannot be read as a SELECT, so what it reads is not known ({reason[:200]})."
        raise QueryRefused(said, SYNTAX_ERROR) from None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Query) or any(isinstance(node, _STATEMENTS) for node in tree.walk()):
        raise QueryRefused("Only SELECT may run here.")
    return tree


def _limit_by_numbers(code: list[Token]) -> int:
    """How many tokens a LIMIT clause of numbers alone has, which names no table; 0 for LIMIT … BY and for any other."""
    shape = " ".join(token.upper or ("n" if token.kind == "number" else token.text) for token in code[:6])
    found = re.match(r"LIMIT n( (,|OFFSET) n)?( WITH TIES)?(?! BY| ,| OFFSET)(?= |$)", shape)
    return len(found[0].split()) if found else 0


def _check_tree(tree: exp.Query, tables: Collection[str] | None, default_database: str) -> Iterator[str]:
    for node in tree.walk():
        if (
            isinstance(node, exp.From | exp.Join)
            and not isinstance(node.this, _SOURCES)
            and node.args.get("kind") != "ARRAY"
        ):
            raise QueryRefused(f"It is not known what this reads: {_shown(node.this)}.")
        if isinstance(node, exp.Values) and len(node.expressions) > 1:
            raise QueryRefused("It is not known what stands after VALUES: write values('name Type', …).")
        if isinstance(node, exp.With) and len({cte.alias for cte in node.expressions}) < len(node.expressions):
            raise QueryRefused("WITH gives one name twice.")
        if node.args.get("settings") or node.args.get("format"):
            raise QueryRefused("SETTINGS and FORMAT may stand only at the end.")
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Func):
            name = node.this.name if isinstance(node.this, exp.Anonymous) else node.this.sql_name()
            if name.lower() not in TABLE_FUNCTIONS or node.args.get("db"):
                known = ", ".join(sorted(TABLE_FUNCTIONS))
                raise QueryRefused(f"The table function {name}() may not run here; these may: {known}.")
        elif isinstance(node, exp.Table):
            yield from _check_table(node, _parts(node), tables, default_database)
        elif isinstance(node, exp.In):
            for operand in _operands(node):
                if operand.args.get("table") or operand.name not in _aliases(node):
                    yield from _check_table(node, _parts(operand), tables, default_database)


def _operands(node: exp.In) -> Iterator[exp.Column]:
    """What stands on the right of an IN and may be a table's name: an identifier on its own."""
    right = node.args.get("field") or (node.expressions[0] if len(node.expressions) == 1 else None)
    while isinstance(right, exp.Paren | exp.Alias):
        right = right.this
    if isinstance(right, exp.Column):
        yield right
    elif isinstance(right, exp.Dot):
        raise QueryRefused(f"It is not known what this reads: IN {_shown(right)}.")


def _check_table(
    node: exp.Expr, parts: list[str], tables: Collection[str] | None, default_database: str
) -> Iterator[str]:
    if len(parts) == 1:
        known, later = _common_tables(node)
        if parts[0] in known:
            return
        if parts[0] in later:
            raise QueryRefused(f"WITH gives the name {parts[0]} after it is used: put it first.")
    name = ".".join(parts if len(parts) > 1 else [default_database, *parts])
    if len(parts) > 2:
        raise QueryRefused(f"{name} is no table: write database.table.")
    if name.partition(".")[0].lower() in ("system", "information_schema"):
        raise QueryRefused(f"{name} is a system table: out of bounds.")
    if tables is not None and name not in tables:
        shown = ", ".join(sorted(tables)[:20]) or "none"
        advice = " Where a column is meant, write = for IN." if isinstance(node, exp.In) else ""
        known = {table.partition(".")[0] for table in tables}
        code = UNKNOWN_TABLE if name.partition(".")[0] in known else UNKNOWN_DATABASE
        raise QueryRefused(f"{name} is not among the tables that may be read: {shown}.{advice}", code)
    yield name


def _parts(node: exp.Table | exp.Column) -> list[str]:
    return [part.name for part in node.parts]


def _common_tables(node: exp.Expr) -> tuple[set[str], set[str]]:
    """The names that WITH gives to subqueries where this node stands, and those that it gives only further on.

    A name of its own it knows only where it recurses; else ClickHouse means a table.
    """
    known: set[str] = set()
    later: set[str] = set()
    child: exp.Expr = node
    # nothing from around it is known inside a table function
    while (parent := child.parent) and not isinstance(parent, exp.Table | exp.Values):
        if isinstance(parent, exp.With):
            place = child.index or 0
            known.update(cte.alias for cte in parent.expressions[:place] if isinstance(cte.this, exp.Query))
            later.update(cte.alias for cte in parent.expressions[place + 1 :])
            if parent.args.get("recursive") and not _in_first_branch(node, child.this):
                known.add(child.alias)
        elif (clause := parent.args.get("with_")) and clause is not child:
            known.update(cte.alias for cte in clause.expressions if isinstance(cte.this, exp.Query))
        child = parent
    return known - later, later


def _in_first_branch(node: exp.Expr, query: exp.Expr) -> bool:
    """Whether it stands in what a recursion begins with, where its name still means a table."""
    while isinstance(query, exp.SetOperation):
        query = query.this
    return any(ancestor is query for ancestor in _ancestors(node))


def _ancestors(node: exp.Expr) -> Iterator[exp.Expr]:
    while node.parent:
        yield node.parent
        node = node.parent


def _aliases(node: exp.Expr) -> set[str]:
    """The names of expressions and of subqueries that an identifier here means before it means a table.

    Those are the SELECT's own, and what WITH names in the SELECTs around it.
    """
    own = node.find_ancestor(exp.Select)
    names = {item.alias for item in own.expressions if item.alias} if own else set()
    sources = [own.args.get("from_"), *(own.args.get("joins") or [])] if own else []
    names.update(source.this.alias for source in sources if source and source.this.alias)
    child: exp.Expr = node
    while (parent := child.parent) and not isinstance(parent, exp.Table | exp.Values):
        clause = parent.args.get("with_")
        names.update(cte.alias for cte in (clause.expressions if clause and clause is not child else []))
        child = parent
    return names


def _near(token: Token) -> str:
    return repr(token.text[:40])


def _shown(node: exp.Expr | None) -> str:
    return repr(node.sql(ClickHouse)[:60]) if node else "nothing"
