"""The template teacher writes about what a model got wrong, too."""

from pathlib import Path

import pytest

from sqlft.card import SchemaCard
from sqlft.dataset.slots import ABOUT_ANYTHING, Failure
from sqlft.dataset.slots.axes import axes
from sqlft.dataset.template_teacher import TemplateTeacher

CARD = SchemaCard.load(Path(__file__).parent.parent.parent / "data" / "ecommerce" / "schema.yaml")


@pytest.fixture(scope="module")
def teacher():
    return TemplateTeacher(CARD, 0)


def directed(found):
    """Those that a category chose: all but one of `ABOUT_ANYTHING`."""
    return [example for n, example in enumerate(found) if n % ABOUT_ANYTHING != ABOUT_ANYTHING - 1]


def failure(**fields):
    return Failure(**({"category": "another limit"} | fields))


@pytest.mark.parametrize("name", ["limit_by", "totals", "join", "ranking", "having", "window"])
def test_a_construct_chooses_the_templates(teacher, name):
    found = directed(teacher.examples(42, [failure(construct=name)]))
    assert all(axes().find_construct(name).is_in(example.sql) for example in found)
    assert len({example.template for example in found}) > 1


def test_tables_and_terms_choose_among_them(teacher):
    users = directed(teacher.examples(30, [failure(construct="count", tables=["ecommerce.users"])]))
    assert all("sessions" not in example.sql for example in users)
    rates = directed(teacher.examples(30, [failure(construct="shares", terms=["conversion rate of sessions"])]))
    assert all("countIf(revenue > 0) / count()" in e.sql.replace("s.", "") for e in rates)


def test_categories_are_drawn_in_proportion_to_their_counts(teacher):
    wanted = [failure(construct="totals", count=3), failure(construct="limit_by", count=1)]
    found = directed(teacher.examples(60, wanted))
    assert sum("TOTALS" in example.sql for example in found) == 30
    assert sum("LIMIT 1 BY" in example.sql for example in found) == 10


def test_what_stands_beside_a_construct_chooses_among_its_templates(teacher):
    def shown(example):
        return {construct.name for construct in axes().constructs if construct.is_in(example.sql)}

    wanted = failure(construct="join", beside=["count", "groups"])
    found = directed(teacher.examples(30, [wanted]))
    assert all(shown(example) == {"join", "count", "groups"} for example in found)
    wider = directed(teacher.examples(30, [failure(construct="join")]))
    assert len({frozenset(shown(example)) for example in wider}) > 5


def test_one_pair_of_three_is_about_anything_whatever_failed(teacher):
    found = teacher.examples(90, [failure(construct="totals")])
    rest = [example for example in found if example not in directed(found)]
    assert all("TOTALS" in example.sql for example in directed(found))
    assert len(rest) == 30 and sum("TOTALS" in example.sql for example in rest) < 5
    assert len({example.template for example in rest}) > 25


def test_what_the_grammar_cannot_write_or_runs_out_of_is_filled_by_all_templates(teacher):
    found = teacher.examples(50, [failure(construct="arrays")])
    assert len({example.template for example in found}) > 20


def test_the_same_failures_give_the_same_examples_and_another_seed_others(teacher):
    wanted = [failure(construct="having")]
    assert teacher.examples(20, wanted) == TemplateTeacher(CARD, 0).examples(20, wanted)
    assert teacher.examples(20, wanted) != TemplateTeacher(CARD, 1).examples(20, wanted)
    assert teacher.examples(20, []) == teacher.examples(20)
