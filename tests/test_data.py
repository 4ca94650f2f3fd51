"""The demo shop's seeds and golden questions: they run, they are stable, and no near miss gives their answer."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from sqlft.card import SchemaCard
from sqlft.database import QueryError, Result, open_gate
from sqlft.recipe import Limits
from sqlft.records import Example, question_id, read_jsonl

DATA = Path(__file__).parent.parent / "data" / "ecommerce"
CARD = SchemaCard.load(DATA / "schema.yaml")
SEEDS = read_jsonl(DATA / "seeds.jsonl", Example)
GOLDEN = read_jsonl(DATA / "golden.jsonl", Example)
UNANSWERABLE = [e for e in GOLDEN if not e.sql]
ANSWERED = [e for e in GOLDEN if e.sql]
ALL = SEEDS + ANSWERED
VALUES = {c.name: [str(v) for v in c.values] for t in CARD.tables for c in t.columns if c.values and c.type == "String"}
ANOTHER = {value: values[i - 1] for values in VALUES.values() for i, value in enumerate(values)}
YEARS = ("2021", "2022", "2023", "2024")


def parse(sql: str) -> exp.Expression:
    return sqlglot.parse_one(sql, dialect="clickhouse")


def write(tree: exp.Expression) -> str:
    return tree.sql(dialect="clickhouse")


def answer(result: Result | QueryError) -> object:
    """What a result says: rows in any order, floats to six digits; an error's name where it failed."""
    if isinstance(result, QueryError):
        return result.name

    def cells(row: tuple) -> tuple:
        return tuple(float(f"{cell:.6g}") if isinstance(cell, float) else cell for cell in row)

    return sorted(map(cells, result.rows), key=str), result.totals and cells(result.totals)


def near_misses(sql: str) -> Iterator[tuple[str, str]]:
    """The same query with one filter dropped, one condition of an aggregate dropped, or one value changed."""
    tree = parse(sql)
    for place, node in enumerate(tree.find_all(exp.Where, exp.Having)):
        for number, part in enumerate(conjuncts(node)):
            copy = tree.copy()
            there = list(copy.find_all(exp.Where, exp.Having))[place]
            rest = [p.copy() for i, p in enumerate(conjuncts(there)) if i != number]
            there.set("this", exp.and_(*rest)) if rest else there.pop()
            yield f"without {write(part)}", write(copy)
    for place, call in enumerate(tree.find_all(exp.Func)):
        name = "countIf" if isinstance(call, exp.CountIf) else call.name
        if name.endswith("If") and name != "multiIf":
            copy = tree.copy()
            arguments = [] if isinstance(call, exp.CountIf) else call.expressions[:-1]
            plain = exp.Anonymous(this=name[:-2], expressions=[a.copy() for a in arguments])
            list(copy.find_all(exp.Func))[place].replace(plain)
            yield f"without the condition of {write(call)}", write(copy)
    for place, literal in enumerate(tree.find_all(exp.Literal)):
        if other := changed(literal):
            copy = tree.copy()
            list(copy.find_all(exp.Literal))[place].replace(other)
            yield f"{other.this} for {literal.this}", write(copy)


def conjuncts(node: exp.Expression) -> list[exp.Expression]:
    return list(node.this.flatten()) if isinstance(node.this, exp.And) else [node.this]


def changed(literal: exp.Literal) -> exp.Literal | None:
    if literal.this in ANOTHER:
        return exp.Literal.string(ANOTHER[literal.this])
    if (year := literal.this[:4]) in YEARS:
        moved = YEARS[YEARS.index(year) - 1] + literal.this[4:]
        return exp.Literal.string(moved) if literal.is_string else exp.Literal.number(moved)
    return None


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    dsn = f"chdb://{tmp_path_factory.mktemp('shop')}"
    shop = "from sqlft.cli import app; app()"
    subprocess.run(
        [sys.executable, "-c", shop, "shop", "--users", "2000", "--dsn", dsn], check=True, capture_output=True
    )
    with open_gate(dsn, limits=Limits(seconds=30), tables=CARD.table_names) as gate:
        yield gate


def test_there_are_enough_of_every_level():
    assert len(SEEDS) >= 40 and len(GOLDEN) >= 60
    for examples in (SEEDS, GOLDEN):
        levels = Counter(e.level for e in examples)
        assert set(levels) == {"easy", "medium", "hard", "expert"} and min(levels.values()) >= 7
        assert all(e.tags for e in examples)


def test_ids_and_questions_are_there_once():
    every = SEEDS + GOLDEN
    assert len({e.id for e in every}) == len({question_id(e.question) for e in every}) == len(every)


def test_a_few_golden_questions_ask_for_what_the_card_does_not_know_and_say_what_that_is():
    missing = {"g70": "product", "g71": "cost", "g72": "hour", "g73": "registration"}
    assert [e.id for e in UNANSWERABLE] == list(missing)
    assert {e.id for e in GOLDEN if "unanswerable" in e.tags} == set(missing)
    assert len({e.level for e in UNANSWERABLE}) == 4
    known = (DATA / "schema.yaml").read_text().lower()
    for example in UNANSWERABLE:
        assert missing[example.id] in example.comment and missing[example.id] not in known
        assert example.tags == ["unanswerable"] and "there " in example.comment


