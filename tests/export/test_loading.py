"""On real weights: the card's five lines, and a server of another project's, answer as sqlft does."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import sqlft
from sqlft.card import Column, SchemaCard, Table
from sqlft.evaluation import evaluate
from sqlft.export.card import write_card
from sqlft.export.source import Source
from sqlft.inference import LocalModel, predict
from sqlft.inference.merge import merge_adapter, merged_section
from sqlft.recipe import Recipe
from sqlft.recipe.sections import DatabaseSection, Evaluation, Served
from sqlft.records import Example, write_jsonl
from tests.evaluation.made import plain
from tests.few_users import fill_users
from tests.inference.test_local import CARD, make_adapter
from tests.tiny import tiny_base

__all__ = ["tiny_base"]

ASKED = Example(question="How many rows does shop.users have?", sql="")

# bitsandbytes 0.50 repacks weights at a CPU's first answer, and fails at layers under 64 wide: see `load_base`
UNPACKED = "import bitsandbytes.nn.modules as m; m.has_avx512bf16 = lambda: False\n"


def make_source(base: Path, folder: Path, quantization: str) -> Source:
    model = {"base": str(base), "quantization": quantization, "dtype": "float32"}
    paths = {"schema": "card.yaml", "seeds": "seeds.jsonl", "golden": "golden.jsonl"}
    recipe = Recipe(name="tiny", model=model, generation={"max_new_tokens": 8}, **paths)
    adapter = make_adapter(base, folder / "adapter", 1, quantization)
    source = Source(recipe, "tiny", folder, adapter, {}, CARD)
    results = plain({"base": "xx", "tiny": "mx"}, on="golden")
    vars(source)["evaluations"] = [(results, results.models[1])]
    return source


def answer(source: Source, model, adapter: str | None = None) -> str:
    recipe = source.recipe
    return predict(model, [ASKED], source.card, recipe.prompt, recipe.generation, adapter)[0].text


def run_lines(folder: Path, hidden: str) -> str:
    """What the card's lines print in its folder, in a process that cannot import what is hidden."""
    lines = re.search(r"```python\n(.+?)```", (folder / "README.md").read_text(), re.S)[1]
    assert len(lines.strip().splitlines()) == 5 and ASKED.question in lines
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden.split()!r}))\n{UNPACKED * ('BitsAnd' in lines)}{lines}"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def merged(tiny_base, tmp_path_factory) -> tuple[Source, Path]:
    folder = tmp_path_factory.mktemp("merged")
    source = make_source(tiny_base, folder, "none")
    recipe = source.recipe
    merge_adapter(recipe.model, recipe.base, source.adapter, folder / "whole")
    write_card(source, folder / "whole", "merged")
    return source, folder / "whole"


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_the_five_lines_answer_as_sqlft_with_the_adapter(tiny_base, tmp_path, quantization):
    source = make_source(tiny_base, tmp_path, quantization)
    source.copy_adapter(tmp_path / "out")
    write_card(source, tmp_path / "out", "adapter")
    model = LocalModel.load(source.recipe.model, source.recipe.base, {"one": source.adapter})
    said = answer(source, model, "one")
    assert run_lines(tmp_path / "out", "sqlft") == said + "\n" and said != answer(source, model)


def test_the_five_lines_answer_as_sqlft_with_the_merged_model_and_without_peft(merged):
    source, folder = merged
    whole = LocalModel.load(merged_section(source.recipe.model), str(folder))
    adapted = LocalModel.load(source.recipe.model, source.recipe.base, {"one": source.adapter})
    said = answer(source, whole)
    assert run_lines(folder, "sqlft peft") == said + "\n" and said == answer(source, adapted, "one")


@pytest.fixture(scope="module")
def served(merged, tmp_path_factory):
    """The address of `transformers serve` with the merged model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(merged[1])]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    folder = tmp_path_factory.mktemp("serve")
    with (folder / "log").open("w") as log:
        cache = os.environ | {"HF_HUB_CACHE": str(folder)}  # without one, its /v1/models is an error
        server = subprocess.Popen([*command, *options], stdout=log, stderr=subprocess.STDOUT, env=cache)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> str:
    return fill_users(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def whole(merged, shop, tmp_path, monkeypatch) -> Recipe:
    """The recipe of somebody who has the merged model for a base; the working directory is empty but for its files."""
    monkeypatch.chdir(tmp_path)
    source, folder = merged
    columns = [Column(name="id", type="UInt64"), Column(name="country", type="String")]
    SchemaCard(tables=[Table(name="shop.users", columns=columns)]).save(tmp_path / "card.yaml")
    sqls = {"How many users?": "SELECT count() FROM shop.users", "Which is last?": "SELECT max(id) FROM shop.users"}
    write_jsonl(tmp_path / "golden.jsonl", [Example(question=question, sql=sql) for question, sql in sqls.items()])
    model = merged_section(source.recipe.model).model_copy(update={"base": str(folder)})
    return source.recipe.model_copy(update={"model": model, "database": DatabaseSection(dsn=shop)}, deep=True)


def test_ask_is_told_by_transformers_serve_what_the_merged_model_says_here(whole, served):
    there = sqlft.ask(whole, "How many users?", endpoint=served, model=whole.model.base).prediction
    here = sqlft.ask(whole.model_copy(update={"name": "here"}), "How many users?").prediction
    assert there.text == here.text and there.earlier == here.earlier and there.model == whole.model.base
    assert there.attempts == 3 and there.prompt_tokens > 0  # its weights are random: what it says is no SQL


def test_evaluate_is_told_by_transformers_serve_what_the_merged_model_says_here(whole, served):
    here = evaluate(whole, [])
    whole.evaluation = Evaluation(endpoint=Served(base_url=served, check_agreement=2))
    there = evaluate(whole, [])
    assert [answer.text for answer in there.answers["base"]] == [answer.text for answer in here.answers["base"]]
    assert any("the local model gives the same: base 2 of 2" in warning for warning in there.warnings)


def wait_for(url: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + 300  # a busy machine is no failure
    while time.monotonic() < end:
        assert server.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("the server did not start")
