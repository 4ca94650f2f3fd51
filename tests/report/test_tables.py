"""results.csv and results.md."""

import csv
import io
from pathlib import Path

import pytest

from sqlft.evaluation.results import Opinion
from sqlft.report import write_tables
from sqlft.report.tables import render_csv, render_markdown
from tests.evaluation.made import answer, plain, question, results


def test_the_csv_has_a_line_for_each_answer(tmp_path: Path) -> None:
    found = plain({"base": "mrxinu", "tuned": "mmmmmm"})
    found.answers["base"][2].judge = Opinion(right=True, reason="")
    found.save(tmp_path)
    [path, _] = write_tables(found)
    lines = list(csv.DictReader(path.open(encoding="utf-8")))
    assert [line["outcome"] for line in lines[::2]] == ["match", "relaxed", "mismatch", "invalid", "no_sql", "out"]
    assert [line["model"] for line in lines[:2]] == ["base", "tuned"]
    assert (lines[0]["strict"], lines[10]["counts"], lines[4]["judge"], lines[8]["sql"]) == (
        "True",
        "False",
        "True",
        "",
    )
    assert lines[2]["gold_sql"] == found.questions[1].sql


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-2", "@SUM(A1)", "\tx"])
def test_no_cell_is_a_formula_to_a_spreadsheet(text: str) -> None:
    asked = question(1, question=text)
    found = results([asked], {"base": [answer(asked, "base", "mismatch", sql=text, text=text)]})
    [line] = csv.DictReader(io.StringIO(render_csv(found)))
    assert {line["question"], line["sql"], line["text"]} == {"'" + text}


def test_the_markdown_says_what_the_page_says_first() -> None:
    found = plain({"base": "xxxxxxxxxx", "tuned": "mmmmmmmmxx"}, banner="LEAKAGE IS ALLOWED", warnings=["Few | <b>"])
    text = render_markdown(found)
    assert "> **LEAKAGE IS ALLOWED**" in text
    assert "| tuned | 80.0% (8 of 10) | 49 to 94% | +80.0 points (" in text and "p = 0.008" in text
    assert "## Fixed by tuned: 8" in text and "Broken" not in text
    assert "- Few \\| &lt;b>" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_long_lists_are_cut_and_say_so() -> None:
    text = render_markdown(plain({"base": "x" * 25, "tuned": "m" * 25}))
    assert text.count("How many users") == 20 and "- and 5 more" in text


def test_what_a_model_wrote_ends_no_line_and_no_file(tmp_path: Path) -> None:
    asked = question(1, question="a\n# b \ud800 \x1b[2J")
    found = results(
        [asked], {"base": [answer(asked, "base", "mismatch")], "x": [answer(asked, "x", "match", sql="\ud800")]}
    )
    found.folder = tmp_path
    for path in write_tables(found):
        assert "\n# b" not in path.read_text(encoding="utf-8").replace('"a\n# b', "")
