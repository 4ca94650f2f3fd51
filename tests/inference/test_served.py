"""A server in the local model's place: a stub that renders the chats by itself, and answers with a real model."""

import threading
from dataclasses import dataclass

import pytest

from sqlft.inference import LocalModel, predict
from sqlft.inference.endpoint import Endpoint
from sqlft.inference.load import load_tokenizer
from sqlft.inference.served import ServedModel
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import Generation, Prompt
from tests.inference.test_local import CARD, FLOAT, QUESTIONS, SHORT, make_adapter, texts
from tests.openai_stub import Fault, OpenAIStub
from tests.tiny import TEMPLATE

DAY = Prompt().date


@dataclass
class Serving:
    """What a vLLM server does with the model: by name, an adapter or none; by template, a prompt."""

    model: LocalModel
    names: dict
    template: str = TEMPLATE
    pinned: bool = True
    send_ids: bool = True
    second_begin: bool = False
    swapped: bool = False

    def __post_init__(self):
        self.tokenizer, self.lock = self.model.base.tokenizer, threading.Lock()

    def stub(self, **more):
        return OpenAIStub(self.answer, prompt=self.prompt, models=dict.fromkeys(self.names, 1024), **more)

    def prompt(self, body):
        asked = body["chat_template_kwargs"] if self.pinned else {}
        text = self.tokenizer.apply_chat_template(
            body["messages"], chat_template=self.template, tokenize=False, add_generation_prompt=True, **asked
        )
        if not self.send_ids:
            body.pop("return_token_ids", None)
        ids = self.tokenizer(text, add_special_tokens=self.second_begin)["input_ids"]
        return [*ids[:20], ids[21], ids[20], *ids[22:]] if self.swapped else ids

    def answer(self, body):
        generation = Generation(max_new_tokens=body["max_tokens"])
        assert (body["temperature"], body["top_p"]) == (0, 1) or "seed" in body
        with self.lock:
            return self.model.generate([body["messages"]], generation, DAY, adapter=self.names[body["model"]])[0][
                0
            ].text


@pytest.fixture(scope="module")
def adapter(tiny_base, tmp_path_factory):
    return make_adapter(tiny_base, tmp_path_factory.mktemp("adapter"), 1)


@pytest.fixture(scope="module")
def model(tiny_base, adapter):
    return LocalModel.load(FLOAT, str(tiny_base), {"one": adapter})


@pytest.fixture
def section(tiny_base):
    return FLOAT.model_copy(update={"base": str(tiny_base)})


@pytest.fixture
def serve(model, section):
    return lambda **how: Serving(model, {section.base: None, "one": "one"}, **how)


def test_answers_and_prompts_are_the_local_models_for_base_and_adapter(serve, model, section, adapter):
    with serve().stub() as stub:
        served = ServedModel(section, section.base, {"one": adapter}, stub.url)
        done = []
        for name in (None, "one"):
            there = predict(served, QUESTIONS, CARD, Prompt(), SHORT, name, progress=done.append)
            here = predict(model, QUESTIONS, CARD, Prompt(), SHORT, name)
            assert [(p.id, p.text, p.model, p.prompt_tokens) for p in there] == [
                (p.id, p.text, p.model, p.prompt_tokens) for p in here
            ]
    assert served.warnings == [] and sum(done) == 2 * len(QUESTIONS)
    assert {body["model"] for body in stub.requests} == {section.base, "one"}
    assert all(body["chat_template_kwargs"] == {"date_string": "31 Dec 2024"} for body in stub.requests)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"template": TEMPLATE.replace("Cutting Knowledge Date", "Knowledge until")}, r"from token \d+ on, '.*Knowl"),
        ({"pinned": False}, r"from token \d+ on, '.*26 J.*' for '.*31 Dec"),
        ({"second_begin": True}, r"from token 1 on, '<\|begin_of_text\|><\|begin_of_text\|>"),
        ({"template": TEMPLATE.replace("Cutting Knowledge Date", "Cut"), "send_ids": False}, r"\d+ tokens, not \d+"),
        ({"swapped": True}, r"from token 20 on"),
        ({"second_begin": True, "send_ids": False}, r"\d+ tokens, not \d+"),
    ],
)
def test_a_server_that_reads_another_prompt_is_refused(serve, section, adapter, how, said):
    with serve(**how).stub() as stub:
        served = ServedModel(section, section.base, {"one": adapter}, stub.url)
        with pytest.raises(SqlftError, match=said) as caught:
            texts(served, "one")
    assert f"Start vLLM with --tokenizer {adapter}" in str(caught.value)
    assert not isinstance(caught.value, WrongUse)


