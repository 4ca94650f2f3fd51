"""A result's chart as a PNG: bars, or a line over time, dark on white as print wants it."""

from __future__ import annotations

import io
from pathlib import Path

from sqlft.agent.chart import Chart
from sqlft.report.drawing import drawing, fit

COLOR = "#2f6fb0"
LABELS = 12


def write_chart(chart: Chart, path: Path, title: str) -> Path:
    """Writes the PNG; its path.

    Raises:
        OSError: It cannot be written there.
    """
    path.write_bytes(draw_chart(chart, title))
    return path


def draw_chart(chart: Chart, title: str) -> bytes:
    """The PNG's bytes."""
    buffer = io.BytesIO()
    places = range(len(chart.labels))
    with drawing(3.2 if chart.over_time else 0.9 + 0.28 * len(chart.labels)) as (figure, axes):
        if chart.over_time:
            axes.plot(places, chart.values, color=COLOR, marker="o", markersize=3)
            step = -(-len(chart.labels) // LABELS)
            axes.set_xticks(places[::step], [fit(label) for label in chart.labels[::step]], rotation=45, ha="right")
            axes.set_xlabel(fit(chart.label))
            axes.set_ylabel(fit(chart.number, 30))
        else:
            axes.barh(places, chart.values, 0.8, color=COLOR)
            axes.set_yticks(places, [fit(label) for label in chart.labels])
            axes.invert_yaxis()
            axes.set_xlabel(fit(chart.number, 40))
        axes.grid(axis="y" if chart.over_time else "x", color="#dddddd")
        axes.set_title(fit(title, 60), fontsize=10)
        figure.savefig(buffer, format="png", dpi=200, facecolor="white")
    return buffer.getvalue()
