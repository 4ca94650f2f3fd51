import contextlib
import json
import re

import pytest

from sqlft.database import QueryRefused
from sqlft.database.guard import LONGEST, TABLE_FUNCTIONS, Statement, check
from sqlft.database.worker import Child

TABLES = {"shop.users", "shop.sessions", "default.t"}


def admit(sql: str, default_database: str = "shop") -> Statement:
    return check(sql, tables=TABLES, default_database=default_database)


@pytest.mark.parametrize(
    "sql",
    """
SELECT 1
SELECT count() FROM shop.users
SELECT count() FROM "shop"."users" AS u ANY LEFT JOIN `shop`.`sessions` s USING (user_id)
SELECT a FROM users AS x, sessions AS y WHERE x.a = y.a
(SELECT 1) UNION DISTINCT (SELECT 2) EXCEPT SELECT 3 INTERSECT SELECT 4
WITH a AS (SELECT 1 AS x), b AS (SELECT * FROM a) SELECT * FROM b, a WHERE x IN a
WITH a AS (SELECT 1) SELECT * FROM a UNION ALL SELECT * FROM a
WITH RECURSIVE q AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM q WHERE n < 5) SELECT * FROM q
WITH [1, 2] AS wanted SELECT 1 IN wanted, (SELECT 2 IN (wanted))
SELECT tag FROM users ARRAY JOIN tags AS tag, numbers
SELECT toMonday(d) w, quantile(0.9)(x), sumIf(a, b), topK(3)(z) FROM sessions GROUP BY w WITH TOTALS HAVING w > 1
SELECT a FROM users ORDER BY a LIMIT 1 BY a LIMIT 3 WITH TIES
SELECT a FROM users LIMIT 2, 3 BY a LIMIT 3 OFFSET 4
SELECT a FROM users ORDER BY a WITH FILL FROM 1 TO 3 STEP 1
SELECT a FROM users FINAL SAMPLE 1/10 PREWHERE b WHERE c
SELECT a XOR b, xor(a, b), a::UInt8, a ? b : c, t.1, m['k'], -1, NOT a, a DIV b FROM users
SELECT a IN (1, 2), (a, b) IN ((1, 2)), a IN [1], a NOT IN (SELECT b FROM sessions) FROM users
SELECT x FROM (SELECT a AS x FROM users) AS y WHERE x IN y
SELECT * EXCEPT (a) REPLACE (b AS c) FROM users
SELECT arrayMap(x -> x + 1, [1]), format('{} {}', a, b), 'o\\'x', $$; DROP$$ FROM users
SELECT sum(a) OVER (PARTITION BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM users QUALIFY a = 1
SELECT number FROM numbers(10) JOIN VALUES('number UInt8', 1) USING number
SELECT * FROM view(SELECT * FROM users), generateSeries(1, 3)
SELECT arrayMap(toString, [1]), arrayMap(x -> x, file), arrayUniq(u.url), uniq(file), * APPLY(max) FROM users AS u
SELECT url, file, user, settings, format FROM users WHERE settings = 1 AND format = 'x'
SELECT extract(YEAR FROM d), trim(BOTH ' ' FROM s), a IS DISTINCT FROM b FROM users
SELECT a AS "Größe" FROM users WHERE EXISTS (SELECT 1 FROM sessions WHERE sessions.a = users.a)
SELECT a FROM users GROUP BY GROUPING SETS ((a), ())
""".strip().splitlines(),
)
def test_one_select_over_allowed_tables_passes_as_it_was_written(sql: str) -> None:
    assert admit(sql).sql == sql


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        line.split(" ## ")
        for line in """
SELECT 1; SELECT 2 ## more than one statement
SELECT 1; DROP TABLE users ## more than one statement
INSERT INTO users SELECT 1 ## begins with 'INSERT'
WITH x AS (SELECT 1) INSERT INTO users SELECT * FROM x ## Only SELECT
SELECT 1 PARALLEL WITH DROP TABLE users ## cannot be read
KILL QUERY WHERE 1 ## begins with 'KILL'
SYSTEM SHUTDOWN ## begins with 'SYSTEM'
SHOW TABLES ## begins with 'SHOW'
SET max_threads = 1 ## begins with 'SET'
DESCRIBE url('http://x') ## begins with 'DESCRIBE'
EXPLAIN SELECT 1 ## begins with 'EXPLAIN'
SELECT * FROM (EXPLAIN SELECT 1) ## no EXPLAIN
SELECT (EXPLAIN (SELECT 1)) ## no EXPLAIN
SELECT * FROM viewExplain('EXPLAIN', '', (SELECT 1)) ## viewExplain
TABLE secret ## begins with 'TABLE'
-- nothing ## no statement
SELECT 1 INTO OUTFILE '/tmp/x' ## writes a file
SELECT 1 into/**/outfile '/tmp/x' TRUNCATE FORMAT CSV ## writes a file
SELECT 1 FORMAT Parquet ## not a text format
SELECT * FROM (SELECT 1 FORMAT CSV) ## only at the end
SELECT 1 SETTINGS max_memory_usage = 0 ## max_memory_usage
SELECT 1 SETTINGS join_use_nulls = 1, max_execution_time = 0 ## max_execution_time
SELECT * FROM (SELECT 1 SETTINGS join_use_nulls = 1) ## only at the end
SELECT 1 SETTINGS join_use_nulls = 1 UNION ALL SELECT 2 ## only at the end
SELECT file('/etc/passwd') ## reads files
SELECT `file` /* */ ( '/etc/passwd' ) ## reads files
SELECT * FROM file('/etc/passwd') ## file()
SELECT arrayMap(file, ['/etc/passwd']) ## reads files
SELECT arrayMap(((`file`)), ['/etc/passwd']) ## reads files
SELECT mapApply("dictGet", map('a', 'b')) ## reads a dictionary
SELECT * APPLY(file) FROM users ## reads files
SELECT * EXCEPT (a) APPLY (upper) APPLY ("file") FROM users ## reads files
SELECT COLUMNS('x') APPLY file FROM users ## reads files
SELECT * FROM users JOIN url('http://x') AS u ON 1 ## url()
SELECT * FROM s3('http://x') ## s3()
SELECT * FROM python(x) ## python()
SELECT * FROM executable('x') ## executable()
SELECT * FROM remote('h', shop.users) ## remote()
SELECT * FROM merge('shop', '.*') ## merge()
SELECT * FROM loop(users) ## loop()
SELECT * FROM somethingNew(1) ## somethingNew() may not run here
SELECT * FROM table(users) ## table() may not run here
SELECT sleep(3) ## only waits
SELECT dictGet('a', 'b', 1) ## reads a dictionary
SELECT joinGet(shop.secret, 'b', 1) ## reads a dictionary
SELECT hasColumnInTable('host', 'u', 'p', 'db', 't', 'c') ## reads a dictionary
SELECT aiGenerate('x') ## network
SELECT hostName() ## tells of the server
SELECT generateSerialID('x') ## changes the server
SELECT @@version ## '@'
SELECT * FROM secret ## shop.secret is not among
SELECT * FROM shop . secret ## shop.secret is not among
SELECT * FROM t ## shop.t is not among
SELECT * FROM users, secret ## shop.secret
SELECT * FROM users ARRAY JOIN tags JOIN secret ON 1 ## shop.secret
SELECT (SELECT (SELECT 1 FROM secret FINAL)) ## shop.secret
SELECT * FROM view(SELECT * FROM secret) ## shop.secret
SELECT * FROM numbers((SELECT max(a) FROM secret)) ## shop.secret
SELECT a FROM users |> WHERE a = 1 ## Pipes
SELECT * FROM users LIMIT (SELECT 1 FROM secret) ## shop.secret
SELECT 1 IN secret ## shop.secret
SELECT 1 GLOBAL NOT IN ((secret)) ## shop.secret
SELECT 1 WHERE in(1, secret) ## in()
SELECT NOT in(1, secret) ## in()
SELECT globalNotIn(1, secret) ## globalNotIn()
SELECT (SELECT 1 IN secret) FROM (SELECT 1 AS x) AS secret ## shop.secret
SELECT * FROM secret, (WITH secret AS (SELECT 1) SELECT * FROM secret) ## shop.secret
WITH secret AS (SELECT * FROM secret) SELECT * FROM secret ## shop.secret
WITH a AS (SELECT * FROM secret), secret AS (SELECT 1) SELECT * FROM a ## after it is used
FROM users SELECT a ## begins with 'FROM'
WITH 1 AS x FROM users SELECT x ## FROM stands before SELECT
SELECT 1 UNION ALL FROM users SELECT a ## FROM stands before SELECT
SELECT * FROM (FROM users SELECT a) ## FROM stands before SELECT
SELECT * FROM VALUES ('a UInt8', 1), (2) ## after VALUES
SELECT 'a\0b' ## no text
SELECT '\udc80' ## no text
WITH 1 AS secret SELECT * FROM secret ## shop.secret
WITH 1 AS secret, secret AS (SELECT 1) SELECT * FROM secret ## one name twice
WITH RECURSIVE secret AS (SELECT * FROM secret) SELECT * FROM secret ## shop.secret
WITH RECURSIVE secret AS (SELECT * FROM secret UNION ALL SELECT 1) SELECT * FROM secret ## shop.secret
SELECT * FROM system.tables ## system table
SELECT 1 IN ("system"."users") ## system table
SELECT * FROM Information_Schema.tables ## system table
SELECT * FROM "/etc/passwd" ## not among
SELECT * FROM 'x.csv' ## not among
SELECT * FROM a.b.c ## no table
SELECT * FROM {name:Identifier} ## '{'
SELECT "a\\x62" FROM users ## backslash
SELECT `a\\`, file('x'), \\`` FROM users ## backslash
SELECT 1 /* /* */ , file('/etc/passwd') /* */ */ ## comments nest
SELECT 1 /* '*/ , file('/etc/passwd') -- ' ## reads files
SELECT x'\\' , file('x') -- ' ## plain string
SELECT ‘a’ ## plain quotes
SELECT 1 AS п ## outside a string
SELECT 1\\G ## outside a string
SELECT filе('x') ## outside a string
SELECT 'never closed ## does not end
SELECT * FROM users, LATERAL (SELECT * FROM secret) ## Only SELECT
""".strip().splitlines()
    ],
)
def test_everything_else_is_refused_with_the_reason(sql: str, why: str) -> None:
    with pytest.raises(QueryRefused, match=re.escape(why)):
        admit(sql)


