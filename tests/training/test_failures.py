"""What goes wrong half-way is one sentence that says what to change, and loses nothing."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sqlft.problems import SqlftError
from sqlft.training import train
from sqlft.training.checkpoints import last_whole
from sqlft.training.fit import _check_fsdp, _check_processes
from tests.training.test_fit import weights


def test_a_gradient_that_is_not_a_number_is_not_taken(make_recipe, monkeypatch):
    from sqlft.training import sft

    step = sft.Trainer.training_step

    def poisoned(self, *args, **kwargs):
        loss = step(self, *args, **kwargs)
        if self.state.global_step == 2:
            next(p for p in self.model.parameters() if p.requires_grad).grad.fill_(float("nan"))
        return loss

    monkeypatch.setattr(sft.Trainer, "training_step", poisoned)
    with pytest.raises(SqlftError, match=r"became nan at step 3.*learning_rate than 0\.01"):
        train(make_recipe())
    saved = last_whole(Path("runs/run/checkpoints"))
    assert saved.name == "checkpoint-2"
    assert all(weight.isfinite().all() for weight in weights(saved).values())


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_says_which_keys_to_change(make_recipe, monkeypatch, error):
    def step(self, *_args, **_kwargs):
        raise error

    monkeypatch.setattr("sqlft.training.sft.Trainer.training_step", step)
    with pytest.raises(SqlftError) as caught:
        train(make_recipe("model.quantization=none"))
    text = str(caught.value)
    assert "8 rows of up to" in text
    assert "per_device_train_batch_size: 4 with gradient_accumulation_steps: 2" in text
    assert "activation_checkpointing: true" in text and "quantization: nf4" in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_says_so_and_keeps_the_checkpoint_before(make_recipe, monkeypatch):
    from sqlft.training import sft

    save = sft.Trainer._save_optimizer_and_scheduler

    def full(self, folder):
        if self.state.global_step == 2:
            (Path(folder) / "optimizer.pt").symlink_to("/dev/full")
        save(self, folder)

    monkeypatch.setattr(sft.Trainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(SqlftError, match=r"the disk is full.*runs/run.*--resume"):
        train(make_recipe())
    assert last_whole(Path("runs/run/checkpoints")).name == "checkpoint-1"


def test_an_error_of_another_kind_is_not_dressed_up(make_recipe, monkeypatch):
    def step(self, *_args, **_kwargs):
        raise RuntimeError("something else")

    monkeypatch.setattr("sqlft.training.sft.Trainer.training_step", step)
    with pytest.raises(RuntimeError, match="something else"):
        train(make_recipe())


def test_a_launcher_that_started_too_few_processes_is_found_out(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SqlftError, match="2 processes were asked for and 1 runs"):
        _check_processes(SimpleNamespace(world_size=1, n_gpu=0))


def test_fsdp_that_is_asked_for_and_off_is_found_out(make_recipe, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(SqlftError, match="FSDP was asked for and is off"):
        train(make_recipe())


@pytest.mark.parametrize(
    ("plugin", "words"), [(None, "FSDP was asked for and is off"), (1, "FSDP 1 was asked for"), (2, "")]
)
def test_fsdp_is_on_and_the_second_wherever_it_is_asked_for(monkeypatch, plugin, words):
    monkeypatch.delenv("ACCELERATE_USE_FSDP", raising=False)
    state = SimpleNamespace(fsdp_plugin=SimpleNamespace(fsdp_version=plugin))
    trainer = SimpleNamespace(is_fsdp_enabled=bool(plugin), accelerator=SimpleNamespace(state=state))
    _check_fsdp(SimpleNamespace(fsdp=None), trainer)
    with pytest.raises(SqlftError, match=words) if words else contextlib.nullcontext():
        _check_fsdp(SimpleNamespace(fsdp=True), trainer)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: dict(list(weights.items())[::2]), r"holds [\d,]+ of 4,096 weights.*FULL_STATE_DICT"),
        (lambda weights: {name: weight * 2 for name, weight in weights.items()}, "reads back otherwise"),
    ],
)
def test_a_checkpoint_is_read_back_before_it_becomes_an_adapter(make_recipe, monkeypatch, change, words):
    from sqlft.training import save

    read = save.adapter_weights
    monkeypatch.setattr(save, "adapter_weights", lambda folder: change(read(folder)))
    with pytest.raises(SqlftError, match=words):
        train(make_recipe("training.max_steps=1"))
    assert not Path("runs/run/adapter").exists()


def test_several_gpus_under_one_process_are_refused():
    with pytest.raises(SqlftError, match=r"sees 2 GPUs.*accelerate launch"):
        _check_processes(SimpleNamespace(world_size=1, n_gpu=2))
