from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlft.dataset.fold import fold_sql
from sqlft.dataset.lint.wording import template
from sqlft.dataset.split import name_templates, split
from sqlft.problems import WrongUse
from sqlft.recipe import Split
from sqlft.records import Example


def examples(count, templates=1, queries=None):
    """`count` examples over so many different queries, of so many templates in turn: masked SQL, as any teacher's."""
    numbers = [n % (queries or count) for n in range(count)]
    return [
        Example(question=f"Question {n}?", sql=f"SELECT column{m % templates} > {m}") for n, m in enumerate(numbers)
    ]


def sql_of(part):
    return {fold_sql(example.sql) for example in part}


def templates_of(part):
    return {template(example.sql) for example in part}


def everything(parts):
    return [
        *parts.train,
        *parts.validation,
        *parts.heldout,
        *parts.development,
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


def test_withheld_templates_are_nowhere_else_whoever_wrote_them():
    parts = split(examples(100, 10), Split(validation=10, heldout=20, heldout_templates=0.2), seed=3)
    apart = templates_of(parts.heldout_templates)
    assert len(apart) == 2 and len(parts.heldout_templates) == 20
    assert not apart & templates_of([*parts.train, *parts.validation, *parts.heldout])
    assert templates_of(parts.heldout) <= templates_of(parts.train)  # this set shares templates, and no SQL
    assert not sql_of(parts.heldout) & sql_of(parts.train)


def test_the_grammar_s_own_templates_are_withheld_with_all_sql_that_they_share():
    phrasings = [
        example.model_copy(update={"template": f"phrasing{n // 10}", "sql": f"SELECT column{n // 20} > {n}"})
        for n, example in enumerate(examples(100))
    ]
    for seed in range(4):
        parts = split(phrasings, Split(validation=0, heldout_templates=0.3), seed)
        rest = [*parts.train, *parts.heldout]
        assert not templates_of(parts.heldout_templates) & templates_of(rest)
        assert not {e.template for e in parts.heldout_templates} & {e.template for e in rest}


def test_the_templates_of_seeds_in_train_are_not_withheld():
    seeds = [Example(question=f"Seed {n}?", sql=f"SELECT column{n} > 1000") for n in range(8)]
    for seed in range(4):
        parts = split(examples(100, 10), Split(validation=0, heldout_templates=0.1), seed, seeds)
        assert parts.heldout_templates and not templates_of(parts.heldout_templates) & templates_of(parts.train)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_held_out_has_its_template_in_train(seed):
    single = [Example(question=f"Wording {n}?", sql=f"SELECT single{n // 8} > 1") for n in range(40)]
    parts = split([*single, *examples(200, 40)], Split(train=60, validation=10, heldout=40), seed)
    trained = templates_of(parts.train)
    assert len(trained) == 45
    assert templates_of([*parts.heldout, *parts.validation]) <= trained


def test_a_small_share_withholds_one_template_at_least():
    parts = split(examples(30, 3), Split(validation=1, heldout_templates=0.01), seed=0)
    assert len(templates_of(parts.heldout_templates)) == 1


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
    seeds = [Example(question=f"Seed {n}?", sql=f"SELECT column0 > {n}") for n in range(5)]
    parts = split(examples(50), Split(train=10, validation=10, heldout=30), seed=0, seeds=seeds)
    assert parts.train[:5] == seeds and len(parts.train) == 15
    assert not sql_of(seeds) & sql_of([*parts.validation, *parts.heldout])


def test_development_is_held_out_as_heldout_is_and_shares_no_sql_with_it():
    parts = split(examples(60, templates=3), Split(validation=4, heldout=10, development=12), 0)
    assert (len(parts.heldout), len(parts.development), len(parts.validation)) == (10, 12, 4)
    sets = [sql_of(part) for part in (parts.train, parts.heldout, parts.development, parts.validation)]
    assert sum(map(len, sets)) == len(set().union(*sets))
    assert templates_of(parts.development) <= templates_of(parts.train)
    with pytest.raises(WrongUse, match=r"development 50 \+ train 1"):
        split(examples(60), Split(validation=4, heldout=10, development=50), 0)


def test_a_split_without_development_is_what_it_was():
    with_it, without = (split(examples(60), Split(validation=4, heldout=10, development=n), 0) for n in (5, 0))
    assert with_it.heldout == without.heldout and with_it.validation == without.validation


def test_questions_without_sql_share_a_template_with_nothing():
    asked = [*examples(2), *(Example(question=f"What will {n} be?", sql="") for n in range(3))]
    assert len(set(name_templates(asked).values())) == 4
