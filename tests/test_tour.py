"""The README's tour on a database that is not the shop: its commands in order, on real weights, on CPU.

The commands are the README's own words, so that it stays true. Rows and steps are few: what is asserted is what each
command leaves, and that all of them speak of one adapter. What its answers are worth is a benchmark's to say.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import sqlft
from sqlft.cli import app, main
from sqlft.database import Database
from sqlft.records import Example, write_jsonl

ROOT = Path(__file__).parent.parent
README = re.sub(r"\s+", " ", (ROOT / "README.md").read_text())
# what the README's commands are covered by that cost a teacher, hours or another machine
ELSEWHERE = {
    "import": "test_files_become_pairs_with_the_questions_in_them",
    "import-log": "test_a_log_becomes_pairs_one_of_each_kind",
    "mcp": "test_over_standard_output_goes_the_protocol_and_nothing_else",
    "playground": "test_an_answer_is_corrected_and_saved_and_stands_in_the_file",
    "improve": "test_a_round_evaluates_diagnoses_builds_and_trains_and_the_judge_is_asked_last",
}
TABLES = {  # key, rows
    "depots": (
        "depot_id",
        "toUInt16(number + 1) AS depot_id, ['Ghent', 'Lyon', 'Porto', 'Turin'][number + 1] AS city,"
        " toDate('2015-03-01') + number * 400 AS opened_on FROM numbers(4)",
    ),
    "vehicles": (
        "vehicle_id",
        "toUInt32(number + 1) AS vehicle_id, toUInt16(1 + intHash32(number) % 4) AS depot_id,"
        " CAST(1 + intHash32(number + 1) % 3, 'Enum8(\\'van\\' = 1, \\'truck\\' = 2, \\'bike\\' = 3)') AS kind,"
        " toUInt16(50 + intHash32(number + 2) % 4000) AS capacity, intHash32(number + 3) % 3 = 0 AS is_electric"
        " FROM numbers(90)",
    ),
    "trips": (
        "trip_id",
        "toUInt32(number + 1) AS trip_id, toUInt32(1 + intHash32(number) % 80) AS vehicle_id,"
        " toDateTime('2023-01-01 06:00:00') + intHash32(number + 7) % 62000000 AS started_at,"
        " ['delivered', 'delivered', 'delivered', 'late', 'lost'][1 + intHash32(number + 4) % 5] AS outcome,"
        " toUInt16(2 + intHash32(number + 5) % 400) AS distance, toUInt16(intHash32(number + 6) % 60) AS parcels"
        " FROM numbers(2500)",
    ),
}
DESCRIPTIONS = {"depots": "One row a depot", "vehicles": "One row a vehicle", "trips": "One row a delivery trip"}
TERMS = {"opened_on": "opening date", "started_at": "start", "kind": "vehicle kind"}
LATE_RATE = "100 * countIf(outcome = 'late') / count()"
SEEDS = {
    "How many vehicles are electric?": "SELECT count() FROM fleet.vehicles WHERE is_electric = 1",
    "How many trips ended with outcome lost?": "SELECT count() FROM fleet.trips WHERE outcome = 'lost'",
    "How far did we drive in 2024?": "SELECT sum(distance) FROM fleet.trips WHERE toYear(started_at) = 2024",
}
GOLDEN = {
    "How many depots are there?": "SELECT count() FROM fleet.depots",
    "How many trucks do we own?": "SELECT count() FROM fleet.vehicles WHERE kind = 'truck'",
    "Which share of our trips, in percent, came late?": f"SELECT {LATE_RATE} FROM fleet.trips",
    "What do our drivers earn?": "",
}
CHANGED = {  # in the recipe that init writes: nobody to pay, the small base, and little of everything
    "teacher": {"kind": "template", "examples": 150},
    "split": {"train": 80, "validation": 4, "heldout": 12},
    "model": {"base": str(ROOT / "data/tiny-base"), "quantization": "none", "dtype": "float32"},
    "lora": {"r": 16, "alpha": 32},
    "training": {"max_steps": 6, "learning_rate": 5e-3, "per_device_train_batch_size": 8, "eval_steps": 6},
    "generation": {"max_new_tokens": 48, "batch_size": 32},
    "memory": {"epochs": 2, "layers": 2, "shared_rank": 0},
    "agent": {"samples": 2, "reflections": 1},
    "evaluation": {"merge_loss": 1, "ladder": ["zero_shot", "rag", "adapter", "adapter+vote"]},
}


@dataclass
class Stop:
    """What one command came to."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def found(self) -> Any:
        return json.loads(self.out)


