"""How many matches that are luck the neighbour databases take back, and how many right answers with them.

    python -m benchmarks.stress [--neighbours N] [--quick]

Near misses: wrong SQL written by hand (`benchmarks.near_misses`), and edits of the demo's golden and seed queries. Each
counts on every small database on which it agrees with its gold; an edit besides only if a large shop tells it from its
gold, since it may mean the same. The small databases: shops of a few users, one of them skewed, and a library in which
every member took one book. False alarms are counted on rewrites that mean the same.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlglot
from rich.console import Console
from rich.table import Table
from sqlglot import exp

from benchmarks.near_misses import LIBRARY, LIBRARY_MISSES, LIBRARY_SAME, SHOP_MISSES, SHOP_SAME, TABLES
from sqlft.card import SchemaCard
from sqlft.comparison import judge, prepare_gold
from sqlft.database import Database, QueryError, introspect, open_gate
from sqlft.database.shop import fill_shop
from sqlft.evaluation.stress import find_dependent
from sqlft.recipe import Recipe, load_recipe
from sqlft.records import read_examples

ROOT = Path(__file__).parent.parent
ORACLE_USERS = 4000
SHOPS = {"12 users": (12, 1), "30 users": (30, 2), "skewed": (25, 3)}
SKEWED = (
    "CREATE TABLE ecommerce.u ENGINE = MergeTree ORDER BY user_id AS SELECT user_id, 'Germany' AS country,"
    " toUInt8(1) AS is_active, age FROM ecommerce.users",
    "CREATE TABLE ecommerce.s ENGINE = MergeTree ORDER BY (user_id, session_id) AS SELECT * REPLACE(toUInt8(0) AS"
    " is_fraud, if(os IN ('Linux', 'macOS'), 'Windows', os) AS os) FROM ecommerce.sessions"
    " WHERE toYear(action_date) = 2024",
    "DROP TABLE ecommerce.users", "DROP TABLE ecommerce.sessions",
    "RENAME TABLE ecommerce.u TO ecommerce.users", "RENAME TABLE ecommerce.s TO ecommerce.sessions",
)  # fmt: skip

Pair = tuple[str, str]
SWAPS = {exp.GT: exp.GTE, exp.GTE: exp.GT, exp.LT: exp.LTE, exp.LTE: exp.LT, exp.Sum: exp.Max, exp.Max: exp.Sum,
         exp.Min: exp.Max, exp.Avg: exp.Max, exp.EQ: exp.GTE}  # fmt: skip
NAMES = {"uniqExact(user_id)": "count()", "count()": "uniqExact(user_id)", " DISTINCT": "", " DESC": "",
         "countIf(": "uniqExactIf(user_id, ", "avgIf(": "maxIf(", "sumIf(": "maxIf(", "os": "browser"}  # fmt: skip


def edits(sql: str) -> Iterator[str]:
    """Every query that one small edit makes of this one."""
    for old, new in NAMES.items():
        if old in sql:
            yield sql.replace(old, new, 1)
    tree = sqlglot.parse_one(sql, read="clickhouse")
    for place, node in enumerate(tree.walk()):
        copy = tree.copy()
        twin = list(copy.walk())[place]
        if type(node) in SWAPS:
            twin.replace(SWAPS[type(node)](**twin.args))
        elif isinstance(node, exp.And):
            twin.replace(twin.expression)
        elif isinstance(node, exp.Where | exp.Having):
            twin.pop()
        elif isinstance(node, exp.Literal) and node.this.isdecimal() and 2 <= int(node.this) < 3000:
            twin.replace(exp.Literal.number(int(node.this) + 1))
        else:
            continue
        yield copy.sql("clickhouse")


def agreeing(recipe: Recipe, card: SchemaCard, pairs: list[Pair], differ: bool = False) -> dict[Pair, bool]:
    """The pairs that match on this recipe's database, and whether strictly; or those that do not."""
    limits = recipe.database.limits
    with open_gate(recipe.database.dsn, limits=limits, tables=card.table_names, date=recipe.prompt.date) as gate:
        golds: dict[str, list[str]] = {}
        for gold, sql in pairs:
            golds.setdefault(gold, []).append(sql)

        def one(gold_sql: str) -> dict[Pair, bool]:
            gold, found = prepare_gold(gold_sql, lambda sql, threads: gate.run(sql, threads=threads)), {}
            for sql in golds[gold_sql] if gold.result and gold.result.rows else ():
                try:
                    verdict = judge(gold, gate.run(sql), sql)
                except QueryError:
                    continue
                if verdict.status == ("mismatch" if differ else "match") and verdict.relaxed is not differ:
                    found[gold_sql, sql] = verdict.strict
            return found

        with ThreadPoolExecutor(4) as pool:
            return {pair: strict for found in pool.map(one, golds) for pair, strict in found.items()}


