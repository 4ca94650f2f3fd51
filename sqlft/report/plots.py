"""The plots of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from sqlft.evaluation.results import ModelFigures, Outcome
from sqlft.evaluation.statistics import Share
from sqlft.evaluation.table import percent
from sqlft.report.drawing import CASING, FATES, INK, MODELS, VARIABLES, add_legend, drawing, fit, svg

OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "match": (FATES["match"], "right"),
    "relaxed": (FATES["relaxed"], "right if relaxed"),
    "mismatch": (FATES["mismatch"], "other result"),
    "invalid": (FATES["invalid"], "does not run"),
    "no_sql": (FATES["no_sql"], "no SQL found"),
    "out": (FATES["out"], "does not count"),
}


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
    with drawing(height) as (figure, axes):
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
            axes.set_yticks(offsets, [fit(model) for model in models])
        else:
            axes.set_yticks(range(len(rows)), [fit(label) for label, _ in rows])
        axes.invert_yaxis()
        axes.set_xlim(0, 112)
        axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
        axes.xaxis.grid(True)
        if legend:
            add_legend(figure)
        told = "; ".join(f"{label}: " + ", ".join(map(_tell, models, shares)) for label, shares in rows)
        return svg(figure, f"{title}. {told}.")


def ladder_plot(steps: Sequence[ModelFigures]) -> Markup:
    """A point with its 95% interval for each step, in order; a line where the first one stands, the best one marked."""
    shares = [step.right for step in steps]
    best = max(range(len(shares)), key=lambda row: (shares[row].value or 0, row > 0))  # of a tie not the first
    with drawing(0.75 + 0.36 * len(steps)) as (figure, axes):
        axes.axvline(100 * (shares[0].value or 0), color=MODELS[0], linewidth=1.4, linestyle="--")
        for row, one in enumerate(shares):
            axes.plot([100 * one.low, 100 * one.high], [row, row], color=INK, linewidth=1.6)
            color, marker, size = (FATES["match"], "D", 9) if row == best else (MODELS[1], "o", 8)
            text = "n = 0"
            if one.value is not None:
                axes.plot(100 * one.value, row, marker, color=color, ms=size, markeredgecolor=INK, clip_on=False)
                text = percent(one.value) + (", best" if row == best else "")
            axes.text(100 * one.high + 1.5, row, text, va="center", ha="left", fontsize=10)
        axes.set_yticks(range(len(steps)), [fit(step.name, 24) for step in steps], fontsize=10)
        axes.invert_yaxis()
        axes.set_xlim(-4, 125)
        axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50", "75", "100%"])
        axes.xaxis.grid(True)
        told = ", ".join(_tell(step.name, one) for step, one in zip(steps, shares, strict=True))
        return svg(figure, f"Execution match by step. {told}. The best is {steps[best].name}.")


def outcomes_plot(models: Sequence[ModelFigures]) -> Markup:
    """One stacked bar for each model: what became of its answers."""
    shown = [name for name in OUTCOMES if any(model.outcomes.get(name) for model in models)]
    with drawing(0.75 + 0.5 * len(models) + 0.3 * ((len(shown) + 2) // 3)) as (figure, axes):
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
        axes.set_yticks(range(len(models)), [fit(model.name) for model in models])
        axes.invert_yaxis()
        axes.set_xlim(0, total)
        axes.set_xlabel("questions")
        add_legend(figure)
        told = "; ".join(
            f"{m.name}: " + ", ".join(f"{m.outcomes.get(name, 0)} {OUTCOMES[name][1]}" for name in shown)
            for m in models
        )
        return svg(figure, f"What became of the answers. {told}.")


def loss_plot(training: Sequence[tuple[float, float]], validation: Sequence[tuple[float, float]]) -> Markup:
    """Loss by step, of training and, where there is one, of validation; points are (step, loss)."""
    with drawing(2.9) as (figure, axes):
        curves = [("training", MODELS[1], training, ""), ("validation", INK, validation, "o")]
        drawn = [curve for curve in curves if curve[2]]
        for label, color, points, marker in drawn:
            axes.plot(*zip(*points, strict=True), color=color, marker=marker, markersize=4, linewidth=1.6, label=label)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step")
        axes.yaxis.grid(True)
        add_legend(figure, 2)
        told = "; ".join(f"{label} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for label, _, points, _ in drawn)
        return svg(figure, f"Loss by training step: {told}.")


def page_color(index: int) -> str:
    """The page's own name for the colour of model number `index`; the base is number 0."""
    return VARIABLES[_model_color(index)]


def _model_color(index: int) -> str:
    return MODELS[0] if index == 0 else MODELS[1 + (index - 1) % (len(MODELS) - 1)]


def _tell(model: str, one: Share) -> str:
    return f"{model} {one.k} of {one.n} ({100 * one.low:.0f} to {100 * one.high:.0f}%)"
