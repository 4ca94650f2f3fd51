"""The plots of a dataset: the waterfall, lengths, constructs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from sqlft.report.drawing import CASING, FATES, MODELS, add_legend, drawing, fit, svg

LONGEST_LABEL = 30
BARS = 30


def waterfall_plot(steps: Sequence[tuple[str, int, int]]) -> Markup:
    """A bar for each step of cleaning: what passed, and what was dropped there.

    Args:
        steps: (step, pairs that came to it, pairs that it dropped), in order.
    """
    most = max((came for _, came, _ in steps), default=0) or 1
    with drawing(1.0 + 0.3 * len(steps)) as (figure, axes):
        for row, (_, came, lost) in enumerate(steps):
            passed, gone = ("passed", "dropped") if row == 0 else (None, None)
            axes.barh(row, came - lost, 0.72, color=FATES["match"], label=passed)
            axes.barh(row, lost, 0.72, left=came - lost, color=FATES["invalid"], label=gone)
            axes.text(came + 0.015 * most, row, f"−{lost:,}" if lost else "", va="center", fontsize=10)
        axes.set_yticks(range(len(steps)), [fit(name, LONGEST_LABEL) for name, _, _ in steps], fontsize=10)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.13 * most)
        axes.set_xlabel("pairs")
        add_legend(figure)
        told = "; ".join(f"{name}: {lost} of {came} dropped" for name, came, lost in steps)
        return svg(figure, f"Cleaning, step by step. {told}.")


def lengths_plot(what: str, unit: str, lengths: Sequence[int]) -> Markup:
    """A histogram of lengths.

    Args:
        what: Whose; the plot's title for those who cannot see it.
        unit: Words or characters.
        lengths: One for each.
    """
    with drawing(2.4) as (figure, axes):
        widest = max(lengths, default=0)
        wide = 1 + widest // BARS  # whole numbers, so that no bar holds more of them than its neighbours
        bars = range(0, widest + 2 * wide, wide)
        axes.hist(lengths, bins=list(bars), color=MODELS[1], edgecolor=CASING, linewidth=0.8)
        axes.set_xlim(left=0)
        axes.set_xlabel(unit)
        axes.yaxis.grid(True)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        told = f"{min(lengths, default=0)} to {widest} {unit}, median {median(lengths or [0]):g}"
        return svg(figure, f"Length of {what}: {told}.")


def counts_plot(
    title: str, counts: Sequence[tuple[str, float]], unit: str, say: Callable[[float], str] = "{:,}".format
) -> Markup:
    """A bar for each name, with its count as `say` writes it; `title` is for those who cannot see it."""
    most = max((count for _, count in counts), default=0) or 1
    with drawing(0.6 + 0.28 * len(counts)) as (figure, axes):
        axes.barh(range(len(counts)), [count for _, count in counts], 0.72, color=MODELS[1])
        for row, (_, count) in enumerate(counts):
            axes.text(count + 0.015 * most, row, say(count), va="center", fontsize=10)
        axes.set_yticks(range(len(counts)), [fit(name, LONGEST_LABEL) for name, _ in counts])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.13 * most)
        axes.set_xlabel(unit)
        return svg(figure, f"{title}. {'; '.join(f'{name}: {say(count)}' for name, count in counts)}.")
