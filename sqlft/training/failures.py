"""What goes wrong in the middle of training, each as one sentence that says what to change; and Ctrl-C, which saves."""

from __future__ import annotations

import contextlib
import errno
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sqlft.problems import SqlftError
from sqlft.recipe import Recipe


@contextlib.contextmanager
def explained(recipe: Recipe, args: Any, longest: int) -> Iterator[None]:
    """Turns running out of memory or disk into a SqlftError.

    Args:
        args: The SFTConfig.
        longest: Tokens of the longest row.
    """
    try:
        yield
    except SqlftError:
        raise
    except Exception as error:
        if _is_memory(error):
            raise SqlftError(_memory_advice(recipe, args, longest)) from error
        if _is_disk(error):
            free = shutil.disk_usage(recipe.run_dir).free / 2**20
            raise SqlftError(
                f"the disk is full ({free:,.0f} MiB free) while {recipe.run_dir} was written. "
                f"Free some space, and go on with `sqlft train {recipe.words} --resume`."
            ) from error
        raise


@contextlib.contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether Ctrl-C or SIGTERM came; a second Ctrl-C interrupts at once.

    A second SIGTERM does not: Slurm's may come by the process group and by `srun` both.
    """
    asked = threading.Event()

    def note(number: int, _frame: Any) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_memory(error: BaseException) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _is_disk(error: BaseException) -> bool:
    text = str(error)
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    # torch.save does not say so plainly
    return full or any(
        sign in text for sign in ("No space left", "PytorchStreamWriter", "inline_container", "iostream error")
    )


def _memory_advice(recipe: Recipe, args: Any, longest: int) -> str:
    batch, accumulation = args.per_device_train_batch_size, args.gradient_accumulation_steps
    advice = []
    if batch > 1:
        advice.append(
            f"training.per_device_train_batch_size: {batch // 2} with gradient_accumulation_steps: {accumulation * 2}"
        )
    if not args.activation_checkpointing:
        advice.append("training.activation_checkpointing: true")
    if recipe.model.quantization == "none":
        advice.append("model.quantization: nf4")
    advice.append(f"a lora.r below {recipe.lora.r}, or a shorter prompt")
    return (
        f"out of memory with {batch} rows of up to {longest} tokens on a device at once. Write {', or '.join(advice)}."
    )
