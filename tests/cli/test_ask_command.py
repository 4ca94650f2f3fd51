"""`sqlft ask` as a user meets it: what it prints, writes, asks next and exits with."""

from __future__ import annotations

import csv
import io
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import sqlft
from sqlft.agent import Reply
from sqlft.agent.chart import choose_chart
from sqlft.database import Result
from sqlft.problems import SqlftError
from sqlft.recipe import load_recipe
from sqlft.records import Attempt, Prediction
from tests.cli.conftest import TINY

SQL = "SELECT os, count() AS sessions FROM ecommerce.sessions GROUP BY os"
ROWS = [("Linux", 12), ("=cmd()", 44), ("a\x1b[31mb", 3)]


@pytest.fixture
def opened(monkeypatch):
    """Replaces the analyst: what it is opened with, and answers to all but some questions."""
    given = []

    def ask(question):
        prediction = Prediction(id="1", question=question, model="adapter", text="…", sql=SQL, attempts=2, facts=["os"])
        prediction.earlier = [Attempt(sql="SELECT oss", fault="UNKNOWN_IDENTIFIER")]
        if "weather" in question:
            return Reply(prediction, "The model says that the database cannot answer this: no.", declined=True)
        if "broken" in question:
            raise SqlftError("the disk is full")
        result = Result(["os", "sessions"], ROWS[: 1 if "one" in question else 3], ["String", "UInt64"], elapsed=0.25)
        if "many" in question:
            result = Result(["n"], [(n,) for n in range(100)], ["UInt64"])
        return Reply(prediction, f"A sentence about {question}", result, choose_chart(result), seconds=1.5)

    @contextmanager
    def analyst(recipe, **options):
        given.append((recipe, options))
        yield SimpleNamespace(ask=ask, recipe=recipe, notes=["a note"])

    monkeypatch.setattr(sqlft, "analyst", analyst)
    return given


def test_an_answer_is_its_sentence_sql_table_chart_attempts_and_facts(run, opened):
    code, out, err = run("ask", TINY, "sessions?")
    assert code == 0 and err == "sqlft: a note\n"
    assert out.startswith("A sentence about sessions?\n\nSELECT os, count() AS sessions FROM")
    assert "Linux" in out and "█" * 40 in out and "1.5 s (the query 0.25 s), 2 attempts" in out
    assert "given up: SELECT oss: UNKNOWN_IDENTIFIER" in out and "facts opened: os" in out
    assert "\x1b" not in out and "a\\x1b[31mb" in out
    assert "It groups by os" not in out and "GROUP BY os\n" in out  # not filled up to any width


def test_what_is_asked_for_is_handed_on(run, opened):
    words = ("--adapter", "a", "--endpoint", "http://h/v1", "--model", "m", "--memory")
    assert run("ask", TINY, "How", "many", "a=b?", "lora.r=8", *words)[0] == 2  # a=b? reads as a key of the recipe
    assert run("ask", TINY, "How many a = b?", "lora.r=8", *words)[0] == 0
    ((recipe, options),) = opened
    assert recipe.lora.r == 8
    assert options == {"adapter": "a", "endpoint": "http://h/v1", "model": "m", "memory": True}


def test_an_explanation_is_printed_where_it_is_asked_for(run, opened):
    out = run("ask", TINY, "sessions?", "--explain")[1]
    assert "It groups by os." in out and "Assumed: No period: all days count" in out
    found = json.loads(run("ask", TINY, "sessions?", "--explain", "--json")[1])
    assert "It reads sessions." in found["explanation"]["does"]


def test_json_is_the_whole_reply_and_nothing_else(run, opened):
    found = json.loads(run("ask", TINY, "sessions?", "--json")[1])
    assert found["sql"] == SQL and found["result"]["rows"][0] == ["Linux", 12] and found["attempts"] == 2
    assert found["facts"] == ["os"] and found["seconds"] == 1.5 and not found["declined"]


@pytest.mark.parametrize(("question", "why"), [("the weather?", "cannot answer this"), ("broken?", "disk is full")])
def test_without_an_answer_it_exits_with_1_and_a_sentence(run, opened, question, why):
    code, out, err = run("ask", TINY, question, "--csv", "t.csv", "--chart", "c.png")
    assert (code, out) == (1, "") and err.count("\n") == 2 and why in err
    assert not Path("t.csv").exists() and not Path("c.png").exists()


def test_a_declined_question_is_json_too(run, opened):
    code, out, _ = run("ask", TINY, "the weather?", "--json")
    found = json.loads(out)
    assert code == 1 and found["declined"] and found["result"] is None


def test_a_table_goes_to_a_file_whole_and_starts_no_formula(run, opened):
    assert run("ask", TINY, "many?", "--csv", "all.csv")[0] == 0
    assert len(Path("all.csv").read_text().splitlines()) == 101
    code, out, _ = run("ask", TINY, "sessions?", "--csv", "-")
    assert code == 0 and [*csv.reader(io.StringIO(out))] == [
        ["os", "sessions"],
        ["Linux", "12"],
        ["'=cmd()", "44"],
        ["a\\x1b[31mb", "3"],
    ]


def test_a_long_table_is_shown_in_part_and_says_so(run, opened):
    _, out, err = run("ask", TINY, "many?")
    assert "39" in out.split() and "40" not in out.split() and "40 of 100 rows" in err


def test_a_chart_is_drawn_where_one_fits(run, opened):
    assert run("ask", TINY, "sessions?", "--chart", "c.png")[0] == 0
    assert Path("c.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = run("ask", TINY, "one?", "--chart", "d.png")
    assert code == 0 and "d.png was not drawn" in err and not Path("d.png").exists()


def test_the_prompt_goes_on_after_what_fails_and_ends_with_the_input(run, opened, monkeypatch):
    for end in ("", "\n", "exit\n", "QUIT\n"):
        monkeypatch.setattr(
            sys, "stdin", io.StringIO(f"first?\nbroken?\nthe weather?\nlast?\n{end}{'never?' * bool(end)}")
        )
        code, out, err = run("ask", TINY)
        assert code == 0 and "about first?" in out and "about last?" in out and "never?" not in out
        assert "disk is full" in err and "cannot answer this" in err and err.count("a note") == 1
    assert len(opened) == 4  # what is opened serves all questions


@pytest.mark.parametrize("words", [["--csv", "t.csv"], ["--chart", "c.png"], ["q?", "--csv", "-", "--json"]])
def test_what_would_be_written_over_is_wrong_use(run, opened, words):
    assert run("ask", TINY, *words)[0] == 2 and not opened


@pytest.mark.parametrize("question", ["", "  "])
def test_an_empty_question_is_asked_and_opens_no_prompt(run, opened, monkeypatch, question):
    monkeypatch.setattr(sys, "stdin", io.StringIO("never read\n"))
    assert f"A sentence about {question}\n" in run("ask", TINY, question)[1]  # the analyst refuses it, not the stub


def test_the_recipe_of_the_demo_reflects():
    assert load_recipe(TINY).agent.ask == ("reflect",)
