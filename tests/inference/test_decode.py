"""Decoding from a shared prefix says what transformers' own `generate` says, token by token."""

import pytest
import torch

from sqlft.inference import decode as room
from sqlft.inference.decode import decode, read_prefix
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


def test_keys_are_written_in_place(base):
    with torch.inference_mode():
        (keys, values), *_ = read_prefix(base.model, PREFIX)
        layer = room._Roomy(keys, values, rows=2, room=3)
        where = layer.keys.data_ptr()
        new = torch.ones(2, keys.shape[1], 1, keys.shape[3])
        got, _ = layer.update(new, new)
    assert got.data_ptr() == where and layer.get_seq_length() == len(PREFIX) + 1
    assert torch.equal(got[1, :, :-1], keys[0]) and torch.equal(got[:, :, -1:], new)
