"""An adapter that is sharded over processes is saved whole; one process' shard alone is refused."""

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from tests.training.test_processes import ROOT, finish, launch


def test_what_two_processes_shard_is_saved_whole_and_a_shard_alone_is_refused(tmp_path, tiny_base):
    torchrun = [
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--rdzv-backend",
        "c10d",
        "--rdzv-endpoint",
        "localhost:0",
    ]
    process = launch(*torchrun, "-m", "tests.training.sharded", str(tmp_path), str(tiny_base), folder=ROOT)
    code, errors = finish(process)
    assert code == 0, errors[-3000:]
    shard, zeroed = [line for line in errors.splitlines() if line.startswith("REFUSED")]
    assert "holds 2,048 of 4,096 weights" in shard and "reads back otherwise" in zeroed
    whole = load_file(tmp_path / "whole.safetensors")
    base = AutoModelForCausalLM.from_pretrained(tiny_base)
    loaded = get_peft_model_state_dict(PeftModel.from_pretrained(base, str(tmp_path / "adapter")))
    assert loaded.keys() == whole.keys() and len(whole) == 28
    assert all(loaded[name].norm() == whole[name].norm() > 0 for name in whole)
    assert all(torch.equal(loaded[name], whole[name]) for name in whole)
