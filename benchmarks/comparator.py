"""How often the comparator says of a pair of results what the way it was made says, and how many pairs a second.

    python -m benchmarks.comparator [--pairs N] [--seed S]

A pair begins with a random result of typed columns, the first of which tells all rows apart. One of the means below
then makes gold and prediction of it, and knows the verdict. Pairs go through `score_file`, as lines of a file.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import pairs_alike, pairs_apart  # noqa: F401, they register their ways
from benchmarks.pair_parts import MEANS
from sqlft.comparison import score_file


def agrees(expected: str, verdict: dict[str, Any]) -> bool:
    """Whether a verdict is what was expected."""
    status, _, reason = expected.partition(":")
    said = verdict["status"] if verdict["status"] in ("vacuous", "invalid", "undetermined", "gold_error") else (
        "strict" if verdict["strict"] else "relaxed" if verdict["relaxed"] else "mismatch")  # fmt: skip
    return said == status and (not reason or reason in verdict["reasons"])


def main() -> None:
    """Scores, and prints what was judged otherwise and the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, names = random.Random(options.seed), list(MEANS)
    made = [(name := names[number % len(names)], MEANS[name][1](rng)) for number in range(options.pairs)]
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "pairs.jsonl"), Path(folder, "verdicts.jsonl")
        source.write_text("".join(json.dumps(pair) + "\n" for _, pair in made), encoding="utf-8")
        started = time.process_time()
        score_file(source, out)
        rate = options.pairs / (time.process_time() - started)
        verdicts = [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]
    wrong = [(name, pair, verdict) for (name, pair), verdict in zip(made, verdicts, strict=True)
             if not agrees(MEANS[name][0], verdict)]  # fmt: skip
    table = Table("means", "expected", "pairs", "judged otherwise")
    for name, number in Counter(name for name, _, _ in wrong).items():
        table.add_row(name, MEANS[name][0], str(sum(name == other for other, _ in made)), str(number))
    if wrong:
        Console().print(table)
        print(json.dumps(wrong[0]))
    agreement = 1 - len(wrong) / len(made)
    print(json.dumps({"agreement": round(agreement, 5), "n": len(made), "means": len(MEANS),
                      "pairs_per_second": round(rate)}))  # fmt: skip


if __name__ == "__main__":
    main()
