"""`sqlft export`: what it hands on, prints and exits with."""

import json
from pathlib import Path

import pytest

import sqlft.export
from sqlft.evaluation.statistics import share
from tests.export.conftest import write_run


@pytest.mark.parametrize(("options", "said"), [([], "nothing to write"), (["--vllm", "d", "--public"], "--hub REPO")])
def test_an_export_that_is_none_is_wrong_use(run, options, said):
    code, _, err = run("export", "tiny", *options)
    assert code == 2 and said in err


def test_what_was_asked_for_is_handed_on_and_printed(run, monkeypatch):
    given = {}

    def export_run(name, **asked):
        given.update(asked, run=name)
        return sqlft.export.Exported(merged=asked["merged"], right=share(3, 4), hub="https://hub.test/me/a")

    monkeypatch.setattr(sqlft.export, "export_run", export_run)
    code, out, _ = run("export", "tiny", "--merged", "m", "--hub", "me/a", "--public")
    assert code == 0 and out.split() == ["m", "https://hub.test/me/a"]
    assert (given["run"], given["merged"], given["public"], given["ollama"]) == ("tiny", Path("m"), True, None)
    found = json.loads(run("export", "tiny", "--merged", "m", "--json")[1])
    assert found["merged"] == "m" and found["right"]["k"] == 3 and found["vllm"] is None


def test_a_run_that_was_not_evaluated_is_refused_before_anything_is_written(run, tmp_path):
    write_run(tmp_path)
    (tmp_path / "runs/tiny/evaluation/golden/results.json").unlink()
    code, _, err = run("export", "recipe.yaml", "--vllm", "out")
    assert code == 2 and "Run `sqlft evaluate recipe.yaml" in err and not list(tmp_path.glob("out*"))
