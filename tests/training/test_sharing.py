"""Rows that share a prefix train as rows by themselves do, and where they cannot, it is said."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

from sqlft.inference.load import load_base
from sqlft.problems import WrongUse
from sqlft.recipe import Model
from sqlft.training import train
from sqlft.training.blocks import NAME
from sqlft.training.rows import as_dataset, tokenize_examples
from sqlft.training.sft import Collator
from sqlft.training.sharing import SharedCollator, best_budget, sees_apart, shared_share, shares
from tests.training.conftest import EXAMPLES

PAD = 2


@pytest.fixture
def rows(make_recipe):
    return tokenize_examples(make_recipe(), EXAMPLES)


@pytest.fixture
def items(rows):
    return as_dataset(rows[:8]).to_list()


def adapted(tiny_base, quantization="none", attention="sdpa"):
    torch.manual_seed(0)
    section = Model(quantization=quantization, dtype="float32", attention=attention)
    model = load_base(section, str(tiny_base)).model
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    return model.train()


def loss_and_gradients(model, batch, attention=NAME):
    inputs = {key: value for key, value in batch.items() if key not in ("labels", "row_tokens")}
    model.config._attn_implementation = attention if "sqlft_layout" in batch else "sdpa"
    model.zero_grad()
    logits = model(**inputs, use_cache=False).logits[:, :-1].flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(logits, batch["labels"][:, 1:].flatten())
    loss.backward()
    return loss.item(), {n: w.grad.clone() for n, w in model.named_parameters() if w.grad is not None}


def furthest(one, two):
    """The largest difference of two models' gradients, relative to the largest entry of each tensor."""
    return max(((one[name] - two[name]).abs().max() / two[name].abs().max()).item() for name in two)


@pytest.mark.parametrize(("quantization", "blocks"), [("none", True), ("none", False), ("nf4", True)])
@pytest.mark.parametrize(("budget", "sequences"), [(1, {8}), (260, {2, 3, 4}), (10_000, {1})])
def test_loss_and_gradients_are_those_of_whole_rows(items, tiny_base, quantization, blocks, budget, sequences):
    model = adapted(tiny_base, quantization)
    batch = SharedCollator(PAD, budget, blocks)(items)
    assert len(batch["input_ids"]) in sequences
    loss, gradients = loss_and_gradients(model, batch)
    whole, expected = loss_and_gradients(model, Collator(PAD)(items))
    assert loss == pytest.approx(whole, rel=1e-5)
    assert len(expected) == 28 and furthest(gradients, expected) < 1e-5


def test_a_mask_that_leaks_is_seen_by_that_comparison(items, tiny_base):
    model = adapted(tiny_base)
    batch = SharedCollator(PAD, 10_000)(items)
    length = batch["input_ids"].shape[1]
    batch["attention_mask"] = torch.ones(length, length).tril().bool()[None, None]
    loss, gradients = loss_and_gradients(model, batch)
    whole, expected = loss_and_gradients(model, Collator(PAD)(items))
    assert abs(loss / whole - 1) > 1e-3 and furthest(gradients, expected) > 1e-2


@pytest.mark.parametrize("blocks", [True, False])
def test_several_schemas_rows_without_a_partner_and_a_row_over_the_budget(items, tiny_base, blocks):
    other = [copy.deepcopy(item) for item in items[:3]]
    for item in other:
        item["input_ids"][1] = 5  # another schema: its first tokens differ
    alone = copy.deepcopy(items[3])
    alone["input_ids"][1] = 6
    long = copy.deepcopy(items[4])
    long["input_ids"] = long["input_ids"] + long["input_ids"][1:]
    long["labels"] = long["labels"] + long["labels"][1:]
    mixed = [items[0], other[0], alone, long, other[1], items[1], other[2], items[2]]
    model = adapted(tiny_base)
    batch = SharedCollator(PAD, 250, blocks)(mixed)
    assert batch["row_tokens"] == sum(len(item["input_ids"]) for item in mixed)
    loss, gradients = loss_and_gradients(model, batch)
    whole, expected = loss_and_gradients(model, Collator(PAD)(mixed))
    assert loss == pytest.approx(whole, rel=1e-5) and furthest(gradients, expected) < 1e-5


