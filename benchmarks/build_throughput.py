"""How fast a build asks a teacher, against a stub that takes a second, and whether faults or kills lose anything.

Three phases. In the first, 2,000 calls at concurrency 64, as many as the recipes ask for pairs (`speedup`: calls x
latency / measured; `overhead`: measured / ideal - 1). Ideal is calls x latency / concurrency, as if the client took no
time at all; measured is everything from the first slot's plan to the last pair, rounds judged by the database among
it, with the gate open already. The stub runs in a process of its own; the client's CPU time a call is in the table.

In the second, four requests of ten meet a fault: 429 with Retry-After, 500, a cut connection, a body or an answer that
is not JSON. In the third, whole builds are killed (SIGKILL) at random moments, and the last one, which goes on to the
end, must leave the same files as one that nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.teacher_stub import Stub, pairs_for
from sqlft.card import SchemaCard
from sqlft.database import Database, Result, open_gate
from sqlft.database.shop import fill_shop
from sqlft.dataset.build import PARTS
from sqlft.dataset.journal import Entry
from sqlft.dataset.openai_teacher import OpenAITeacher
from sqlft.dataset.queries import Queries
from sqlft.dataset.requests import Requests
from sqlft.dataset.written import Written
from sqlft.recipe import load_recipe
from sqlft.records import Example, read_examples, read_jsonl

ROOT = Path(__file__).parent.parent
KILLED_CALLS = 150


def write_recipe(folder: Path, url: str, **teacher: object) -> Path:
    """A recipe on the shop in that folder, whose teacher is the stub."""
    recipe = yaml.safe_load((ROOT / "recipes/llama31-8b-qlora.yaml").read_text())
    recipe |= {key: str(ROOT / "data/ecommerce" / Path(recipe[key]).name) for key in ("schema", "seeds", "golden")}
    recipe["database"] = {"dsn": f"chdb://{folder / 'shop'}"}
    recipe["teacher"] = {"base_url": url, "model": "gpt-4o", "budget_usd": 1000, "requests_per_round": 128, **teacher}
    recipe["split"] = {"validation": 10, "heldout": 10}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


def ask(recipe_path: Path, journal: Path) -> tuple[Written, float, float, Requests]:
    """What the recipe's teacher writes, judged round by round as in a build, the seconds, and this process's own."""
    recipe = load_recipe(recipe_path)
    card, seeds = SchemaCard.load(recipe.schema_), read_examples(recipe.seeds)
    limits = recipe.database.limits
    with open_gate(recipe.database.dsn, limits=limits, tables=card.table_names) as gate:
        gate.run_many(["SELECT 1"] * limits.parallel)
        queries, requests = Queries(gate), Requests(recipe, card, seeds)

        def survey(pairs: Sequence[Example]) -> list[bool]:
            return [isinstance(found, Result) and bool(found.rows) for found in queries.run([p.sql for p in pairs])]

        started, used = time.perf_counter(), time.process_time()
        written = OpenAITeacher(recipe, requests, journal, survey=survey).write(lambda *step: None)
        return written, time.perf_counter() - started, time.process_time() - used, requests


def lost(written: Written, requests: Requests, calls: int) -> int:
    """Pairs that the stub wrote for these calls, and that are not among what the teacher gives."""
    answered = (pair["question"] for n in range(calls) for pair in pairs_for(requests.chat(n)[0]["content"], 1))
    return len(Counter(answered) - Counter(example.question for example in written.examples))


def lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.is_file() else 0


def kill(folder: Path, kills: int, rng: random.Random) -> tuple[bool, int, int]:
    """Whether the killed build ends in the same files, calls that it finished twice, and kills that met it at work."""
    with Stub(latency=0.05, pairs=4) as stub:
        teacher = {"examples": 4 * KILLED_CALLS, "pairs_per_prompt": 4, "requests_per_round": 32, "concurrency": 8}
        recipe = write_recipe(folder, stub.url, **teacher)
        command = [sys.executable, "-c", "from sqlft.cli import main; main()", "build", str(recipe)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}

        def start(name: str) -> subprocess.Popen[bytes]:
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            return subprocess.Popen([*command, f"name={name}"], cwd=folder, env=environment, **quiet)

        assert start("whole").wait() == 0
        journal, met = folder / "runs" / "killed" / "dataset" / "journal.jsonl", 0
        for place in range(kills):
            left = KILLED_CALLS - lines(journal)
            target = KILLED_CALLS - left + rng.randint(0, 2 * left // (kills - place))
            build = start("killed")
            while build.poll() is None and lines(journal) < target:
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.05))
            met += build.poll() is None
            build.kill()
            build.wait()
        assert start("killed").wait() == 0
    whole, killed = (folder / "runs" / name / "dataset" for name in ("whole", "killed"))
    names = [f"{part}.jsonl" for part in (*PARTS, "rejected")]
    same = all((whole / name).read_bytes() == (killed / name).read_bytes() for name in names)
    keys = Counter(entry.key for entry in read_jsonl(killed / "journal.jsonl", Entry))
    return same, sum(keys.values()) - len(keys), met


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--calls", type=int, default=2000)
    arguments.add_argument("--concurrency", type=int, default=64)
    arguments.add_argument("--latency", type=float, default=1.0)
    arguments.add_argument("--kills", type=int, default=10)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    section = {"examples": given.calls, "pairs_per_prompt": 1, "concurrency": given.concurrency}
    table = Table("phase", "seconds", "what")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Database.connect(f"chdb://{folder / 'shop'}") as db:
            fill_shop(db, 400)
        with Stub(given.latency) as stub:
            calm, seconds, used, requests = ask(write_recipe(folder, stub.url, **section), folder / "calm.jsonl")
            counts, missing = stub.counts(), lost(calm, requests, given.calls)
        ideal = given.latency * given.calls / given.concurrency
        cpu = f"{1000 * used / given.calls:.1f} ms of CPU a call"
        table.add_row("calm", f"{seconds:.2f}", f"{given.calls} calls, ideal {ideal:.2f} s, {cpu}")
        found: dict[str, float] = {
            "speedup": round(given.calls * given.latency / seconds, 1),
            "overhead": round(seconds / ideal - 1, 3),
            "lost": missing,
            "repeated_calls": counts["answered"] - given.calls,
        }
        with Stub(given.latency / 10, faults=40) as stub:
            stormy, seconds, _, requests = ask(write_recipe(folder, stub.url, **section), folder / "stormy.jsonl")
            counts = stub.counts()
            found["lost"] += lost(stormy, requests, given.calls)
            found["repeated_calls"] += counts["answered"] - given.calls
        found["lost"] += stormy.examples != calm.examples
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        table.add_row("faults", f"{seconds:.2f}", f"{kinds}; {stormy.retries} retries")
        if given.kills:
            started = time.perf_counter()
            same, again, met = kill(folder, given.kills, random.Random(given.seed))
            found["lost"] += not same
            found["repeated_calls"] += again
            found["kills"] = met
            said = f"{met} of {given.kills} kills met a build; {'the same files' if same else 'OTHER FILES'}"
            table.add_row("kills", f"{time.perf_counter() - started:.1f}", said)
    Console().print(table)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
