"""How long `sqlft lint` takes for ten thousand rows on the embedded shop of 20,000 users, stage by stage.

    python -m benchmarks.lint_speed [--rows 10000] [--users 20000]

The rows are the template teacher's over the demo's card, each query made distinct by a comment with the row's number,
so that every one of them runs. `projected_seconds` is what 10,000 rows take at the rate of the rows measured.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sqlft.card import SchemaCard
from sqlft.database import Database
from sqlft.database.shop import fill_shop
from sqlft.dataset.lint import lint_file
from sqlft.dataset.template_teacher import TemplateTeacher
from sqlft.recipe import load_recipe
from sqlft.records import write_jsonl

ROOT = Path(__file__).parent.parent
WHOLE = 10_000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--rows", type=int, default=WHOLE)
    arguments.add_argument("--users", type=int, default=20_000)
    given = arguments.parse_args()
    recipe = load_recipe(ROOT / "recipes" / "tiny-cpu.yaml")
    written = TemplateTeacher(SchemaCard.load(recipe.schema_), 0).examples(given.rows)
    rows = [example.model_copy(update={"sql": f"{example.sql} /* {n} */"}) for n, example in enumerate(written)]
    ends: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="sqlft-") as name:
        folder = Path(name)
        recipe.database.dsn = f"chdb://{folder / 'shop'}"
        with Database.connect(recipe.database.dsn) as db:
            fill_shop(db, given.users)
        write_jsonl(folder / "set.jsonl", rows)
        started = time.perf_counter()

        def note(stage: str, done: int, of: int) -> None:
            ends[stage] = time.perf_counter() - started

        report = lint_file(folder / "set.jsonl", recipe, progress=note)
        seconds = time.perf_counter() - started
    table = Table("stage", "seconds", title=f"{given.rows:,} rows, {given.users:,} users, {os.cpu_count()} cores")
    before = 0.0
    for stage, end in [*ends.items(), ("the rest", seconds)]:
        table.add_row(stage, f"{end - before:.1f}")
        before = end
    Console().print(table)
    found = {
        "rows": given.rows,
        "seconds": round(seconds, 1),
        "rows_per_second": round(given.rows / seconds, 1),
        "projected_seconds": round(seconds * WHOLE / given.rows, 1),
        "errors": report.count("error"),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
