"""Loads a base model and its tokenizer, each process on its own device, and says what to do where it cannot."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.recipe import Model

RIGHT_PAD = "<|finetune_right_pad_id|>"


class Base(NamedTuple):
    """A loaded base: transformers' model and tokenizer, where they came from, and how the weights are held."""

    model: Any
    tokenizer: Any
    name: str
    folder: Path
    quantization: str


def load_base(section: Model, base: str, device: Any = None) -> Base:
    """Loads model and tokenizer.

    The whole model goes to this process' own device: `device_map="auto"` would spread it over the devices of its
    neighbours, and QLoRA on several GPUs then collapses into one process (axolotl PR 3839, trl #921).

    Args:
        section: The recipe's `model` section.
        base: A local folder or a hub's name; `recipe.base`.
        device: This process' device; found where it is not given.

    Raises:
        SqlftError: No access, no such model, not enough memory.
        WrongUse: The tokenizer cannot serve: no chat template, or no pad token apart from its end token.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils import logging

    # sqlft shows progress and problems in its own words
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    folder = base_folder(section, base)
    tokenizer = load_tokenizer(folder)
    dtype = getattr(torch, section.dtype)
    options: dict[str, Any] = {}
    if section.quantization == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=section.double_quantization,
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_quant_storage=dtype,
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": device or own_device()},
            attn_implementation=section.attention,
            use_safetensors=True,  # never a pickle, also where the folder has one
            trust_remote_code=False,
            **options,
        )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise SqlftError(f"model.base {base!r} could not be loaded: {_first_line(error)}") from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        advice = "a smaller model.base" if section.quantization == "nf4" else "model.quantization: nf4"
        raise SqlftError(f"model.base {base!r} does not fit into this device's memory. Write {advice}.") from error
    for module in cast(Iterator[Any], model.modules()):
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # bitsandbytes 0.50 repacks weights in place for bfloat16 products at a CPU's first answer: the base would
            # no longer be the one that was trained on, and layers under 64 wide fail
            module.support_avx512bf16_for_cpu = False
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config = _plain_generation(model.generation_config, tokenizer)
    return Base(model.eval(), tokenizer, base, folder, section.quantization)


def load_tokenizer(folder: Path | str) -> Any:
    """Loads the tokenizer of a base or of an adapter folder, padding on the left.

    Raises:
        WrongUse: It has no chat template, or no pad token apart from its end token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise WrongUse(Problem(str(folder), "tokenizer", _first_line(error), "Give its folder one.")) from error
    if tokenizer.chat_template is None:
        raise WrongUse(Problem(str(folder), "tokenizer", "it has no chat template", "Use an Instruct model."))
    if tokenizer.pad_token is None and RIGHT_PAD in tokenizer.get_vocab():
        tokenizer.pad_token = RIGHT_PAD
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        why = "padding with the end token teaches a model never to stop"
        write = "Set another pad_token in its tokenizer_config.json."
        raise WrongUse(Problem(str(folder), f"pad token {tokenizer.pad_token}", why, write))
    return tokenizer


def check_access(section: Model, base: str) -> None:
    """Asks for configuration and tokenizer alone, so that a missing licence is known before anything is spent.

    Raises:
        SqlftError: No access, with what to do.
    """
    base_folder(section, base, weights=False)


def load_context(folder: Path) -> int:
    """Tokens that the model in `folder` can hold."""
    from transformers import AutoConfig

    return int(AutoConfig.from_pretrained(folder).max_position_embeddings)


def base_folder(section: Model, base: str, weights: bool = True) -> Path:
    """The local folder of `base`; where it is a hub's name, of its download, which leaves out the weights on request.

    Raises:
        SqlftError: No access, with what to do.
    """
    from huggingface_hub import errors, hf_hub_download, snapshot_download

    if Path(base).is_dir():
        if not (Path(base) / "config.json").is_file():
            raise SqlftError(f"model.base {base!r} is a folder without a config.json. Write the model's own folder.")
        return Path(base)
    token = "set" if os.environ.get("HF_TOKEN") else "not set"
    try:
        # a missing licence shows here, a snapshot hides it
        hf_hub_download(base, "config.json", revision=section.revision)
        patterns = ["*.json", "*.jinja", "tokenizer.model"] + ["*.safetensors"] * weights
        return Path(snapshot_download(base, revision=section.revision, allow_patterns=patterns))
    except errors.GatedRepoError as error:
        raise SqlftError(
            f"{base} is gated and this account has no access (HF_TOKEN is {token}). Accept the licence on "
            f"https://huggingface.co/{base}, set HF_TOKEN, or write a local folder as model.base."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise SqlftError(f"{base} has no revision {section.revision!r}. Write another model.revision.") from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise SqlftError(
            f"model.base {base!r} is neither a folder nor a model that this account can see (HF_TOKEN is {token}). "
            "Check the name, set HF_TOKEN where it is private, or write a local folder as model.base."
        ) from error
    except (errors.LocalEntryNotFoundError, errors.HfHubHTTPError, OSError) as error:
        raise SqlftError(
            f"{base} is not in the local cache and the hub cannot be reached. Connect once and accept its licence with "
            "HF_TOKEN set, or write a local folder as model.base."
        ) from error


def own_device() -> Any:
    """This process' own device: cuda:LOCAL_RANK, or the CPU."""
    import torch

    if torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_CPU", "").lower() != "true":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cpu")


@cache
def hash_base(folder: Path) -> str:
    """SHA-256 over the base's configuration and weights: what an adapter belongs to, by whatever path it is reached."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    with ThreadPoolExecutor(4) as pool:
        return hashlib.sha256("".join(pool.map(hash_file, files)).encode()).hexdigest()


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain_generation(shipped: Any, tokenizer: Any) -> Any:
    """Only the end tokens of what the model ships: its temperature, top_p or penalties would bend our decoding."""
    from transformers import GenerationConfig

    ends = shipped.eos_token_id if isinstance(shipped.eos_token_id, list) else [shipped.eos_token_id]
    return GenerationConfig(
        eos_token_id=sorted({tokenizer.eos_token_id, *ends} - {None}), pad_token_id=tokenizer.pad_token_id
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]
