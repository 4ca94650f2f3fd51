"""FlexAttention's mask is the mask, its attention ours; on a CPU its uncompiled form runs, slow and exact."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import flex_attention as torch_flex

from sqlft.training import blocks, flex
from sqlft.training.rows import as_dataset, tokenize_examples
from sqlft.training.sft import Collator
from sqlft.training.sharing import SharedCollator, _mask
from tests.training.conftest import EXAMPLES
from tests.training.test_sharing import PAD, adapted, furthest, loss_and_gradients

LAYOUTS = st.lists(
    st.tuples(st.integers(1, 60), st.lists(st.integers(1, 40), min_size=1, max_size=6).map(tuple)),
    min_size=1,
    max_size=3,
).map(tuple)


def length_of(layout):
    return max(start + sum(lengths) for start, lengths in layout)


@settings(deadline=None, max_examples=30)
@given(LAYOUTS)
def test_the_block_mask_the_dense_mask_and_the_rule_are_one(layout):
    length = length_of(layout)
    width = flex.rounded(length)
    block_mask = flex.block_mask(layout, width, torch.device("cpu"))
    found = torch_flex.create_mask(block_mask.mask_mod, len(layout), 1, width, width, "cpu")
    dense = _mask(blocks.owners(layout, length))
    for line, (start, lengths) in enumerate(layout):
        end = start + sum(lengths)
        expected = torch.zeros(end, end, dtype=torch.bool)
        expected[:start, :start] = torch.ones(start, start).tril()
        place = start
        for own in lengths:
            expected[place : place + own, :start] = True
            expected[place : place + own, place : place + own] = torch.ones(own, own).tril()
            place += own
        assert torch.equal(found[line, 0, :end, :end], expected) and torch.equal(dense[line, 0, :end, :end], expected)
        assert not found[line, 0, :end, end:].any()  # no row sees what is padded
    # blocks that are left out hold nothing
    kept = block_mask.to_dense()[:, 0].repeat_interleave(128, 1).repeat_interleave(128, 2).bool()
    assert not (found[:, 0] & ~kept).any()


def test_a_length_is_a_multiple_of_128_and_few_are_left():
    widths = [flex.rounded(length) for length in range(1, 8193)]
    assert all(width % 128 == 0 and width >= length for length, width in enumerate(widths, 1))
    assert len(set(widths)) <= 40 and all(w < 1.13 * n for n, w in enumerate(widths, 1) if n > 1024)


def test_its_attention_is_that_of_blocks():
    torch.manual_seed(0)
    layout = ((70, (30, 9, 41)), (120, (25,)))
    width = length_of(layout) + 5
    query, key, value = (torch.randn(2, heads, width, 8) for heads in (4, 2, 2))
    arguments = {"scaling": 8**-0.5, "sqlft_layout": layout}
    with torch.no_grad():
        found, _ = flex.attend(None, query, key, value, None, **arguments)
        expected, _ = blocks.attend(None, query, key, value, None, **arguments)
    assert found.shape == expected.shape
    for line, (start, lengths) in enumerate(layout):
        end = start + sum(lengths)
        assert torch.allclose(found[line, :end], expected[line, :end], atol=1e-5)
    with pytest.raises(ValueError, match="no dropout"):
        flex.attend(None, query, key, value, None, dropout=0.1, **arguments)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_loss_and_gradients_through_it_are_those_of_whole_rows(make_recipe, tiny_base, monkeypatch, checkpointing):
    # torch refuses to train by it on a CPU; its uncompiled form can, and is what the kernels are checked against
    monkeypatch.setattr(torch_flex, "_validate_device", lambda *_: None)
    made = []
    monkeypatch.setattr(
        flex, "create_block_mask", lambda *a, **k: made.append(a) or torch_flex.create_block_mask(*a, **k)
    )
    flex.block_mask.cache_clear()
    items = as_dataset(tokenize_examples(make_recipe(), EXAMPLES)[:8]).to_list()
    model = adapted(tiny_base)
    whole, expected = loss_and_gradients(model, Collator(PAD)(items))
    if checkpointing:
        model.activation_checkpointing_enable()
        model.enable_input_require_grads()
    loss, gradients = loss_and_gradients(model, SharedCollator(PAD, 260, True)(items), flex.NAME)
    assert loss == pytest.approx(whole, rel=1e-5) and furthest(gradients, expected) < 1e-5
    assert len(made) == 1  # one mask for all layers, forward and backward
