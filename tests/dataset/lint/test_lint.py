"""The whole of it, on a small shop."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from sqlft.cli import main
from sqlft.database import Database
from sqlft.database.shop import fill_shop
from sqlft.dataset.lint import Rows, lint_file, lint_rows
from sqlft.dataset.template_teacher import TemplateTeacher
from sqlft.recipe import load_recipe
from sqlft.records import read_examples
from tests.dataset.lint.pairs import CARD, S, U

ROOT = Path(__file__).parents[3]
TINY = ROOT / "recipes" / "tiny-cpu.yaml"
WRONG = [
    ("How many German users?", f"SELECT count() FROM {U} WHERE country = 'German'"),
    ("How many users are there?", f"SELECT uniq(user_id) FROM {U}"),
    ("How many users are registered?", f"SELECT count() FROM {U}"),
]


@pytest.fixture(scope="module")
def dsn(tmp_path_factory):
    dsn = f"chdb://{tmp_path_factory.mktemp('lint') / 'shop'}"
    with Database.connect(dsn) as db:
        fill_shop(db, 1500)
    return dsn


@pytest.fixture
def lint(monkeypatch, capsys, tmp_path):
    """Runs `sqlft lint`: (exit code, standard output)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["sqlft", "lint", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code or 0, capsys.readouterr().out

    return run


@pytest.fixture
def wrong(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps([{"question": q, "sql": s} for q, s in WRONG]))
    return path


def test_our_own_sets_are_silent(dsn):
    recipe = load_recipe(TINY, [f"database.dsn={dsn}"])
    seeds, golden = read_examples(recipe.seeds), read_examples(recipe.golden)
    template = TemplateTeacher(CARD, 0).examples(60)
    golden = [example for example in golden if example.sql]
    report = lint_rows(Rows.of([*seeds, *golden, *template]), recipe)
    assert [f for f in report.findings if f.level == "error"] == []
    assert [f for f in report.findings if f.level == "warning" and f.row < len(seeds) + len(golden)] == []
    assert "process" in report.sandbox


def test_json_is_all_that_is_printed_and_errors_exit_with_1(lint, wrong, dsn, tmp_path):
    golden = tmp_path / "golden.jsonl"
    golden.write_text(json.dumps({"question": "how many users are registered", "sql": f"SELECT count() FROM {U}"}))
    code, out = lint(wrong, "--recipe", TINY, "--golden", golden, "--json", f"database.dsn={dsn}")
    found = json.loads(out)
    assert code == 1
    assert [(f["row"], f["code"], f["level"]) for f in found if f["level"] != "note"] == [
        (0, "unknown_literal", "error"),
        (1, "approximate", "warning"),
        (2, "leak_exact", "error"),
    ]
    assert found[0].keys() == {"row", "code", "level", "evidence", "fix"}
    assert next(f for f in found if f["code"] == "leak_exact")["golden"] == "how many users are registered"


def test_a_recipe_that_allows_leakage_lets_it_pass_and_still_tells(lint, dsn, tmp_path):
    row = {"question": "How many users are registered?", "sql": f"SELECT count() FROM {U}"}
    for name in ("set.jsonl", "golden.jsonl"):
        (tmp_path / name).write_text(json.dumps(row))
    words = (tmp_path / "set.jsonl", "--golden", tmp_path / "golden.jsonl", "--recipe", TINY, "--json")
    assert lint(*words, f"database.dsn={dsn}")[0] == 1
    code, out = lint(*words, f"database.dsn={dsn}", "allow_leakage=true")
    assert code == 0 and [f["code"] for f in json.loads(out)] == ["leak_exact"]


def test_fix_writes_what_is_mechanical(lint, wrong, tmp_path):
    out = tmp_path / "fixed.csv"
    lint(wrong, "--fix", out)
    assert "uniqExact(user_id)" in out.read_text()


def test_without_a_recipe_the_text_alone_is_judged(lint, tmp_path):
    path = tmp_path / "set.csv"
    path.write_text(
        f"question,sql\nHow many sessions in 2022?,SELECT count() FROM {S} WHERE toYear(action_date) = 2023\n"
    )
    code, out = lint(path, "--json")
    assert code == 1 and [f["code"] for f in json.loads(out)] == ["disagree"]


def test_a_set_without_errors_exits_with_0(lint, tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("question,sql\nHow many users?,SELECT COUNT(*) FROM users\n")
    assert lint(path, "--json", "--dialect", "snowflake") == (0, "[]\n")


def test_a_set_that_was_compared_with_nothing_says_so(wrong):
    nothing = wrong.parent / "nothing.jsonl"
    nothing.touch()
    assert "holds no golden questions" in lint_file(wrong, golden=nothing).notes[0]
    assert "is the golden set itself" in lint_file(wrong, golden=wrong).notes[0]
    assert {f.code for f in lint_file(wrong, golden=_copy(wrong)).findings} >= {"leak_exact"}


def test_a_golden_question_without_sql_is_no_defect_and_a_row_without_it_is(tmp_path):
    path = tmp_path / "golden.jsonl"
    path.write_text(
        '{"question": "What will the weather be?", "sql": ""}\n{"question": "How many?", "sql": "SELECT ("}\n'
    )
    assert {(f.row, f.code) for f in lint_file(path, golden=path).findings} == {(1, "parse")}
    alone = [f for f in lint_file(path).findings if f.row == 0]
    assert [(f.code, f.fix) for f in alone] == [("parse", "Write it: the golden set alone may leave it out.")]


def _copy(path):
    return shutil.copy(path, path.with_name("copy.json"))


@pytest.mark.parametrize("arguments", [("none.csv",), ("set.json", "--dialect", "klingon"), ("nothing.csv",)])
def test_wrong_use_exits_with_2(lint, wrong, arguments, monkeypatch):
    monkeypatch.chdir(wrong.parent)
    (wrong.parent / "nothing.csv").touch()
    assert lint(*arguments)[0] == 2
