"""Batched answers, and adapters that are refused before a figure rests on them."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sqlft.card import Column, SchemaCard, Table
from sqlft.inference import LocalModel, predict
from sqlft.inference.adapters import template_hash
from sqlft.inference.load import hash_base, load_tokenizer
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import Generation, Model, Prompt
from sqlft.records import Example
from tests.tiny import make_tiny

CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="age", type="UInt64")])])
QUESTIONS = [Example(question=f"How many {'users ' * (n % 4)}{n}?", sql="") for n in range(10)]
FLOAT = Model(quantization="none", dtype="float32")
SHORT = Generation(max_new_tokens=8, batch_size=4)


def make_adapter(
    base: Path,
    folder: Path,
    seed: int = 0,
    quantization: str = "none",
    scale: float = 0.5,
    identity: dict | None = None,
) -> Path:
    """An adapter whose weights are drawn at random, as training would save it; `identity` joins its sqlft.json."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=scale) if scale else weight.data.zero_()
    model.save_pretrained(folder)
    tokenizer = load_tokenizer(base)
    tokenizer.save_pretrained(folder)
    identity = (identity or {}) | {
        "base": str(base),
        "base_sha256": hash_base(base),
        "quantization": quantization,
        "template_sha256": template_hash(tokenizer),
    }
    (folder / "sqlft.json").write_text(json.dumps(identity))
    return folder


