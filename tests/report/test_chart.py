"""A result's chart as a file."""

import pytest

from sqlft.agent.chart import Chart
from sqlft.report.chart import write_chart


@pytest.mark.parametrize("over_time", [False, True])
def test_a_chart_is_a_png_whatever_its_labels_hold(tmp_path, over_time):
    labels = ["$x^2$", "\udcff\x1b[31m", "long " * 20]
    chart = Chart("os", "n$", labels, [1.0, -2.0, 3.0], ["1", "-2", "3"], over_time)
    path = write_chart(chart, tmp_path / "c.png", "What <b>$is$</b> it?")
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 2000