def test_a_line_comment_of_either_kind_hides_nothing() -> None:
    for comment in ("//", "--", "# "):
        with pytest.raises(QueryRefused, match="reads files"):
            admit(f"SELECT 1 {comment} '\n, file('/etc/passwd') -- '")


def test_what_is_sent_has_no_comment_format_or_semicolon() -> None:
    sql = "SELECT '--' /* why */ AS x -- so\nFROM users FORMAT TSVWithNames ;"
    statement = admit(sql)
    assert statement == Statement("SELECT '--'           AS x      \nFROM users", "TSVWITHNAMES")


def test_harmless_settings_are_handed_over() -> None:
    statement = admit("SELECT 1 FORMAT CSV SETTINGS join_use_nulls = 1, union_default_mode = 'ALL'")
    assert statement == Statement("SELECT 1", "CSV", {"join_use_nulls": "1", "union_default_mode": "'ALL'"})


def test_a_table_without_a_database_is_looked_for_in_the_default_one() -> None:
    assert admit("SELECT * FROM t", default_database="default").sql
    with pytest.raises(QueryRefused, match=r"default\.users is not among"):
        admit("SELECT * FROM users", default_database="default")


def test_without_a_list_only_system_tables_are_out_of_bounds() -> None:
    assert check("SELECT * FROM any.thing", tables=None, default_database="default")
    with pytest.raises(QueryRefused, match="system table"):
        check("SELECT * FROM system.one", tables=None, default_database="default")