@dataclass
class Tour:
    """The project's folder, and what every command came to by its name in the test."""

    folder: Path
    stops: dict[str, Stop] = field(default_factory=dict)
    commands: set[str] = field(default_factory=set)

    def go(self, name: str, words: str, *more: str, **put: str) -> Stop:
        """Runs words of the README, with its placeholders replaced, and more."""
        assert words in README, f"the README says no longer: {words}"
        for placeholder, value in put.items():
            words = words.replace(placeholder, value)
        return self.run(name, *shlex.split(words.removeprefix("sqlft ")), *more)

    def run(self, name: str, *words: str) -> Stop:
        out, err, began = io.StringIO(), io.StringIO(), time.perf_counter()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["sqlft", *words])
            with pytest.raises(SystemExit) as left:
                main()
        code = left.value.code or 0
        self.stops[name] = stop = Stop(int(code), out.getvalue(), err.getvalue(), time.perf_counter() - began)
        self.commands.add(words[0])
        print(f"{name}: {stop.code}, {stop.seconds:.1f} s", file=sys.stderr)
        ends = (0, 1) if words[0] == "memorize" else (0,)  # 1: after so few epochs facts are not exact
        assert stop.code in ends and "Traceback" not in stop.err, f"{shlex.join(words)}: {stop.err[-2000:]}"
        return stop


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The whole tour; it ends where a command does not end well."""
    folder = tmp_path_factory.mktemp("tour")
    with Database.connect(f"chdb://{folder}/db") as db:
        db.command("CREATE DATABASE fleet")
        for table, (key, rows) in TABLES.items():
            db.command(f"CREATE TABLE fleet.{table} ENGINE = MergeTree ORDER BY {key} AS SELECT {rows}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("OPENAI_API_KEY", raising=False)
        yield walk(Tour(folder))


def walk(tour: Tour) -> Tour:
    dsn = f"chdb://{tour.folder}/db"
    # clickhouse://reader@host:8123/db has no server here
    tour.go(
        "init", "sqlft init analyst --dsn clickhouse://reader@host:8123/db", **{"clickhouse://reader@host:8123/db": dsn}
    )
    describe(tour.folder / "analyst")
    tour.go("check", "sqlft check analyst/recipe.yaml")
    tour.go("plan", "sqlft plan analyst/recipe.yaml", "--json")
    tour.go("build", "sqlft build analyst/recipe.yaml", "--json")
    tour.go("dry run", "sqlft build analyst/recipe.yaml --dry-run", "--json")
    tour.go("lint", "sqlft lint FILE --recipe analyst/recipe.yaml", FILE="runs/analyst/dataset/train.jsonl")
    tour.go("train", "sqlft train analyst/recipe.yaml", "--json")
    evaluate = "sqlft evaluate analyst/recipe.yaml --adapter runs/analyst/adapter"
    tour.go("golden", evaluate, "--json")
    assert "`evaluate --stress 5`" in README
    tour.go("heldout", evaluate, "--on", "heldout", "--stress", "1", "--json")
    tour.go("diagnose", "sqlft diagnose analyst --on heldout", "--json")
    assert "`sqlft build --from-failures`" in README
    failures = "runs/analyst/evaluation/heldout/failures.jsonl"
    tour.run("aimed build", "build", "analyst/recipe.yaml", "name=aimed", "--from-failures", failures, "--json")
    ask = 'sqlft ask analyst/recipe.yaml "How many buyers had we in May 2023?"'
    question = {"How many buyers had we in May 2023?": answered(tour)["question"]}
    tour.go("ask", ask, "--json", "--explain", **question)
    tour.go("ask for a table", ask, "--csv", "table.csv", **question)
    tour.go("ladder", "sqlft ladder analyst/recipe.yaml", "--limit", "3", "--json")
    tour.go("facts", "sqlft facts analyst/recipe.yaml --out facts.jsonl", "--json")
    few = Path("facts.jsonl").read_text().splitlines(keepends=True)[:2]
    Path("facts.jsonl").write_text("".join(few))
    tour.go("memorize", "sqlft memorize analyst/recipe.yaml --facts facts.jsonl", "--json")
    tour.run("memory", "memorize", "analyst/recipe.yaml", "--list", "--json")
    assert "`evaluate --memory`" in README
    tour.run("remembered", "evaluate", "analyst/recipe.yaml", "--memory", "--on", "heldout", "--json")
    tour.go("merged", "sqlft export analyst --merged DIR", DIR="merged")
    tour.run("exported", "export", "analyst", "--ollama", "ollama", "--vllm", "vllm", "--json")
    query = 'sqlft query --recipe analyst/recipe.yaml "SELECT …"'
    for kind in ("gold", "predicted"):
        tour.go(kind, query, "--json", **{"SELECT …": answered(tour)[kind]})
    pair = {"id": "p"}
    for kind, name in (("gold", "gold"), ("predicted", "pred")):
        pair |= {f"{name}_columns": tour.stops[kind].found["columns"], f"{name}_rows": tour.stops[kind].found["rows"]}
    Path("pairs.jsonl").write_text(json.dumps(pair) + "\n")
    tour.run("score", "score", "pairs.jsonl", "--out", "verdicts.jsonl", "--json")
    tour.go("schema of recipes", "sqlft recipe --json-schema")
    return tour


def describe(project: Path) -> None:
    """What the README asks the user for: words in the card, seeds, golden questions, and their own choices."""
    card = yaml.safe_load((project / "schema.yaml").read_text())
    for table in card["tables"]:
        table["description"] = DESCRIPTIONS[table["name"].partition(".")[2]]
        for column in table["columns"]:
            column["term"] = TERMS.get(column["name"], column["name"].removesuffix("_id").replace("_", " "))
    meaning = {"term": "late rate", "meaning": "late trips in percent of all trips"}
    card["glossary"] = [meaning | {"table": "fleet.trips", "metric": LATE_RATE}]
    (project / "schema.yaml").write_text(yaml.safe_dump(card, sort_keys=False))
    for name, pairs in (("seeds", SEEDS), ("golden", GOLDEN)):
        examples = [Example(id=f"{name[0]}{n}", question=q, sql=sql) for n, (q, sql) in enumerate(pairs.items())]
        write_jsonl(project / f"{name}.jsonl", examples)
    recipe = yaml.safe_load((project / "recipe.yaml").read_text())
    (project / "recipe.yaml").write_text(yaml.safe_dump(recipe | CHANGED, sort_keys=False))


def predictions(place: str) -> list[dict[str, Any]]:
    lines = Path("runs/analyst/evaluation", place, "predictions.jsonl").read_text().splitlines()
    return [found for found in map(json.loads, lines) if found["model"] == "analyst"]


def answered(tour: Tour) -> dict[str, str]:
    """A held-out question whose answer of the adapter runs: the first that is right, else the first at all."""
    rows = map(json.loads, Path("runs/analyst/dataset/heldout.jsonl").read_text().splitlines())
    gold = {row["question"]: row["sql"] for row in rows}
    ran = [one for one in predictions("heldout") if one["verdict"]["status"] in ("match", "mismatch")]
    assert ran, "no answer of the adapter runs: train it longer"
    best = next((one for one in ran if one["verdict"]["status"] == "match"), ran[0])
    return {"question": best["question"], "gold": gold[best["question"]], "predicted": best["sql"]} | {
        "status": best["verdict"]["status"]
    }


def test_every_command_of_the_readme_is_on_the_tour_or_in_a_test_of_its_own(tour):
    known = set(typer.main.get_command(app).commands)
    named = {word for word in re.findall(r"sqlft ([a-z][a-z-]+)", README) if word in known}
    assert len(named) > 15 and named - tour.commands == set(ELSEWHERE)
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [test for test in ELSEWHERE.values() if f"def {test}(" not in tests] == []


def test_what_init_writes_is_checked_and_planned(tour):
    written = tour.stops["init"].out.split()
    assert [f"analyst/{name}" in written for name in ("recipe.yaml", "schema.yaml", "seeds.jsonl", "golden.jsonl")]
    lines = tour.stops["check"].out.splitlines()
    assert len(lines) > 10 and all(line.startswith("✓") for line in lines)
    assert "glossary queries: all 1 run" in tour.stops["check"].out
    assert "steps" in tour.stops["plan"].out


def test_the_dataset_is_of_this_database_and_clean(tour):
    rows = [json.loads(line) for line in Path("runs/analyst/dataset/train.jsonl").read_text().splitlines()]
    assert len(rows) == 80 and all("fleet." in row["sql"] for row in rows)
    assert any("late rate" in row["question"] for row in rows)
    assert tour.stops["lint"].out == "Nothing found.\n"
    assert tour.stops["build"].found["written"] == tour.stops["dry run"].found["written"] == 150
    assert all(Path("runs/analyst/dataset", name).is_file() for name in ("dataset.html", "dataset_card.md"))
    assert Path("runs/aimed/dataset/train.jsonl").is_file()


def test_the_adapter_is_trained_and_compared_with_its_base(tour):
    assert tour.stops["train"].found["adapter"] == "runs/analyst/adapter"
    assert Path("runs/analyst/adapter/adapter_model.safetensors").is_file()
    [golden], [heldout] = tour.stops["golden"].found, tour.stops["heldout"].found
    assert [model["name"] for model in golden["models"]] == [model["name"] for model in heldout["models"]]
    assert [model["name"] for model in golden["models"]] == ["base", "analyst"]
    assert heldout["settings"]["stress"] == 1 and golden["settings"]["stress"] == 0
    assert len(predictions("golden")) == len(GOLDEN) and len(predictions("heldout")) == 12
    assert all(Path(found["folder"], "report.html").is_file() for found in (golden, heldout))


def test_every_command_asks_the_adapter_that_load_loads(tour):
    model = sqlft.load("runs/analyst")
    evaluated = {one["question"]: one["sql"] for place in ("golden", "heldout") for one in predictions(place)}
    assert [found.sql for found in model.predict_many(list(evaluated))] == list(evaluated.values())
    one = answered(tour)
    assert model.sql(one["question"]) == one["predicted"] == tour.stops["ask"].found["sql"]
    base = sqlft.load(model.recipe.model_copy(update={"name": "untrained"}))
    assert [found.sql for found in base.predict_many(list(evaluated))] != list(evaluated.values())


def test_an_answer_is_its_sentence_its_table_and_an_explanation(tour):
    reply, rows = tour.stops["ask"].found, tour.stops["predicted"].found["rows"]
    assert reply["result"]["rows"] == rows and reply["sentence"] and reply["attempts"] == 1
    assert reply["explanation"]["does"]
    head, *table = csv.reader(Path("table.csv").read_text().splitlines())
    assert head == reply["result"]["columns"] and len(table) == len(rows)


def test_what_is_wrong_is_diagnosed_into_slots(tour):
    found = tour.stops["diagnose"].found
    wrong = sum(one["verdict"]["status"] != "match" for one in predictions("heldout"))
    assert found["on"] == "heldout" and len(found["models"]["analyst"]["wrong"]) == wrong
    assert Path(found["file"]).is_file() and found["slots"]


def test_every_step_of_the_ladder_is_asked_the_same_questions(tour):
    found = tour.stops["ladder"].found
    assert [step["name"] for step in found["models"]] == CHANGED["evaluation"]["ladder"]
    assert Path(found["folder"], "report.html").is_file() and "runs/analyst/ladder/golden" in found["folder"]


def test_facts_are_held_beside_the_adapter_and_asked(tour):
    assert tour.stops["facts"].found["facts"] > 20
    given = [json.loads(line)["id"] for line in Path("facts.jsonl").read_text().splitlines()]
    assert [fact["id"] for fact in tour.stops["memory"].found] == given
    [found] = tour.stops["remembered"].found
    assert {"base", "analyst"} < {model["name"] for model in found["models"]}


def test_what_is_exported_is_this_adapter(tour):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert Path("ollama/Modelfile").is_file() and Path("vllm/serve.sh").is_file()
    assert all(Path(folder, "README.md").is_file() for folder in ("merged", "ollama", "vllm"))
    weights = [
        Path(folder, "adapter_model.safetensors").read_bytes() for folder in ("vllm/adapter", "runs/analyst/adapter")
    ]
    assert weights[0] == weights[1]
    merged, tokenizer = AutoModelForCausalLM.from_pretrained("merged"), AutoTokenizer.from_pretrained("merged")
    with torch.inference_mode():
        assert merged(**tokenizer("SELECT", return_tensors="pt")).logits.isfinite().all()


def test_a_pair_of_results_gets_the_verdict_that_the_evaluation_gave_it(tour):
    [verdict] = [json.loads(line) for line in Path("verdicts.jsonl").read_text().splitlines()]
    assert verdict["status"] == answered(tour)["status"] and tour.stops["score"].found == {verdict["status"]: 1}
