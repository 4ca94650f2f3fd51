"""The public API: the README's lines run as they stand, and `load` takes what it says it takes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sqlft
from sqlft.model import SqlModel
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import load_recipe
from sqlft.training import TrainingRun
from tests.small import clone  # noqa: F401

ROOT = Path(__file__).parent.parent
LINES = next(
    b for b in re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text(), re.S) if "import sqlft" in b
)


@pytest.fixture(scope="module")
def readme(clone):  # noqa: F811
    """The names that the README's lines leave behind. A random base writes no SQL: any text counts."""
    names: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(clone)
        patch.setattr("sqlft.inference.local.extract_sql", lambda text: f"SELECT {len(text)}")
        exec(LINES, names)
    return names


@pytest.fixture
def here(clone, readme, monkeypatch):  # noqa: F811
    monkeypatch.chdir(clone)


def test_the_readme_has_five_lines():
    assert len(LINES.strip().splitlines()) == 5


def test_the_readmes_lines_build_train_and_compare(readme, here):
    run, results = readme["run"], readme["results"]
    assert isinstance(run, TrainingRun) and (run.adapter / "adapter_model.safetensors").is_file()
    assert [model.name for model in results.models] == ["base", "tiny-cpu"] and len(results.questions) == 8
    assert (results.folder / "report.html").is_file() and (results.folder / "predictions.jsonl").is_file()


def test_a_model_loads_from_a_run_its_folder_its_adapter_or_its_recipe(readme, here):
    run = readme["run"]
    models = [sqlft.load(source) for source in (run, str(run.folder), run.adapter, "recipes/tiny-cpu.yaml")]
    assert all(isinstance(model, SqlModel) and model.adapter is not None for model in models)
    question = "How many users are there?"
    assert len({model.predict(question).text for model in models}) == 1


def test_a_recipe_without_a_run_loads_the_base_alone(here):
    recipe = load_recipe("recipes/tiny-cpu.yaml", ["name=untrained"])
    model = sqlft.load(recipe)
    assert model.adapter is None and model.predict("How many users?").model == "base"
    assert sqlft.load(recipe, "runs/tiny-cpu/adapter").predict("How many users?").model == "adapter"


def test_predictions_come_in_the_questions_order(here):
    questions = ["How many users?", "How many sessions were there in 2023, by browser?", "Revenue?"]
    assert [p.question for p in sqlft.load("runs/tiny-cpu").predict_many(questions)] == questions


def test_an_answer_without_sql_is_an_error_that_shows_the_answer(here, monkeypatch):
    monkeypatch.setattr("sqlft.inference.local.extract_sql", lambda text: None)
    with pytest.raises(SqlftError, match="no SQL in the answer to 'How many"):
        sqlft.load("runs/tiny-cpu").sql("How many users?")


def test_what_is_no_model_says_what_to_write(tmp_path):
    with pytest.raises(WrongUse, match="runs/NAME"):
        sqlft.load(tmp_path)


def test_a_read_recipe_takes_no_overrides(here):
    with pytest.raises(WrongUse, match="Give its path"):
        sqlft.build(load_recipe("recipes/tiny-cpu.yaml"), ["seed=1"])


def test_importing_sqlft_is_enough_to_call_it():
    done = subprocess.run(
        [sys.executable, "-c", "import sqlft; sqlft.build('none.yaml')"], capture_output=True, text=True
    )
    assert "WrongUse" in done.stderr and "none.yaml" in done.stderr


def test_a_run_that_was_moved_brings_its_own_adapter(here, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree("runs/tiny-cpu", moved)
    assert sqlft.load(moved).adapter == moved / "adapter"
    shutil.rmtree(moved / "adapter")
    with pytest.raises(WrongUse, match=r"no adapter_config\.json"):
        sqlft.load(moved)
