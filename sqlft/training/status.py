"""The status line: step, loss, tokens a second, time left; one changing line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.status import Status as Spinner


@dataclass(frozen=True)
class Status:
    """How training stands.

    Attributes:
        loss: Mean over the steps since the last status; None where only the validation split was asked.
        accuracy: Share of the validation split's supervised tokens that are the model's first choice.
        seconds_left: Of the steps that are left, saving and evaluating included.
        note: A sentence to show instead of all this.
    """

    step: int = 0
    steps: int = 0
    loss: float | None = None
    validation_loss: float | None = None
    accuracy: float | None = None
    tokens_per_second: float = 0.0
    seconds_left: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        if self.note:
            return self.note
        if self.loss is None:
            accuracy = f"  token accuracy {self.accuracy:.1%}" if self.accuracy is not None else ""
            return f"step {self.step}/{self.steps}  validation loss {self.validation_loss:.4f}{accuracy}"
        left = f"{int(self.seconds_left) // 60}:{int(self.seconds_left) % 60:02}"
        return (
            f"step {self.step}/{self.steps}  loss {self.loss:.4f}  {self.tokens_per_second:,.0f} tokens/s  {left} left"
        )


Progress = Callable[[Status], None]


class StatusLine:
    """Shows each Status on standard error; a context manager, and what `train` takes as `progress`."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._spinner: Spinner | None = None

    def __enter__(self) -> StatusLine:
        if self._console.is_terminal:
            self._spinner = self._console.status("loading")
            self._spinner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spinner:
            self._spinner.stop()

    def __call__(self, status: Status) -> None:
        if self._spinner and status.loss is not None:
            self._spinner.update(str(status))
        else:
            self._console.print(str(status), markup=False, soft_wrap=True)
