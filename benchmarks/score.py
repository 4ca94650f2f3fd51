"""How many pairs of results a second the comparator scores on one core, and how often it says what is expected.

    python -m benchmarks.score [PAIRS.jsonl]

Without a file: synthetic pairs of 10 rows, each with SQL of its own, of ten kinds whose verdict is known. With one: its
pairs, and where they carry `expected`, the agreement with it.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sqlft.comparison import score_file

PAIRS = 4000
ROWS = 10

UNCOUNTED = "order_mismatch_unless_ties"  # whether there are ties, the results alone cannot say

AGREES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "match": lambda v: v["status"] == "match" and v["strict"],
    "match_with_numeric_coercion": lambda v: v["strict"] and "type_coerced" in v["reasons"],
    "match_vacuous": lambda v: v["status"] == "vacuous",
    "mismatch": lambda v: v["status"] == "mismatch" and not v["relaxed"],
    "mismatch_multiset": lambda v: v["status"] == "mismatch" and not v["relaxed"],
    "mismatch_missing_columns": lambda v: not v["relaxed"] and "missing_columns" in v["reasons"],
    "superset_columns": lambda v: v["relaxed"] and not v["strict"],
    "invalid": lambda v: v["status"] == "invalid",
    UNCOUNTED: lambda v: "order" in v["reasons"],
}


def make_pair(number: int, rng: random.Random) -> dict[str, Any]:
    """One synthetic pair of the kind that its number picks."""
    rows = [[f"name {rng.randrange(10**6)}", rng.randrange(3), round(rng.uniform(0, 1e5), 6)] for _ in range(ROWS)]
    select = f"SELECT t{number}.name, region, sum(x) AS total FROM t{number} WHERE y > {number} GROUP BY name, region"
    gold = {"rows": rows, "sql": select, "columns": ["name", "region", "total"]}
    pred: dict[str, Any] = {"rows": [row[:] for row in rows], "sql": select + " ", "columns": gold["columns"]}
    kind = number % 10
    expected = "match" if kind <= 5 else "mismatch"
    if kind in (1, 2, 3):
        rng.shuffle(pred["rows"])
    if kind == 2:  # thread-order sums
        pred["rows"] = [[name, region, total * (1 + 1e-12)] for name, region, total in pred["rows"]]
    if kind in (3, 7):
        pred["rows"] = [[total, name, region] for name, region, total in pred["rows"]]
        pred["columns"] = ["sum", "who", "where"]
    if kind in (4, 5, 8):  # ORDER BY, with ties
        gold["sql"] += " ORDER BY region DESC"
        rows.sort(key=lambda row: -row[1])
        pred["rows"] = sorted((row[:] for row in rows), key=lambda row: (-row[1] if kind != 8 else row[1], row[0]))
    if kind == 6:
        pred["rows"][3][2] += 1
    if kind == 7:
        pred["rows"][0][1], pred["rows"][1][1] = pred["rows"][1][1], pred["rows"][0][1]
    if kind == 9:
        pred["rows"] = [[*row, place] for place, row in enumerate(pred["rows"])]
        pred["columns"], expected = [*gold["columns"], "place"], "superset_columns"
    if kind == 8 and [row[1] for row in rows] == [row[1] for row in pred["rows"]]:
        expected = "match"
    return {
        "expected": expected,
        **{"gold": gold["sql"], "gold_columns": gold["columns"], "gold_rows": gold["rows"]},
        **{"pred": pred["sql"], "pred_columns": pred["columns"], "pred_rows": pred["rows"]},
    }


def main(path: Path | None = None) -> None:
    """Scores, and prints the table and the JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = path or Path(folder, "pairs.jsonl"), Path(folder, "verdicts.jsonl")
        if path is None:
            rng = random.Random(0)
            source.write_text("".join(json.dumps(make_pair(number, rng)) + "\n" for number in range(PAIRS)))
        started = time.process_time()
        counts = score_file(source, out)
        rate = counts.total() / (time.process_time() - started)
        verdicts = [json.loads(line) for line in out.read_text().splitlines()]
        expected = [json.loads(line).get("expected") for line in source.read_text().splitlines() if line.strip()]
    asked: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    for want, verdict in zip(expected, verdicts, strict=True):
        if want is not None:
            asked[want] += 1
            agreed[want] += AGREES[want](verdict)
    table = Table("expected", "pairs", "agree")
    for want in sorted(asked):
        table.add_row(want + " (not counted)" * (want == UNCOUNTED), str(asked[want]), str(agreed[want]))
    Console().print(table)
    of = asked.total() - asked[UNCOUNTED]
    agreement = (agreed.total() - agreed[UNCOUNTED]) / of if of else None
    print(json.dumps({"pairs_per_second": round(rate), "pairs": counts.total(), "agreement": agreement, "of": of}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
