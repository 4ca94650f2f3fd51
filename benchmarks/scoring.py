"""How long it takes to score, and to try on neighbour databases, what several models answered; nothing is generated.

    python -m benchmarks.scoring [--questions N] [--neighbours N] [--users N] [--hanging N]

Questions and gold SQL come from the template grammar. The base is right in one of five answers, each of two adapters
in four of five; half of what is right is the gold's own text, the rest is written another way, and what is wrong is an
edit of the gold. Queries that hang run into the recipe's time limit.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import sqlglot

from benchmarks.stress import edits
from sqlft.card import SchemaCard
from sqlft.database import Database, open_gate
from sqlft.database.shop import fill_shop
from sqlft.dataset.template_teacher import TemplateTeacher
from sqlft.evaluation.scoring import check_gold, score
from sqlft.evaluation.stress import stress
from sqlft.recipe import load_recipe
from sqlft.records import Example, Prediction

ROOT = Path(__file__).parent.parent
RIGHT = {"base": 0.2, "one": 0.8, "other": 0.8}
HANGS = "SELECT count() FROM ecommerce.sessions AS a, ecommerce.sessions AS b WHERE a.revenue + b.revenue = 3"


def answers_of(model: str, examples: Sequence[Example], hanging: int) -> list[Prediction]:
    """What a model of this name wrote."""
    rng, made = random.Random(model), []
    for place, example in enumerate(examples):
        sql = example.sql
        if rng.random() >= RIGHT[model]:
            sql = rng.choice([edit for edit in edits(sql) if "user_id >=" not in edit] or [sql])  # no product of tables
        elif rng.random() < 0.5:
            sql = sqlglot.transpile(sql, read="clickhouse", write="clickhouse")[0].replace("COUNT(", "count(")
        sql = HANGS + f" + {place}" if place % 97 == 0 and place < 97 * hanging and model == "base" else sql
        made.append(Prediction(id=example.id, question=example.question, model=model, text=sql, sql=sql))
    return made


def main() -> None:
    """Scores, and prints the seconds of each step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--neighbours", type=int, default=5)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--hanging", type=int, default=0, help="queries that run into their time limit")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given = [f"database.dsn=chdb://{folder}/shop", f"evaluation.stress={options.neighbours}"]
        recipe = load_recipe(ROOT / "recipes" / "tiny-cpu.yaml", given)
        card, section = SchemaCard.load(recipe.schema_), recipe.database
        with Database.connect(section.dsn) as db:
            fill_shop(db, options.users)
        examples = TemplateTeacher(card, 0).examples(options.questions)
        predictions = {model: answers_of(model, examples, options.hanging) for model in RIGHT}
        seconds, started = {}, time.perf_counter()
        with open_gate(section.dsn, limits=section.limits, tables=card.table_names, date=recipe.prompt.date) as gate:
            questions, golds = check_gold(gate, examples, lambda _: None)
            seconds["gold"] = time.perf_counter() - started
            answers = score(gate, questions, golds, predictions, lambda _: None)
            seconds["verdicts"] = time.perf_counter() - started - seconds["gold"]
            stress(recipe, card, questions, answers, lambda _: None)
        seconds["all"] = time.perf_counter() - started
        seconds["neighbours"] = seconds["all"] - seconds["gold"] - seconds["verdicts"]
    print(json.dumps({
        **{step: round(spent, 1) for step, spent in seconds.items()},
        "questions": len(questions), "sound": sum(q.gold == "sound" for q in questions),
        "strict": {model: sum(a.verdict.strict for a in given) for model, given in answers.items()},
        "data_dependent": {m: sum("data_dependent" in a.verdict.reasons for a in g) for m, g in answers.items()},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
