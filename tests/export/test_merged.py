"""A merged model is asked the golden questions again, and kept where it lost no more than the recipe allows."""

import pytest

from sqlft.export.merged import export_merged
from sqlft.problems import SqlftError, WrongUse
from tests.evaluation.made import plain


@pytest.fixture
def merging(monkeypatch):
    """Merges nothing; the answers are what its `letters` say, and it keeps the recipe that they were asked by."""

    class Merging:
        letters, recipe = "mmmmmmxxxx", None

        def merge(self, section, base, adapter, folder):
            (folder / "model.safetensors").write_bytes(b"whole")

        def evaluate(self, recipe, progress=None):
            self.recipe = recipe
            return plain({"base": self.letters}, on="golden")

    found = Merging()
    monkeypatch.setattr("sqlft.export.merged.merge_adapter", found.merge)
    monkeypatch.setattr("sqlft.export.merged.evaluate", found.evaluate)
    return found


def test_one_that_lost_nothing_is_kept_with_its_card(source, merging, tmp_path):
    assert export_merged(source, tmp_path / "out").strict.k == 6
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.safetensors", "README.md", "prompt.txt"}
    asked = merging.recipe
    assert (asked.model.quantization, asked.model.dtype, asked.name) == ("none", "bfloat16", "tiny-merged")
    assert asked.model.base == str(tmp_path / "out.partial")
    assert source.recipe.model.quantization == "nf4" and source.recipe.name == "tiny"


def test_one_that_lost_more_than_the_recipe_allows_is_refused_and_leaves_nothing(source, merging, tmp_path):
    merging.letters = "mmmmmxxxxx"
    said = r"Merged, it has 5 of 10 golden questions right, and the adapter 6 of 10: it lost 10\.0 points"
    with pytest.raises(SqlftError, match=said) as refused:
        export_merged(source, tmp_path / "out")
    assert refused.value.exit_code == 1 and not list(tmp_path.glob("out*"))
    source.recipe.evaluation.merge_loss = 0.11
    assert export_merged(source, tmp_path / "out").strict.k == 5


def test_float32_stays_float32(source, merging, tmp_path):
    source.recipe.model.dtype = "float32"
    export_merged(source, tmp_path / "out")
    assert merging.recipe.model.dtype == "float32"
    assert 'dtype="float32"' in (tmp_path / "out/README.md").read_text()


def test_neighbours_take_matches_back_from_both_or_from_neither(source, merging, tmp_path):
    source.evaluations[0][0].settings["stress"] = 5
    export_merged(source, tmp_path / "out")
    assert merging.recipe.evaluation.stress == 5


def test_a_golden_set_that_changed_since_is_no_measure(source, merging, tmp_path):
    (tmp_path / "golden.jsonl").write_text('{"question": "Another?", "sql": "SELECT 1"}\n')
    with pytest.raises(WrongUse, match="the adapter has not answered it as it is now"):
        export_merged(source, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