@pytest.mark.parametrize(
    "sql", ["(" * 5000, "SELECT " + "f(" * 9000 + ")" * 9000, "SELECT a FROM t ARRAY ARRAY JOIN JOIN b A c S d"]
)
def test_text_that_breaks_the_parser_is_refused_too(sql: str) -> None:
    with pytest.raises(QueryRefused):
        admit(sql)


def test_a_statement_may_not_be_endless() -> None:
    with pytest.raises(QueryRefused, match="characters"):
        admit("SELECT '" + "x" * LONGEST + "'")


@pytest.fixture(scope="module")
def known() -> dict[str, list[list[str]]]:
    """The engine's own lists of functions."""
    child = Child(None, {}, None, memory=2**33, confined=False)
    queries = {
        "table": "SELECT name FROM system.table_functions",
        "scalar": "SELECT name, categories FROM system.functions",
    }
    rows = {kind: json.loads(child.ask(sql, {}, 30))["data"] for kind, sql in queries.items()}
    child.close()
    return rows


def test_every_table_function_of_the_engine_is_refused_but_for_the_known_harmless(
    known: dict[str, list[list[str]]],
) -> None:
    passed = set()
    for (name,) in known["table"]:
        for arguments in ("1, 2", "SELECT 1"):
            with contextlib.suppress(QueryRefused):
                admit(f"SELECT * FROM {name}({arguments})")
                passed.add(name.lower())
    assert passed == TABLE_FUNCTIONS


def test_every_function_of_a_reaching_kind_is_refused(known: dict[str, list[list[str]]]) -> None:
    reaching = {"AI", "Dictionary", "Embedded Dictionary", "Introspection"}
    names = [name for name, kind in known["scalar"] if reaching & set(kind.split(", "))]
    harmless = {"isMergeTreePartCoveredBy"}
    assert len(names) > 60
    for name in set(names) - harmless:
        with pytest.raises(QueryRefused, match=re.escape(f"{name}()")):
            admit(f"SELECT {name}(1)")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT count( FROM shop.users", 62),
        ("SELECT 'open", 62),
        ("SELECT 1 FROM shop.visits", 60),
        ("SELECT 1 FROM sales.users", 81),
        ("SELECT 1 FORMAT Excel", 73),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 0),
        ("SELECT 1 FROM system.parts", 0),
    ],
)
def test_what_is_wrong_and_not_unsafe_carries_the_code_that_the_engine_would_give(sql: str, code: int) -> None:
    with pytest.raises(QueryRefused) as caught:
        check(sql, tables={"shop.users"}, default_database="shop")
    assert caught.value.code == code and caught.value.kind == "refused"