@pytest.fixture(scope="module")
def adapters(tiny_base, tmp_path_factory):
    return [make_adapter(tiny_base, tmp_path_factory.mktemp(f"adapter{seed}"), seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def model(tiny_base, adapters):
    return LocalModel.load(FLOAT, str(tiny_base), {"one": adapters[0], "two": adapters[1]})


def texts(model, adapter=None, generation=SHORT, questions=QUESTIONS):
    return [prediction.text for prediction in predict(model, questions, CARD, Prompt(), generation, adapter)]


def test_the_base_is_the_adapters_switched_off_and_each_adapter_is_itself(model, tiny_base, adapters):
    alone = texts(LocalModel.load(FLOAT, str(tiny_base)))
    first = texts(LocalModel.load(FLOAT, str(tiny_base), {"one": adapters[0]}), "one")
    found = [texts(model, name) for name in ("one", None, "two", "one", None)]
    assert found[1] == found[4] == alone
    assert found[0] == found[3] == first
    assert len({tuple(answers) for answers in found}) == 3


def test_left_padding_and_sorting_change_no_answer(model):
    alone = [texts(model, "one", questions=[question])[0] for question in QUESTIONS]
    assert texts(model, "one") == alone
    assert texts(model, "one", SHORT.model_copy(update={"batch_size": 16})) == alone


def test_an_answer_ends_at_the_end_token(model, monkeypatch):
    chats = [[{"role": "user", "content": question.question}] for question in QUESTIONS]
    free = [answer for (answer,) in model.generate(chats, SHORT, Prompt().date)]
    assert all(not answer.stopped and answer.completion_tokens == 8 for answer in free)
    half = list(range(0, len(model.base.tokenizer), 8))
    monkeypatch.setattr(model.base.model.generation_config, "eos_token_id", half)
    cut = [answer for (answer,) in model.generate(chats, SHORT, Prompt().date)]
    assert len({answer.completion_tokens for answer in cut if answer.stopped}) > 1
    for short, long in zip(cut, free, strict=True):
        assert short.stopped == (short.completion_tokens < 8 or short.text != long.text)
        assert long.text.startswith(short.text.rstrip("\ufffd"))


def test_predictions_carry_tokens_time_and_what_the_extractor_found(model, monkeypatch):
    monkeypatch.setattr("sqlft.inference.local.extract_sql", lambda text: f"<{text}>")
    done = []
    found = predict(model, QUESTIONS, CARD, Prompt(), SHORT, "two", progress=done.append)
    assert sum(done) == len(QUESTIONS) and len(done) == 3
    assert [prediction.id for prediction in found] == [question.id for question in QUESTIONS]
    assert all(
        p.model == "two" and p.sql == f"<{p.text}>" and p.seconds > 0 and p.completion_tokens == 8 for p in found
    )
    assert found[1].prompt_tokens < found[3].prompt_tokens


def test_samples_are_drawn_side_by_side_and_repeat_with_the_seed(model):
    drawn = Generation(max_new_tokens=8, temperature=1.0, samples=3, batch_size=4)
    one = predict(model, QUESTIONS[:2], CARD, Prompt(), drawn, seed=1)
    state = torch.random.get_rng_state()
    again = predict(model, QUESTIONS[:2], CARD, Prompt(), drawn, seed=1)
    other = predict(model, QUESTIONS[:2], CARD, Prompt(), drawn, seed=2)
    assert torch.equal(state, torch.random.get_rng_state())
    assert [p.id for p in one] == [QUESTIONS[0].id] * 3 + [QUESTIONS[1].id] * 3
    assert len({p.text for p in one}) > 2
    assert [p.text for p in one] == [p.text for p in again] != [p.text for p in other]


def test_questions_that_leave_no_room_for_an_answer_are_all_named(model):
    long = [Example(id=f"long{n}", question="How many users? " * 300, sql="") for n in range(2)]
    with pytest.raises(WrongUse) as caught:
        predict(model, [*QUESTIONS, *long], CARD, Prompt(), SHORT)
    assert len(caught.value.problems) == 2 and "long1" in str(caught.value)


def test_an_adapter_that_is_not_loaded_is_wrong_use(model):
    with pytest.raises(WrongUse, match=r"three: it is not loaded\. Loaded: one, two"):
        texts(model, "three")


def test_out_of_memory_halves_the_batch_in_its_advice(model, monkeypatch):
    def forward(*_args, **_kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model._model, "forward", forward)
    with pytest.raises(SqlftError, match=r"4 questions.*generation\.batch_size: 2"):
        texts(model)


class TestRefusals:
    @pytest.fixture
    def adapter(self, adapters, tmp_path):
        return Path(shutil.copytree(adapters[0], tmp_path / "adapter"))

    @pytest.fixture(scope="class")
    def plain(self, tiny_base):
        return LocalModel.load(FLOAT, str(tiny_base))

    def refusal(self, plain, adapter, kind=SqlftError):
        before = texts(plain, questions=QUESTIONS[:2])
        with pytest.raises(kind) as caught:
            plain.add_adapter(adapter, "new")
        assert plain.adapters == {}
        assert texts(plain, questions=QUESTIONS[:2]) == before
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def edit(self, adapter, change):
        path = adapter / "adapter_model.safetensors"
        save_file(change(load_file(path)), path)

    def test_missing_weights(self, plain, adapter):
        self.edit(adapter, lambda weights: dict(list(weights.items())[3:]))
        assert "of 28 weights 3 are missing" in self.refusal(plain, adapter)

    def test_weights_under_names_that_nothing_reads(self, plain, adapter):
        self.edit(
            adapter,
            lambda weights: {name.replace("model.layers", "layers"): weight for name, weight in weights.items()},
        )
        assert "28 are missing and 28 have no place" in self.refusal(plain, adapter)

    def test_lora_b_all_zero(self, plain, adapter):
        self.edit(adapter, lambda weights: {name: weight * ("lora_B" not in name) for name, weight in weights.items()})
        assert "all of its lora_B weights are zero" in self.refusal(plain, adapter)

    def test_no_effect_on_the_logits(self, plain, adapter):
        self.edit(adapter, lambda weights: {name: weight * ("lora_A" not in name) for name, weight in weights.items()})
        assert "says the same with and without it" in self.refusal(plain, adapter)

    def test_damaged_weights(self, plain, adapter):
        (adapter / "adapter_model.safetensors").write_bytes(b"half")
        assert "damaged" in self.refusal(plain, adapter)

    def test_a_pickle_is_not_read(self, plain, adapter):
        (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
        assert "has no adapter_model.safetensors" in self.refusal(plain, adapter)

    def test_another_base_of_the_same_shape(self, plain, tmp_path):
        other = make_tiny(tmp_path / "other", seed=5)
        text = self.refusal(plain, make_adapter(other, tmp_path / "adapter"), WrongUse)
        assert "has other weights" in text and f"Write model.base: {other}" in text

    def test_another_shape_without_a_record(self, plain, tmp_path):
        wide = make_adapter(make_tiny(tmp_path / "wide", hidden=64), tmp_path / "adapter")
        (wide / "sqlft.json").unlink()
        assert "does not fit the base" in self.refusal(plain, wide)

    def test_another_quantisation(self, plain, tiny_base, tmp_path):
        text = self.refusal(plain, make_adapter(tiny_base, tmp_path / "adapter", quantization="nf4"), WrongUse)
        assert "Write model.quantization: nf4" in text

    def test_another_chat_template(self, plain, adapter):
        template = adapter / "chat_template.jinja"
        template.write_text(template.read_text().replace("Cutting", "Cut"))
        assert "chat template" in self.refusal(plain, adapter, WrongUse)

    @pytest.mark.parametrize("name", ["adapter_config.json", "sqlft.json"])
    def test_a_damaged_record(self, plain, adapter, name):
        (adapter / name).write_text("{")
        assert name in self.refusal(plain, adapter, WrongUse)

    def test_no_adapter_there(self, plain, adapter):
        run = adapter.parent
        assert f"Write {adapter}" in self.refusal(plain, run, WrongUse)

    def test_a_name_that_is_taken(self, model, adapters):
        with pytest.raises(WrongUse, match="this name is taken"):
            model.add_adapter(adapters[0], "one")

    def test_an_adapter_of_others_is_taken_on_trust_and_said_so(self, tiny_base, adapter):
        (adapter / "sqlft.json").unlink()
        model = LocalModel.load(FLOAT, str(tiny_base), {"theirs": adapter})
        assert len(model.warnings) == 1 and "on trust" in model.warnings[0]

    def test_a_refused_second_adapter_leaves_the_first_as_it_was(self, tiny_base, adapters, adapter):
        model = LocalModel.load(FLOAT, str(tiny_base), {"one": adapters[0]})
        before = texts(model, "one", questions=QUESTIONS[:2]), texts(model, questions=QUESTIONS[:2])
        self.edit(adapter, lambda weights: {name: weight * ("lora_B" not in name) for name, weight in weights.items()})
        with pytest.raises(SqlftError):
            model.add_adapter(adapter, "new")
        assert (texts(model, "one", questions=QUESTIONS[:2]), texts(model, questions=QUESTIONS[:2])) == before
