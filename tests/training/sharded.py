"""What two processes do for test_sharded.py under torchrun: shard a model with FSDP 2, save as training does, read it.

accelerate switches FSDP on for GPUs alone, so that what it would set there is set here by hand; sharding, gathering and
saving are then what they are on GPUs.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate import FullyShardedDataParallelPlugin
from accelerate.utils import DistributedType
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch.distributed.fsdp import fully_shard

from sqlft.inference.load import load_base
from sqlft.problems import SqlftError
from sqlft.recipe import Model
from sqlft.training.save import check_saved, save_adapter
from sqlft.training.sft import Collator, Trainer


def main(folder: Path, base_folder: str) -> None:
    from trl import SFTConfig

    base = load_base(Model(quantization="none", dtype="float32"), base_folder)
    args = SFTConfig(output_dir=str(folder), use_cpu=True, bf16=False, report_to="none", max_length=None)
    rows = [{"input_ids": [1, 2, 3], "labels": [1, 2, 3]}] * 4
    from datasets import Dataset

    trainer = Trainer(
        model=base.model,
        args=args,
        data_collator=Collator(2),
        train_dataset=Dataset.from_list(rows),
        processing_class=base.tokenizer,
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"),
    )
    assert dist.get_world_size() == 2 and not trainer.is_fsdp_enabled
    trainer.float32_adapters()
    torch.manual_seed(1)
    for name, weight in trainer.model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight)
    whole = {key: weight.clone() for key, weight in get_peft_model_state_dict(trainer.model).items()}

    for layer in trainer.model.base_model.model.model.layers:
        fully_shard(layer)
    fully_shard(trainer.model)
    trainer.accelerator.state.distributed_type = DistributedType.FSDP
    trainer.accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, state_dict_type="FULL_STATE_DICT"
    )
    trainer.is_fsdp_enabled = True
    assert trainer.accelerator.is_fsdp2
    trainer.create_optimizer_and_scheduler(1)
    trainer.state.global_step = 1
    trainer._save_checkpoint(trainer.model, None)
    checkpoint = check_saved(trainer)
    if args.should_save:
        save_file(whole, folder / "whole.safetensors")
        save_adapter(base, checkpoint, folder / "adapter", {})
    dist.barrier()

    shards = {key: w.to_local().clone() for key, w in get_peft_model_state_dict(trainer.model).items()}
    assert all(0 < 2 * shard.numel() == whole[key].numel() for key, shard in shards.items())
    saved = checkpoint / "adapter_model.safetensors"
    for spoiled in (shards, {**load_file(saved), **{next(iter(whole)): torch.zeros_like(next(iter(whole.values())))}}):
        dist.barrier()
        if args.should_save:
            save_file(spoiled, saved)
        dist.barrier()
        try:
            check_saved(trainer)
            refused = "accepted"
        except SqlftError as error:
            refused = str(error)
        if args.should_save:
            print("REFUSED", refused, file=sys.stderr)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
