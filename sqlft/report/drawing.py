"""How plots are drawn: matplotlib figures as inline SVG that takes its colours and its letters from the page.

Figures are drawn 5 inches wide, so that their text stays readable on a phone. Colours are drawn as stand-ins and
replaced by the page's CSS variables, which is how one figure serves light and dark.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sqlft.report.markup import clean

INK, GRID, CASING = "#010101", "#010102", "#010103"
MODELS = [f"#0a00{i:02x}" for i in range(6)]
FATES = {
    name: f"#0b00{i:02x}" for i, name in enumerate(("match", "relaxed", "mismatch", "invalid", "no_sql", "out"), 1)
}
VARIABLES = {INK: "currentColor", GRID: "var(--line)", CASING: "var(--card)"}
VARIABLES |= {color: f"var(--m{i})" for i, color in enumerate(MODELS)}
VARIABLES |= {color: f"var(--{name.replace('_', '-')})" for name, color in FATES.items()}
STYLE: Any = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 11, "text.color": INK, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": GRID, "grid.color": GRID, "grid.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "axes.axisbelow": True,
    "xtick.major.size": 0, "ytick.major.size": 0,
}  # fmt: skip
WIDTH = 5.0
_ALONE = threading.Lock()


@contextmanager
def drawing(height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of that height in inches, in the pages' style; `svg` ends it, inside. One at a time: the style is the
    process's, and so are the fonts.
    """
    with _ALONE, matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure, figure.add_subplot()


def add_legend(figure: Figure, columns: int = 3) -> None:
    """The legend, above the axes, where anything in them has a label."""
    if not any(axes.get_legend_handles_labels()[0] for axes in figure.axes):
        return
    figure.legend(loc="outside upper center", ncols=columns, frameon=False, fontsize=10, handlelength=1)


def fit(name: str, most: int = 18) -> str:
    """A label that leaves room for the plot, and that fonts can write: half a surrogate pair is an error to them."""
    name = clean(name)
    return name if len(name) <= most else name[: most - 1] + "…"


def svg(figure: Figure, alt: str) -> Markup:
    """The figure as the page's own SVG; `alt` tells its figures to those who cannot see it, its title first."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups()  # type: ignore[union-attr]
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|font-family:[^;\"]*;|\n", "", body, flags=re.DOTALL)
    for color, variable in VARIABLES.items():
        body = body.replace(color, variable)
    place = "plot-" + re.sub(r"\W+", "-", alt.partition(".")[0].lower()) + "-"
    body = re.sub(r'(?<=\bid=")|(?<=url\(#)|(?<=href="#)', place, body)
    return Markup(f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {width} {height}">{body}')
