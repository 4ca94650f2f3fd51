"""TRL's SFTTrainer with what we add to it. Importing this module imports TRL, about ten seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from transformers import PrinterCallback, TrainerCallback
from trl import SFTTrainer

from sqlft.problems import SqlftError
from sqlft.training.checkpoints import read_state
from sqlft.training.sharing import SharedCollator, forked
from sqlft.training.status import Progress, Status


class Collator:
    """Pads rows on the right: ids with the pad token, labels with -100, the mask with 0; row_tokens counts the rest."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        width = max(len(row["input_ids"]) for row in rows)
        fills = {"input_ids": self.pad, "labels": -100}
        padded: dict[str, Any] = {
            key: [row[key] + [fill] * (width - len(row[key])) for row in rows] for key, fill in fills.items()
        }
        padded["attention_mask"] = [[1] * n + [0] * (width - n) for n in (len(row["input_ids"]) for row in rows)]
        padded["row_tokens"] = sum(len(row["input_ids"]) for row in rows)
        return {key: torch.tensor(value) for key, value in padded.items()}


class Trainer(SFTTrainer):
    """Saves before it evaluates, evaluates without moving the random numbers, stops at a NaN, sends no telemetry."""

    attention: dict[str, Any] | None = None
    train_seconds = 0.0
    trained = 0
    _saved_step = -1

    def float32_adapters(self) -> None:
        """Casts what is trained to float32, before the optimizer exists.

        TRL casts QLoRA adapters to bfloat16, where at a learning rate of 2e-5 half of the weights never move.
        """
        assert self.optimizer is None
        weights = [weight for weight in cast(Any, self.model).parameters() if weight.requires_grad]
        for weight in weights:
            weight.data = weight.data.float()
        self.trained = sum(weight.numel() for weight in weights)

    @property
    def total_tokens(self) -> int:
        """Tokens of the rows that went through the steps, of all processes and of the runs that were resumed.

        A prefix that rows shared counts in each of them, so that the figure does not depend on sharing.
        """
        return int(self._total_train_tokens)

    def watch(self, progress: Progress, asked_to_stop: Callable[[], bool]) -> None:
        """Tells progress from now on, and stops after a step in which `asked_to_stop` says so."""
        self.remove_callback(PrinterCallback)
        self.add_callback(Watch(self, progress, asked_to_stop))

    def continue_from(self, checkpoint: Path) -> bool:
        """Takes over tokens and seconds from a checkpoint's log.

        Returns:
            Whether steps are left.
        """
        state = read_state(checkpoint)
        last: dict[str, Any] = next((entry for entry in reversed(state["log_history"]) if "num_tokens" in entry), {})
        self.train_seconds = last.get("train_seconds", 0.0)
        self._total_train_tokens = last.get("num_tokens", 0)
        evaluated = any(
            "eval_loss" in entry and entry["step"] == state["global_step"] for entry in state["log_history"]
        )
        by_steps = self.args.eval_strategy == "steps"
        due = state["global_step"] % state["eval_steps"] == 0 if by_steps else float(state["epoch"]).is_integer()
        self.args.eval_on_start = self.args.eval_on_start and due and not evaluated
        *_, steps = self.set_initial_training_values(self.args, self.get_train_dataloader())
        return bool(state["global_step"] < steps)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As TRL's, which counts a batch's tokens by its mask: wrong where rows share a prefix."""
        tokens = self.accelerator.gather(inputs.pop("row_tokens")).sum().item()
        before = self._total_train_tokens
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        if self._total_train_tokens != before:
            self._total_train_tokens = before + tokens
            self._metrics["train"]["num_tokens"] = [self._total_train_tokens]
        return loss

    def _get_dataloader(self, dataset: Any, description: str, batch_size: int, *args: Any, **kwargs: Any) -> Any:
        """Where rows share prefixes every process reads all rows of a step, and the collator takes its share of them.

        accelerate would deal rows out by their number, whatever their length, and repeat some at an epoch's end.
        """
        collate, world = self.data_collator, self.args.world_size
        if not (kwargs.get("is_training") and world > 1 and isinstance(collate, SharedCollator)):
            return super()._get_dataloader(dataset, description, batch_size, *args, **kwargs)
        self.data_collator = replace(collate, process=self.args.process_index, processes=world)
        loader = super()._get_dataloader(dataset, description, batch_size * world, *args, **kwargs)
        self.data_collator = collate
        shard: Any = loader.batch_sampler
        shard.num_processes, shard.process_index, shard.even_batches = 1, 0, False
        return loader

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        cast(Any, self)._signature_columns = list({*(self._signature_columns or ()), "prefix"})

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        logs["train_seconds"] = round(self.train_seconds, 3)
        super().log(logs, start_time)

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if not self.args.fp16 and not math.isfinite(norm):
            raise SqlftError(
                f"the gradient became {float(norm)} at step {self.state.global_step + 1}, which was not taken. Write a "
                f"lower training.learning_rate than {self.args.learning_rate:g}, or more training.warmup_steps."
            )
        return norm

    def _evaluate(self, trial: Any, ignore_keys_for_eval: Any, skip_scheduler: bool = False) -> dict[str, float]:
        if self.control.should_save:
            self._save_checkpoint(self.model, trial)
        with forked(self.args.device):
            metrics: dict[str, float] = super()._evaluate(trial, ignore_keys_for_eval, skip_scheduler)
        if skip_scheduler and self.state.global_step:
            # a resumed run whose last checkpoint was saved and not yet evaluated
            self._determine_best_metric(metrics=metrics, trial=trial)
        return metrics

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self._saved_step != self.state.global_step:
            super()._save_checkpoint(model, trial)
            self._saved_step = self.state.global_step
            return
        # saved before the evaluation: only the state knows more now
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        if self.state.best_global_step:
            self.state.best_model_checkpoint = str(folder.with_name(f"checkpoint-{self.state.best_global_step}"))
        if self.args.should_save:
            self.state.save_to_json(str(folder / "trainer_state.json.partial"))
            (folder / "trainer_state.json.partial").replace(folder / "trainer_state.json")

    def create_model_card(self, *_args: Any, **_kwargs: Any) -> None:
        """run.json says what a run is."""

    def _send_telemetry(self) -> None:
        """What a person trains is nobody else's business; TRL would tell its makers."""


