"""A result's chart as a file."""

import threading
import time

import matplotlib
import pytest

from sqlft.agent.chart import Chart
from sqlft.report.chart import write_chart
from sqlft.report.drawing import drawing


@pytest.mark.parametrize("over_time", [False, True])
def test_a_chart_is_a_png_whatever_its_labels_hold(tmp_path, over_time):
    labels = ["$x^2$", "\udcff\x1b[31m", "long " * 20]
    chart = Chart("os", "n$", labels, [1.0, -2.0, 3.0], ["1", "-2", "3"], over_time)
    path = write_chart(chart, tmp_path / "c.png", "What <b>$is$</b> it?")
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 2000


def test_who_draws_at_once_draws_in_one_style_and_leaves_the_processs_own():
    before, found = dict(matplotlib.rcParams), []

    def draw(seconds):
        with drawing(1):
            time.sleep(seconds)
            found.append(matplotlib.rcParams["text.parse_math"])

    people = [threading.Thread(target=draw, args=(seconds,)) for seconds in (0.05, 0.2, 0.1)]
    for one in people:
        one.start()
        time.sleep(0.02)
    for one in people:
        one.join()
    assert found == [False] * 3 and dict(matplotlib.rcParams) == before