def test_every_row_stands_in_the_batch_with_its_own_positions(items):
    batch = SharedCollator(PAD, 400)(items)
    start = items[0]["prefix"]
    ids, positions, labels = (batch[key] for key in ("input_ids", "position_ids", "labels"))
    assert all(line[:start].tolist() == items[0]["input_ids"][:start] for line in ids)
    assert (labels[:, :start] == -100).all()
    found = set()
    for line, places, learned in zip(ids.tolist(), positions.tolist(), labels.tolist(), strict=True):
        begins = [n for n, place in enumerate(places) if place == start]
        for begin in begins:
            end = begin + 1
            while end < len(places) and places[end] == places[end - 1] + 1:
                end += 1
            found.add((tuple(line[begin:end]), tuple(learned[begin:end])))
    assert found == {(tuple(i["input_ids"][start:]), tuple(i["labels"][start:])) for i in items}


def row(schema, prefix, own):
    return {"input_ids": [schema] * prefix + [9] * own, "labels": [-100] * prefix + [9] * own, "prefix": prefix}


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.one_of(st.integers(1, 60), st.integers(1, 400))), min_size=1, max_size=24
).map(lambda found: [row(schema, 20 + 40 * schema, own) for schema, own in found])


@settings(deadline=None, max_examples=100)
@given(ROWS, st.integers(2, 5), st.integers(50, 500))
def test_processes_compute_equal_tokens_but_for_one_row_and_lose_none(rows, processes, budget):
    collate = SharedCollator(PAD, budget, True, 0, processes)
    shares = collate.spread(rows)
    assert sorted(map(id, rows)) == sorted(id(own) for share in shares for own in share)
    computed = []
    for share in shares:
        layout = collate._batch(share)["sqlft_layout"] if share else ()
        computed.append(sum(start + sum(lengths) for start, lengths in layout))
    assert max(computed) - min(computed) <= max(len(own["input_ids"]) for own in rows)
    assert all(shares) or len(rows) < processes


def test_two_schemas_of_one_size_go_to_a_process_each():
    rows = [row(schema, 100, own) for schema in (1, 2) for own in (10, 20, 30)]
    shares = SharedCollator(PAD, 1000, True, 0, 2).spread(rows)
    assert [{own["input_ids"][0] for own in share} for share in shares] == [{1}, {2}]


def test_a_process_without_a_row_learns_nothing_and_its_gradients_are_zero(items, tiny_base):
    batches = [SharedCollator(PAD, 260, True, process, 2)(items[:1]) for process in (0, 1)]
    assert [int(batch["row_tokens"]) for batch in batches] == [len(items[0]["input_ids"]), 0]
    assert (batches[0]["labels"] != -100).any() and (batches[1]["labels"] == -100).all()


@pytest.mark.parametrize("checkpointing", ["false", "true"])
def test_accumulation_and_checkpointing_change_nothing_where_prefixes_are_shared(make_recipe, checkpointing):
    keys = ("training.max_steps=2", "training.eval_steps=2", "training.save_steps=2", "lora.dropout=0")
    runs = []
    for size, steps, shared, way in ((8, 1, "false", "false"), (4, 2, "true", checkpointing)):
        split = (f"training.per_device_train_batch_size={size}", f"training.gradient_accumulation_steps={steps}")
        runs.append(
            train(
                make_recipe(*keys, *split, f"training.shared_prefix={shared}", f"training.gradient_checkpointing={way}")
            ).manifest
        )
    for key in ("loss", "grad_norm"):
        found = [[entry[key] for entry in run["curve"] if key in entry] for run in runs]
        assert len(found[0]) == 2 and found[0] == pytest.approx(found[1], rel=1e-4), key
    assert runs[0]["tokens"] == runs[1]["tokens"]


def test_twenty_steps_give_the_same_losses_tokens_and_adapter(make_recipe):
    keys = ("training.max_steps=20", "training.eval_steps=20", "training.save_steps=20", "lora.dropout=0")
    manifests, adapters = [], []
    for shared in ("true", "false"):
        run = train(make_recipe(*keys, f"training.shared_prefix={shared}"))
        manifests.append(run.manifest)
        adapters.append(load_file(run.adapter / "adapter_model.safetensors"))
    curves = [[e["loss"] for e in manifest["curve"] if "loss" in e] for manifest in manifests]
    assert len(curves[0]) == 20 and curves[0] == pytest.approx(curves[1], rel=1e-4)
    assert curves[1][-1] < 0.9 * curves[1][0]
    assert manifests[0]["tokens"] == manifests[1]["tokens"] > 0
    one, two = adapters
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 1e-3


