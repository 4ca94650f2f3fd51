"""From a recipe to files, with a model that answers from a table; the database is the embedded engine itself."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sqlft.card import Column, SchemaCard, Table
from sqlft.database import Database, Gate, open_gate
from sqlft.evaluation import Results, adapters, evaluate, evaluate_each, pipeline
from sqlft.inference.endpoint import Endpoint
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import Judge, Limits, Recipe
from sqlft.records import Example, Prediction, write_jsonl
from sqlft.report import write_report
from tests.openai_stub import OpenAIStub

GOLDEN = {
    "How many users are there?": "SELECT count() FROM shop.users",
    "How many users are from France?": "SELECT count() FROM shop.users WHERE country = 'France'",
    "Countries by users?": "SELECT country, count() AS n FROM shop.users GROUP BY country ORDER BY n DESC, country",
    "Who joined yesterday?": "SELECT id FROM shop.users WHERE joined = yesterday() ORDER BY id FORMAT CSV",
    "Users older than 200?": "SELECT id FROM shop.users WHERE age > 200",
    "Ages of nobody?": "SELECT agee FROM shop.users",
}
BASE = {
    "How many users are there?": "SELECT sum(1) FROM shop.users",
    "How many users are from France?": "SELECT count() FROM shop.users",
    "Countries by users?": None,
    "Who joined yesterday?": "SELECT idd FROM shop.users",
    "Users older than 200?": "SELECT id FROM shop.staff",
}
TUNED = GOLDEN | {"How many users are there?": "SELECT * FROM file('/etc/passwd', 'LineAsString')"}


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> str:
    dsn = f"chdb://{tmp_path_factory.mktemp('shop')}"
    with Database.connect(dsn) as database:
        database.command("CREATE DATABASE shop")
        database.command(
            "CREATE TABLE shop.users ENGINE = MergeTree ORDER BY id AS SELECT number AS id,"
            " ['France', 'Spain', 'Italy'][1 + number % 7 % 3] AS country, 18 + number % 60 AS age,"
            " toDate('2024-12-31') - number % 5 AS joined FROM numbers(100)"
        )
        database.command("CREATE TABLE shop.staff ENGINE = MergeTree ORDER BY id AS SELECT 1 AS id")
    return dsn


@pytest.fixture
def recipe(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.chdir(tmp_path)
    columns = [("id", "UInt64"), ("country", "String"), ("age", "UInt64"), ("joined", "Date")]
    table = Table(name="shop.users", columns=[Column(name=name, type=kind) for name, kind in columns])
    SchemaCard(tables=[table]).save(tmp_path / "schema.yaml")
    write_jsonl(tmp_path / "golden.jsonl", [Example(question=q, sql=s, level="easy") for q, s in GOLDEN.items()])
    return Recipe(
        name="shop",
        database={"dsn": dsn, "limits": {"seconds": 20}},
        schema=tmp_path / "schema.yaml",
        seeds=tmp_path / "seeds.jsonl",
        golden=tmp_path / "golden.jsonl",
        prompt={"date": datetime.date(2024, 12, 31)},
    )


@pytest.fixture(scope="module")
def gate(dsn: str) -> Iterator[Gate]:
    date = datetime.date(2024, 12, 31)
    with open_gate(dsn, limits=Limits(seconds=20), tables=["shop.users"], date=date) as gate:
        yield gate


@pytest.fixture
def shared_gate(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """One gate for all: a child process and an engine take a second to start."""
    monkeypatch.setattr(pipeline, "open_gate", lambda dsn, **options: nullcontext(gate))


@pytest.fixture(autouse=True)
def table_model(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for generation; lists the models that were asked."""
    asked: list[str] = []

    def ask(model: Any, recipe: Recipe, card: Any, examples: Sequence[Example], of: str, tell: Any) -> Any:
        tables: dict[str, dict[str, Any]] = {"base": BASE} | {name: TUNED for name in model.adapters}
        asked.extend(tables)
        return {
            name: [
                Prediction(
                    id=e.id, question=e.question, model=name, text=str(table.get(e.question)), sql=table.get(e.question)
                )
                for e in examples
                for _ in range(recipe.generation.samples)
            ]
            for name, table in tables.items()
        }

    def load_model(recipe: Recipe, folders: dict[str, Path], tell: Any) -> Any:
        return SimpleNamespace(adapters=folders, warnings=["a note of the model's"])

    monkeypatch.setattr(pipeline, "load_model", load_model)
    monkeypatch.setattr(pipeline, "ask", ask)
    return asked


def make_adapter(run: str, train: list[tuple[str, str]] | None = None, **identity: Any) -> Path:
    folder = Path("runs") / run / "adapter"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    if identity:
        (folder / "sqlft.json").write_text(json.dumps(identity))
    if train is not None:
        write_jsonl(folder.parent / "dataset" / "train.jsonl", [Example(question=q, sql=s) for q, s in train])
    return folder


def test_base_and_adapter_are_compared_on_the_same_sound_questions(recipe: Recipe, table_model: list[str]) -> None:
    folder = make_adapter("shop", [("Something else?", "SELECT 1")])
    stages: dict[str, tuple[int, int]] = {}
    found = evaluate(recipe, [folder], progress=lambda stage, done, of, note: stages.__setitem__(stage, (done, of)))
    base, tuned = found.models
    assert table_model == ["base", "shop"]
    assert [q.gold for q in found.questions] == ["sound"] * 4 + ["empty", "gold_error"]
    assert found.out_of_headline == {"empty": 1, "gold_error": 1}
    assert (base.strict.k, base.strict.n, base.no_sql.k, base.validity.k) == (1, 4, 2, 2)
    assert (tuned.strict.k, tuned.strict.n, tuned.exact.k, tuned.exact.n) == (3, 4, 5, 6)
    assert [a.verdict.status for a in found.answers["base"]][:4] == ["match", "mismatch", "invalid", "invalid"]
    assert tuned.against_base is not None
    assert (tuned.against_base.fixed, tuned.against_base.broken, tuned.against_base.neither) == (3, 1, 0)
    for refused in (found.answers["shop"][0], found.answers["base"][4]):
        assert (refused.verdict.reasons, refused.runs) == (["refused"], False)
    assert found.answers["base"][3].verdict.evidence["name"] == "UNKNOWN_IDENTIFIER"
    assert stages == {"gold queries, golden": (6, 6), "verdicts, golden": (6, 6)}


def test_today_is_the_recipes_day_for_gold_and_predictions(recipe: Recipe) -> None:
    found = evaluate(recipe, [make_adapter("shop", [])])
    asked = found.questions[3]
    assert asked.gold_result is not None
    assert asked.gold_result.rows[:2] == [["1"], ["6"]]
    assert found.answers["shop"][3].verdict.strict
    assert found.settings["clock"] == "today() is 2024-12-31"


@pytest.mark.usefixtures("shared_gate")
def test_everything_is_kept_and_the_report_can_be_drawn_again_from_it(recipe: Recipe) -> None:
    found = evaluate(recipe, [make_adapter("shop", [])])
    folder = Path("runs/shop/evaluation/golden")
    assert found.folder == folder
    page = write_report(Results.load(folder))
    assert sorted(p.name for p in folder.iterdir()) == ["predictions.jsonl", "report.html", "results.json"]
    assert page.read_text().count('class="question"') == len(GOLDEN)
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    assert [line["model"] for line in lines] == ["base"] * 6 + ["shop"] * 6
    assert all("verdict" in line for line in lines)
    settings = json.loads((folder / "results.json").read_text())["settings"]
    assert settings["questions_sha256"] == hashlib.sha256(Path("golden.jsonl").read_bytes()).hexdigest()
    assert settings["decoding"]["temperature"] == 0
    assert settings["model"]["quantization"] == "nf4"
    assert "torch" in settings["versions"] and settings["sandbox"] and settings["adapters"]["shop"]


@pytest.mark.usefixtures("shared_gate")
def test_an_earlier_evaluation_is_read_before_it_is_written_over(recipe: Recipe) -> None:
    folder = make_adapter("shop", [])
    first = evaluate_each(recipe, [folder], ["golden"])[0]
    assert first.baseline == []
    [again] = evaluate_each(recipe, [folder], ["golden"], baseline="shop")
    assert [(one.base, one.n, one.fixed, one.broken) for one in again.baseline] == [
        ("shop, base", 4, 0, 0),
        ("shop, shop", 4, 0, 0),
    ]
    assert Results.load(again.folder or Path()).baseline == again.baseline
    assert "shop against the baseline (shop, shop): +0 points" in write_report(again).read_text()


@pytest.mark.usefixtures("shared_gate")
def test_golden_questions_in_the_training_file_are_said_loudly_and_counted_apart(recipe: Recipe) -> None:
    leaked = [
        ("how many users are there", "SELECT 1"),
        ("Other", "select COUNT() from shop.users where country = 'France'"),
    ]
    found = evaluate(recipe, [make_adapter("shop", leaked)])
    assert found.leakage is not None
    assert (found.leakage.by_question, found.leakage.by_sql, found.leakage.either) == (1, 1, 2)
    assert found.warnings[0].startswith("LEAKAGE: 2 of 6 questions (33.3%)")
    tuned = found.models[1]
    assert tuned.unleaked is not None
    assert (tuned.strict.k, tuned.strict.n, tuned.unleaked.k, tuned.unleaked.n) == (3, 4, 2, 2)
    assert "LEAKAGE: 2 of 6 questions" in write_report(found).read_text() and not found.banner


