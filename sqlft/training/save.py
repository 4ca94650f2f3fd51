"""Turns the best checkpoint into runs/NAME/adapter: a plain PEFT folder that needs nothing of ours to be loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from sqlft.inference.adapters import IDENTITY, adapter_weights
from sqlft.inference.load import Base
from sqlft.problems import SqlftError
from sqlft.training.checkpoints import last_whole, write_json


def check_saved(trainer: Any) -> Path:
    """Reads the last checkpoint back and compares it with the model: FSDP2 with PEFT once saved one rank's shard.

    All processes call it, since each holds a shard of what is compared.

    Returns:
        The checkpoint.

    Raises:
        SqlftError: It holds other weights than were trained.
    """
    import torch
    from peft import get_peft_model_state_dict
    from torch.distributed.tensor import DTensor

    trainer.args.distributed_state.wait_for_everyone()
    checkpoint = last_whole(Path(trainer.args.output_dir))
    assert checkpoint is not None
    saved = adapter_weights(checkpoint)
    count = sum(weight.numel() for weight in saved.values())
    if count != trainer.trained:
        raise SqlftError(
            f"{checkpoint} holds {count:,} of {trainer.trained:,} weights. "
            "Under FSDP write fsdp_state_dict_type: FULL_STATE_DICT for accelerate."
        )
    for key, weight in get_peft_model_state_dict(trainer.model).items():
        whole = weight.full_tensor() if isinstance(weight, DTensor) else weight
        if not torch.equal(whole.detach().cpu(), saved[key].to(whole.dtype)):
            raise SqlftError(f"{checkpoint} reads back otherwise than it was trained ({key}); its disk is at fault.")
    return checkpoint


def save_adapter(base: Base, checkpoint: Path, adapter: Path, identity: dict[str, Any]) -> None:
    """Writes the adapter folder beside its place and then renames it, so that no half of one is ever found."""
    partial = adapter.with_name(adapter.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    shutil.copy(checkpoint / "adapter_model.safetensors", partial)
    config = json.loads((checkpoint / "adapter_config.json").read_text())
    write_json(partial / "adapter_config.json", config | {"base_model_name_or_path": base.name})
    write_json(partial / IDENTITY, identity)
    base.tokenizer.save_pretrained(partial)
    shutil.rmtree(adapter, ignore_errors=True)
    partial.rename(adapter)
