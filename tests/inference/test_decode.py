"""Decoding from a shared prefix says what transformers' own `generate` says, token by token."""

from types import SimpleNamespace

import pytest
import torch

from sqlft.inference import decode as room
from sqlft.inference.decode import can_share, decode, read_prefix
from sqlft.inference.load import load_base
from sqlft.recipe import Generation, Model

PREFIX = [0, *range(20, 60)]
SUFFIXES = [[n, *range(61, 64 + 2 * n)] for n in range(9, 16)]


@pytest.fixture(scope="module")
def base(tiny_base):
    return load_base(Model(quantization="none", dtype="float32"), str(tiny_base))


def plain(base, prompt, generation, ends):
    """What `generate` answers to one prompt alone."""
    new = base.model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=generation.max_new_tokens,
        eos_token_id=sorted(ends),
        do_sample=False,
    )
    return new[0, len(prompt) :].tolist()


def ours(base, generation, ends, suffixes=SUFFIXES, prefix=PREFIX):
    with torch.inference_mode():
        found = read_prefix(base.model, prefix)
        return decode(base.model, found, suffixes, generation, base.tokenizer.pad_token_id, ends)


@pytest.mark.parametrize("every", [1000, 5])
def test_greedy_answers_are_those_of_generate(base, every):
    """With few tokens that end an answer, and with so many that rows leave the batch at different times."""
    generation, ends = Generation(max_new_tokens=24), set(range(6, 400, every))
    found = ours(base, generation, ends)
    assert found == [plain(base, PREFIX + suffix, generation, ends) for suffix in SUFFIXES]
    assert every == 1000 or len({len(answer) for answer in found}) > 2


def test_rows_that_have_ended_are_not_computed_any_more(base, monkeypatch):
    seen = []
    monkeypatch.setattr(base.model, "forward", spy(base.model.forward, seen))
    generation, ends = Generation(max_new_tokens=24), set(range(6, 400, 5))
    answers = ours(base, generation, ends)
    longest = max(map(len, answers))
    assert seen[0] == 1 and seen[1] == len(SUFFIXES)  # the prefix, then all suffixes
    assert len(seen) == 1 + longest and seen[-1] < len(SUFFIXES)


def spy(forward, seen):
    def watched(*args, **kwargs):
        seen.append(len(args[0] if args else kwargs["input_ids"]))
        return forward(*args, **kwargs)

    return watched


def test_samples_of_one_question_share_its_prompt_and_differ(base, monkeypatch):
    drawn = Generation(max_new_tokens=12, temperature=1.0, top_p=0.9, samples=4)
    torch.manual_seed(3)
    seen = []
    monkeypatch.setattr(base.model, "forward", spy(base.model.forward, seen))
    found = ours(base, drawn, {6}, SUFFIXES[:2])
    assert len(found) == 8 and len(set(map(tuple, found[:4]))) > 1
    assert seen[:3] == [1, 2, 8]
    torch.manual_seed(3)
    assert ours(base, drawn, {6}, SUFFIXES[:2]) == found


def test_a_narrow_nucleus_is_greedy(base):
    drawn = Generation(max_new_tokens=12, temperature=0.7, top_p=1e-6)
    assert ours(base, drawn, {6}) == ours(base, Generation(max_new_tokens=12), {6})


def test_keys_are_written_in_place():
    layer, new = room._Roomy(room=4), torch.randn(2, 3, 1, 5)
    keys, values = layer.update(new, -new)
    where = keys.data_ptr()
    keys, values = layer.update(2 * new, new)
    assert keys.data_ptr() == where and layer.get_seq_length() == 2
    assert torch.equal(keys, torch.cat([new, 2 * new], 2)) and torch.equal(values, torch.cat([-new, new], 2))


def test_a_model_that_cannot_share_is_asked_with_whole_prompts(base):
    generation = Generation(max_new_tokens=24)
    whole = [PREFIX + suffix for suffix in SUFFIXES]
    with torch.inference_mode():
        assert decode(base.model, None, whole, generation, 2, {6}) == ours(base, generation, {6})


@pytest.mark.parametrize(
    ("change", "can"),
    [
        ({}, True),
        ({"model_type": "gemma2"}, False),
        ({"sliding_window": 4096}, False),
        ({"sliding_window": 4096, "use_sliding_window": False}, True),
        ({"_attn_implementation": "eager"}, False),
    ],
)
def test_what_can_share(change, can):
    config = SimpleNamespace(**{"model_type": "llama", "_attn_implementation": "sdpa", **change})
    assert can_share(SimpleNamespace(config=config)) is can


def test_the_model_attends_as_before_afterwards(base):
    ours(base, Generation(max_new_tokens=2), {6})
    assert base.model.config._attn_implementation == "sdpa"
