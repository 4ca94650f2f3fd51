"""How many planted defects `sqlft lint` finds, and how many of its errors are right.

    python -m benchmarks.lint_quality [EACH]

Clean pairs are the project's seeds and golden questions and the template teacher's pairs. EACH defects (20) of every
kind are planted in some of them; the rest stays clean, and every error there is a false one. An error of a code that
was not planted in its row counts as false too, unless it follows from the edit.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.planting import KINSHIP, MONTHS, Planted, plant, plant_conflicts, plant_leaks
from sqlft.card import SchemaCard
from sqlft.database import Database
from sqlft.database.shop import fill_shop
from sqlft.dataset.fold import fold_question
from sqlft.dataset.lint import Rows, lint_rows
from sqlft.dataset.template_teacher import TemplateTeacher
from sqlft.recipe import load_recipe
from sqlft.records import Example, read_examples

ROOT = Path(__file__).parent.parent
PAIRS = 1200
USERS = 4000
FOLLOWS = {"degenerate", "out_of_range", "unknown_literal", "disagree", "runs", "not_allowed", "parse"}
"""What an edit may bring along: a year changed in the SQL alone may have no sessions."""
_LITERAL = re.compile("|".join([r"\d+", *MONTHS, *sum(KINSHIP, [])]), re.IGNORECASE)


def masked(example: Example) -> str:
    return _LITERAL.sub("#", fold_question(example.question))


def measure(each: int, seed: int = 0) -> dict[str, object]:
    """Plants, lints, counts."""
    rng = random.Random(seed)
    recipe = load_recipe(ROOT / "recipes" / "tiny-cpu.yaml")
    golden = read_examples(recipe.golden)
    asked = {masked(example) for example in golden}
    written = TemplateTeacher(SchemaCard.load(recipe.schema_), seed).examples(PAIRS)
    clean = [pair for pair in [*read_examples(recipe.seeds), *written] if masked(pair) not in asked]
    planted, left = plant(clean, each, rng)
    sets = [[*planted, *plant_conflicts(left[:200], each, rng), *plant_leaks(golden, each, rng), *left], list(golden)]
    found: dict[str, int] = defaultdict(int)
    wanted: dict[str, int] = defaultdict(int)
    right: dict[str, int] = defaultdict(int)
    wrong: dict[str, int] = defaultdict(int)
    missed: list[str] = []
    false: list[str] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sqlft-") as folder:
        recipe.database.dsn = f"chdb://{folder}/shop"
        with Database.connect(recipe.database.dsn) as db:
            fill_shop(db, USERS)
        for number, rows in enumerate(sets):
            examples = [item.example if isinstance(item, Planted) else item for item in rows]
            report = lint_rows(Rows.of(examples), recipe=recipe, golden=golden if number == 0 else [])
            errors: dict[int, set[str]] = defaultdict(set)
            for finding in report.findings:
                if finding.level == "error":
                    errors[finding.row].add(finding.code)
            first = {fold_question(example.question): row for row, example in reversed(list(enumerate(examples)))}
            twins = {
                fold_question(item.example.question)
                for item in rows
                if isinstance(item, Planted) and item.kind == "conflict"
            }
            for row, item in enumerate(rows):
                codes = errors[row]
                example = examples[row]
                about = f"{sorted(codes)}: {example.question} | {example.sql}"
                if fold_question(example.question) in twins:
                    codes = (
                        codes - {"conflict"} if not (isinstance(item, Planted) and item.kind == "conflict") else codes
                    )
                if isinstance(item, Planted):
                    wanted[item.kind] += 1
                    if codes & set(item.codes):
                        found[item.kind] += 1
                    else:
                        missed.append(f"missed {item.kind} {about}")
                    for code in codes & set(item.codes):
                        right[code] += 1
                    codes = codes - set(item.codes) - FOLLOWS
                for code in codes:
                    wrong[code] += 1
                    false.append(f"false {about}")
            del first
    kinds = Table(title="planted")
    for name in ("kind", "planted", "found"):
        kinds.add_column(name, justify="left" if name == "kind" else "right")
    for kind in sorted(wanted):
        kinds.add_row(kind, str(wanted[kind]), str(found[kind]))
    console = Console(width=200, highlight=False)
    console.print(kinds)
    for line in [*missed, *false]:
        console.print(line, markup=False, soft_wrap=True)
    by_code = {code: {"right": right[code], "wrong": wrong[code]} for code in sorted({*right, *wrong})}
    return {
        "recall": round(sum(found.values()) / sum(wanted.values()), 4),
        "precision": round(sum(right.values()) / max(1, sum(right.values()) + sum(wrong.values())), 4),
        "by_code": by_code,
        "by_kind": {kind: round(found[kind] / wanted[kind], 3) for kind in sorted(wanted)},
        "planted": sum(wanted.values()),
        "clean": len(left) + len(golden),
        "seconds": round(time.monotonic() - started, 1),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 20)))
