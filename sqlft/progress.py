"""Progress of long work: bars on a terminal, plain lines elsewhere; on standard error, so that output stays clean."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS = 5.0
"""How often a line is written where there is no terminal."""


class Stages:
    """Shows how far each stage is; a context manager, and what `build` and `evaluate` take as `progress`.

    Args:
        console: Where to; standard error.
        seconds: Least time between two lines of one stage where there is no terminal.
    """

    def __init__(self, console: Console | None = None, seconds: float = SECONDS) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._seconds = seconds
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}

    def __enter__(self) -> Stages:
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            left = TimeRemainingColumn(compact=True)
            self._bars = Progress(*columns, left, TextColumn("{task.fields[note]}"), console=self._console)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def say(self, line: str) -> None:
        """Writes a line, above the bars where there are any."""
        self._console.print(line, markup=False, soft_wrap=True)

    def ask(self, question: str) -> bool:
        """Asks for a yes at the terminal; no, where nobody sits at one."""
        if not (self._bars and sys.stdin.isatty()):
            return False
        self._bars.stop()
        answer = self._console.input(f"{escape(question)} (y/n) ")
        self._bars.start()
        return answer.strip().lower() in ("y", "yes")

    def __call__(self, stage: str, done: int, of: int, note: str = "") -> None:
        if self._bars:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(escape(stage), total=of, note="")
            self._bars.update(self._tasks[stage], completed=done, total=of, note=escape(note))
            return
        now = time.monotonic()
        if done >= of or now - self._said.setdefault(stage, now) >= self._seconds:
            self._said[stage] = now
            self._console.print(f"{stage} {done:,}/{of:,} {note}".rstrip(), markup=False, soft_wrap=True)
