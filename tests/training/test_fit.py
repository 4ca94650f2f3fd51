"""What training moves, keeps, writes and says, on a random tiny model."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sqlft.inference.load import load_base
from sqlft.problems import WrongUse
from sqlft.recipe import Model
from sqlft.records import write_jsonl
from sqlft.training import train
from sqlft.training.status import Status
from tests.training.conftest import EXAMPLES


@pytest.fixture
def spied(monkeypatch):
    """The bases and trainers that `train` makes, and the adapters' weights as the first step finds them."""
    from sqlft.training import fit, sft

    seen = {"bases": [], "trainers": [], "before": {}}

    def load(*args):
        seen["bases"].append(load_base(*args))
        return seen["bases"][-1]

    def begin(self, args, state, control, **kwargs):
        seen["trainers"].append(self.trainer)
        seen["optimizer"] = [p for group in self.trainer.optimizer.param_groups for p in group["params"]]
        seen["before"] = {n: p.detach().clone() for n, p in self.trainer.model.named_parameters() if p.requires_grad}
        original(self, args, state, control, **kwargs)

    original = sft.Watch.on_train_begin
    monkeypatch.setattr(fit, "load_base", load)
    monkeypatch.setattr(sft.Watch, "on_train_begin", begin)
    return seen


def weights(run: str | Path) -> dict[str, torch.Tensor]:
    return load_file(Path(run) / "adapter_model.safetensors")


