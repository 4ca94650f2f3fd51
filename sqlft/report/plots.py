"""The report's plots: matplotlib figures as inline SVG that takes its colours and its letters from the page.

Figures are drawn 5 inches wide, so that their text stays readable on a phone. Colours are drawn as stand-ins and
replaced by the page's CSS variables, which is how one figure serves light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sqlft.evaluation.results import ModelFigures, Outcome
from sqlft.evaluation.statistics import Share

INK, GRID, CASING = "#010101", "#010102", "#010103"
MODELS = [f"#0a00{i:02x}" for i in range(6)]
OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "match": ("#0b0001", "right"),
    "relaxed": ("#0b0002", "right if relaxed"),
    "mismatch": ("#0b0003", "other result"),
    "invalid": ("#0b0004", "does not run"),
    "no_sql": ("#0b0005", "no SQL found"),
    "out": ("#0b0006", "does not count"),
}
VARIABLES = {INK: "currentColor", GRID: "var(--line)", CASING: "var(--card)"}
VARIABLES |= {color: f"var(--m{i})" for i, color in enumerate(MODELS)}
VARIABLES |= {color: f"var(--{name.replace('_', '-')})" for name, (color, _) in OUTCOMES.items()}
STYLE: Any = {
    "svg.fonttype": "none", "text.parse_math": False, "font.size": 11, "text.color": INK, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": GRID, "grid.color": GRID, "grid.linewidth": 0.8,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "axes.axisbelow": True,
    "xtick.major.size": 0, "ytick.major.size": 0,
}  # fmt: skip
WIDTH = 5.0


def shares_plot(title: str, rows: Sequence[tuple[str, Sequence[Share]]], models: Sequence[str]) -> Markup:
    """Bars with 95% intervals: a group for each row, a bar in it for each model.

    Args:
        title: What is shown, for those who cannot see it.
        rows: (label, one share for each model).
        models: Names, the base first; the legend where there are several rows.
    """
    thick = 0.8 / len(models)
    legend = len(rows) > 1 and len(models) > 1
    height = 0.75 + len(rows) * max(0.34 * len(models), 0.5) + (0.35 if legend else 0)
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(height)
        offsets = [(index - (len(models) - 1) / 2) * thick for index in range(len(models))]
        for index, model in enumerate(models):
            places = [row + offsets[index] for row in range(len(rows))]
            values = [100 * (shares[index].value or 0) for _, shares in rows]
            axes.barh(places, values, 0.86 * thick, color=_model_color(index), label=model)
            for place, value, (_, shares) in zip(places, values, rows, strict=True):
                one = shares[index]
                for color, thickness in ((CASING, 4.0), (INK, 1.6)):
                    axes.plot([100 * one.low, 100 * one.high], [place, place], color=color, linewidth=thickness)
                text = f"{value:.0f}%" if one.n else "n = 0"
                axes.text(100 * one.high + 1.5, place, text, va="center", ha="left", fontsize=10)
        if len(rows) == 1:
            axes.set_yticks(offsets, [_fit(model) for model in models])
        else:
            axes.set_yticks(range(len(rows)), [_fit(label) for label, _ in rows])
        axes.invert_yaxis()
        axes.set_xlim(0, 112)
        axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
        axes.xaxis.grid(True)
        if legend:
            figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=10, handlelength=1)
        told = "; ".join(f"{label}: " + ", ".join(map(_tell, models, shares)) for label, shares in rows)
        return _svg(figure, f"{title}. {told}.")


def outcomes_plot(models: Sequence[ModelFigures]) -> Markup:
    """One stacked bar for each model: what became of its answers."""
    shown = [name for name in OUTCOMES if any(model.outcomes.get(name) for model in models)]
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(0.75 + 0.5 * len(models) + 0.3 * ((len(shown) + 2) // 3))
        total = max(sum(model.outcomes.values()) for model in models)
        for row, model in enumerate(models):
            start = 0
            for name in shown:
                number = model.outcomes.get(name, 0)
                label = OUTCOMES[name][1] if row == 0 else None
                axes.barh(row, number, 0.7, left=start, color=OUTCOMES[name][0], label=label)
                if number > 0.05 * total:
                    axes.text(
                        start + number / 2, row, str(number), va="center", ha="center", fontsize=10, color="#111111"
                    )
                start += number
        axes.set_yticks(range(len(models)), [_fit(model.name) for model in models])
        axes.invert_yaxis()
        axes.set_xlim(0, total)
        axes.set_xlabel("questions")
        figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=10, handlelength=1)
        told = "; ".join(
            f"{m.name}: " + ", ".join(f"{m.outcomes.get(name, 0)} {OUTCOMES[name][1]}" for name in shown)
            for m in models
        )
        return _svg(figure, f"What became of the answers. {told}.")


def loss_plot(training: Sequence[tuple[float, float]], validation: Sequence[tuple[float, float]]) -> Markup:
    """Loss by step, of training and, where there is one, of validation; points are (step, loss)."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _figure(2.9)
        curves = [("training", MODELS[1], training, ""), ("validation", INK, validation, "o")]
        drawn = [curve for curve in curves if curve[2]]
        for label, color, points, marker in drawn:
            axes.plot(*zip(*points, strict=True), color=color, marker=marker, markersize=4, linewidth=1.6, label=label)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step")
        axes.yaxis.grid(True)
        figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=10, handlelength=1)
        told = "; ".join(f"{label} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for label, _, points, _ in drawn)
        return _svg(figure, f"Loss by training step: {told}.")


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


def page_color(index: int) -> str:
    """The page's own name for the colour of model number `index`; the base is number 0."""
    return VARIABLES[_model_color(index)]


def _model_color(index: int) -> str:
    return MODELS[0] if index == 0 else MODELS[1 + (index - 1) % (len(MODELS) - 1)]


def _fit(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"


def _tell(model: str, one: Share) -> str:
    return f"{model} {one.k} of {one.n} ({100 * one.low:.0f} to {100 * one.high:.0f}%)"


def _svg(figure: Figure, alt: str) -> Markup:
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
