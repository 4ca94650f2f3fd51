"""What starts vLLM: the adapter under its name, a rank that vLLM knows, and the service of docker/compose.yaml."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sqlft.export.source import read_source
from sqlft.export.vllm import compose_service, export_vllm, serve_options
from sqlft.problems import WrongUse
from sqlft.recipe import load_recipe
from tests.export.conftest import ROOT, write_run


def test_the_command_serves_the_adapter_by_its_name_with_its_rank(source, tmp_path):
    export_vllm(source, tmp_path / "out")
    script = tmp_path / "out/serve.sh"
    words = shlex.split(script.read_text().splitlines()[1].partition("exec ")[2])
    assert words[:3] == ["vllm", "serve", "meta-llama/Llama-3.1-8B-Instruct"] and script.stat().st_mode & 0o100
    assert {"--enable-lora", "--enable-prefix-caching", "--quantization=bitsandbytes"} <= set(words)
    assert {"--lora-modules=tiny=adapter", "--tokenizer=adapter", "--max-lora-rank=16"} <= set(words)
    config = json.loads((tmp_path / "out/adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == source.base and config["r"] == 12


@pytest.mark.parametrize(("adapter", "rank"), [({"r": 1}, 1), ({"rank_pattern": {"q_proj": 33}}, 64)])
def test_the_rank_is_one_that_vllm_knows_and_no_layers_is_above_it(tmp_path, monkeypatch, adapter, rank):
    monkeypatch.chdir(write_run(tmp_path, adapter))
    assert f"--max-lora-rank={rank}" in serve_options(read_source("recipe.yaml"), "adapter")


def test_a_rank_above_all_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(write_run(tmp_path, {"r": 600}))
    with pytest.raises(WrongUse, match="vLLM serves ranks up to 512"):
        export_vllm(read_source("recipe.yaml"), tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_a_local_base_is_mounted_and_served_by_the_recipes_name_for_it(source, tmp_path):
    (tmp_path / "base").mkdir()
    source.recipe.model.base = "base"
    service = compose_service(source)
    assert f"{tmp_path}/base:/base:ro" in service["volumes"] and "--model=/base" in service["command"]
    assert "--served-model-name=base" in service["command"]


def test_the_service_is_that_of_the_projects_own_compose_file(source):
    own = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]["vllm"]
    recipe = load_recipe(ROOT / "recipes/llama31-8b-qlora.yaml")
    config = source.adapter / "adapter_config.json"
    config.write_text(json.dumps({"r": recipe.lora.r}))
    made = compose_service(replace(source, recipe=recipe, name=recipe.name, adapter=Path(source.adapter)))
    assert {word.replace("/runs/llama31-8b-qlora/adapter", "/adapter") for word in own["command"]} == set(
        made["command"]
    )
    same = ("image", "ports", "shm_size", "cap_drop", "security_opt", "healthcheck", "deploy")
    assert {key: own[key] for key in same} == {key: made[key] for key in same}
    assert made["environment"].items() <= own["environment"].items()
