"""Processes and machines with a part of each batch are one process; there really are two, and one of them writes."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sqlft.recipe import load_recipe
from sqlft.records import Example, write_jsonl
from sqlft.training import train
from tests.training.conftest import write_recipe
from tests.training.test_fit import weights

ROOT = Path(__file__).parents[2]
SAME = ["lora.dropout=0", "training.max_steps=4", "training.per_device_train_batch_size=2"]
# of unequal length, and 29: the last step has five rows, of which two processes share the last one
UNEVEN = [
    Example(
        question=f"How many users are {age}{' years old' * (age % 9) * 2}?",
        sql=f"SELECT count() FROM shop.users WHERE age = {age}",
    )
    for age in range(29)
]


def launch(*arguments, folder="."):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TORCHELASTIC_ERROR_FILE": ""}
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )


def finish(process):
    _, errors = process.communicate(timeout=1800)
    return process.returncode, errors


@pytest.fixture(scope="module")
def one(tmp_path_factory, tiny_base):
    """A folder in which one process trained on rows of unequal length, as runs/one."""
    folder = tmp_path_factory.mktemp("one")
    path = write_recipe(folder, tiny_base)
    write_jsonl(folder / "runs/run/dataset/train.jsonl", UNEVEN)
    shutil.copytree(folder / "runs/run", folder / "runs/one")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train(load_recipe(path.name, [*SAME, "training.gradient_accumulation_steps=4", "name=one"]))
    return folder


def assert_same(one, two):
    """Two processes found the losses, the gradients, the tokens and the adapter of one."""
    from sqlft.training.checkpoints import is_whole

    first, second = (json.loads((folder / "run.json").read_text()) for folder in (one, two))
    assert (first["processes"], second["processes"]) == (1, 2)
    assert first["tokens"] == second["tokens"] > 0
    for key in ("loss", "eval_loss", "grad_norm"):
        found = [[entry[key] for entry in run["curve"] if key in entry] for run in (first, second)]
        assert len(found[0]) >= 3 and found[0] == pytest.approx(found[1], rel=1e-4), key
    a, b = weights(one / "adapter"), weights(two / "adapter")
    assert all(torch.allclose(a[name], b[name], atol=1e-4) for name in a)
    assert is_whole(two / "checkpoints/checkpoint-4")


def train_in_two(folder, name, machines, *more):
    """Starts torchrun on one machine or on two, each of which is this one, with half the accumulation."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [
        launch(
            "torch.distributed.run",
            *f"--nnodes {machines} --node-rank {rank} --nproc-per-node {2 // machines}".split(),
            *f"--master-addr 127.0.0.1 --master-port {port}".split(),
            *[str(ROOT / "scripts/train.py"), "recipe.yaml", *SAME, "training.gradient_accumulation_steps=2"],
            *[f"name={name}", *more],
            folder=folder,
        )
        for rank in range(machines)
    ]
    done = [finish(process) for process in started]
    assert [code for code, _ in done] == [0] * machines, "\n".join(errors[-3000:] for _, errors in done)
    assert [errors.count("29 rows to train on") for _, errors in done] == [1, 0][:machines]
    return done[0][1]


@pytest.mark.parametrize("machines", [1, 2])
def test_two_processes_on_one_machine_or_two_give_the_loss_and_the_weights_of_one(one, machines):
    name = f"on_{machines}"
    shutil.copytree(one / "runs/run", one / f"runs/{name}")
    train_in_two(one, name, machines)
    assert_same(one / "runs/one", one / f"runs/{name}")
    if machines == 1:
        (one / f"runs/{name}/run.json").unlink()
        shutil.rmtree(one / f"runs/{name}/checkpoints/checkpoint-4")
        assert "going on from step 2" in train_in_two(one, name, machines, "--resume")
        assert_same(one / "runs/one", one / f"runs/{name}")


def test_accelerate_launch_that_starts_one_of_two_cpu_processes_is_refused(make_recipe):
    make_recipe()
    accelerate = ["accelerate.commands.launch", "--cpu", "--num_processes", "2", "--mixed_precision", "no"]
    code, errors = finish(launch(*accelerate, str(ROOT / "scripts/train.py"), "recipe.yaml"))
    assert code != 0
    assert "several processes were asked for and one runs" in errors
    assert not Path("runs/run/checkpoints").exists()
