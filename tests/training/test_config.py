from pathlib import Path

import pytest

from sqlft.problems import WrongUse
from sqlft.recipe import load_recipe
from sqlft.training.config import REMOVED, sftconfig

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def refusal(recipe):
    with pytest.raises(WrongUse) as caught:
        sftconfig(recipe)
    return str(caught.value)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_training_section_of_every_shipped_recipe_is_trls(path):
    config = sftconfig(load_recipe(path))
    assert config.max_length is None and not config.packing


def test_every_removed_key_is_named_with_what_to_write_now_and_its_line(make_recipe):
    recipe = make_recipe()
    recipe.training.update(dict.fromkeys(REMOVED, 1))
    Path("recipe.yaml").write_text(Path("recipe.yaml").read_text() + "  warmup_ratio: 0.1\n  max_seq_length: 512\n")
    written = load_recipe("recipe.yaml")
    text = refusal(written)
    line = 1 + Path("recipe.yaml").read_text().splitlines().index("  warmup_ratio: 0.1")
    assert f"recipe.yaml:{line}: `training.warmup_ratio: 0.1`" in text and "Write warmup_steps" in text
    assert all(f"training.{key}: 1" in refusal(recipe) and advice in refusal(recipe) for key, advice in REMOVED.items())


def test_all_wrong_keys_are_reported_together(make_recipe):
    text = refusal(make_recipe("training.learning_rat=1", "training.max_steps=many", "training.packing=true"))
    assert "Did you mean `learning_rate`?" in text
    assert "max_steps: many" in text
    assert "training.packing" in text


@pytest.mark.parametrize(
    "override",
    [
        "max_length=1024",
        "assistant_only_loss=true",
        "completion_only_loss=false",
        "use_liger_kernel=true",
        "padding_free=true",
        "save_strategy=no",
        "save_only_model=true",
        "average_tokens_across_devices=false",
        "greater_is_better=true",
        "push_to_hub=true",
        "output_dir=elsewhere",
        "eos_token=</s>",
        "eval_strategy=epoch",
        "eval_steps=3",
        "lr_scheduler_type=stairs",
    ],
)
def test_what_would_break_a_promise_is_refused_with_a_reason(make_recipe, override):
    text = refusal(make_recipe("training.save_strategy=steps", "training.save_steps=2", f"training.{override}"))
    assert len(text) > len(override) + 40


def test_a_token_is_not_repeated_in_the_refusal(make_recipe):
    assert "hf_secret" not in refusal(make_recipe("training.hub_token=hf_secret"))


def test_a_rate_that_yaml_reads_as_text_is_a_number(make_recipe):
    recipe = make_recipe("training.learning_rate=1e-4")
    assert recipe.training["learning_rate"] == "1e-4"
    assert sftconfig(recipe).learning_rate == 1e-4


def test_without_a_gpu_it_is_a_plain_cpu_run(make_recipe, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    recipe = make_recipe()
    del recipe.training["use_cpu"], recipe.training["bf16"]
    config = sftconfig(recipe)
    assert config.use_cpu and not config.bf16 and config.device.type == "cpu"


def test_defaults_cut_nothing_tell_nobody_and_evaluate_before_the_first_step(make_recipe):
    recipe = make_recipe()
    del recipe.training["eval_steps"]
    config = sftconfig(recipe)
    assert config.max_length is None
    assert config.report_to == []
    assert config.eval_on_start and config.eval_steps == config.save_steps == 1
    assert config.per_device_eval_batch_size == 8
    assert not config.logging_nan_inf_filter


@pytest.mark.parametrize("key", ["gradient_checkpointing", "activation_checkpointing"])
@pytest.mark.parametrize("value", [True, False])
def test_both_names_of_checkpointing_are_obeyed(make_recipe, key, value):
    recipe = make_recipe()
    del recipe.training["gradient_checkpointing"]
    recipe.training[key] = value
    config = sftconfig(recipe)
    assert config.activation_checkpointing is config.gradient_checkpointing is value


def test_the_training_may_have_a_seed_of_its_own(make_recipe):
    assert sftconfig(make_recipe("seed=7")).seed == 7
    assert sftconfig(make_recipe("seed=7", "training.seed=3")).seed == 3


def test_without_a_validation_split_nothing_is_evaluated(make_recipe):
    config = sftconfig(make_recipe(), evaluate=False)
    assert config.eval_strategy == "no" and not config.eval_on_start