@pytest.mark.usefixtures("shared_gate")
def test_leakage_that_was_allowed_stands_in_red_above_everything(recipe: Recipe) -> None:
    folder = make_adapter("shop", [("how many users are there", "SELECT 1")])
    (folder.parent / "run.json").write_text(json.dumps({"recipe": {"allow_leakage": True}}))
    found = evaluate(recipe, [folder])
    assert found.banner.startswith("LEAKAGE IS ALLOWED: the recipe of shop says allow_leakage: true, and 1 of 6")
    assert '<p class="banner" role="alert">LEAKAGE IS ALLOWED' in write_report(found).read_text()
    assert Results.load(found.folder or Path()).banner == found.banner
    assert evaluate(recipe.model_copy(update={"allow_leakage": True})).banner.startswith("LEAKAGE IS ALLOWED: the rec")


@pytest.mark.usefixtures("shared_gate")
def test_what_could_not_be_checked_is_a_warning(recipe: Recipe) -> None:
    unknown = make_adapter("unknown")
    changed = make_adapter("changed", [], data_sha256={"train": "0" * 64}, prompt_sha256="0" * 64, dtype="float32")
    warnings = "\n".join(evaluate(recipe, [unknown, changed]).warnings)
    assert "unknown: there is no runs/unknown/dataset/train.jsonl" in warnings
    assert "changed: runs/changed/dataset/train.jsonl has changed since it was trained" in warnings
    assert "changed was trained with another prompt" in warnings
    assert "changed was trained in float32 and asked in bfloat16" in warnings
    assert "a note of the model's" in warnings
    assert "2 of 6 questions do not count (1 empty gold results, 1 gold queries that failed)" in warnings
    assert "Only 4 questions count" in warnings


@pytest.mark.usefixtures("shared_gate")
def test_an_adapter_of_this_very_run_raises_no_warning_of_its_own(recipe: Recipe) -> None:
    from sqlft.prompts import render_chat

    system = render_chat(SchemaCard.load(recipe.schema_), "", recipe.prompt)[0]["content"]
    prompt = hashlib.sha256(f"{recipe.prompt.date}\n{system}".encode()).hexdigest()
    folder = make_adapter("shop", [])
    data = hashlib.sha256((folder.parent / "dataset" / "train.jsonl").read_bytes()).hexdigest()
    (folder / "sqlft.json").write_text(
        json.dumps({"data_sha256": {"train": data}, "prompt_sha256": prompt, "dtype": "bfloat16"})
    )
    assert not [w for w in evaluate(recipe, [folder]).warnings if w.startswith("shop")]


@pytest.mark.usefixtures("shared_gate")
def test_a_base_alone_is_evaluated_too(recipe: Recipe) -> None:
    recipe.generation = recipe.generation.model_copy(update={"samples": 3, "temperature": 0.7})
    found = evaluate(recipe, limit=2)
    assert [(one.k, one.n) for one in found.base.samples] == [(1, 2)] * 3
    assert found.answers["base"][0].samples == [True] * 3 and found.settings["decoding"]["samples"] == 3
    assert [m.name for m in found.models] == ["base"]
    assert (found.base.strict.k, found.base.strict.n) == (1, 2)
    assert found.settings["questions"].endswith("the first 2")


@pytest.mark.usefixtures("shared_gate")
def test_a_judges_advice_has_its_own_column_and_changes_no_verdict(recipe: Recipe) -> None:
    with OpenAIStub(lambda body: {"correct": True, "reason": "looks right \ud800"}) as stub:
        judged = recipe.model_copy(deep=True)
        judged.evaluation = type(recipe.evaluation).model_validate({"judge": {"model": "gpt-4o", "base_url": stub.url}})
        found = evaluate(judged, limit=4)
    assert found.base.judge is not None
    assert (found.base.judge.k, found.base.judge.n, found.base.strict.k) == (3, 4, 1)
    assert len(stub.requests) == 3
    prompts = [request["messages"][-1]["content"] for request in stub.requests]
    shown = next(text for text in prompts if "from France" in text)
    assert "SELECT count() FROM shop.users WHERE country = 'France'" in shown and "count()\n" in shown
    assert any("It does not run." in text for text in prompts)
    assert found.base.agreement is not None and found.base.agreement.kappa == 0
    assert Results.load(found.folder or Path()).base.judge == found.base.judge


