"""What is exported is one adapter with what was measured of it, and no half of an export bears its name."""

import json

import pytest

from sqlft.export.source import new_folder, read_source
from sqlft.problems import WrongUse


def test_a_run_is_its_recipe_its_adapter_or_a_moved_folder(source, tmp_path):
    manifest = {"recipe": source.recipe.model_dump(mode="json", by_alias=True), "identity": {"base": "a/base"}}
    (tmp_path / "runs/tiny/run.json").write_text(json.dumps(manifest))
    (tmp_path / "tiny").mkdir()  # as `sqlft init tiny` makes it: no run
    found = [read_source(given) for given in ("tiny", "runs/tiny", source.adapter, "recipe.yaml")]
    assert [(one.name, one.adapter.resolve()) for one in found] == [("tiny", source.adapter.resolve())] * 4
    assert len({one.evaluations[0][1].strict.k for one in found}) == 1


def test_only_an_evaluation_of_these_weights_counts(source):
    assert [model.strict.k for _, model in source.evaluations] == [6]
    (source.adapter / "adapter_model.safetensors").write_bytes(b"trained again")
    with pytest.raises(WrongUse, match=r"no evaluation of these weights.*Run `sqlft evaluate recipe\.yaml"):
        _ = read_source("recipe.yaml").evaluations


def test_a_prompt_that_changed_since_training_is_refused(source, tmp_path):
    text = (tmp_path / "card.yaml").read_text()
    (tmp_path / "card.yaml").write_text(text.replace("age", "height"))
    with pytest.raises(WrongUse, match="not those that the adapter was trained with"):
        read_source("recipe.yaml")


def test_a_folder_bears_its_name_once_it_is_whole(tmp_path):
    with pytest.raises(OSError), new_folder(tmp_path / "out") as partial:
        (partial / "half").write_text("")
        raise OSError("disk full")
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "out") as partial:
        (partial / "whole").write_text("")
        assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "whole"]
    with pytest.raises(WrongUse, match="it is there already"), new_folder(tmp_path / "out"):
        pass