def bits(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The base's tensors as bytes: quantised ones hold NaN among their bit patterns."""
    named = {name.replace("base_layer.", ""): tensor for name, tensor in model.state_dict().items()}
    return {name: tensor.contiguous().view(torch.uint8) for name, tensor in named.items() if "lora_" not in name}


@pytest.mark.parametrize("quantization", ["nf4", "none"])
def test_the_adapters_move_in_float32_and_the_base_does_not_by_a_bit(make_recipe, spied, tiny_base, quantization):
    recipe = make_recipe(f"model.quantization={quantization}", "training.learning_rate=2e-5", "training.max_steps=2")
    recipe.training["lr_scheduler_type"] = "constant"
    train(recipe)
    base = bits(spied["bases"][0].model)
    fresh = bits(load_base(Model(quantization=quantization, dtype="float32"), str(tiny_base)).model)
    assert base.keys() == fresh.keys()
    assert [name for name, weight in fresh.items() if not torch.equal(base[name], weight)] == []
    moved = {name: weight for name, weight in spied["trainers"][0].model.named_parameters() if weight.requires_grad}
    assert len(moved) == 2 * 7 * 2 and all("lora_" in name for name in moved)
    assert {weight.dtype for weight in [*moved.values(), *spied["optimizer"]]} == {torch.float32}
    # in bfloat16 a step of 2e-5 leaves most of A's weights where they were
    share = [(weight != spied["before"][name]).float().mean().item() for name, weight in moved.items()]
    assert min(share) > 0.95
    lost = [
        (w.bfloat16() == spied["before"][n].bfloat16()).float().mean().item() for n, w in moved.items() if "lora_A" in n
    ]
    assert max(lost) > 0.3


def test_the_adapter_is_a_plain_peft_folder(trained, tiny_base):
    from peft import PeftModel, get_peft_model_state_dict
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = trained / "runs/run/adapter"
    base = AutoModelForCausalLM.from_pretrained(tiny_base)
    loaded = get_peft_model_state_dict(PeftModel.from_pretrained(base, str(folder)))
    best = weights(trained / "runs/run/checkpoints/checkpoint-6")
    assert loaded.keys() == best.keys()
    assert all(loaded[name].norm() == best[name].norm() > 0 for name in best)
    tokenizer, own = AutoTokenizer.from_pretrained(folder), AutoTokenizer.from_pretrained(tiny_base)
    assert tokenizer.chat_template == own.chat_template and tokenizer.get_vocab() == own.get_vocab()
    assert tokenizer.pad_token_id == own.pad_token_id != tokenizer.eos_token_id


def test_the_manifest_says_what_went_in_and_what_it_cost(trained):
    manifest = json.loads((trained / "runs/run/run.json").read_text())
    assert manifest["steps"] == 6 and manifest["processes"] == 1 and manifest["trainable_parameters"] == 4096
    assert manifest["recipe"]["lora"]["dropout"] == 0.1 and manifest["recipe"]["training"]["max_steps"] == 6
    assert manifest["versions"]["trl"] and manifest["identity"]["quantization"] == "nf4"
    digests = [manifest["identity"][key] for key in ("base_sha256", "prompt_sha256", "template_sha256")]
    digests += manifest["identity"]["data_sha256"].values()
    assert all(len(digest) == 64 for digest in digests) and len(set(digests)) == 5
    assert manifest["tokens_per_second"] == pytest.approx(manifest["tokens"] / manifest["train_seconds"], rel=0.01)
    assert manifest["peak_memory"]["bytes"] > 2**20
    assert [entry["step"] for entry in manifest["curve"] if "loss" in entry] == [1, 2, 3, 4, 5, 6]
    assert [entry["step"] for entry in manifest["curve"] if "eval_loss" in entry] == [0, 2, 4, 6]
    assert all("eval_mean_token_accuracy" in entry for entry in manifest["curve"] if "eval_loss" in entry)
    assert manifest["rows"]["train"]["rows"] == 32 and manifest["rows"]["train"]["longest"] < 200
    assert (trained / "runs/run/loss.png").read_bytes().startswith(b"\x89PNG")


def test_every_token_is_counted_once(trained):
    manifest = json.loads((trained / "runs/run/run.json").read_text())
    # 6 steps of 8 rows over 32 rows: one epoch and a half
    assert manifest["rows"]["train"]["tokens"] < manifest["tokens"] < 2 * manifest["rows"]["train"]["tokens"]


def test_no_secret_reaches_a_file_of_the_run(trained):
    files = [path for path in (trained / "runs").rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path for path in files if b"hf_thissecret" in path.read_bytes()]


def test_no_half_of_a_file_is_left(trained):
    assert not list((trained / "runs").rglob("*.partial"))


def test_nothing_is_told_to_trls_makers(make_recipe, monkeypatch):
    def telephone(**_kwargs):
        raise AssertionError("called home")

    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", telephone)
    monkeypatch.delenv("CI", raising=False)
    assert train(make_recipe("training.max_steps=1")).adapter.is_dir()


def test_training_learns(trained):
    curve = json.loads((trained / "runs/run/run.json").read_text())["curve"]
    losses = [entry["eval_loss"] for entry in curve if "eval_loss" in entry]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.8 * losses[0]


def test_it_saves_before_it_evaluates_and_keeps_the_best(make_recipe, monkeypatch):
    from sqlft.training import sft

    losses, saved = iter([9.0, 3.0, 1.0, 2.0]), []
    evaluate = sft.Trainer.evaluate

    def scripted(self, *args, **kwargs):
        metrics = evaluate(self, *args, **kwargs)
        if self.state.global_step:
            saved.append(
                (Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}/trainer_state.json").is_file()
            )
        metrics["eval_loss"] = self.state.log_history[-1]["eval_loss"] = next(losses)
        return metrics

    monkeypatch.setattr(sft.Trainer, "evaluate", scripted)
    run = train(make_recipe())
    assert saved == [True, True, True]
    assert (run.manifest["best_step"], run.manifest["best_validation_loss"]) == (4, 1.0)
    kept = weights("runs/run/checkpoints/checkpoint-4")
    last = weights("runs/run/checkpoints/checkpoint-6")
    assert all(torch.equal(weight, kept[name]) for name, weight in weights(run.adapter).items())
    assert any(not torch.equal(weight, last[name]) for name, weight in kept.items())


@pytest.mark.parametrize(("losses", "kept"), [((1.0, 0.5, 0.54), 6), ((1.0, 0.5, 0.56), 4), ((0.5, 0.6, 0.55), 6)])
def test_of_checkpoints_that_validate_alike_the_last_is_kept(tmp_path, monkeypatch, losses, kept):
    from sqlft.training import checkpoints

    history = [{"step": step, "eval_loss": loss} for step, loss in zip((2, 4, 6), losses, strict=True)]
    for step in (2, 4, 6):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    monkeypatch.setattr(checkpoints, "is_whole", lambda path: True)
    best = checkpoints.best_checkpoint(tmp_path)
    assert (checkpoints.step_of(best.folder), best.loss) == (kept, losses[kept // 2 - 1])


def test_a_batch_of_eight_is_eight_batches_of_one(make_recipe):
    results = []
    for batch, accumulation in ((8, 1), (1, 8)):
        shutil.rmtree("runs/run/checkpoints", ignore_errors=True)
        run = train(
            make_recipe(
                "lora.dropout=0",
                "model.quantization=none",
                "training.max_steps=2",
                f"training.per_device_train_batch_size={batch}",
                f"training.gradient_accumulation_steps={accumulation}",
            )
        )
        results.append(([e for e in run.manifest["curve"] if "loss" in e], weights(run.adapter)))
    (one, a), (eight, b) = results
    assert [e["loss"] for e in one] == pytest.approx([e["loss"] for e in eight], rel=1e-5)
    assert [e["grad_norm"] for e in one] == pytest.approx([e["grad_norm"] for e in eight], rel=1e-4)
    assert all(torch.allclose(a[name], b[name], atol=1e-4) for name in a)


def test_without_a_validation_split_the_last_checkpoint_is_the_adapter(make_recipe):
    recipe = make_recipe("training.max_steps=2")
    Path("runs/run/dataset/validation.jsonl").unlink()
    run = train(recipe)
    assert run.manifest["best_step"] == 2 and run.manifest["best_validation_loss"] is None
    assert "validation loss" not in str(run)


def test_progress_tells_rows_steps_speed_and_time_left(make_recipe):
    told: list[Status] = []
    train(make_recipe("training.max_steps=2"), progress=told.append)
    lines = [str(status) for status in told]
    assert lines[0].startswith("32 rows to train on, 8 to validate") and "median" in lines[0]
    assert "read once" in lines[1] and lines[2].startswith("step 0/2  validation loss") and "token accuracy" in lines[2]
    steps = [status for status in told if status.loss is not None]
    assert [status.step for status in steps] == [1, 2]
    assert all(status.tokens_per_second > 0 and math.isfinite(status.loss) for status in steps)
    assert "tokens/s" in str(steps[0]) and "left" in str(steps[0]) and steps[-1].seconds_left == 0


def test_the_last_step_is_evaluated_whatever_eval_steps_divides(make_recipe):
    curve = train(make_recipe("training.max_steps=3", "training.save_steps=2")).manifest["curve"]
    assert [entry["step"] for entry in curve if "eval_loss" in entry] == [0, 2, 3]


def test_without_a_dataset_it_says_to_build_one(make_recipe):
    recipe = make_recipe()
    shutil.rmtree("runs/run/dataset")
    with pytest.raises(WrongUse, match=r"train\.jsonl.*Run `sqlft build recipe\.yaml` first"):
        train(recipe)


def test_a_row_longer_than_the_context_stops_it_before_anything_is_loaded(make_recipe, monkeypatch):
    monkeypatch.setattr("sqlft.training.fit.load_base", lambda *_: pytest.fail("loaded"))
    long = EXAMPLES[0].model_copy(update={"id": "long1", "question": "How many users? " * 400})
    write_jsonl(Path("runs/run/dataset/train.jsonl"), [*EXAMPLES, long])
    with pytest.raises(WrongUse, match=r"example long1.*\d{4} tokens do not fit into the context of 1024"):
        train(make_recipe())


def test_lora_on_layers_that_are_not_there_is_wrong_use(make_recipe):
    with pytest.raises(WrongUse, match=r"recipe\.yaml:\d+.*no_such_layer"):
        train(make_recipe("lora.targets=[no_such_layer]"))
