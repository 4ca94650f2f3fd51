"""An adapter merged into its base, which any transformers program then loads as one model."""

from __future__ import annotations

from pathlib import Path

from sqlft.inference.adapters import load_adapter, read_identity
from sqlft.inference.load import hash_base, load_base, load_tokenizer
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Model


def merged_section(section: Model) -> Model:
    """How a merged model is held: never quantised, and in bfloat16 unless the recipe says float32."""
    dtype = "float32" if section.dtype == "float32" else "bfloat16"
    return section.model_copy(update={"quantization": "none", "dtype": dtype})


def merge_adapter(section: Model, base: str, adapter: Path, folder: Path) -> None:
    """Loads the base again, unquantised, adds the adapter to its weights and saves both as one model.

    Merging into 4-bit weights would round most of the adapter away (peft #2321, transformers #31293). This is done on
    the CPU, so that no GPU has to hold an unquantised base.

    Args:
        section: The recipe's `model` section.
        base: `recipe.base`.
        adapter: The adapter's folder; its tokenizer and chat template go along.
        folder: Where model and tokenizer are written.

    Raises:
        WrongUse: The adapter was trained on other weights.
        SqlftError: It does not fit, or does nothing.
    """
    loaded = load_base(merged_section(section), base, device="cpu")
    identity = read_identity(adapter)
    if identity and identity["base_sha256"] != hash_base(loaded.folder):
        why = f"the base {base} has other weights"
        write = f"Write model.base: {identity['base']}."
        raise WrongUse(Problem(str(adapter), f"adapter of {identity['base']}", why, write))
    merged = load_adapter(loaded, loaded.model, adapter, "merged").merge_and_unload(safe_merge=True)
    merged.save_pretrained(folder)
    load_tokenizer(adapter if identity else loaded.folder).save_pretrained(folder)
