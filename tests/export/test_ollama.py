"""The Modelfile: read as Ollama reads it, it comes to the tokens that training makes."""

import re

import pytest

from sqlft.export.ollama import export_ollama
from sqlft.inference.load import load_tokenizer
from sqlft.inference.tokens import tokenize_chats
from sqlft.problems import WrongUse
from sqlft.prompts import render_chat


@pytest.fixture
def modelfile(source, tmp_path) -> str:
    export_ollama(source, tmp_path / "out")
    return (tmp_path / "out/Modelfile").read_text()


def test_its_template_comes_to_the_tokens_that_training_makes(source, modelfile):
    template = re.search(r'^TEMPLATE """(.*?)"""$', modelfile, re.S | re.M)[1]
    system = re.search(r'^SYSTEM """(.*?)"""$', modelfile, re.S | re.M)[1]
    question, tokenizer = "How many users are there?", load_tokenizer(source.adapter)
    asked = template.partition("{{ .Response }}")[0]
    text = re.sub(r"\{\{ if \.System \}\}(.*)\{\{ end \}\}", r"\1", asked, flags=re.S)
    text = text.replace("{{ .System }}", system).replace("{{ .Prompt }}", question)
    chat = render_chat(source.card, question, source.recipe.prompt)
    wanted = tokenize_chats(tokenizer, [chat], ["q"], source.recipe.prompt.date, 8192)[0].prompt
    assert tokenizer(tokenizer.bos_token + text, add_special_tokens=False)["input_ids"] == wanted
    assert tokenizer.bos_token not in template and template.endswith("{{ .Response }}" + tokenizer.eos_token)
    assert "{{ if .System }}" in template and system == source.system


def test_it_names_base_adapter_and_greedy_decoding(source, modelfile, tmp_path):
    lines = modelfile.splitlines()
    assert "FROM ./base" in lines and "# the base, once: hf download meta-llama/Llama-3.1-8B-Instruct" in modelfile
    assert "ADAPTER ./adapter" in lines and (tmp_path / "out/adapter/adapter_model.safetensors").is_file()
    set_to = dict(line.split()[1:] for line in lines if line.startswith("PARAMETER"))
    assert (set_to["temperature"], set_to["repeat_penalty"], set_to["num_predict"]) == ("0", "1", "512")
    assert int(set_to["num_ctx"]) > 2048 and set_to["stop"].strip('"') == load_tokenizer(source.adapter).eos_token
    assert "ollama create tiny" in (tmp_path / "out/README.md").read_text()


def test_a_prompt_that_would_end_the_text_is_refused(source, tmp_path):
    source.card.tables[0].description = 'users """ of the shop'
    with pytest.raises(WrongUse, match="ends a text in a Modelfile"):
        export_ollama(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
