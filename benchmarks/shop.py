"""How long the demo shop takes to fill on disk: `python -m benchmarks.shop [--large]`."""

from __future__ import annotations

import json
import sys
import tempfile
import time

from rich.console import Console
from rich.table import Table

from sqlft.database import Database
from sqlft.database.shop import fill_shop

SIZES = {"small": 20_000, "large": 600_000}


def main() -> None:
    measured: dict[str, float] = {}
    table = Table("users", "sessions", "seconds")
    for name, users in SIZES.items():
        if name == "large" and "--large" not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder, Database.connect(f"chdb://{folder}/shop") as db:
            started = time.perf_counter()
            rows = fill_shop(db, users)
            measured[f"{name}_seconds"] = round(time.perf_counter() - started, 2)
            measured[f"{name}_sessions"] = rows["ecommerce.sessions"]
            table.add_row(f"{users:,}", f"{rows['ecommerce.sessions']:,}", f"{measured[f'{name}_seconds']:.2f}")
    Console().print(table)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
