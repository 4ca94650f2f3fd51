"""The template teacher writes about what a model got wrong, too."""

from pathlib import Path

import pytest

from sqlft.card import SchemaCard
from sqlft.dataset.slots import Failure
from sqlft.dataset.slots.axes import axes
from sqlft.dataset.template_teacher import TemplateTeacher

CARD = SchemaCard.load(Path(__file__).parent.parent.parent / "data" / "ecommerce" / "schema.yaml")


@pytest.fixture(scope="module")
def teacher():
    return TemplateTeacher(CARD, 0)


def failure(**fields):
    return Failure(**({"category": "another limit"} | fields))


@pytest.mark.parametrize("name", ["limit_by", "totals", "join", "ranking", "having", "window"])
def test_a_construct_chooses_the_templates(teacher, name):
    found = teacher.examples(40, [failure(construct=name)])
    assert all(axes().find_construct(name).is_in(example.sql) for example in found)
    assert len({example.template for example in found}) > 1


def test_tables_and_terms_choose_among_them(teacher):
    users = teacher.examples(30, [failure(construct="count", tables=["ecommerce.users"])])
    assert all("sessions" not in example.sql for example in users)
    rates = teacher.examples(30, [failure(construct="shares", terms=["conversion rate of sessions"])])
    assert all("countIf(revenue > 0) / count()" in e.sql.replace("s.", "") for e in rates)


def test_categories_are_drawn_in_proportion_to_their_counts(teacher):
    wanted = [failure(construct="totals", count=3), failure(construct="limit_by", count=1)]
    found = teacher.examples(40, wanted)
    assert sum("TOTALS" in example.sql for example in found) == 30
    assert sum("LIMIT 1 BY" in example.sql for example in found) == 10


def test_what_the_grammar_cannot_write_or_runs_out_of_is_filled_by_all_templates(teacher):
    found = teacher.examples(50, [failure(construct="arrays")])
    assert len({example.template for example in found}) > 20


def test_the_same_failures_give_the_same_examples_and_another_seed_others(teacher):
    wanted = [failure(construct="having")]
    assert teacher.examples(20, wanted) == TemplateTeacher(CARD, 0).examples(20, wanted)
    assert teacher.examples(20, wanted) != TemplateTeacher(CARD, 1).examples(20, wanted)
    assert teacher.examples(20, []) == teacher.examples(20)
