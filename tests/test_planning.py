"""`sqlft plan`: what a run takes, said without a GPU, a key, a network or a weight."""

import json
import sys

import pytest

import sqlft
from sqlft.card import SchemaCard
from sqlft.cli import main
from sqlft.dataset.teacher import estimate_cost, write_pairs
from sqlft.planning import UNCHECKED, make_plan
from sqlft.problems import WrongUse
from sqlft.recipe import load_recipe
from sqlft.records import read_examples, write_jsonl
from sqlft.training import tokenize_examples
from tests.tiny import tiny_base  # noqa: F401
from tests.training.conftest import EXAMPLES, make_recipe  # noqa: F401

FREE = "teacher.kind=template"
LLAMA = ("model.base=meta-llama/Llama-3.1-8B-Instruct", "model.dtype=bfloat16")
SMALL = ("model.base=meta-llama/Llama-3.2-1B-Instruct", "model.dtype=bfloat16")


@pytest.fixture
def plan(make_recipe):  # noqa: F811
    return lambda *overrides, **more: make_plan(make_recipe(FREE, *overrides), **more)


def whole_tokens() -> int:
    return sum(map(len, tokenize_examples(load_recipe("recipe.yaml", [FREE]), EXAMPLES[:32])))


def test_a_plan_of_a_small_run_says_what_is_in_it(plan):
    found = plan("training.max_steps=-1", "training.num_train_epochs=2", "training.gradient_accumulation_steps=2")
    assert (found.rows, found.batch, found.steps, found.exact, found.teacher) == (32, 16, 4, True, None)
    assert found.shared and found.step_tokens["shared"] < found.step_tokens["whole"]
    assert found.step_tokens["rows"] <= found.step_tokens["whole"]
    assert found.peak == sum(found.memory.values()) and all(found.fits.values()) and found.changes == {}
    assert found.step_tokens["rows"] * found.steps == pytest.approx(2 * whole_tokens(), abs=2)
    assert found.notes == [UNCHECKED] and "has been checked against a GPU yet" in UNCHECKED


def test_what_does_not_fit_is_given_changes_with_which_it_does(plan):
    large = ("training.per_device_train_batch_size=32", "training.gradient_checkpointing=false")
    found = plan(*LLAMA, *large, "model.quantization=none")
    assert not found.fits[12] and set(found.changes) == {size for size, there in found.fits.items() if not there}
    assert "model.quantization=nf4" in found.changes[12]
    for size, changes in found.changes.items():
        again = plan(*LLAMA, *large, "model.quantization=none", *changes)
        assert again.fits[size] and again.batch == found.batch
    assert all(not gpu.fits and gpu.hint == "does not fit" for gpu in found.gpus if gpu.memory == 12)


def test_where_nothing_helps_it_is_said(plan, monkeypatch):
    monkeypatch.setattr("sqlft.planning.SIZES", (1, 141))
    found = plan(*SMALL)
    assert found.fits == {1: False, 141: True} and found.changes == {1: None}
    fits = next(table for table in found.tables() if table.columns[0].header == "GB")
    assert list(fits.columns[1].cells) == ["no", "yes"]


def test_two_gpus_take_half_the_steps_and_the_same_dollars(plan):
    sections = ("training.max_steps=-1", "training.num_train_epochs=4")
    one, two = plan(*SMALL, *sections), plan(*SMALL, *sections, processes=2)
    assert (one.steps, two.steps, two.batch) == (16, 8, 2 * one.batch)
    assert two.gpus[-1].hours == pytest.approx(one.gpus[-1].hours / 2, rel=0.1)
    assert two.gpus[-1].dollars == pytest.approx(one.gpus[-1].dollars, rel=0.1)
    assert plan(*SMALL, *sections, mfu=0.7).gpus[-1].hours < one.gpus[-1].hours


def test_a_gpu_without_bfloat16_is_marked(plan):
    hints = {gpu.name: gpu.hint for gpu in plan(*SMALL).gpus}
    assert "float16" in hints["T4"] and hints["L4"] == ""


@pytest.mark.parametrize("kind", ["openai", "openai-batch"])
def test_the_teachers_cost_is_what_build_says_before_its_first_call(make_recipe, monkeypatch, kind):  # noqa: F811
    from sqlft.dataset.slots import functions

    monkeypatch.setattr(functions, "_look_up", lambda names: dict.fromkeys(names, "what it does"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    recipe = make_recipe(f"teacher.kind={kind}", "teacher.examples=40")
    write_jsonl(recipe.seeds, EXAMPLES[:5])
    card, seeds = SchemaCard.load(recipe.schema_), read_examples(recipe.seeds)
    planned = estimate_cost(recipe, card, seeds)
    assert not (recipe.run_dir / "dataset/functions.json").exists()
    said = []
    with pytest.raises(WrongUse, match="nobody has agreed"):
        write_pairs(
            recipe, card, seeds, recipe.run_dir / "dataset", lambda *_: None, confirm=lambda e: bool(said.append(e))
        )
    assert said == [planned] and planned.calls == 8 and planned.dollars > 0


def test_the_command_prints_tables_or_json_and_marks_them_as_estimates(make_recipe, monkeypatch, capsys):  # noqa: F811
    def run(*words: str) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["sqlft", "plan", str(make_recipe().path), FREE, *words])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        assert not left.value.code
        return printed.out, printed.err

    out, err = run()
    assert "memory at the peak, estimated" in out and "H200" in out and UNCHECKED in err
    found = json.loads(run("--json", "--gpus", "2")[0])
    assert (
        found["processes"] == 2 and found["estimates"] == UNCHECKED and found["peak"] == sum(found["memory"].values())
    )


def test_what_training_would_refuse_is_refused_in_a_sentence(make_recipe, monkeypatch, capsys):  # noqa: F811
    for override in ("training.max_seq_length=5", "lora.targets=[c_attn]"):
        with pytest.raises(WrongUse):
            sqlft.plan(str(make_recipe().path), [FREE, override])
    recipe = load_recipe(make_recipe().path, [FREE])
    with pytest.raises(WrongUse, match="takes none"):
        sqlft.plan(recipe, ["seed=1"])