def test_the_schema_is_most_of_these_rows(rows):
    assert {row.prefix for row in rows} == {rows[0].prefix}
    assert shared_share(rows) == pytest.approx(40 * rows[0].prefix / sum(map(len, rows)))
    assert shared_share(rows[:1]) == 0


def test_the_budget_grows_with_the_model_and_holds_one_row_at_least(rows, tiny_base):
    class Config:
        hidden_size, intermediate_size = 4096, 14336

    config = load_base(Model(quantization="none", dtype="float32"), str(tiny_base)).model.config
    longest, small, large = max(map(len, rows)), best_budget(rows, config), best_budget(rows, Config)
    assert longest <= small + 8 < large

    def cost(budget):
        prefix = rows[0].prefix
        suffix = sum(len(row) - prefix for row in rows) / len(rows)
        many, reach = (budget - prefix) / suffix, 2 * 4096 + 1.5 * 14336
        return budget * (1 + budget / reach) / many

    assert cost(large) < min(cost(large * 0.8), cost(large * 1.25))


def told(recipe):
    notes = []
    train(recipe, progress=lambda status: notes.append(status.note) if status.note else None)
    return notes[-1]


def test_auto_shares_where_it_pays(make_recipe):
    steps = ("training.max_steps=1", "training.save_steps=1", "training.eval_steps=1")
    assert "read once" in told(make_recipe(*steps))
    assert "a batch of one has nothing to share" in told(make_recipe(*steps, "training.per_device_train_batch_size=1"))
    assert "as training.shared_prefix says" in told(make_recipe(*steps, "training.shared_prefix=false"))


def test_eager_attention_is_refused_where_sharing_is_asked_for_and_said_where_it_is_not(make_recipe):
    eager = ("model.attention=eager", "training.max_steps=1", "training.save_steps=1", "training.eval_steps=1")
    with pytest.raises(WrongUse, match=r"eager takes no mask of pairs of tokens. Write sdpa"):
        train(make_recipe(*eager, "training.shared_prefix=true"))
    assert "rows stay whole: model.attention: eager" in told(make_recipe(*eager))


def test_a_model_that_ignores_the_mask_is_found_out(items, tiny_base, monkeypatch):
    model = adapted(tiny_base)
    assert sees_apart(model, SharedCollator(PAD, 10_000), items) and model.training
    inner = model.base_model.model.forward

    def careless(*args, attention_mask=None, **kwargs):
        return inner(*args, attention_mask=None, **kwargs)

    monkeypatch.setattr(model.base_model.model, "forward", careless)
    assert not sees_apart(model, SharedCollator(PAD, 10_000), items)


def test_a_run_that_stays_whole_leaves_the_models_attention_as_it_was(rows, tiny_base, make_recipe):
    model, args = adapted(tiny_base), SimpleNamespace(per_device_train_batch_size=8)
    for words, name in (("false", "sdpa"), ("true", NAME)):
        collate, _ = shares(make_recipe(f"training.shared_prefix={words}"), model, rows, PAD, args)
        assert (collate is not None) == (name == NAME) and model.config._attn_implementation == name
    alone = SimpleNamespace(per_device_train_batch_size=1)
    model.config._attn_implementation = "sdpa"
    assert shares(make_recipe(), model, rows, PAD, alone)[0] is None and model.config._attn_implementation == "sdpa"


def test_a_wrong_value_is_a_sentence(make_recipe):
    with pytest.raises(WrongUse, match=r"training\.shared_prefix: yes, please.*it is auto, true or false"):
        train(make_recipe("training.shared_prefix='yes, please'"))


def test_evaluation_shares_too_and_gives_the_same_loss(make_recipe):
    keys = ("training.max_steps=1", "training.save_steps=1", "training.eval_steps=1", "lora.dropout=0")
    curves = [
        train(make_recipe(*keys, f"training.shared_prefix={shared}")).manifest["curve"] for shared in ("true", "false")
    ]
    losses = [[entry["eval_loss"] for entry in curve if "eval_loss" in entry] for curve in curves]
    assert len(losses[0]) == 2 and losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert all(math.isfinite(loss) for loss in losses[0])
