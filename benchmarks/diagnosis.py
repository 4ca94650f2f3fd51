"""How many planted mistakes the diagnosis names, and how many of the categories that it names are right.

    python -m benchmarks.diagnosis [EACH [SEED]]

Right SQL is the project's seeds, its golden queries and the template teacher's pairs. EACH mistakes (30) of every
category are put into it, and most of the mistaken queries then written otherwise (other aliases, dates as ranges, WITH
for a subquery …), so that differences that are none can be told from those that are. Only what gives another result
than gold is diagnosed. A category that is named beside the planted one counts as false. Queries that are only
written otherwise, and right, must show no difference at all: `clean`.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.mutated_conditions import endless
from benchmarks.mutations import MUTATIONS, rewrite
from sqlft.card import SchemaCard
from sqlft.database import Database, QueryError, open_gate
from sqlft.database.shop import fill_shop
from sqlft.dataset.template_teacher import TemplateTeacher
from sqlft.evaluation.diagnosis.difference import differences
from sqlft.evaluation.diagnosis.shape import read_shape
from sqlft.evaluation.scoring import check_gold, score, settle
from sqlft.recipe import Limits, load_recipe
from sqlft.records import Example, Prediction, read_examples

ROOT = Path(__file__).parent.parent
PAIRS = 900
USERS = 3_000
QUIET = frozenset(list(MUTATIONS)[list(MUTATIONS).index("missing_filter") :])
"""Categories of SQL that runs."""
FLAGS = frozenset({"is_active", "is_fraud"})


def mutate(examples: list[Example], each: int, rng: random.Random) -> list[tuple[Example, str | None, str, str]]:
    """(example, SQL, category, mutation's name): three times what is wanted, as not each changes the answer."""
    planted: list[tuple[Example, str | None, str, str]] = []
    for category, mutations in MUTATIONS.items():
        for mutation in mutations:
            made, drawn = 0, rng.sample(examples, len(examples))
            for example in drawn:
                if made >= 3 * each // len(mutations) + 1:
                    break
                sql = mutation(example.sql, rng)
                if sql and sql != example.sql:
                    fixed = category in ("syntax", "refused", "unknown_format") or rng.random() < 0.3
                    rewritten = sql if fixed else rewrite(sql, rng)
                    planted.append((example, rewritten, category, mutation.__name__))
                    made += 1
    return planted


def measure(each: int, seed: int = 0) -> dict[str, object]:
    """Plants, runs, diagnoses, counts."""
    rng = random.Random(seed)
    recipe = load_recipe(ROOT / "recipes" / "tiny-cpu.yaml")
    card = SchemaCard.load(recipe.schema_)
    right = [*read_examples(recipe.seeds), *read_examples(recipe.golden)]
    right = [*filter(lambda example: example.sql, right), *TemplateTeacher(card, seed + 7).examples(PAIRS)]
    planted = mutate(right, each, rng)
    planted += [(example, endless("", rng) or "", "limit", "endless") for example in rng.sample(right, 4)]
    planted += [(example, None, "no_sql", "prose") for example in rng.sample(right, each)]
    cannot = [example.model_copy(update={"sql": ""}) for example in rng.sample(right, each)]
    planted += [(example, "SELECT count() FROM ecommerce.users", "unanswerable", "made_up") for example in cannot]
    clean = [(example, rewrite(example.sql, rng)) for example in right]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sqlft-") as folder:
        dsn = f"chdb://{folder}/shop"
        with Database.connect(dsn) as db:
            fill_shop(db, USERS)
        with open_gate(dsn, limits=Limits(seconds=3), tables=card.table_names, date=recipe.prompt.date) as gate:
            asked, golds = check_gold(gate, [e for e, *_ in planted], lambda _: None)
            said = [_prediction(e, sql) for e, sql, *_ in planted]
            scored = score(gate, asked, golds, {"m": said}, lambda _: None)
            settle(asked, scored, FLAGS)
            answers = scored["m"]
            unchanged = gate.run_many([sql for _, sql in clean])
            before = gate.run_many([e.sql for e, _ in clean])
    wanted, found, good, bad = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    kinds, lines = Counter[tuple[str, str]](), []
    for (example, sql, category, mutation), question, answer in zip(planted, asked, answers, strict=True):
        if question.gold != "sound" or answer.verdict.strict or wanted[category] >= each:
            continue
        if category in QUIET and not answer.runs:  # a join that takes too long is another mistake
            continue
        named = {finding.category for finding in answer.findings}
        wanted[category] += 1
        found[category] += category in named
        good[category] += category in named
        bad.update(named - {category})
        kinds[mutation, "right" if named == {category} else "wrong"] += 1
        if named != {category}:
            lines.append(f"{category} ({mutation}): {sorted(named)}\n   gold {example.sql}\n   said {sql}")
            lines += [f"   {f.category}: {f.detail}" for f in answer.findings]
    spurious = 0
    for (example, sql), one, other in zip(clean, unchanged, before, strict=True):
        shapes = read_shape(example.sql, FLAGS), read_shape(sql, FLAGS)
        if isinstance(one, QueryError) or isinstance(other, QueryError) or one.rows != other.rows:
            continue
        seen = differences(*shapes) if shapes[0] and shapes[1] else ["unread"]
        spurious += bool(seen)
        lines += [f"clean: {seen}\n   gold {example.sql}\n   said {sql}"] * bool(seen)
    show(wanted, found, bad, kinds, lines)
    return {
        "recall": round(found.total() / wanted.total(), 4),
        "precision": round(good.total() / (good.total() + bad.total()), 4),
        "by_category": {
            category: {
                "recall": round(found[category] / wanted[category], 3),
                "precision": round(good[category] / max(1, good[category] + bad[category]), 3),
                "n": wanted[category],
            }
            for category in wanted
        },
        "clean": len(clean),
        "spurious": spurious,
        "seconds": round(time.monotonic() - started, 1),
    }


def _prediction(example: Example, sql: str | None) -> Prediction:
    text = sql or "The number of sessions is 42."
    return Prediction(id=example.id, question=example.question, model="m", text=text, sql=sql)


def show(
    wanted: Counter[str], found: Counter[str], bad: Counter[str], kinds: Counter[tuple[str, str]], lines: list[str]
) -> None:
    console = Console(width=200, highlight=False)
    table = Table("category", "planted", "named", "named wrongly")
    for category in wanted:
        table.add_row(category, str(wanted[category]), str(found[category]), str(bad[category]))
    console.print(table, {name for name, what in kinds if what == "wrong"})
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:3] or ["30"]))))
