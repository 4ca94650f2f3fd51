"""Every recipe and launcher file of the repository parses, says what it promises, and points at files that exist."""

import re
from pathlib import Path

import pytest

from sqlft.card import SchemaCard
from sqlft.recipe import Recipe, load_recipe

ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
LAUNCHERS = sorted((ROOT / "recipes" / "accelerate").glob("*.yaml"))


def recipe(name: str) -> Recipe:
    return load_recipe(ROOT / "recipes" / f"{name}.yaml")


def test_the_recipes_that_are_promised_are_there():
    assert {"llama31-8b-qlora", "llama31-8b-lora", "article", "tiny-cpu"} <= {path.stem for path in RECIPES}
    assert {path.stem for path in LAUNCHERS} == {"single_gpu", "ddp", "fsdp", "multi_node"}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_parses_and_its_files_are_there(path):
    found = load_recipe(path)
    assert found.name == path.stem
    assert SchemaCard.load(found.schema_).tables and found.seeds.is_file() and found.golden.is_file()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_trl_takes_a_recipes_training_section(path, tmp_path, monkeypatch):
    from sqlft.training import sftconfig

    monkeypatch.chdir(tmp_path)
    found = load_recipe(path)
    config = sftconfig(found)
    assert config.max_length is None and config.learning_rate == found.training["learning_rate"]


def test_qlora_is_nf4_twice_quantised_in_bfloat16_on_every_linear_layer():
    found = recipe("llama31-8b-qlora")
    model = found.model
    assert (model.quantization, model.double_quantization, model.dtype, model.attention) == (
        "nf4",
        True,
        "bfloat16",
        "sdpa",
    )
    assert (found.lora.r, found.lora.targets) == (32, "all-linear")
    assert found.training["max_steps"] == 50 and found.training["learning_rate"] == 1e-4
    assert found.training["gradient_checkpointing"] is True
    assert recipe("llama31-8b-lora").model.quantization == "none"


def test_the_articles_walk():
    found = recipe("article")
    teacher = found.teacher
    assert (teacher.model, teacher.temperature, teacher.seeds_per_prompt, teacher.examples) == ("gpt-4o", 0.5, 3, 2000)
    assert found.split.train == 200 and found.prompt.format_clause
    assert found.training["max_steps"] == 50 and found.training["learning_rate"] == 1e-4


def test_models_that_can_read_may_decline_and_the_tiny_one_is_not_told():
    assert {path.stem: recipe(path.stem).prompt.decline for path in RECIPES} == {
        path.stem: path.stem != "tiny-cpu" for path in RECIPES
    }


def test_the_demo_pays_nobody_and_holds_questions_out():
    found = recipe("tiny-cpu")
    assert found.teacher.kind == "template" and found.database.dsn.startswith("chdb://")
    assert found.split.heldout >= 200 and found.split.heldout_templates > 0 and found.prompt.card == "compact"
    assert Path(found.model.base).name == "tiny-base"


@pytest.mark.parametrize(
    ("name", "processes", "machines", "kind"),
    [
        ("single_gpu", 1, 1, ""),
        ("ddp", 2, 1, "multi_gpu"),
        ("fsdp", 2, 1, "use_fsdp"),
        ("multi_node", 16, 2, "multi_gpu"),
    ],
)
def test_accelerate_starts_what_a_launcher_files_name_says(name, processes, machines, kind):
    args = launcher(name)
    assert (args.num_processes, args.num_machines, args.mixed_precision) == (processes, machines, "bf16")
    assert [
        flag for flag in ("multi_gpu", "use_fsdp", "use_deepspeed", "use_cpu") if getattr(args, flag)
    ] == kind.split()


def test_fsdp_shards_decoder_layers_and_saves_the_adapter_whole(monkeypatch):
    from accelerate import FullyShardedDataParallelPlugin
    from accelerate.utils.launch import prepare_multi_gpu_env

    args = launcher("fsdp")
    for name, value in prepare_multi_gpu_env(args).items():
        monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2 and plugin.reshard_after_forward is True
    assert plugin.transformer_cls_names_to_wrap == ["LlamaDecoderLayer"]
    assert plugin.state_dict_type.name == "FULL_STATE_DICT"
    assert not plugin.activation_checkpointing and not plugin.cpu_ram_efficient_loading


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_accelerate_knows_every_key_of_a_launcher_file_and_no_other(path, tmp_path):
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    options = vars(launch_command_parser().parse_args(["scripts/train.py"]))
    assert set(load_config_from_file(str(path)).fsdp_config) <= set(options)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(path.read_text() + "num_procs: 2\n")
    with pytest.raises(ValueError, match="unknown keys"):
        load_config_from_file(str(wrong))


def launcher(name: str):
    """What `accelerate launch --config_file …` makes of one of our files."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    path = str(ROOT / "recipes" / "accelerate" / f"{name}.yaml")
    args = launch_command_parser().parse_args(["--config_file", path, "scripts/train.py", "recipe.yaml"])
    return _validate_launch_command(args)[0]


@pytest.mark.parametrize("path", [*RECIPES, *LAUNCHERS], ids=lambda path: path.stem)
def test_files_that_comments_name_are_there(path):
    named = re.findall(r"\b(?:recipes|scripts|data|docs)/[\w./-]+\w", path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []
