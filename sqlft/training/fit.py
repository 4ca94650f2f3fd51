"""Trains an adapter: read, load, tokenise, fit, save."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.inference.adapters import template_hash
from sqlft.inference.load import Base, hash_base, hash_file, load_base
from sqlft.inference.tokens import Row, summarize_lengths, tokenize_chats
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.prompts import render_chat
from sqlft.recipe import Recipe
from sqlft.records import Example, read_examples
from sqlft.training.checkpoints import best_checkpoint, last_whole, prepare_checkpoints, read_state, step_of
from sqlft.training.config import sftconfig
from sqlft.training.failures import explained, stopping
from sqlft.training.manifest import describe_recipe, describe_versions, hash_text, loss_curve, peak_memory, plot_losses, write_json
from sqlft.training.save import check_saved, save_adapter
from sqlft.training.status import Progress, Status


@dataclass(frozen=True)
class TrainingRun:
    """What `train` made.

    Attributes:
        folder: runs/NAME.
        adapter: A PEFT folder with tokenizer and chat template.
        manifest: run.json.
    """

    folder: Path
    adapter: Path
    manifest: dict[str, Any]

    def __str__(self) -> str:
        m = self.manifest
        validation = f", validation loss {m['best_validation_loss']:.4f}" if m["best_validation_loss"] is not None else ""
        return (
            f"{m['steps']} steps in {m['seconds']:.0f} s at {m['tokens_per_second']:,.0f} tokens/s{validation} (step {m['best_step']}), "
            f"peak {m['peak_memory']['bytes'] / 2**30:.2f} GiB, {m['trainable_parameters']:,} trained weights: {self.adapter}"
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
    examples = {split: _read(recipe, split) for split in ("train", "validation")}
    args = sftconfig(recipe, evaluate=bool(examples["validation"]))
    tell = progress if progress and args.process_index == 0 else _silent
    _check_processes(args)
    base = load_base(recipe.model, recipe.base)
    rows = {split: _tokenize(recipe, base, found) for split, found in examples.items()}
    tell(Status(note=_describe_rows(rows)))
    identity = _identity(recipe, base, args) if args.should_save else {}
    for note in prepare_checkpoints(recipe, identity, resume) if args.should_save else []:
        tell(Status(note=note))
    args.distributed_state.wait_for_everyone()
    folder = Path(args.output_dir)
    checkpoint = last_whole(folder)
    with explained(recipe, args, max(map(len, rows["train"]))), stopping() as asked:
        trainer = _trainer(recipe, base, args, rows)
        trained = sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad)
        trainer.watch(tell, asked)
        if checkpoint is None or trainer.continue_from(checkpoint):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            args.distributed_state.wait_for_everyone()
            checkpoint = last_whole(folder)
            assert checkpoint is not None
            check_saved(trainer, checkpoint, trained)
        state = read_state(checkpoint)
        if state["global_step"] < state["max_steps"]:
            raise SqlftError(
                f"interrupted at step {state['global_step']} of {state['max_steps']}, and saved. "
                f"Go on with `sqlft train {recipe.path} --resume`."
            )
        best, loss = best_checkpoint(folder)
        manifest = {
            "name": recipe.name,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "steps": state["global_step"],
            "best_step": step_of(best),
            "best_validation_loss": loss,
            "tokens_per_second": round(trainer.total_tokens / max(trainer.train_seconds, 1e-9), 1),
            "tokens": trainer.total_tokens,
            "train_seconds": round(trainer.train_seconds, 3),
            "seconds": round(time.perf_counter() - began, 3),
            "peak_memory": peak_memory(),
            "trainable_parameters": trained,
            "processes": args.world_size,
            "quantization": base.quantization,
            "rows": {split: summarize_lengths(found) for split, found in rows.items() if found},
            "identity": identity,
            "versions": describe_versions(),
            "recipe": describe_recipe(recipe),
            "curve": loss_curve(state["log_history"]),
        }
        if args.should_save:
            save_adapter(base, best, recipe.run_dir / "adapter", identity)
            plot_losses(manifest["curve"], recipe.run_dir / "loss.png", recipe.name)
            write_json(recipe.run_dir / "run.json", manifest)
        args.distributed_state.wait_for_everyone()
    return TrainingRun(recipe.run_dir, recipe.run_dir / "adapter", manifest)


def _read(recipe: Recipe, split: str) -> list[Example]:
    path = recipe.run_dir / "dataset" / f"{split}.jsonl"
    examples = read_examples(path) if path.is_file() else []
    if not examples and split == "train":
        what = "it is empty" if path.is_file() else "it is not there"
        raise WrongUse(Problem(str(path), "training data", what, f"Run `sqlft build {recipe.path}` first."))
    return examples


def _check_processes(args: Any) -> None:
    wanted = int(os.environ.get("WORLD_SIZE", 1))
    alone = "ACCELERATE_MIXED_PRECISION" in os.environ and "MASTER_ADDR" in os.environ and "WORLD_SIZE" not in os.environ
    if wanted != args.world_size or alone:
        raise SqlftError(
            f"the launcher asked for {'several' if alone else wanted} processes, and {args.world_size} runs: accelerate starts one on "
            "CPUs and says nothing. Use `torchrun --nproc-per-node N scripts/train.py`."
        )
    if args.n_gpu > 1:
        raise SqlftError(
            f"{args.n_gpu} GPUs are visible to one process. Use `accelerate launch scripts/train.py`, or set CUDA_VISIBLE_DEVICES=0."
        )


def _tokenize(recipe: Recipe, base: Base, examples: list[Example]) -> list[Row]:
    card = SchemaCard.load(recipe.schema_)
    chats = [render_chat(card, example.question, recipe.prompt, example.sql) for example in examples]
    ids = [example.id for example in examples]
    return tokenize_chats(base.tokenizer, chats, ids, recipe.prompt.date, base.model.config.max_position_embeddings)


def _describe_rows(rows: dict[str, list[Row]]) -> str:
    lengths = summarize_lengths(rows["train"])
    return (
        f"{lengths['rows']} rows to train on, {len(rows['validation'])} to validate; {lengths['shortest']} to {lengths['longest']} tokens, "
        f"median {lengths['median']}; {lengths['supervised'] / lengths['tokens']:.0%} of all tokens are learned"
    )


def _identity(recipe: Recipe, base: Base, args: Any) -> dict[str, Any]:
    files = {split: recipe.run_dir / "dataset" / f"{split}.jsonl" for split in ("train", "validation")}
    system = render_chat(SchemaCard.load(recipe.schema_), "", recipe.prompt)[0]["content"]
    return {
        "base": base.name,
        "base_sha256": hash_base(base.folder),
        "revision": recipe.model.revision,
        "quantization": base.quantization,
        "dtype": recipe.model.dtype,
        "template_sha256": template_hash(base.tokenizer),
        "prompt_sha256": hash_text(f"{recipe.prompt.date}\n{system}"),
        "data_sha256": {split: hash_file(path) for split, path in files.items() if path.is_file()},
        "lora": recipe.lora.model_dump(mode="json"),
        "seed": recipe.seed,
        "batch": args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size,
    }


def _trainer(recipe: Recipe, base: Base, args: Any, rows: dict[str, list[Row]]) -> Any:
    from datasets import Dataset
    from peft import LoraConfig

    from sqlft.training.sft import Collator, Trainer

    data = {
        split: Dataset.from_list(
            [{"input_ids": r.prompt + r.completion, "labels": [-100] * len(r.prompt) + r.completion} for r in found]
        )
        for split, found in rows.items()
        if found
    }
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
            data_collator=Collator(base.tokenizer.pad_token_id),
            train_dataset=data["train"],
            eval_dataset=data.get("validation"),
            processing_class=base.tokenizer,
            peft_config=lora,
        )
    except ValueError as error:
        raise WrongUse(Problem(recipe.where("lora"), "lora or training", " ".join(str(error).split()))) from error
    trainer.float32_adapters()
    return trainer


def _silent(_status: Status) -> None:
    """Nobody listens."""
