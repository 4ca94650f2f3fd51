"""What each step of cleaning did, as a table for the terminal and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

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


def plot_steps(steps: Steps, path: Path, title: str) -> None:
    """Draws how many pairs each step let through and dropped, as PNG."""
    from matplotlib.figure import Figure

    names = [name.replace("_", " ") for name, _, _ in steps]
    left = [came - dropped for _, came, dropped in steps]
    gone = [dropped for _, _, dropped in steps]
    figure = Figure(figsize=(7, 1.2 + 0.3 * max(1, len(steps))), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, left, color="C0", label="passed")
    axes.barh(names, gone, left=left, color="C3", label="dropped")
    for place, (_, came, dropped) in enumerate(steps):
        if dropped:
            axes.annotate(f"{dropped:,}", (came, place), xytext=(3, 0), textcoords="offset points", va="center")
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set(title=title, xlabel="pairs")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