def test_prompts_that_can_only_be_counted_are_said_to_be(serve, section, adapter):
    """What is read is another prompt, of the same length: what the note is for."""
    with serve(swapped=True, send_ids=False).stub() as stub:
        served = ServedModel(section, section.base, {"one": adapter}, stub.url)
        texts(served), texts(served, "one")
    assert [note for note in served.warnings if "compared by number alone" in note] == served.warnings


def test_a_server_that_lists_its_cache_and_knows_no_token_ids_is_asked_without_them(serve, section, model):
    """As `transformers serve` 5.23 does it."""
    refused = Fault(422, '{"detail": "Unexpected fields in the request: {\'return_token_ids\'}"}')
    with serve(send_ids=False).stub() as stub:
        stub.models = {"something/cached": None}
        stub.faults.append(refused)
        served = ServedModel(section, section.base, {}, stub.url)
        assert texts(served, questions=QUESTIONS[:2]) == texts(model, questions=QUESTIONS[:2])
        stub.faults.append(Fault(422, '{"detail": "Unexpected fields in the request: {\'seed\'}"}'))
        with pytest.raises(SqlftError, match="refuses the request"):
            texts(served)
    assert len(served.warnings) == 1 and "compared by number alone" in served.warnings[0]


def test_a_server_that_counts_nothing_is_refused(serve, section, adapter):
    with serve(send_ids=False).stub(tokens=None) as stub:
        served = ServedModel(section, section.base, {"one": adapter}, stub.url)
        with pytest.raises(SqlftError, match="nobody knows how many tokens"):
            texts(served)


def test_names_that_are_not_served_are_said_at_once_with_those_that_are(serve, section, adapter, model):
    with Serving(model, {"llama": None, "sqlft": None}).stub() as stub, pytest.raises(WrongUse) as caught:
        ServedModel(section, section.base, {"one": adapter}, stub.url)
    first, second = map(str, caught.value.problems)
    assert f"{section.base}: it serves llama, sqlft. Start vLLM with --served-model-name {section.base}" in first
    assert f"one: it serves llama, sqlft. Start vLLM with --lora-modules one={adapter}" in second
    assert not stub.requests


def test_an_adapter_of_another_quantization_is_refused(serve, section, adapter):
    four_bits = section.model_copy(update={"quantization": "nf4"})
    with serve().stub() as stub, pytest.raises(WrongUse, match="trained at quantization none"):
        ServedModel(four_bits, section.base, {"one": adapter}, stub.url)


def test_a_chat_that_the_server_cannot_hold_is_refused_before_it_is_sent(serve, section, adapter):
    with serve().stub() as stub:
        stub.models[section.base] = 100
        served = ServedModel(section, section.base, {"one": adapter}, stub.url)
        with pytest.raises(WrongUse, match="do not fit into the context of 100"):
            texts(served)
    assert not stub.requests


def test_each_sample_is_a_call_with_a_seed_of_its_own(serve, section, adapter):
    sampled = SHORT.model_copy(update={"samples": 3, "temperature": 0.7})
    with serve().stub() as stub:
        served = ServedModel(section, section.base, {"one": adapter}, stub.url)
        found = predict(served, QUESTIONS[:2], CARD, Prompt(), sampled, "one", seed=5)
    assert [prediction.id for prediction in found] == [q.id for q in QUESTIONS[:2] for _ in range(3)]
    assert sorted(body["seed"] for body in stub.requests) == [5, 5, 6, 6, 7, 7]


def test_a_server_that_is_not_there_is_one_sentence(section, adapter, monkeypatch):
    monkeypatch.setattr(Endpoint, "backoff", 0.002)
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *_, **__: 0.001)
    with pytest.raises(SqlftError, match=r"http://127\.0\.0\.1:9/v1 cannot be reached"):
        ServedModel(section, section.base, {"one": adapter}, "http://127.0.0.1:9/v1")


def test_without_an_adapter_the_bases_own_tokenizer_renders(serve, section):
    with serve().stub() as stub:
        served = ServedModel(section, section.base, {}, stub.url)
        assert served.adapters == {} and len(texts(served)) == len(QUESTIONS)
    assert load_tokenizer(section.base).chat_template == TEMPLATE
