"""The GPU benchmark runs from end to end without one, on a tiny shape, and says that it says nothing of a GPU."""

import json

import pytest
import torch

from benchmarks import gpu_train


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, whose figures are worth having")
def test_without_cuda_every_cell_runs_on_a_tiny_shape_and_the_last_line_says_why(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpu_train", "--tiny", "--quantizations", "nf4"])
    gpu_train.main()
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["gpu"] is None and "no CUDA" in last["why"] and last["shape"] == "tiny"
    cells = last["cells"]
    assert len(cells) == len(gpu_train.CELLS)
    assert "on CUDA alone" in cells.pop("nf4 packing flex")["why"]
    assert "on CUDA alone" in cells.pop("nf4 ours flex")["why"]
    losses = [cell["losses"] for cell in cells.values()]
    assert len(losses) == 4 and all(found == pytest.approx(losses[0], rel=1e-3) for found in losses)
    assert cells["nf4 default sdpa"]["mfu"] is None
    computed = {name: cell["tokens_per_second"] * cell["seconds"] for name, cell in cells.items()}
    # a prefix of 300 is read four times or once
    assert computed["nf4 default sdpa"] - computed["nf4 ours blocks"] == pytest.approx(3 * 300, abs=100)
    assert set(last["vs_packing"]) == {"nf4"}


def test_the_large_shape_is_llama_3_1_8b():
    model = gpu_train.make_model("8b", "bfloat16", torch.device("meta"))
    assert sum(weight.numel() for weight in model.parameters()) == 8_030_261_248
