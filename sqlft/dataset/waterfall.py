"""What each step of cleaning did, as a table for the terminal; dataset.html has the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

Steps = Sequence[tuple[str, int, int]]
"""(step, pairs that came to it, pairs that it dropped), in order."""


def steps_table(steps: Steps, shown: Mapping[str, str] | None = None) -> Table:
    """One row a step.

    Args:
        steps: What they did.
        shown: A pair that a step dropped, and why, in words.
    """
    table = Table(title="What each step drops", title_justify="left")
    for head in ("step", "came", "dropped", "left", *(["for example"] if shown else [])):
        left = head in ("step", "for example")
        table.add_column(head, justify="left" if left else "right", overflow="fold")
    for name, came, dropped in steps:
        count = Text(f"{dropped:,}", style="bold" if dropped else "dim")
        example = [Text(shown.get(name, ""))] if shown else []
        table.add_row(name.replace("_", " "), f"{came:,}", count, f"{came - dropped:,}", *example)
    return table
