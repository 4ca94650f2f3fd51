"""The model card: base, licence, data, figures and prompt, in the Hub's own form."""

import re

import pytest
import yaml

from sqlft.export.card import find_licence, write_card


def header_of(folder):
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def test_the_card_says_base_data_licence_figures_and_prompt(source, tmp_path):
    write_card(source, tmp_path, "adapter")
    text, header = (tmp_path / "README.md").read_text(), header_of(tmp_path)
    assert (header["library_name"], header["license"]) == ("peft", "llama3.1")
    assert "| base | `meta-llama/Llama-3.1-8B-Instruct` |" in text and "| licence of the base | llama3.1 |" in text
    assert "| train.jsonl, SHA-256 | `" + "5eed" * 16 in text and "| base, SHA-256 | `" + "ba5e" * 16 in text
    assert "| golden | adapter | 60.0% (6 of 10) | 31% to 83% |" in text
    assert re.search(r"\| golden \| base \| 10\.0% \(1 of 10\) \| \d+% to \d+% \|", text)
    assert source.system in text and (tmp_path / "prompt.txt").read_text() == source.system
    assert "it\nis 31 Dec 2024" in text and 'date_string="31 Dec 2024"' in text


def test_the_merged_models_own_figures_stand_beside_the_adapters(source, tmp_path):
    write_card(source, tmp_path, "merged", source.evaluations[0][0].base)
    text = (tmp_path / "README.md").read_text()
    assert "| golden | merged | 10.0% (1 of 10) |" in text and "| golden | adapter | 60.0%" in text
    assert "peft" not in text and 'dtype="bfloat16"' in text and "BitsAndBytesConfig" not in text


@pytest.mark.parametrize(("kind", "relation"), [("adapter", "adapter"), ("merged", "finetune")])
def test_a_base_of_the_hub_is_named_where_the_hub_looks_for_it(source, tmp_path, kind, relation):
    write_card(source, tmp_path, kind)
    header = header_of(tmp_path)
    assert (header["base_model"], header["base_model_relation"]) == (source.base, relation)


def test_a_local_base_is_no_model_of_the_hub(source, tmp_path):
    (tmp_path / "base").mkdir()
    source.recipe.model.base = "base"
    write_card(source, tmp_path, "adapter")
    assert "base_model" not in header_of(tmp_path)


def test_a_red_banner_of_the_evaluation_goes_along(source, tmp_path):
    source.evaluations[0][0].banner = "Trained on golden questions."
    write_card(source, tmp_path, "adapter")
    assert "> **Trained on golden questions.**" in (tmp_path / "README.md").read_text()


def test_the_licence_is_what_the_bases_own_card_says(tmp_path):
    assert find_licence(str(tmp_path)) == "unknown"
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A base\n")
    assert find_licence(str(tmp_path)) == "apache-2.0"