class Watch(TrainerCallback):
    """Times the steps, tells progress, and stops after the step in which a signal asked for it."""

    def __init__(self, trainer: Trainer, progress: Progress, asked_to_stop: Callable[[], bool]) -> None:
        self.trainer, self.progress, self.asked_to_stop = trainer, progress, asked_to_stop
        self._step_began = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._first, self._began = state.global_step, 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._step_began = time.perf_counter()
        self._began = self._began or self._step_began

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.trainer.train_seconds += time.perf_counter() - self._step_began
        stop = torch.tensor(float(self.asked_to_stop()), device=args.device)
        if args.world_size > 1:
            torch.distributed.all_reduce(stop)
        if stop > 0:
            control.should_save = control.should_training_stop = True
        elif state.global_step >= state.max_steps and args.eval_strategy != "no":
            # or the steps after the last multiple of eval_steps could never be the best
            control.should_save = control.should_evaluate = True

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        logs: dict[str, float] = kwargs["logs"]
        if not state.is_world_process_zero or not {"loss", "eval_loss"} & set(logs):
            return
        done = max(1, state.global_step - self._first)
        elapsed = time.perf_counter() - self._began if self._began else 0.0
        self.progress(
            Status(
                step=state.global_step,
                steps=state.max_steps,
                loss=logs.get("loss"),
                validation_loss=logs.get("eval_loss"),
                accuracy=logs.get("eval_mean_token_accuracy"),
                tokens_per_second=self.trainer._total_train_tokens / max(self.trainer.train_seconds, 1e-9),
                seconds_left=elapsed / done * (state.max_steps - state.global_step),
            )
        )