def test_no_golden_query_is_a_seeds_with_other_values():
    def shape(sql: str) -> str:
        return re.sub(r"'[^']*'|\b\d+(\.\d+)?\b", "?", " ".join(sql.lower().split()))

    seeds = {shape(e.sql): e.id for e in SEEDS}
    assert {e.id: seeds[shape(e.sql)] for e in ANSWERED if shape(e.sql) in seeds} == {}


def test_no_golden_question_is_a_rewording_of_a_seed():
    def words(question: str) -> frozenset[str]:
        return frozenset(re.findall(r"[a-z]+", question.lower()))

    def likeness(a: frozenset[str], b: frozenset[str]) -> float:
        return len(a & b) / len(a | b)

    near = [(g.id, s.id) for g in GOLDEN for s in SEEDS if likeness(words(g.question), words(s.question)) >= 0.7]
    assert near == []


def test_years_of_a_question_are_in_its_sql():
    assert [
        e.id for e in ALL if not set(re.findall(r"\b20\d\d\b", e.question)) <= set(re.findall(r"20\d\d", e.sql))
    ] == []


def test_texts_in_filters_are_values_of_their_column():
    wrong = []
    for example in ALL:
        for comparison in parse(example.sql).find_all(exp.EQ, exp.In):
            column = comparison.this.name
            literals = [x.this for x in comparison.find_all(exp.Literal) if x.is_string]
            wrong += [(example.id, column, x) for x in literals if column in VALUES and x not in VALUES[column]]
    assert wrong == []


def test_dates_are_inside_the_data_and_absolute():
    column = CARD.table("ecommerce.sessions").column("action_date")
    dates = [(e.id, date) for e in ALL for date in re.findall(r"\d{4}-\d\d-\d\d", e.sql)]
    assert [d for d in dates if not str(column.min) <= d[1] <= str(column.max)] == []
    assert [e.id for e in ALL if re.search(r"\b(today|now|yesterday)\s*\(", e.sql, re.IGNORECASE)] == []


def test_no_answer_is_approximate():
    loose = r"\b(quantile|median|uniq|topK|any|anyLast|groupArraySample)(If)?\("
    assert [e.id for e in ALL if re.search(loose, e.sql)] == []


def test_every_query_gives_an_answer_that_stays_the_same(gate):
    first, second = gate.run_many([e.sql for e in ALL]), gate.run_many([e.sql for e in ALL], threads=1)
    failed = {e.id: str(r) for e, r in zip(ALL, first, strict=True) if isinstance(r, QueryError)}
    assert failed == {}
    assert [e.id for e, r in zip(ALL, first, strict=True) if not r.rows or len(r.rows) > 100] == []
    assert [e.id for e, a, b in zip(ALL, first, second, strict=True) if answer(a) != answer(b)] == []


def test_no_golden_answer_is_degenerate(gate):
    outcomes = gate.run_many([e.sql for e in ANSWERED])
    plain = (0, None, "", 0.0)
    told = zip(ANSWERED, outcomes, strict=True)
    assert [e.id for e, r in told if all(c in plain for row in r.rows for c in row)] == []


def test_no_near_miss_gives_a_golden_answer(gate):
    golden = dict(zip([e.id for e in ANSWERED], map(answer, gate.run_many([e.sql for e in ANSWERED])), strict=True))
    misses = [(e.id, what, sql) for e in ANSWERED for what, sql in near_misses(e.sql)]
    assert len(misses) > 180
    outcomes = gate.run_many([sql for _, _, sql in misses])
    assert [(i, what) for (i, what, _), r in zip(misses, outcomes, strict=True) if answer(r) == golden[i]] == []


def test_rewriting_alone_changes_no_golden_answer(gate):
    """Else the near misses would differ for no reason of their own."""
    rewritten = gate.run_many([write(parse(e.sql)) for e in ANSWERED])
    plain = gate.run_many([e.sql for e in ANSWERED])
    assert [e.id for e, a, b in zip(ANSWERED, plain, rewritten, strict=True) if answer(a) != answer(b)] == []


def test_the_glossarys_sql_runs(gate):
    terms = [t for t in CARD.glossary if t.metric or t.condition]
    outcomes = gate.run_many([f"SELECT {t.metric or f'countIf({t.condition})'} FROM {t.table}" for t in terms])
    assert {t.term: str(r) for t, r in zip(terms, outcomes, strict=True) if isinstance(r, QueryError)} == {}


def test_the_cards_values_and_bounds_are_the_shops(gate):
    for table in CARD.tables:
        for column in table.columns:
            if column.values:
                found = gate.run(f"SELECT DISTINCT {column.name} FROM {table.name}")
                assert {row[0] for row in found.rows} == set(column.values)
            if column.max is not None:
                found = gate.run(f"SELECT min({column.name}), max({column.name}) FROM {table.name}")
                ((low, high),) = found.rows
                assert column.min <= low <= high <= column.max
