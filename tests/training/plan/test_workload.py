"""Tokens a step are those of the real collators, and steps those that transformers counts."""

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler
from transformers import Trainer, TrainingArguments

from sqlft.problems import WrongUse
from sqlft.records import write_jsonl
from sqlft.training.plan.shape import read_shape
from sqlft.training.plan.workload import count_steps, draw_batches, read_workload
from sqlft.training.rows import as_dataset, tokenize_examples
from sqlft.training.sft import Collator
from sqlft.training.sharing import SharedCollator, best_budget
from tests.training.conftest import EXAMPLES


@pytest.mark.parametrize("shared", [True, False])
def test_tokens_are_those_of_the_real_collator(make_recipe, shared):
    recipe = make_recipe("model.quantization=none")
    shape, folder = read_shape(recipe)
    workload = read_workload(recipe, folder)
    assert workload.exact and workload.count == 32
    rows = tokenize_examples(recipe, EXAMPLES[:32])
    assert list(workload.rows) == rows
    (batch,) = draw_batches(workload, shape, 32, 0, shared=shared)  # all rows, so that their order is no matter
    budget = best_budget(rows, shape.config)
    made = (SharedCollator(0, budget, blocks=True) if shared else Collator(0))(as_dataset(rows).to_list())
    assert (batch.tokens, batch.row_tokens) == (made["input_ids"].numel(), int(made["row_tokens"]))
    assert batch.learned == int((made["labels"] != -100).sum()) > 32
    assert bool(batch.layout) == shared


def test_every_row_is_drawn_once_before_any_is_drawn_again(make_recipe):
    recipe = make_recipe()
    shape, folder = read_shape(recipe)
    batches = draw_batches(read_workload(recipe, folder), shape, 5, 0, shared=False)
    assert [one.sequences for one in batches] == [5] * 6 + [2]
    assert sum(one.row_tokens for one in batches) == sum(map(len, read_workload(recipe, folder).rows))


def test_before_the_build_the_seeds_stand_in_for_the_rows(make_recipe, tmp_path):
    recipe = make_recipe("split.train=100", "split.seeds=true")
    (tmp_path / "runs/run/dataset/train.jsonl").unlink()
    write_jsonl(tmp_path / "seeds.jsonl", EXAMPLES[:3])
    workload = read_workload(recipe, read_shape(recipe)[1])
    assert (len(workload.rows), workload.count, workload.exact) == (3, 103, False)
    assert "seeds.jsonl, as runs/run/dataset/train.jsonl is not there yet" in workload.source


def test_without_any_row_there_is_nothing_to_reckon_with(make_recipe, tmp_path):
    recipe = make_recipe()
    (tmp_path / "runs/run/dataset/train.jsonl").unlink()
    (tmp_path / "seeds.jsonl").write_text("")
    with pytest.raises(WrongUse, match="no row to reckon with"):
        read_workload(recipe, None)


def test_without_a_tokenizer_tokens_are_reckoned_from_characters(make_recipe):
    recipe = make_recipe()
    shape, folder = read_shape(recipe)
    reckoned, real = read_workload(recipe, None), read_workload(recipe, folder)
    assert "reckoned from characters" in reckoned.source and not reckoned.exact
    few, many = sorted(sum(map(len, one.rows)) for one in (reckoned, real))
    assert many < 2.5 * few  # the tiny base cuts words into letters
    (batch,) = draw_batches(reckoned, shape, 32, 0, shared=True)
    assert batch.layout and batch.row_tokens == sum(map(len, reckoned.rows))


@pytest.mark.parametrize(
    ("rows", "batch", "accumulation", "epochs"), [(33, 8, 1, 1), (33, 8, 2, 3), (64, 8, 4, 2.5), (7, 8, 4, 1)]
)
def test_steps_are_those_that_transformers_counts(tmp_path, rows, batch, accumulation, epochs):
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=epochs,
        use_cpu=True,
        report_to="none",
    )
    trainer = Trainer(torch.nn.Linear(1, 1), arguments, train_dataset=[{"x": 0.0}] * rows)
    *_, steps = trainer.set_initial_training_values(arguments, trainer.get_train_dataloader())
    assert count_steps(rows, batch, accumulation, 1, epochs, -1) == steps
    assert count_steps(rows, batch, accumulation, 1, epochs, 50) == 50


@pytest.mark.parametrize(("rows", "processes"), [(33, 2), (17, 2), (40, 3), (5, 4)])
def test_processes_share_the_batches_as_accelerate_deals_them(rows, processes):
    batches = BatchSampler(range(rows), 8, drop_last=False)
    dealt = len(BatchSamplerShard(batches, processes, 0))
    assert count_steps(rows, 8, 1, processes, 1, -1) == dealt
