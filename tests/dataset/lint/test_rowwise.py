"""Checking rows in several processes says what checking them in one does, in the same order."""

import datetime
import json
import os

import pytest

from sqlft.database import QueryError
from sqlft.dataset.lint import Rows, lint_rows, rowwise
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.template_teacher import TemplateTeacher
from tests.dataset.lint.pairs import CARD, S, U, result

DAY = datetime.date(2024, 12, 31)
WRONG = [
    ("How many German users?", f"SELECT count() FROM {U} WHERE country = 'German'"),
    ("How many sessions were there in 2023?", f"SELECT count() FROM {S} WHERE toYear(action_date) = 2022"),
    ("How many users are there today?", f"SELECT uniq(user_id) FROM {U} WHERE today() > '2024-01-01'"),
    ("Which users?", "SELECT FROM WHERE"),
]


@pytest.fixture(scope="module")
def examples():
    drawn = [(example.question, example.sql) for example in TemplateTeacher(CARD, 0).examples(116)]
    return [*drawn, *(pair for pair in WRONG for _ in range(4))][::-1]


def pairs(examples):
    outcomes = [None, result([0]), QueryError("no such column"), result()]
    return [Pair(row, q, s, CARD, outcome=outcomes[row % 4]) for row, (q, s) in enumerate(examples)]


def test_processes_say_what_one_says_in_the_rows_order(examples, monkeypatch):
    one = list(rowwise.look_at(pairs(examples), 100, DAY, processes=1))
    assert {remark.code for remarks in one for remark in remarks} >= {"unknown_literal", "disagree", "empty", "runs"}
    monkeypatch.setattr(rowwise, "_SHARE", 7)
    looked = list(rowwise.look_at(pairs(examples), 100, DAY, processes=3))
    assert looked == one


def test_many_rows_are_shared_out_and_few_are_not(examples, monkeypatch):
    monkeypatch.setattr(rowwise, "_look", lambda *_: [os.getpid()])
    assert list(rowwise.look_at(pairs(examples), 100, DAY)) == [[os.getpid()]] * len(examples)
    monkeypatch.setattr(rowwise, "_MANY", len(examples))
    assert os.getpid() not in {process for [process] in rowwise.look_at(pairs(examples), 100, DAY)}


def test_the_findings_are_the_same_byte_for_byte(examples, monkeypatch):
    rows = Rows(*map(list, zip(*examples, strict=True)))
    said = []
    for many in (10**9, 1):
        monkeypatch.setattr(rowwise, "_MANY", many)
        steps = []
        findings = lint_rows(rows, progress=lambda *step, steps=steps: steps.append(step)).findings
        said.append(json.dumps([finding.to_json() for finding in findings]))
        assert steps == [("rows", n, len(rows)) for n in range(1, len(rows) + 1)]
    assert said[0] == said[1] != "[]"
