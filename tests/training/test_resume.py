"""A run that stops at any moment goes on as if it had not."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from sqlft.problems import SqlftError, WrongUse
from sqlft.training import train
from sqlft.training.checkpoints import is_whole, last_whole
from tests.training.test_fit import weights

CHECKPOINTS = Path("runs/run/checkpoints")


def interrupt_at(step):
    def progress(status):
        if status.step == step and status.loss is not None:
            os.kill(os.getpid(), signal.SIGINT)

    return progress


def notes_of(recipe, **options):
    told = []
    run = train(recipe, progress=lambda status: told.append(status.note), **options)
    return run, [note for note in told if note]


def assert_same_run(trained):
    """The run in the working directory is, to the bit, the one that was not interrupted."""
    whole, resumed = trained / "runs/run", Path("runs/run")
    assert all(
        torch.equal(weight, weights(whole / "adapter")[name]) for name, weight in weights(resumed / "adapter").items()
    )
    manifests = [json.loads((folder / "run.json").read_text()) for folder in (whole, resumed)]
    assert manifests[0]["curve"] == manifests[1]["curve"]
    assert manifests[0]["tokens"] == manifests[1]["tokens"]
    assert manifests[0]["best_step"] == manifests[1]["best_step"]


def test_ctrl_c_saves_and_three_and_three_steps_are_six(make_recipe, trained):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(
        SqlftError,
        match=r"interrupted at step 3 of 6, and saved.*sqlft train recipe\.yaml training\.save_steps=2 --resume",
    ) as caught:
        train(make_recipe("training.save_steps=2"), progress=interrupt_at(2))
    assert caught.value.exit_code == 130 and signal.getsignal(signal.SIGINT) is handler
    assert is_whole(CHECKPOINTS / "checkpoint-3") and not Path("runs/run/run.json").exists()
    with pytest.raises(WrongUse, match=r"an unfinished run, saved at step 3.*Add --resume"):
        train(make_recipe())
    assert is_whole(CHECKPOINTS / "checkpoint-3")
    _, notes = notes_of(make_recipe("training.save_steps=2"), resume=True)
    assert "going on from step 3" in notes
    assert_same_run(trained)


def test_the_first_start_and_those_after_a_sigterm_are_one_command(make_recipe, trained):
    """As a spot machine or Slurm has it, whose signal may come twice."""

    def preempt(status):
        if status.step == 2 and status.loss is not None:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SqlftError, match="interrupted at step 3 of 6, and saved") as caught:
        train(make_recipe(), resume=True, progress=preempt)
    assert caught.value.exit_code == 130  # what recipes/cloud looks for
    train(make_recipe(), resume=True)
    assert_same_run(trained)


@pytest.mark.parametrize(
    "part", ["adapter_model.safetensors", "adapter_config.json", "trainer_state.json", "optimizer.pt"]
)
def test_a_checkpoint_that_lacks_a_part_is_not_whole(copied, part):
    folder = CHECKPOINTS / "checkpoint-6"
    assert last_whole(CHECKPOINTS) == folder
    (folder / part).unlink()
    assert not is_whole(folder) and last_whole(CHECKPOINTS) == CHECKPOINTS / "checkpoint-4"


@pytest.mark.parametrize("part", ["adapter_model.safetensors", "trainer_state.json"])
def test_a_checkpoint_whose_part_was_cut_short_is_not_whole(copied, part):
    path = CHECKPOINTS / "checkpoint-6" / part
    path.write_bytes(path.read_bytes()[:-100])
    assert last_whole(CHECKPOINTS) == CHECKPOINTS / "checkpoint-4"


def test_a_kill_in_the_middle_of_saving_goes_back_to_the_checkpoint_before_and_says_so(copied, trained):
    Path("runs/run/run.json").unlink()
    shutil.rmtree("runs/run/adapter")
    (CHECKPOINTS / "checkpoint-6/trainer_state.json").unlink()
    _, notes = notes_of(copied(), resume=True)
    assert any("checkpoint-6" in note and "cut short" in note for note in notes)
    assert_same_run(trained)


def test_a_kill_between_saving_and_evaluating_loses_no_evaluation(copied, trained):
    Path("runs/run/run.json").unlink()
    state = CHECKPOINTS / "checkpoint-6/trainer_state.json"
    content = json.loads(state.read_text())
    content["log_history"] = [
        entry for entry in content["log_history"] if "eval_loss" not in entry or entry["step"] < 6
    ]
    state.write_text(json.dumps(content | {"max_steps": 8, "best_global_step": 4}))
    run, _ = notes_of(copied("training.max_steps=8", "training.lr_scheduler_type=constant"), resume=True)
    assert [entry["step"] for entry in run.manifest["curve"] if "eval_loss" in entry] == [0, 2, 4, 6, 8]


def test_a_kill_after_the_last_step_trains_no_step_more(copied, trained):
    Path("runs/run/run.json").unlink()
    shutil.rmtree("runs/run/adapter")
    train(copied(), resume=True)
    assert sorted(path.name for path in CHECKPOINTS.glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-6"]
    assert_same_run(trained)


def test_a_run_that_has_more_steps_than_are_asked_for_now_is_finished(copied):
    Path("runs/run/run.json").unlink()
    state = CHECKPOINTS / "checkpoint-6/trainer_state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"max_steps": 8}))
    assert train(copied("training.max_steps=4"), resume=True).manifest["steps"] == 6


def test_with_nothing_to_resume_it_begins_anew_and_says_so(make_recipe):
    run, notes = notes_of(make_recipe("training.max_steps=1"), resume=True)
    assert "there is no checkpoint to resume from; beginning anew" in notes
    assert run.manifest["steps"] == 1


def test_a_run_is_not_resumed_under_another_recipe_or_other_data(copied):
    Path("runs/run/run.json").unlink()
    data = Path("runs/run/dataset/train.jsonl")
    data.write_text("".join(data.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(WrongUse, match=r"begun with another data_sha256, lora, optimizer"):
        train(copied("lora.r=8", "training.learning_rate=0.02"), resume=True)
    assert is_whole(CHECKPOINTS / "checkpoint-6")


def test_a_finished_run_is_replaced(copied):
    before = weights("runs/run/adapter")
    run = train(copied("seed=7", "training.max_steps=1"))
    assert not (CHECKPOINTS / "checkpoint-6").exists()
    assert any(not torch.equal(weight, before[name]) for name, weight in weights(run.adapter).items())
