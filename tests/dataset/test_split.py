from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlft.dataset.fold import fold_sql
from sqlft.dataset.split import split
from sqlft.problems import WrongUse
from sqlft.recipe import Split
from sqlft.records import Example


def examples(count, templates=0, queries=None):
    """`count` examples, of so many templates in turn, over so many different queries."""
    return [
        Example(
            question=f"Question {n}?",
            sql=f"SELECT {n % (queries or count)}",
            template=f"t{n % templates}" if templates else "",
        )
        for n in range(count)
    ]


def sql_of(part):
    return {fold_sql(example.sql) for example in part}


def everything(parts):
    return [
        *parts.train,
        *parts.validation,
        *parts.heldout,
        *parts.heldout_templates,
        *parts.unused,
        *(item.example for item in parts.rejected),
    ]


def test_parts_have_the_sizes_of_the_recipe():
    parts = split(examples(100), Split(train=40, validation=10, heldout=20), seed=0)
    assert [len(part) for part in (parts.train, parts.validation, parts.heldout, parts.unused)] == [40, 10, 20, 30]


def test_train_takes_all_that_is_left_where_the_recipe_names_no_number():
    parts = split(examples(100), Split(validation=10, heldout=20), seed=0)
    assert len(parts.train) == 70 and not parts.unused


def test_the_seed_decides():
    section = Split(train=40, validation=10, heldout=20, heldout_templates=0.2)
    assert split(examples(100, 10), section, 0) == split(examples(100, 10), section, 0)
    assert split(examples(100, 10), section, 0).heldout != split(examples(100, 10), section, 1).heldout


def test_withheld_templates_are_nowhere_else():
    parts = split(examples(100, 10), Split(validation=10, heldout=20, heldout_templates=0.2), seed=3)
    apart = {example.template for example in parts.heldout_templates}
    assert len(apart) == 2 and len(parts.heldout_templates) == 20
    assert not apart & {example.template for example in [*parts.train, *parts.validation, *parts.heldout]}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_held_out_has_its_template_in_train(seed):
    single = [
        Example(question=f"Wording {n}?", sql=f"SELECT {n // 8}00", template=f"single{n // 8}") for n in range(40)
    ]
    parts = split([*single, *examples(200, 40)], Split(train=60, validation=10, heldout=40), seed)
    trained = {example.template for example in parts.train}
    assert len(trained) == 45
    assert {example.template for example in [*parts.heldout, *parts.validation]} <= trained


def test_a_small_share_withholds_one_template_at_least():
    parts = split(examples(30, 3), Split(validation=1, heldout_templates=0.01), seed=0)
    assert len({example.template for example in parts.heldout_templates}) == 1


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(60, 120),
    queries=st.integers(12, 120),
    templates=st.integers(2, 9),
    heldout=st.integers(0, 15),
    validation=st.integers(0, 8),
    seed=st.integers(0, 5),
)
def test_no_part_shares_sql_with_another_and_nothing_is_lost(count, queries, templates, heldout, validation, seed):
    given_examples = examples(count, templates, queries)
    try:
        parts = split(given_examples, Split(validation=validation, heldout=heldout, heldout_templates=0.2), seed)
    except WrongUse:
        return  # too few different queries for these parts
    sets = [sql_of(part) for part in (parts.train, parts.validation, parts.heldout, parts.heldout_templates)]
    assert sum(map(len, sets)) == len(set.union(*sets))
    assert len(parts.heldout) == heldout and len(parts.validation) == validation
    assert Counter(e.id for e in everything(parts)) == Counter(e.id for e in given_examples)


def test_what_shares_its_sql_with_train_leaves_the_held_out_templates_with_a_reason():
    mixed = [
        *examples(20, 2),
        *(Example(question=f"Again {n}?", sql=f"select  {n}", template=f"t{1 - n % 2}") for n in range(20)),
    ]
    parts = split(mixed, Split(validation=0, heldout_templates=0.5), seed=0)
    assert not parts.heldout_templates
    assert [item.reason for item in parts.rejected] == ["shared_sql"] * 20


def test_a_group_that_does_not_fit_is_cut_and_its_rest_is_in_no_part():
    pairs = [Example(question=f"Question {n}?", sql=f"SELECT {n // 3}") for n in range(30)]
    parts = split(pairs, Split(validation=0, heldout=4), seed=0)
    assert len(parts.heldout) == 4 and len(parts.rejected) == 2 and len(parts.train) == 24


@pytest.mark.parametrize(
    "section",
    [
        Split(train=80, validation=10, heldout=20),
        Split(validation=0, heldout=101),
        Split(validation=100),
        Split(validation=101),
    ],
)
def test_parts_that_do_not_add_up_are_said_with_numbers(section):
    total = section.heldout + section.validation + (section.train or 1)
    with pytest.raises(WrongUse, match=rf"= {total}.*100 examples are left") as caught:
        split(examples(100), section, seed=0)
    assert f"heldout {section.heldout} + validation {section.validation}" in str(caught.value)


def test_the_withheld_are_counted_apart_in_the_message():
    with pytest.raises(WrongUse, match=r"80 examples are left \(100 clean, 20 of withheld templates\)"):
        split(examples(100, 10), Split(train=90, heldout_templates=0.2), seed=0)


def test_seeds_go_into_train_and_their_sql_nowhere_else():
    seeds = [Example(question=f"Seed {n}?", sql=f"SELECT {n}") for n in range(5)]
    parts = split(examples(50), Split(train=10, validation=10, heldout=30), seed=0, seeds=seeds)
    assert parts.train[:5] == seeds and len(parts.train) == 15
    assert not sql_of(seeds) & sql_of([*parts.validation, *parts.heldout])
