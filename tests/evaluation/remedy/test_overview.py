# ruff: noqa: E501
"""An evaluation's wrong answers together, read back from its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sqlft.card import Column, GlossaryTerm, Relation, SchemaCard, Table
from sqlft.cli import app
from sqlft.dataset.slots import read_failures
from sqlft.evaluation.remedy.overview import diagnose_run
from sqlft.problems import WrongUse
from sqlft.records import Example, write_jsonl
from tests.evaluation.made import answer, question, results

QUESTIONS = {
    "easy": ("How many users are there in France?", "SELECT count() FROM shop.users WHERE country = 'France'"),
    "medium": ("What did each country buy in 2023?", "SELECT country, sum(paid) FROM shop.visits AS v JOIN shop.users AS u "
               "ON u.id = v.user WHERE toYear(day) = 2023 GROUP BY country"),
    "hard": ("How many buyers visited?", "SELECT uniqExact(v.user) FROM shop.visits AS v WHERE v.paid > 0"),
}  # fmt: skip
SAID = {
    "base": [None, "SELECT 1", "SELECT 2"],
    "tuned": [
        "SELECT count() FROM shop.users WHERE country = 'Germany'",
        QUESTIONS["medium"][1].replace("2023", "2022").replace("sum", "avg"),
        QUESTIONS["hard"][1],
    ],
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tables = [
        Table(name="shop.users", columns=[Column(name="id", type="UInt64"), Column(name="country", type="String")]),
        Table(
            name="shop.visits",
            columns=[Column(name=n, type=t) for n, t in (("user", "UInt64"), ("day", "Date"), ("paid", "Float32"))],
        ),
    ]
    glossary = [GlossaryTerm(term="buyer", meaning="who paid", table="shop.visits", condition="paid > 0")]
    relations = [Relation(left="shop.visits.user", right="shop.users.id")]
    SchemaCard(tables=tables, relations=relations, glossary=glossary).save(tmp_path / "schema.yaml")
    write_jsonl(tmp_path / "seeds.jsonl", [Example(question="How many users are there in Spain?", sql="SELECT 1")])
    folder = tmp_path / "runs" / "shop"
    write_jsonl(
        folder / "dataset" / "train.jsonl", [Example(question="What did each city buy in 2021?", sql="SELECT 2")]
    )
    asked = [question(i, question=q, sql=s, level=level) for i, (level, (q, s)) in enumerate(QUESTIONS.items())]
    answers = {
        name: [
            answer(q, name, "no_sql" if sql is None else "match" if sql == q.sql else "mismatch", sql=sql)
            for q, sql in zip(asked, given, strict=True)
        ]
        for name, given in SAID.items()
    }
    results(asked, answers, settings={"schema": "schema.yaml", "seeds": "seeds.jsonl"}).save(
        folder / "evaluation" / "heldout"
    )
    return folder


def test_each_models_wrong_answers_are_counted_by_category(run: Path) -> None:
    base, tuned = diagnose_run("shop", "heldout").models
    assert (base.name, base.right.k, len(base.wrong)) == ("base", 0, 3)
    assert base.categories["no_sql"] == 1
    assert tuned.categories == {"wrong_literal": 1, "wrong_aggregation": 1, "date_range": 1}
    assert [one.level for one in tuned.easiest] == ["easy", "medium"]
    assert [(one.categories, one.answers) for one in tuned.targets[:1]] == [(("wrong_literal",), 1)]
    assert [one.accuracy for one in tuned.targets] == pytest.approx([2 / 3, 1], abs=1e-3)


def test_a_projects_folder_of_the_runs_name_is_not_taken_for_the_run(run: Path) -> None:
    Path("shop").mkdir()  # as `sqlft init shop` makes it
    assert diagnose_run("shop", "heldout").file == Path("runs/shop/evaluation/heldout/failures.jsonl")


def test_each_wrong_answer_is_shown_with_what_training_has_nearest(run: Path) -> None:
    first, second = diagnose_run(run, "heldout").models[1].wrong
    assert first.near[0][1:] == ("seeds", "How many users are there in Spain?")
    assert second.near[0][1:] == ("train", "What did each city buy in 2021?")
    assert first.near[0][0] > 0.3 > first.near[1][0]


def test_slots_are_what_build_reads_and_hold_no_word_of_a_question(run: Path) -> None:
    found = diagnose_run(run, "heldout")
    assert found.file == run / "evaluation" / "heldout" / "failures.jsonl"
    read = read_failures(found.file, SchemaCard.load(Path("schema.yaml")))
    assert read == found.slots
    by_category = {slot.category: slot for slot in read}
    assert by_category["a wrong literal"].tables == ["shop.users"]
    # wrong in two ways, and one slot: it is to weigh no more than another question
    [other] = [slot for slot in read if slot.category != "a wrong literal"]
    assert (other.category, other.count) == ("another aggregation", 1)
    assert (other.construct_, other.beside) == ("figures", ["groups", "dates", "join"])
    assert other.tables == ["shop.users", "shop.visits"]
    text = found.file.read_text()
    assert not any(words in text for words in ("France", "Germany", "2023", "2022", "How many", "What did"))


def test_terms_are_found_by_their_definition(run: Path) -> None:
    path = run / "evaluation" / "heldout" / "predictions.jsonl"
    path.write_text(
        path.read_text().replace('"strict":true', '"strict":false').replace('"status":"match"', '"status":"mismatch"')
    )
    [slot] = [slot for slot in diagnose_run(run, "heldout").slots if slot.terms]
    assert (slot.terms, slot.tables) == (["buyer"], ["shop.visits"])


def test_an_evaluation_of_an_older_version_is_read_by_todays_rules(run: Path) -> None:
    path = run / "evaluation" / "heldout" / "results.json"
    old: dict[str, Any] = json.loads(path.read_text())
    for model in old["models"]:
        del model["categories"]
    path.write_text(json.dumps(old))
    assert diagnose_run(run, "heldout").models[1].categories["wrong_literal"] == 1


def test_without_a_card_there_are_categories_and_no_slots(run: Path) -> None:
    Path("schema.yaml").unlink()
    found = diagnose_run(run, "heldout")
    assert found.models[1].categories and not found.slots and found.file is None


@pytest.mark.parametrize(
    ("name", "on", "what"), [("nowhere", "heldout", "no such folder"), ("shop", "golden", "--on heldout")]
)
def test_a_run_or_set_that_is_not_there_is_said(run: Path, name: str, on: str, what: str) -> None:
    with pytest.raises(WrongUse, match=what):
        diagnose_run(name, on)


def test_the_command_prints_tables_and_json(run: Path) -> None:
    shown = CliRunner().invoke(app, ["diagnose", "shop", "--on", "heldout"])
    assert shown.exit_code == 0
    for words in ("tuned: 2 of 3 wrong", "a wrong literal", "country = 'Germany', not country = 'France'", "in Spain?"):
        assert words in shown.output
    assert "easiest questions that still fail" in shown.output and "would reach at most 66.7%" in shown.output
    told = json.loads(CliRunner().invoke(app, ["diagnose", "shop", "--on", "heldout", "--json"]).stdout)
    assert told["models"]["tuned"]["categories"]["date_range"] == 1
    assert told["models"]["tuned"]["wrong"][0]["findings"][0]["category"] == "wrong_literal"
    assert told["slots"][0]["construct"]
