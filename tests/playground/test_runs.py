"""What the tab of runs lists, and which reports it opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sqlft.playground.runs import find_report, list_runs
from sqlft.playground.show import show_runs
from tests.evaluation.made import ladder


def make(folder: Path) -> None:
    told = {"finished": "2026-01-02T03:04:05+00:00", "identity": {"base": "a/tiny"}, "rows": {"train": {"rows": 7}}}
    ladder().save(folder / "one" / "ladder" / "golden")
    (folder / "one" / "run.json").write_text(json.dumps(told))
    (folder / "one" / "ladder" / "golden" / "report.html").write_text("page")
    (folder / "two" / "evaluation" / "golden").mkdir(parents=True)
    (folder / "two" / "evaluation" / "golden" / "results.json").write_text('{"on": "golden"')
    (folder / "shop").mkdir()
    (folder / "secret.html").write_text("secret")


def test_runs_have_their_scores_with_intervals_and_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    make(tmp_path)
    one, two = list_runs(tmp_path)
    assert (one.name, one.base, one.rows) == ("one", "tiny", "7")
    scores = dict(one.evaluations[0].scores)
    assert set(scores) == {model.name for model in ladder().models}
    best = ladder().best
    assert scores[best.name].value == best.right.value and scores[best.name].low == best.right.low
    assert "cannot be read" in two.evaluations[0].fault
    page = show_runs([one, two])
    assert f"{100 * best.right.low:.0f} to {100 * best.right.high:.0f}%" in page and "cannot be read" in page
    assert list_runs(tmp_path / "nowhere") == [] and "no run here" in show_runs([])


@pytest.mark.parametrize("told", ['{"rows": null}', '{"identity": []}', '{"rows": {"train": 3}}', "[1]"])
def test_a_manifest_of_another_shape_does_not_keep_the_page_from_opening(tmp_path: Path, told: str) -> None:
    make(tmp_path)
    (tmp_path / "one" / "run.json").write_text(told)
    assert [(run.name, run.base, run.rows) for run in list_runs(tmp_path)] == [("one", "", ""), ("two", "", "")]


def test_a_report_is_found_by_its_names_alone(tmp_path: Path) -> None:
    make(tmp_path)
    assert find_report("one", "ladder/golden", tmp_path) == tmp_path / "one" / "ladder" / "golden" / "report.html"
    for run, name in (
        ("one", "evaluation/golden"),
        ("..", "x"),
        ("one", "../../secret.html"),
        ("two", "evaluation/golden"),
    ):
        assert find_report(run, name, tmp_path) is None
