"""`sqlft check`: everything that can be wrong is found, together, and each with a sentence."""

import json
from pathlib import Path

import pytest
import yaml

from sqlft.card import SchemaCard
from sqlft.check import Check, run_checks
from sqlft.database import Database
from sqlft.database.shop import fill_shop
from tests.tiny import make_tiny

DATA = Path(__file__).parent.parent / "data" / "ecommerce"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A small shop and a random base; not to be written to."""
    folder = tmp_path_factory.mktemp("parts")
    with Database.connect(f"chdb://{folder}/shop") as db:
        fill_shop(db, 500)
    make_tiny(folder / "base", context=4096)
    return folder


@pytest.fixture
def project(parts, tmp_path, monkeypatch):
    """A folder with a recipe, the shop's card and its first questions, to be broken; the call runs the checks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name in ("schema.yaml", "seeds.jsonl", "golden.jsonl"):
        lines = (DATA / name).read_text().splitlines(keepends=True)
        (tmp_path / name).write_text("".join(lines[:4] if name.endswith("jsonl") else lines))

    def checks(*overrides: str, **sections: object) -> dict[str, list[Check]]:
        recipe = {
            "database": {"dsn": f"chdb://{parts}/shop"},
            "schema": "schema.yaml",
            "seeds": "seeds.jsonl",
            "golden": "golden.jsonl",
            "teacher": {"kind": "template"},
            "prompt": {"card": "compact"},
            "model": {"base": str(parts / "base"), "quantization": "none"},
            "training": {"max_steps": 5, "learning_rate": 1e-4},
        }
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe | sections))
        found: dict[str, list[Check]] = {}
        for check in run_checks(tmp_path / "recipe.yaml", overrides):
            assert (check.status == "failed") == (check.exit_code > 0)
            found.setdefault(check.name, []).append(check)
        return found

    return checks


def failed(found: dict[str, list[Check]]) -> dict[str, list[str]]:
    return {name: [c.message for c in cs if c.exit_code] for name, cs in found.items() if any(c.exit_code for c in cs)}


def test_a_sound_project_passes_everything(project):
    found = project()
    assert failed(found) == {}
    looked_at = {
        "recipe",
        "training",
        "teacher",
        "schema card",
        "seeds",
        "golden",
        "leakage",
        "database",
        "gate",
        "disk",
    }
    looked_at |= {"card and database", "seeds queries", "golden queries", "glossary queries", "model", "tokens"}
    assert looked_at <= set(found)
    assert all(str(check).startswith(("✓", "!")) for checks in found.values() for check in checks)


def test_a_wrong_recipe_stops_there_with_every_problem(project):
    found = project(lora={"r": 0}, modle={})
    assert list(found) == ["recipe"] and [c.exit_code for c in found["recipe"]] == [2, 2]


def test_everything_that_is_wrong_is_found_at_once(project, tmp_path):
    card = yaml.safe_load((tmp_path / "schema.yaml").read_text())
    columns = card["tables"][0]["columns"]
    columns[1]["name"] = "land"
    columns[3]["type"] = "String"
    card["tables"].append({"name": "ecommerce.orders", "columns": [{"name": "id", "type": "UInt64"}]})
    (tmp_path / "schema.yaml").write_text(yaml.safe_dump(card))
    seed = json.loads((tmp_path / "seeds.jsonl").read_text().splitlines()[0])
    golden = [
        {"id": "leak", "question": seed["question"].upper(), "sql": seed["sql"]},
        {"id": "typo", "question": "How many?", "sql": "SELECT count() FROM ecommerce.userz"},
        {"id": "none", "question": "Who is 200?", "sql": "SELECT user_id FROM ecommerce.users WHERE age = 200"},
    ]
    (tmp_path / "golden.jsonl").write_text("".join(json.dumps(example) + "\n" for example in golden))
    found = project(teacher={"kind": "openai"}, training={"max_sequence": 5, "learning_rate": 1e-4})
    wrong = failed(found)
    assert set(wrong) == {"training", "teacher", "leakage", "card and database", "golden queries"}
    assert "max_sequence" in wrong["training"][0] and [c.exit_code for c in found["training"]] == [2]
    assert "OPENAI_API_KEY" in wrong["teacher"][0]
    assert "leak" in wrong["leakage"][0]
    assert any("no column land" in m for m in wrong["card and database"])
    assert any("users.age is UInt64, and the card says String" in m for m in wrong["card and database"])
    assert any("no table ecommerce.orders" in m for m in wrong["card and database"])
    assert wrong["golden queries"][0].startswith("typo: ")
    assert any(c.status == "warning" and "none return nothing" in c.message for c in found["golden queries"])
    assert any(c.status == "warning" and "also has country" in c.message for c in found["card and database"])


