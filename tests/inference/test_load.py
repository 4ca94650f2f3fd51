import sys

import pytest
import torch
from huggingface_hub import errors
from safetensors.torch import load_file

from sqlft.inference.load import base_folder, check_access, hash_base, load_base, own_device
from sqlft.problems import SqlftError
from sqlft.recipe import Model
from tests.tiny import make_tiny

HUB = "meta-llama/Llama-3.1-8B-Instruct"


def refuse(monkeypatch, error):
    def download(*_args, **_kwargs):
        raise error

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_a, **_k: pytest.fail("weights were asked for"))


def answer(status):
    import httpx2 as httpx

    return httpx.Response(status, request=httpx.Request("GET", "https://hub.test"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            lambda: errors.GatedRepoError("no", response=answer(403)),
            f"Accept the licence on https://huggingface.co/{HUB}, set HF_TOKEN",
        ),
        (
            lambda: errors.RepositoryNotFoundError("no", response=answer(404)),
            "neither a folder nor a model that this account can see",
        ),
        (lambda: errors.RevisionNotFoundError("no", response=answer(404)), "no revision 'v2'"),
        (lambda: errors.LocalEntryNotFoundError("no"), "the hub cannot be reached"),
        (lambda: OSError("network is down"), "the hub cannot be reached"),
    ],
)
def test_no_access_is_one_sentence_that_says_what_to_do(monkeypatch, error, words):
    refuse(monkeypatch, error())
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(SqlftError) as caught:
        check_access(Model(base=HUB, revision="v2"), HUB)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    if "HF_TOKEN is" in str(caught.value):
        assert "HF_TOKEN is not set" in str(caught.value)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(SqlftError, match=r"without a config\.json"):
        check_access(Model(), str(tmp_path))


def test_access_asks_for_no_weights(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_a, **_k: "")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda _name, **k: asked.update(k) or str(tmp_path))
    check_access(Model(base=HUB), HUB)
    assert not [pattern for pattern in asked["allow_patterns"] if "safetensors" in pattern]
    base_folder(Model(base=HUB), HUB)
    assert "*.safetensors" in asked["allow_patterns"]


def test_weights_that_are_damaged_are_one_sentence(tmp_path):
    folder = make_tiny(tmp_path / "tiny")
    (folder / "model.safetensors").write_bytes(b"half")
    with pytest.raises(SqlftError, match="could not be loaded"):
        load_base(Model(quantization="none", dtype="float32"), str(folder))


def test_a_base_in_a_pickle_is_not_read(tmp_path):
    folder = make_tiny(tmp_path / "tiny")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(SqlftError, match="could not be loaded"):
        load_base(Model(quantization="none", dtype="float32"), str(folder))


def test_nf4_is_doubly_quantised_and_computes_in_the_recipes_dtype(tiny_base):
    base = load_base(Model(quantization="nf4", dtype="bfloat16"), str(tiny_base))
    layer = base.model.model.layers[0].mlp.up_proj
    assert type(layer).__name__ == "Linear4bit"
    assert layer.compute_dtype == torch.bfloat16 and layer.quant_state.quant_type == "nf4" and layer.quant_state.nested
    assert base.quantization == "nf4" and not base.model.training


def test_the_whole_model_goes_to_this_process_own_device(tiny_base, monkeypatch):
    seen = {}
    transformers = sys.modules["transformers"]
    load = transformers.AutoModelForCausalLM.from_pretrained

    def spy(*args, **kwargs):
        seen.update(kwargs)
        return load(*args, **kwargs)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", spy)
    base = load_base(Model(quantization="none", dtype="float32", attention="eager"), str(tiny_base))
    assert seen["device_map"] == {"": own_device()}
    assert base.model.config._attn_implementation == "eager"


@pytest.mark.parametrize(
    ("environment", "device"),
    [({"LOCAL_RANK": "3"}, "cuda:3"), ({}, "cuda:0"), ({"ACCELERATE_USE_CPU": "True"}, "cpu")],
)
def test_each_process_of_a_node_has_its_own_gpu(monkeypatch, environment, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("LOCAL_RANK", "ACCELERATE_USE_CPU"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(own_device()) == device


def test_out_of_memory_says_what_to_load_instead(tiny_base, monkeypatch):
    def load(*_args, **_kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", load)
    with pytest.raises(SqlftError, match=r"Write model\.quantization: nf4"):
        load_base(Model(quantization="none"), str(tiny_base))


def test_the_model_brings_its_end_tokens_and_no_decoding_of_its_own(tmp_path):
    from transformers import GenerationConfig

    folder = make_tiny(tmp_path / "tiny")
    GenerationConfig(
        eos_token_id=[1, 5], temperature=0.6, top_p=0.9, do_sample=True, repetition_penalty=9.0
    ).save_pretrained(folder)
    config = load_base(Model(quantization="none", dtype="float32"), str(folder)).model.generation_config
    assert config.eos_token_id == [1, 5, 6]
    assert not config.do_sample and config.temperature is config.repetition_penalty is config.top_p is None


def test_a_base_is_known_by_its_weights_not_by_its_path(tiny_base, tmp_path):
    assert hash_base(make_tiny(tmp_path / "same")) == hash_base(tiny_base)
    assert hash_base(make_tiny(tmp_path / "other", seed=1)) != hash_base(tiny_base)
