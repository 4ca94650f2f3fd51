"""What is printed: tables, JSON, progress."""

import io
import json

import pytest
from rich.console import Console

from sqlft.console import facts, printable, result_json, result_table, show, show_json
from sqlft.database.result import Result
from sqlft.progress import Stages


def printed(part) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(part)
    return console.file.getvalue()


def test_json_is_json_whatever_the_cells_are(capsys):
    rows = [(2**63, float("nan"), float("inf"), -float("inf"), None, "é\n", [1.5, (float("nan"),)], {1: "x"})]
    show_json({"rows": rows})
    assert json.loads(capsys.readouterr().out) == {
        "rows": [[2**63, "nan", "inf", "-inf", None, "é\n", [1.5, ["nan"]], {"1": "x"}]]
    }


def test_json_of_a_result_has_totals_only_where_there_are_some():
    result = Result(["a"], [(1,)], ["UInt8"])
    assert set(result_json(result)) == {"columns", "types", "rows"}
    assert result_json(Result(["a"], [(1,)], ["UInt8"], totals=(2,)))["totals"] == [2]


def test_a_table_shows_nulls_totals_and_columns_of_one_name():
    text = printed(result_table(Result(["a", "a"], [(None, "x")], ["Nullable(UInt8)", "String"], totals=(7, ""))))
    assert [word for word in text.split() if set(word) != {"─"}] == ["a", "a", "NULL", "x", "7"]


def test_cells_cannot_steer_the_terminal_or_the_markup():
    text = printed(result_table(Result(["[red]c"], [("\x1b[2J[bold]x\x07",)], ["String"])))
    assert "\x1b" not in text and "\x07" not in text
    assert "[bold]x" in text and "[red]c" in text
    assert printable("\x9b31m\u202e\t") == "\\x9b31m\\x202e\t"


def test_nothing_is_cut_where_there_is_no_terminal(capsys):
    wide = "x" * 500
    show(result_table(Result(["a"], [(wide,)], ["String"])))
    assert wide in capsys.readouterr().out


def test_facts_have_thousands_separated():
    assert "1,234" in printed(facts([("rows", 1234)]))


@pytest.fixture
def lines():
    return Console(file=io.StringIO(), width=100)


def test_progress_without_a_terminal_is_plain_lines(lines):
    with Stages(lines, seconds=3600) as stages:
        for done in range(1, 101):
            stages("queries", done, 100, "[note]")
    assert lines.file.getvalue() == "queries 100/100 [note]\n"


def test_progress_without_a_terminal_speaks_up_on_the_way(lines):
    with Stages(lines, seconds=0) as stages:
        stages("a", 1, 3)
        stages("a", 2, 3)
        stages("b", 1, 2)
    assert lines.file.getvalue() == "a 1/3\na 2/3\nb 1/2\n"


def test_progress_on_a_terminal_is_a_bar_a_stage():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Stages(console) as stages:
        stages("queries", 1, 2)
        stages("answers", 3, 3, "done [x]")
    text = console.file.getvalue()
    assert "queries" in text and "1/2" in text and "3/3" in text and "[x]" in text
