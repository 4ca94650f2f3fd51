"""Queries a second through the gate, with one child process and with several, and what a child costs to start.

python -m benchmarks.gate [--queries 200] [--parallel 4]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sqlft.database import Database, Result, open_gate
from sqlft.database.guard import check
from sqlft.database.shop import fill_shop
from sqlft.recipe import Limits

TABLES = ["ecommerce.users", "ecommerce.sessions"]
QUERY = (
    "SELECT u.country, toStartOfMonth(s.action_date) AS month, count() AS sessions, "
    "100 * countIf(s.is_fraud = 1) / count() AS fraud_rate FROM ecommerce.sessions AS s "
    "INNER JOIN ecommerce.users AS u USING (user_id) WHERE s.revenue > 0 AND u.age > {age} "
    "GROUP BY u.country, month ORDER BY month, u.country LIMIT 20"
)


def measure(dsn: str, queries: int, parallel: int, sql: str) -> tuple[float, float, str]:
    """Seconds to open the gate, queries a second once every child runs, and what protects."""
    started = time.perf_counter()
    with open_gate(dsn, limits=Limits(parallel=parallel), tables=TABLES) as gate:
        opened = time.perf_counter() - started
        gate.run_many([sql.format(age=0)] * parallel)
        started = time.perf_counter()
        outcomes = gate.run_many([sql.format(age=i / 1000) for i in range(queries)])
        assert all(isinstance(outcome, Result) for outcome in outcomes)
        return opened, queries / (time.perf_counter() - started), gate.sandbox


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--queries", type=int, default=200)
    arguments.add_argument("--parallel", type=int, default=4)
    arguments.add_argument("--users", type=int, default=20_000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dsn = f"chdb://{Path(folder) / 'shop'}"
        with Database.connect(dsn) as db:
            fill_shop(db, given.users)
        found: dict[str, float | str] = {}
        for parallel in (1, given.parallel):
            opened, small, sandbox = measure(dsn, given.queries, parallel, "SELECT {age}")
            _, large, _ = measure(dsn, given.queries, parallel, QUERY)
            found |= {
                "sandbox": sandbox,
                "start_seconds": round(opened, 3),
                f"select_1_per_second_{parallel}": round(small, 1),
                f"shop_query_per_second_{parallel}": round(large, 1),
            }
    started = time.perf_counter()
    for i in range(given.queries):
        check(QUERY.format(age=i), tables=TABLES, default_database="default")
    found["checks_per_second"] = round(given.queries / (time.perf_counter() - started), 1)
    table = Table("what", "value")
    for name, value in found.items():
        table.add_row(name.replace("_", " "), str(value))
    Console().print(table)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
