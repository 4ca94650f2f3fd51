"""The demo's stages, in order, on a small scale; what it finds is a benchmark's to say."""

import io
import json

import pytest
from rich.console import Console

from sqlft.demo import ASKED, demo_recipe, run_demo
from sqlft.problems import WrongUse
from sqlft.recipe import load_recipe
from tests.small import clone  # noqa: F401


@pytest.fixture(scope="module")
def report(clone):  # noqa: F811
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(clone)
        left = clone / "runs" / "tiny-cpu" / "checkpoints" / "checkpoint-1"
        left.mkdir(parents=True)
        stale = left / "stale"
        stale.touch()
        done = run_demo(load_recipe("recipes/tiny-cpu.yaml"), users=100)
        assert not stale.exists()
        yield done


def test_every_stage_is_run_and_timed(report):
    assert list(report.seconds) == ["shop", "build", "train", "evaluate"]
    assert report.examples["train"] == 24 and report.examples["heldout"] == 8


def test_base_and_adapter_are_compared_on_every_set(report):
    assert list(report.results) == list(ASKED)
    for results in report.results.values():
        assert [model.name for model in results.models] == ["base", "tiny-cpu"]
        assert (results.folder / "report.html").is_file()


def test_the_summary_is_a_table_for_people_and_json_for_programs(report):
    found = json.loads(json.dumps(report.to_json()))
    assert found["questions"]["heldout"]["n"] <= 8 and set(found["questions"]["golden"]) == {"n", "base", "adapter"}
    console = Console(file=io.StringIO(), width=160)
    console.print(*report.tables())
    text = console.file.getvalue()
    assert all(words in text for words in (*ASKED.values(), "train s", "report.html"))


def test_the_demos_recipe_is_the_clones():
    assert demo_recipe().name == "tiny-cpu.yaml" and demo_recipe().is_file()


def test_without_a_clone_the_demo_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("sqlft.__file__", str(tmp_path / "sqlft" / "__init__.py"))
    with pytest.raises(WrongUse, match="clone of the repository"):
        demo_recipe()
