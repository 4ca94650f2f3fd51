"""How many planted defects `sqlft lint` finds, and how many of its errors are right.

    python -m benchmarks.lint_quality [EACH [SEED]]

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
from collections import Counter, defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.edits import KINSHIP, MONTHS
from benchmarks.planting import Planted, plant, plant_conflicts, plant_leaks
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
USERS = 20_000
FOLLOWS = {"degenerate", "out_of_range", "unknown_literal", "disagree", "runs", "not_allowed", "parse"}
"""What an edit may bring along: a year changed in the SQL alone may have no sessions."""
_LITERAL = re.compile("|".join([r"\d+", *MONTHS, *(value for kin in KINSHIP for value in kin)]), re.IGNORECASE)


def masked(example: Example) -> str:
    return _LITERAL.sub("#", fold_question(example.question))


def measure(each: int, seed: int = 0) -> dict[str, object]:
    """Plants, lints, counts."""
    rng = random.Random(seed)
    recipe = load_recipe(ROOT / "recipes" / "tiny-cpu.yaml")
    golden = [example for example in read_examples(recipe.golden) if example.sql]
    asked = {masked(example) for example in golden}
    written = TemplateTeacher(SchemaCard.load(recipe.schema_), seed).examples(PAIRS)
    clean = [pair for pair in [*read_examples(recipe.seeds), *written] if masked(pair) not in asked]
    planted, left = plant(clean, each, rng)
    first = [*planted, *plant_conflicts(left[:200], each, rng), *plant_leaks(golden, each, rng), *left]
    found, wanted, right, wrong = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    lines: list[str] = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sqlft-") as folder:
        recipe.database.dsn = f"chdb://{folder}/shop"
        with Database.connect(recipe.database.dsn) as db:
            fill_shop(db, USERS)
        for rows, held in ((first, golden), (list(golden), [])):
            examples = [item.example if isinstance(item, Planted) else item for item in rows]
            errors: dict[int, set[str]] = defaultdict(set)
            for finding in lint_rows(Rows.of(examples), recipe=recipe, golden=held).findings:
                if finding.level == "error":
                    errors[finding.row].add(finding.code)
            twins = {fold_question(i.example.question) for i in rows if isinstance(i, Planted) and i.kind == "conflict"}
            for row, item in enumerate(rows):
                codes, example = errors[row], examples[row]
                about = f"{sorted(codes)}: {example.question} | {example.sql}"
                if isinstance(item, Planted):
                    wanted[item.kind] += 1
                    if codes & set(item.codes):
                        found[item.kind] += 1
                    else:
                        lines.append(f"missed {item.kind} {about}")
                    right.update(codes & set(item.codes))
                    codes = codes - set(item.codes) - FOLLOWS
                elif fold_question(example.question) in twins:  # the other half of a planted conflict
                    codes = codes - {"conflict"}
                wrong.update(codes)
                lines += [f"false {about}"] if codes else []
    show(wanted, found, lines)
    return {
        "recall": round(found.total() / wanted.total(), 4),
        "precision": round(right.total() / (right.total() + wrong.total()), 4),
        "by_code": {code: {"right": right[code], "wrong": wrong[code]} for code in sorted({*right, *wrong})},
        "by_kind": {kind: round(found[kind] / wanted[kind], 3) for kind in sorted(wanted)},
        "planted": wanted.total(),
        "clean": len(left) + len(golden),
        "seconds": round(time.monotonic() - started, 1),
    }


def show(wanted: Counter[str], found: Counter[str], lines: list[str]) -> None:
    kinds = Table(title="planted")
    for name in ("kind", "planted", "found"):
        kinds.add_column(name, justify="left" if name == "kind" else "right")
    for kind in sorted(wanted):
        kinds.add_row(kind, str(wanted[kind]), str(found[kind]))
    console = Console(width=200, highlight=False)
    console.print(kinds)
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:3] or ["20"]))))
