"""Trains an adapter: read, tokenise, load, fit, save."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlft.inference.load import Base, load_base
from sqlft.inference.tokens import Row
from sqlft.problems import Interrupted, Problem, SqlftError, WrongUse
from sqlft.recipe import Recipe
from sqlft.training.allocator import keep_freed_memory
from sqlft.training.checkpoints import (
    best_checkpoint,
    check_unfinished,
    last_whole,
    prepare_checkpoints,
    read_state,
    write_json,
)
from sqlft.training.config import sftconfig
from sqlft.training.failures import explained, stopping
from sqlft.training.manifest import describe_identity, describe_run, plot_losses
from sqlft.training.rows import as_dataset, describe_rows, read_splits, tokenize_examples
from sqlft.training.save import check_saved, save_adapter
from sqlft.training.status import Progress, Status


@dataclass(frozen=True)
class TrainingRun:
    """What `train` made.

    Attributes:
        folder: runs/NAME.
        adapter: A PEFT folder with tokenizer and chat template.
        manifest: What run.json holds.
    """

    folder: Path
    adapter: Path
    manifest: dict[str, Any]

    def __str__(self) -> str:
        m = self.manifest
        loss = m["best_validation_loss"]
        return (
            f"{m['steps']} steps in {m['seconds']:.0f} s at {m['tokens_per_second']:,.0f} tokens/s; "
            + (f"validation loss {loss:.4f} at step {m['best_step']}; " if loss is not None else "")
            + f"{m['trainable_parameters']:,} weights trained; "
            f"peak {m['peak_memory']['bytes'] / 2**30:.2f} GiB ({m['peak_memory']['of']}); {self.adapter}"
        )


def train(recipe: Recipe, *, resume: bool = False, progress: Progress | None = None) -> TrainingRun:
    """Fine-tunes a LoRA adapter on runs/NAME/dataset/train.jsonl; all processes of a launcher call it alike.

    Args:
        recipe: The run.
        resume: Go on from the last whole checkpoint; begin anew, saying so, where there is none.
        progress: Called with each Status, in the first process alone.

    Returns:
        The run; only the first process writes files.

    Raises:
        WrongUse: Recipe, data, rows or checkpoints that cannot be; all problems of a kind at once.
        SqlftError: No access to the base, a NaN, no memory, a full disk, an interruption.
    """
    began = time.perf_counter()
    _check_launcher()
    check_unfinished(recipe, resume)
    examples = read_splits(recipe)
    rows = {split: tokenize_examples(recipe, found) for split, found in examples.items()}
    args = sftconfig(recipe, evaluate=bool(rows["validation"]))
    tell = progress if progress and args.process_index == 0 else _silent
    _check_processes(args)
    tell(Status(note=describe_rows(rows)))

    longest = max(map(len, rows["train"]))
    with explained(recipe, args, longest), stopping() as asked, warnings.catch_warnings():
        # peft 0.21 and trl 1.16 still use transformers' old name for it
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
        if args.device.type == "cpu":
            keep_freed_memory()
        base = load_base(recipe.model, recipe.base, args.device)
        identity = describe_identity(recipe, base, args) if args.should_save else {}
        for note in prepare_checkpoints(recipe, identity, resume) if args.should_save else []:
            tell(Status(note=note))
        args.distributed_state.wait_for_everyone()
        trainer = _trainer(recipe, base, args, rows, tell)
        trainer.watch(tell, asked)
        checkpoint = last_whole(Path(args.output_dir))
        steps_left = checkpoint is None or trainer.continue_from(checkpoint)
        if checkpoint is None or steps_left:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            checkpoint = check_saved(trainer)
        state = read_state(checkpoint)
        if steps_left and state["global_step"] < state["max_steps"]:
            raise Interrupted(
                f"interrupted at step {state['global_step']} of {state['max_steps']}, and saved. "
                f"Go on with `sqlft train {recipe.words} --resume`."
            )
        best = best_checkpoint(Path(args.output_dir))
        manifest = describe_run(recipe, trainer, state, best, rows, identity, time.perf_counter() - began)
        if args.should_save:
            save_adapter(base, best.folder, recipe.run_dir / "adapter", identity)
            plot_losses(manifest["curve"], recipe.run_dir / "loss.png", recipe.name)
            write_json(recipe.run_dir / "run.json", manifest)
        args.distributed_state.wait_for_everyone()
    return TrainingRun(recipe.run_dir, recipe.run_dir / "adapter", manifest)


def _check_launcher() -> None:
    launched = {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= set(os.environ)
    if launched and "WORLD_SIZE" not in os.environ:
        raise SqlftError(
            "several processes were asked for and one runs: on CPUs `accelerate launch` starts one and says nothing. "
            "Use `torchrun --nproc-per-node N scripts/train.py`."
        )


def _check_processes(args: Any) -> None:
    wanted = int(os.environ.get("WORLD_SIZE", 1))
    if wanted != args.world_size:
        raise SqlftError(f"{wanted} processes were asked for and {args.world_size} runs. Use torchrun as the launcher.")
    if args.n_gpu > 1:
        raise SqlftError(
            f"one process sees {args.n_gpu} GPUs. Use `accelerate launch scripts/train.py`, or CUDA_VISIBLE_DEVICES=0."
        )


def _check_fsdp(args: Any, trainer: Any) -> None:
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() != "true" and not args.fsdp:
        return
    if not trainer.is_fsdp_enabled:
        raise SqlftError("FSDP was asked for and is off: accelerate has none on CPUs. Use recipes/accelerate/ddp.yaml.")
    if trainer.accelerator.state.fsdp_plugin.fsdp_version != 2:
        raise SqlftError("FSDP 1 was asked for, and sqlft saves adapters under FSDP 2 alone. Write fsdp_version: 2.")


def _trainer(recipe: Recipe, base: Base, args: Any, rows: dict[str, list[Row]], tell: Progress) -> Any:
    from peft import LoraConfig

    from sqlft.training.sft import Collator, Trainer
    from sqlft.training.sharing import shares
    from sqlft.training.trial import DEVICES, choose_attention

    pad = base.tokenizer.pad_token_id
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.lora.r,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=recipe.lora.targets,
    )
    try:
        trainer = Trainer(
            model=base.model,
            args=args,
            data_collator=Collator(pad),
            train_dataset=as_dataset(rows["train"]),
            eval_dataset=as_dataset(rows["validation"]) if rows["validation"] else None,
            processing_class=base.tokenizer,
            peft_config=lora,
        )
    except ValueError as error:
        raise WrongUse(Problem(recipe.where("lora"), "lora or training", " ".join(str(error).split()))) from error
    _check_fsdp(args, trainer)
    trainer.float32_adapters()
    collator, note = shares(recipe, trainer.model, rows["train"], pad, args)
    tell(Status(note=note))
    if collator:
        trainer.data_collator = collator
        trainer.attention = {"chosen": "blocks" if collator.blocks else "mask"}
        if collator.blocks and args.device.type in DEVICES:
            trainer.data_collator, trial = choose_attention(trainer, collator, rows["train"])
            trainer.attention = asdict(trial)
            tell(Status(note=str(trial)))
    return trainer


def _silent(_status: Status) -> None:
    """Nobody listens."""