def parted(recipe: Recipe, card: SchemaCard, pairs: dict[Pair, bool]) -> set[Pair]:
    """The pairs that the neighbours of this recipe's database tell apart."""
    golds: dict[str, dict[str, bool]] = {}
    for (gold, sql), strict in pairs.items():
        golds.setdefault(gold, {})[sql] = strict
    return set(find_dependent(recipe, card, golds, lambda _: None))


def written(pairs: list[Pair]) -> list[Pair]:
    """Pairs with the tables' names."""
    return [(gold.format(**TABLES), sql.format(**TABLES)) for gold, sql in pairs]


def main() -> None:
    """Prints what was missed and what was a false alarm, the table, and the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--neighbours", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one shop and fewer edits")
    options = parser.parse_args()
    console, counts, started = Console(), Counter[str](), time.perf_counter()
    table = Table("database", "near misses", "agree by luck", "caught", "rewrites", "false alarms")
    with tempfile.TemporaryDirectory() as folder:

        def recipe_of(name: str) -> Recipe:
            given = [f"database.dsn=chdb://{folder}/{name}", f"evaluation.stress={options.neighbours}"]
            return load_recipe(ROOT / "recipes" / "tiny-cpu.yaml", given)

        shops = dict(list(SHOPS.items())[: 1 if options.quick else None])
        for name, (users, seed) in {**shops, "oracle": (ORACLE_USERS, 9)}.items():
            with Database.connect(recipe_of(name).database.dsn) as db:
                fill_shop(db, users, seed)
                for command in SKEWED if name == "skewed" else ():
                    db.command(command)
        with Database.connect(recipe_of("library").database.dsn) as db:
            for command in LIBRARY:
                db.command(command)
            library = introspect(db, ["library"])
        card = SchemaCard.load(recipe_of("oracle").schema_)
        files = [read_examples(ROOT / "data" / "ecommerce" / f"{name}.jsonl") for name in ("golden", "seeds")]
        made = [(e.sql, sql) for examples in files for e in examples if e.sql for sql in dict.fromkeys(edits(e.sql))]
        made = random.Random(0).sample(made, 150) if options.quick else made
        real = list(agreeing(recipe_of("oracle"), card, made, differ=True))
        console.print(f"{len(made)} edits, {len(real)} of which mean something else on {ORACLE_USERS} users")
        places = {name: (card, written(SHOP_MISSES), real, written(SHOP_SAME)) for name in shops}
        places["library"] = (library, written(LIBRARY_MISSES), [], written(LIBRARY_SAME))
        for name, (own, by_hand, edited, same) in places.items():
            recipe = recipe_of(name)
            luck = agreeing(recipe, own, by_hand + edited)
            right = agreeing(recipe, own, same)
            found = parted(recipe, own, luck | right)
            for kind, told in (
                ("missed", luck.keys() - found),
                ("false alarm", right.keys() & found),
            ):
                for gold, sql in sorted(told):
                    console.print(f"[bold]{name}, {kind}[/]\n  {gold}\n  {sql}", markup=True, highlight=False)
            caught, alarms, hand = luck.keys() & found, right.keys() & found, set(by_hand)
            counts += Counter(luck=len(luck), caught=len(caught), same=len(right), alarms=len(alarms),
                              luck_by_hand=len(luck.keys() & hand), caught_by_hand=len(caught & hand))  # fmt: skip
            table.add_row(name, *map(str, (len(by_hand + edited), len(luck), len(caught), len(right), len(alarms))))
    console.print(table)
    print(json.dumps({
        "caught": round(counts["caught"] / counts["luck"], 4),
        "false_alarms": round(counts["alarms"] / counts["same"], 4),
        "caught_by_hand": round(counts["caught_by_hand"] / counts["luck_by_hand"], 4),
        "luck": counts["luck"], "luck_by_hand": counts["luck_by_hand"], "same": counts["same"],
        "neighbours": options.neighbours, "seconds": round(time.perf_counter() - started),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