def test_an_unreachable_server_is_a_sentence_and_the_rest_is_still_looked_at(project):
    found = project("database.dsn=clickhouse://me@127.0.0.1:9/db")
    assert {"database", "gate"} <= set(failed(found)) and "127.0.0.1:9" in failed(found)["database"][0]
    assert found["tokens"][0].status == "ok"


def test_a_half_written_file_is_named_with_its_line(project, tmp_path):
    with (tmp_path / "golden.jsonl").open("a") as file:
        file.write('{"question": "cut')
    assert "golden.jsonl:" in failed(project())["golden"][0]


@pytest.mark.parametrize("name", ["schema.yaml", "seeds.jsonl", "golden.jsonl"])
def test_a_missing_file_does_not_hide_the_others(project, tmp_path, name):
    (tmp_path / name).unlink()
    found = project()
    assert len(failed(found)) == 1 and name in str(failed(found)) and found["training"][0].status == "ok"


def test_a_golden_question_without_sql_is_not_run_and_is_nobodys_twin(project, tmp_path):
    for name, question in (("golden", "What will the weather be?"), ("seeds", "What was the weather?")):
        with (tmp_path / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps({"id": f"{name}-none", "question": question, "sql": ""}) + "\n")
    found = project()
    assert set(failed(found)) == {"seeds queries"} and "seeds-none" in failed(found)["seeds queries"][0]
    assert [c.message for c in found["golden queries"]] == ["all 4 run"] and found["leakage"][0].status == "ok"


def test_an_empty_golden_set_fails(project, tmp_path):
    (tmp_path / "golden.jsonl").write_text("")
    assert set(failed(project())) == {"golden"}


def test_a_glossary_that_does_not_run_is_found(project, tmp_path):
    card = SchemaCard.load(tmp_path / "schema.yaml")
    card.glossary[0].table, card.glossary[0].condition = "ecommerce.users", "is_aktive = 1"
    card.save(tmp_path / "schema.yaml")
    assert "customer: " in failed(project())["glossary queries"][0]


def test_a_row_longer_than_the_context_is_named_with_its_length(project, tmp_path):
    with (tmp_path / "seeds.jsonl").open("a") as file:
        file.write(json.dumps({"id": "long", "question": "How many? " * 2000, "sql": "SELECT 1"}) + "\n")
    (message,) = failed(project())["model"]
    assert "long" in message and "4096" in message


def test_no_room_for_the_answer_is_found(project):
    assert "4000 for the answer" in failed(project("generation.max_new_tokens=4000"))["model"][0]


def test_a_base_that_is_no_model_is_found(project, tmp_path):
    (tmp_path / "empty").mkdir()
    found = project("model.base=empty")
    assert "config.json" in failed(found)["model"][0]


def test_the_disk_is_looked_at_for_a_known_base_that_is_not_here(project, monkeypatch):
    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    found = project("model.base=meta-llama/Llama-3.1-8B-Instruct")
    assert "cannot be reached" in failed(found)["model"][0]
    assert any("the base's weights want about 15.0 GiB" in c.message for c in found["disk"])


def unreachable(*_args, **_more):
    raise OSError


def test_a_full_disk_is_found(project, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0}))
    assert "0.0 GiB are free" in failed(project())["disk"][0]


def test_a_golden_question_that_stands_twice_is_found(project, tmp_path):
    first = (tmp_path / "golden.jsonl").read_text().splitlines(keepends=True)[0]
    with (tmp_path / "golden.jsonl").open("a") as file:
        file.write(first)
    assert "stands twice" in failed(project())["golden"][0]


def test_a_golden_question_that_the_database_cannot_answer_is_not_run(project, tmp_path):
    with (tmp_path / "golden.jsonl").open("a") as file:
        file.write(json.dumps({"question": "How warm was it in May?", "sql": ""}) + "\n")
    assert failed(project()) == {}