@pytest.mark.usefixtures("shared_gate")
def test_sets_of_questions_get_folders_of_their_own_and_the_base_is_loaded_once(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, load_model = [], pipeline.load_model
    monkeypatch.setattr(pipeline, "load_model", lambda *given: loaded.append(given) or load_model(*given))
    for name in ("mine.jsonl", "golden.jsonl"):
        Path("sub").mkdir(exist_ok=True)
        write_jsonl(
            Path("sub") / name, [Example(question="How many users are there?", sql="SELECT count() FROM shop.users")]
        )
    found = evaluate_each(recipe, [], ["sub/mine.jsonl", "sub/golden.jsonl"])
    assert len(loaded) == 1
    assert [str(results.folder) for results in found] == [
        "runs/shop/evaluation/mine",
        "runs/shop/evaluation/file-golden",
    ]


def test_adapters_are_named_by_their_runs_and_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one, two = make_adapter("v1.5"), make_adapter("other")
    step = tmp_path / "more" / "v1-5"
    step.mkdir(parents=True)
    (step / "adapter_config.json").write_text("{}")
    assert adapters.name_adapters([one, "other", step]) == {"v1-5": one, "other": two, "v1-5-2": step}
    make_adapter("base")
    assert list(adapters.name_adapters(["base"])) == ["base-2"]


@pytest.mark.usefixtures("shared_gate")
def test_adapters_that_are_not_there_are_said_all_at_once(recipe: Recipe, table_model: list[str]) -> None:
    with pytest.raises(WrongUse, match=r"(?s)nowhere.*runs/NAME/adapter.*neither") as raised:
        evaluate(recipe, ["nowhere", "neither"])
    assert len(raised.value.problems) == 2
    assert not table_model


@pytest.mark.usefixtures("shared_gate")
def test_a_judge_that_cannot_be_asked_costs_no_answers(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Endpoint, "backoff", 0.002)
    judged = recipe.model_copy(deep=True)
    judged.evaluation.judge = Judge(model="gpt-4o", base_url="http://127.0.0.1:9/v1")
    found = evaluate(judged)
    assert found.base.judge is None and found.base.strict.k == 1 and (found.folder or Path()).is_dir()
    assert any(w.startswith("base was not judged: http://127.0.0.1:9/v1 cannot be reached") for w in found.warnings)


@pytest.mark.usefixtures("shared_gate")
def test_matches_are_tried_on_neighbours_and_none_is_lost_where_there_are_none(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stress(recipe: Recipe, card: Any, questions: Any, answers: Any, step: Any) -> None:
        verdict = answers["base"][0].verdict
        verdict.strict, verdict.reasons = False, ["data_dependent"]
        step(recipe.evaluation.stress)

    assert evaluate(recipe, limit=2).settings["stress"] == 0
    stressed = recipe.model_copy(deep=True)
    stressed.evaluation.stress = 2
    monkeypatch.setattr(pipeline, "stress", stress)
    found = evaluate(stressed, limit=2)
    assert (found.base.strict.k, found.base.data_dependent, found.settings["stress"]) == (0, 1, 2)
    assert any(w.startswith("base: 1 matches were data dependent") for w in found.warnings)

    def fail(*_: Any) -> None:
        raise SqlftError("no room on the disk")

    monkeypatch.setattr(pipeline, "stress", fail)
    found = evaluate(stressed, limit=2)
    assert found.base.strict.k == 1 and any("neighbours of the database: no room" in w for w in found.warnings)


@pytest.mark.usefixtures("shared_gate")
def test_what_is_wrong_with_judge_questions_or_training_files_is_known_before_a_model_is_asked(
    recipe: Recipe, table_model: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    judged = recipe.model_copy(deep=True)
    judged.evaluation.judge = Judge(model="gpt-4o", base_url="https://judge.example/v1")
    with pytest.raises(WrongUse, match="OPENAI_API_KEY"):
        evaluate(judged)
    (Path("more")).mkdir()
    for folder in (".", "more"):
        write_jsonl(Path(folder) / "mine.jsonl", [Example(question="How many?", sql="SELECT 1")])
    with pytest.raises(WrongUse, match="two sets of questions would be kept in evaluation/mine"):
        evaluate_each(recipe, [], ["mine.jsonl", "more/mine.jsonl"])
    folder = make_adapter("shop", [])
    (folder.parent / "dataset" / "train.jsonl").write_text('{"messages": []}\n')
    with pytest.raises(WrongUse, match=r"train\.jsonl:1"):
        evaluate(recipe, [folder])
    assert not table_model
