"""What an adapter must show before a figure may rest on it: it fits this base, and it does something.

An adapter can load without an error and change nothing (peft #2699, vllm #34186), and a comparison across
quantisations measures the quantisation.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from sqlft.inference.load import Base, hash_base, load_tokenizer
from sqlft.problems import Problem, SqlftError, WrongUse

IDENTITY = "sqlft.json"


def read_identity(adapter: Path) -> dict[str, Any]:
    """What the training wrote beside an adapter: base, its hash, quantisation, template; empty for a foreign adapter.

    Raises:
        WrongUse: There is no adapter in this folder.
    """
    if not (adapter / "adapter_config.json").is_file():
        near = adapter / "adapter"
        advice = f"Write {near}." if near.is_dir() else "Write a folder that `sqlft train` or PEFT saved."
        raise WrongUse(Problem(str(adapter), "adapter", "there is no adapter_config.json in it", advice))
    path = adapter / IDENTITY
    return _read(path) if path.is_file() else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise WrongUse(
            Problem(str(path), "adapter", f"not a JSON object ({error})", "Copy or train it anew.")
        ) from error


def template_hash(tokenizer: Any) -> str:
    """SHA-256 of everything that turns a chat into token ids: vocabulary, merges, special tokens, chat template."""
    parts = [tokenizer.backend_tokenizer.to_str(), tokenizer.chat_template, tokenizer.eos_token]
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def check_identity(base: Base, adapter: Path, *, served: bool = False) -> list[str]:
    """Compares an adapter's record with the loaded base; not its weights where a server holds them.

    Returns:
        What could not be compared, in words, for reports to show.

    Raises:
        WrongUse: Another base, another quantisation, another tokenizer or chat template.
    """
    identity = read_identity(adapter)
    config = _read(adapter / "adapter_config.json")
    if not identity:
        return [
            f"{adapter} has no {IDENTITY}: that it belongs to this base at this quantization is taken on trust "
            f"(PEFT names {config.get('base_model_name_or_path')})"
        ]
    base_name, trained_on = identity["base"], identity["quantization"]
    template = {identity["template_sha256"], template_hash(base.tokenizer), template_hash(load_tokenizer(adapter))}
    differences = [
        (
            not served and identity["base_sha256"] != hash_base(base.folder),
            f"adapter of {base_name}",
            f"the loaded base {base.name} has other weights",
            f"Write model.base: {base_name}.",
        ),
        (
            trained_on != base.quantization,
            f"trained at quantization {trained_on}",
            f"the base is loaded at {base.quantization}, and across the two no comparison holds",
            f"Write model.quantization: {trained_on}.",
        ),
        (
            len(template) > 1,
            "tokenizer or chat template",
            "it is not the one that the adapter was trained with",
            "Restore the adapter's folder, or its base.",
        ),
    ]
    problems = [Problem(str(adapter), what, why, write) for differs, what, why, write in differences if differs]
    if problems:
        raise WrongUse(problems)
    return []


def load_adapter(base: Base, model: Any, adapter: Path, name: str) -> Any:
    """Loads a named adapter, and checks that it is whole and that it changes what the model says.

    Args:
        base: The loaded base.
        model: Its model, or the PeftModel that carries earlier adapters.

    Returns:
        The PeftModel, with `name` active.

    Raises:
        SqlftError: It does not fit the base's architecture, lacks weights, or does nothing.
    """
    from peft import PeftConfig, PeftModel, PeftModelForCausalLM
    from safetensors import SafetensorError

    if not (adapter / "adapter_model.safetensors").is_file():
        raise SqlftError(
            f"{adapter} has no adapter_model.safetensors, and no other file is read for weights: a pickle runs code. "
            "Save it anew with PEFT, which writes safetensors."
        )
    first = not isinstance(model, PeftModel)
    try:
        if first:
            config = PeftConfig.from_pretrained(str(adapter), inference_mode=True)
            model = PeftModelForCausalLM(model, config, adapter_name=name)
        model.load_adapter(str(adapter), name, torch_device=str(base.model.device))
        _check_whole(model, adapter, name)
        model.set_adapter(name)
        _check_effect(base, model, adapter)
        return model
    except Exception as error:
        if isinstance(model, PeftModel) and name in model.peft_config:
            # a refused adapter must not stay in the base
            model.unload() if first else model.delete_adapter(name)
        if isinstance(error, SqlftError):
            raise
        reason = " ".join(str(error).split())[:300]
        if isinstance(error, SafetensorError):
            raise SqlftError(f"{adapter}: adapter_model.safetensors is damaged ({reason}). Train it anew.") from error
        if isinstance(error, RuntimeError | ValueError | KeyError | TypeError | OSError):
            raise SqlftError(
                f"{adapter} does not fit the base {base.name}: {reason}. Write its own model.base."
            ) from error
        raise


def adapter_weights(adapter: Path) -> dict[str, Any]:
    """The tensors of an adapter folder, on the CPU."""
    from peft import load_peft_weights

    return dict(load_peft_weights(str(adapter), device="cpu"))


def _check_whole(model: Any, adapter: Path, name: str) -> None:
    from peft import get_peft_model_state_dict

    saved = adapter_weights(adapter)
    wanted = get_peft_model_state_dict(model, adapter_name=name)
    missing, surplus = sorted(set(wanted) - set(saved)), sorted(set(saved) - set(wanted))
    if missing or surplus:
        raise SqlftError(
            f"{adapter} does not fit the base: of {len(wanted)} weights {len(missing)} are missing and {len(surplus)} "
            f"have no place (first {(missing + surplus)[0]}). It was cut short, or made for another base."
        )
    if not any(weight.count_nonzero() for key, weight in saved.items() if "lora_B" in key or "lora_embedding_B" in key):
        raise SqlftError(f"{adapter} does nothing: all of its lora_B weights are zero. It was never trained; train it.")


def _check_effect(base: Base, model: Any, adapter: Path) -> None:
    import torch

    probe = torch.arange(16, device=base.model.device)[None] % base.model.config.vocab_size
    with torch.no_grad():
        changed = model(probe).logits
        with model.disable_adapter():
            plain = model(probe).logits
    if torch.equal(changed, plain):
        raise SqlftError(f"{adapter} does nothing: the model says the same with and without it. Train it.")
