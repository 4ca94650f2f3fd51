"""The shape of a base and its adapter: parameters counted on torch's meta device, where no weight exists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sqlft.inference.decode import can_share
from sqlft.inference.load import base_folder
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe


@dataclass(frozen=True)
class Shape:
    """A decoder of Llama's kind with its LoRA adapter.

    Attributes:
        config: transformers' configuration of the base.
        keys: Width of all keys, or of all values, of a token; `heads` times `head` is that of the queries.
        base: Parameters of the base; `trainable`: those of the adapter.
        linear: Weights of each linear layer that NF4 quantises: all but the head.
        weights: Entries of each trained matrix.
        adapted: Names of the layers that have an adapter: q_proj, …
        matrices: All of those in the model.
        blocks: Rows that share a prefix attend block by block.
    """

    config: Any
    hidden: int
    inner: int
    layers: int
    heads: int
    head: int
    keys: int
    vocabulary: int
    base: int
    linear: tuple[int, ...]
    weights: tuple[int, ...]
    adapted: frozenset[str]
    matrices: int
    blocks: bool

    @property
    def trainable(self) -> int:
        return sum(self.weights)

    @property
    def queries(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.head


def read_shape(recipe: Recipe) -> tuple[Shape, Path | None]:
    """Builds base and adapter on the meta device.

    The configuration is that of a local folder or of the local cache, else of bases.yaml, else of the hub.

    Returns:
        The shape, and the folder where the base's tokenizer is, if one is here.

    Raises:
        WrongUse: The base is no dense decoder, or the adapter does not fit it.
        SqlftError: The base is neither here nor known, and the hub does not give it.
    """
    import torch
    from huggingface_hub import try_to_load_from_cache
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    known: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("bases.yaml").read_text())
    folder: Path | None = None
    cached = isinstance(try_to_load_from_cache(recipe.base, "tokenizer.json"), str) if recipe.base in known else True
    if Path(recipe.base).is_dir() or cached:
        folder = base_folder(recipe.model, recipe.base, weights=False)
        config = AutoConfig.from_pretrained(folder)
    else:
        config = AutoConfig.for_model(**known[recipe.base])
    where = recipe.where("model", "base")
    if not hasattr(config, "intermediate_size") or getattr(config, "num_experts_per_tok", None):
        why = "only dense decoders of Llama's kind can be planned"
        raise WrongUse(Problem(where, f"`model.base: {recipe.base}`", why, "Train without a plan."))
    lora = LoraConfig(
        task_type="CAUSAL_LM", r=recipe.lora.r, lora_alpha=recipe.lora.alpha, target_modules=recipe.lora.targets
    )
    with torch.device("meta"):
        bare = AutoModelForCausalLM.from_config(config)
        blocks = recipe.model.attention == "sdpa" and can_share(bare)
        base = sum(weight.numel() for weight in bare.parameters())
        head = bare.get_output_embeddings()
        linear = [
            module.weight.numel()
            for module in bare.modules()
            if isinstance(module, torch.nn.Linear) and module is not head
        ]
        try:
            model: Any = get_peft_model(bare, lora)
        except ValueError as error:
            raise WrongUse(Problem(recipe.where("lora"), "lora", " ".join(str(error).split()))) from error
    adapted = [name.rpartition(".")[2] for name, module in model.named_modules() if hasattr(module, "lora_A")]
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return Shape(
        config=config,
        hidden=config.hidden_size,
        inner=config.intermediate_size,
        layers=config.num_hidden_layers,
        heads=heads,
        head=size,
        keys=(getattr(config, "num_key_value_heads", None) or heads) * size,
        vocabulary=config.vocab_size,
        base=base,
        linear=tuple(linear),
        weights=tuple(weight.numel() for weight in model.parameters() if weight.requires_grad),
        adapted=frozenset(adapted),
        matrices=len(adapted),
        blocks=blocks,
    ), folder
