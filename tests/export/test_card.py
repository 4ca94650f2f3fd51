"""The model card: what it says, and that its five lines answer as sqlft does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sqlft.export import card
from sqlft.export.card import find_licence, write_card
from sqlft.export.merged import export_merged
from sqlft.export.source import read_source
from sqlft.inference import LocalModel, predict
from sqlft.inference.merge import merged_section
from sqlft.records import Example


def answer(source, model, adapter=None):
    asked = re.search(r"\"user\", \"content\": \"(.+?)\"", "\n".join(card.loading_lines(source, "adapter", ".")))[1]
    recipe = source.recipe
    asking = (model, [Example(question=asked, sql="")], source.card, recipe.prompt, recipe.generation, adapter)
    return predict(*asking)[0].text


def run_lines(folder: Path, hidden: str = "sqlft") -> str:
    """What the card's five lines print in its folder, in a process that cannot import sqlft."""
    lines = re.search(r"```python\n(.+?)```", (folder / "README.md").read_text(), re.S)[1]
    assert len(lines.strip().splitlines()) == 5 and "sqlft" not in lines
    code = f"import sys; sys.modules.update(dict.fromkeys({hidden.split()!r}))\n{lines}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_the_five_lines_answer_as_sqlft_with_the_adapter(make_run, monkeypatch, tmp_path, quantization):
    monkeypatch.chdir(make_run(quantization))
    source = read_source("recipe.yaml")
    source.copy_adapter(tmp_path)
    write_card(source, tmp_path, "adapter")
    model = LocalModel.load(source.recipe.model, source.recipe.base, {"a": source.adapter})
    said = answer(source, model, "a")
    assert run_lines(tmp_path) == said + "\n" and said != answer(source, model)


def test_the_five_lines_answer_as_sqlft_with_the_merged_model_and_without_peft(source, tmp_path):
    export_merged(source, tmp_path / "merged")
    section = source.recipe.model
    adapted = LocalModel.load(section, source.recipe.base, {"a": source.adapter})
    whole = LocalModel.load(merged_section(section), str(tmp_path / "merged"))
    said = answer(source, whole)
    assert run_lines(tmp_path / "merged", "sqlft peft") == said + "\n" and said == answer(source, adapted, "a")


def test_the_card_says_base_data_licence_figures_and_prompt(source, tmp_path, monkeypatch):
    monkeypatch.setattr(card, "find_licence", lambda base: "llama3.1")
    write_card(source, tmp_path, "adapter")
    text = (tmp_path / "README.md").read_text()
    header = yaml.safe_load(text.split("---\n")[1])
    assert header["library_name"] == "peft" and header["license"] == "llama3.1" and "base_model" not in header
    assert source.base in text and "5eed" * 16 in text and source.identity["base_sha256"] in text
    assert "| licence of the base | llama3.1 |" in text
    right = source.evaluations[0][1].strict
    assert re.search(rf"\| golden \| adapter \| [\d.]+% \({right.k} of 4\) \| [\d.]+% to [\d.]+% \|", text)
    assert re.search(r"\| golden \| base \| ", text)
    assert source.system in text and (tmp_path / "prompt.txt").read_text() == source.system
    assert "31 Dec 2024" in text


def test_a_base_of_the_hub_is_named_where_the_hub_looks_for_it(source, tmp_path, monkeypatch):
    monkeypatch.setattr(card, "find_licence", lambda base: "llama3.1")
    source.recipe.model.base = "meta-llama/Llama-3.1-8B-Instruct"
    for kind, relation in (("adapter", "adapter"), ("merged", "finetune")):
        write_card(source, tmp_path, kind)
        header = yaml.safe_load((tmp_path / "README.md").read_text().split("---\n")[1])
        assert (header["base_model"], header["base_model_relation"]) == (source.base, relation)


def test_the_licence_is_what_the_bases_own_card_says(tmp_path):
    assert find_licence(str(tmp_path)) == "unknown"
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A base\n")
    assert find_licence(str(tmp_path)) == "apache-2.0"
