"""Two processes with half the accumulation are one process; there really are two, and one of them writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sqlft.training import train
from tests.training.test_fit import weights

ROOT = Path(__file__).parents[2]
SAME = ["lora.dropout=0", "training.max_steps=3", "training.per_device_train_batch_size=2"]


def launch(*arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TORCHELASTIC_ERROR_FILE": ""}
    return subprocess.run(
        [sys.executable, "-m", *arguments], env=environment, capture_output=True, text=True, timeout=300
    )


def test_two_processes_give_the_loss_and_the_weights_of_one(make_recipe):
    from sqlft.training.checkpoints import is_whole

    recipe = make_recipe(*SAME, "training.gradient_accumulation_steps=2", "name=one")
    Path("runs/one").mkdir()
    Path("runs/one/dataset").symlink_to(Path("runs/run/dataset").absolute())
    train(recipe)
    torchrun = [
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--rdzv-backend",
        "c10d",
        "--rdzv-endpoint",
        "localhost:0",
    ]
    done = launch(
        *torchrun, str(ROOT / "scripts/train.py"), "recipe.yaml", *SAME, "training.gradient_accumulation_steps=1"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (json.loads(Path(f"runs/{name}/run.json").read_text()) for name in ("one", "run"))
    assert (one["processes"], two["processes"]) == (1, 2)
    assert one["tokens"] == two["tokens"] > 0
    for key in ("loss", "eval_loss", "grad_norm"):
        found = [[entry[key] for entry in run["curve"] if key in entry] for run in (one, two)]
        assert found[0] == pytest.approx(found[1], rel=1e-4), key
    a, b = weights("runs/one/adapter"), weights("runs/run/adapter")
    assert all(torch.allclose(a[name], b[name], atol=1e-4) for name in a)
    assert is_whole(Path("runs/run/checkpoints/checkpoint-3"))
    assert done.stderr.count("32 rows to train on") == 1


def test_accelerate_launch_that_starts_one_of_two_cpu_processes_is_refused(make_recipe):
    make_recipe()
    accelerate = ["accelerate.commands.launch", "--cpu", "--num_processes", "2", "--mixed_precision", "no"]
    done = launch(*accelerate, str(ROOT / "scripts/train.py"), "recipe.yaml")
    assert done.returncode != 0
    assert "several processes were asked for and one runs" in done.stderr
    assert not Path("runs/run/checkpoints").exists()
