"""The tiny base on schemas that it has not met: execution match on questions of the kind it was pre-trained on.

python -m benchmarks.tiny_base [--base data/tiny-base] [--schemas 40] [--questions 8] [--quantization none]
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from tiny_base.questions import Writer
from tiny_base.schemas import Schema, random_schema, statements

from sqlft.comparison import compare
from sqlft.database import Database, QueryError, open_gate
from sqlft.evaluation.statistics import share
from sqlft.inference import LocalModel, predict
from sqlft.recipe import Generation, Limits, Model, Prompt
from sqlft.records import Example

SEED = 10**9  # the pre-training draws from small seeds


def unseen_schemas(count: int, rng: random.Random) -> list[Schema]:
    """Schemas with databases of different names, so that one engine holds them all."""
    found: dict[str, Schema] = {}
    while len(found) < count:
        schema = random_schema(rng)
        found.setdefault(schema.entity.name.split(".")[0], schema)
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=Path("data/tiny-base"))
    parser.add_argument("--schemas", type=int, default=40)
    parser.add_argument("--questions", type=int, default=8)
    parser.add_argument("--quantization", choices=["nf4", "none"], default="none")
    parser.add_argument("--show", type=int, default=0, help="print so many wrong answers")
    arguments = parser.parse_args()
    began, rng = time.monotonic(), random.Random(SEED)
    schemas = unseen_schemas(arguments.schemas, rng)
    pairs = [[writer.pair() for _ in range(arguments.questions)] for writer in (Writer(s, rng) for s in schemas)]
    model = LocalModel.load(
        Model(base=str(arguments.base), quantization=arguments.quantization, dtype="float32"), str(arguments.base)
    )
    prompt, generation = Prompt(card="compact"), Generation(max_new_tokens=160, batch_size=8)
    shapes: dict[str, list[bool]] = collections.defaultdict(list)
    valid = skipped = 0
    with tempfile.TemporaryDirectory() as folder:
        dsn = f"chdb://{folder}/db"
        with Database.connect(dsn) as database:
            for statement in (s for schema in schemas for s in statements(schema, rng)):
                database.command(statement)
        with open_gate(dsn, limits=Limits(parallel=2), tables=None) as gate:
            for schema, asked in zip(schemas, pairs, strict=True):
                examples = [Example(id=str(n), question=p.question, sql=p.sql) for n, p in enumerate(asked)]
                answers = predict(model, examples, schema.card, prompt, generation)
                golds = gate.run_many([p.sql for p in asked])
                results = gate.run_many([a.sql or "" for a in answers])
                for pair, gold, answer, result in zip(asked, golds, answers, results, strict=True):
                    if isinstance(gold, QueryError):
                        raise gold
                    valid += not isinstance(result, QueryError)
                    right = False
                    if not isinstance(result, QueryError):
                        verdict = compare(gold, result, gold_sql=pair.sql, prediction_sql=answer.sql or "")
                        if verdict.status == "vacuous":
                            skipped += 1
                            continue
                        right = verdict.strict
                    shapes[pair.shape].append(right)
                    if not right and arguments.show > 0:
                        arguments.show -= 1
                        print(f"{pair.question}\n  + {pair.sql}\n  - {answer.sql}", file=sys.stderr)
    table = Table("shape", "right", "n")
    for shape, marks in sorted(shapes.items()):
        table.add_row(shape, f"{sum(marks) / len(marks):.0%}", str(len(marks)))
    Console(stderr=True).print(table)
    marks = [mark for found in shapes.values() for mark in found]
    whole = share(sum(marks), len(marks))
    print(
        json.dumps(
            {
                "right": round(sum(marks) / len(marks), 4),
                "interval": [round(whole.low, 4), round(whole.high, 4)],
                "valid": round(valid / (len(marks) + skipped), 4),
                "n": len(marks),
                "both_empty": skipped,
                "quantization": arguments.quantization,
                "seconds": round(time.monotonic() - began, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
