"""Facts of a schema card: what is derived, that it can be memorized, and that none gives a golden question away."""

from pathlib import Path

import pytest
import sqlglot

from sqlft.card import Column, GlossaryTerm, Relation, SchemaCard, Table
from sqlft.inference.load import load_base
from sqlft.memory import Memory, check_facts
from sqlft.memory.derive import AT_ONCE, USES, derive_facts
from sqlft.memory.facts import find_leaks, refuse_leaks
from sqlft.memory.router import split_words
from sqlft.recipe import Memory as MemorySection
from sqlft.recipe import Model
from sqlft.records import Example, read_examples

SHOP = Path(__file__).parents[2] / "data" / "ecommerce"


@pytest.fixture(scope="module")
def card():
    return SchemaCard.load(SHOP / "schema.yaml")


@pytest.fixture(scope="module")
def golden():
    return read_examples(SHOP / "golden.jsonl")


@pytest.fixture(scope="module")
def facts(card, golden):
    return {fact.id: fact for fact in derive_facts(card, asked=golden)}


def test_the_shops_facts_can_be_memorized_and_give_no_golden_question_away(facts, card, golden):
    check_facts(list(facts.values()), "facts")
    refuse_leaks(list(facts.values()), golden, card, 0.95, "facts")
    every = derive_facts(card)
    leaking = {use.question for _, use, _ in find_leaks(every, golden, card, 0.95)}
    assert leaking == {"How many users are there with Netherlands?"}  # what was left out, and nothing else
    assert len(every) == len(facts) > 50


def test_each_fact_has_three_phrasings_that_share_what_it_is_known_by(facts):
    for fact in facts.values():
        assert len({*fact.phrasings}) == len(fact.phrasings) >= 3
        assert set.intersection(*({*split_words(phrasing)} for phrasing in fact.phrasings)), fact.id


def test_columns_values_formats_joins_and_spellings_are_facts(facts):
    answers = {name: fact.answer for name, fact in facts.items()}
    assert answers["column ecommerce.sessions operating system"] == "ecommerce.sessions.os"
    assert answers["values ecommerce.users country"] == "'France', 'Germany', 'Netherlands', 'United Kingdom'"
    assert answers["format ecommerce.sessions date"] == "'YYYY-MM-DD', '2021-01-01' to '2024-12-31'"
    join = "ecommerce.sessions.user_id = ecommerce.users.user_id"
    assert answers["join ecommerce.sessions ecommerce.users"] == join
    assert answers["spelling macOS"] == "'macOS' in ecommerce.sessions.os"
    assert "spelling 1" not in answers  # numbers are written in one way


def test_definitions_come_with_uses_under_other_filters(facts):
    metric = facts["metric conversion rate of users"]
    assert metric.answer.endswith("100 * uniqExactIf(user_id, revenue > 0) / uniqExact(user_id)")
    assert len(metric.uses) >= 3 and all(metric.answer.rpartition("; ")[2] in use.answer for use in metric.uses)
    assert all("conversion rate of users" in use.question.lower() for use in metric.uses)
    plural = facts["condition active users"]
    assert plural.answer == facts["condition active user"].answer
    assert all("active users" in use.question.lower() for use in plural.uses)
    assert facts["meaning share"].uses == []


def test_all_sql_of_uses_can_be_read(facts):
    for fact in facts.values():
        for use in fact.uses:
            sqlglot.parse_one(use.answer, read="clickhouse")


def test_a_fact_that_questions_for_sql_do_not_want_has_a_word_that_keeps_it_out_of_them(facts):
    words = {"column": "column", "format": "format", "join": "join", "meaning": "mean"}
    for fact in facts.values():
        if word := words.get(fact.id.split()[0]):
            assert not fact.uses and all(word in phrasing.lower() for phrasing in fact.phrasings)


def test_uses_are_taken_from_the_training_set_where_it_names_the_fact(card):
    seen = [
        Example(question=f"What was the total revenue in {year}?", sql=f"SELECT {year}") for year in range(2000, 2040)
    ]
    crowd = "total revenue and revenue per user of Chrome on macOS for active users?"
    facts = {fact.id: fact for fact in derive_facts(card, [*seen, Example(question=crowd, sql="SELECT 0")])}
    uses = facts["metric total revenue"].uses
    assert len(uses) == USES and {use.answer for use in uses} <= {e.sql for e in seen}
    assert "SELECT 0" not in [use.answer for fact in facts.values() for use in fact.uses] and AT_ONCE < 5
    assert all("SELECT 20" not in use.answer for use in facts["metric revenue per user"].uses)


def test_a_pair_in_which_a_longer_name_claims_the_words_is_no_use_of_the_shorter(card):
    seen = [
        Example(question="What is the average purchase value in 2021?", sql="SELECT 1"),
        Example(question="How long is a session of mobile sessions?", sql="SELECT 2"),  # session and sessions are in it
        Example(question="Which purchase was largest?", sql="SELECT 3"),
    ]
    facts = {fact.id: [use.answer for use in fact.uses] for fact in derive_facts(card, seen)}
    assert facts["metric average purchase value"] == ["SELECT 1"] and facts["condition purchase"] == ["SELECT 3"]
    assert "SELECT 2" not in [answer for answers in facts.values() for answer in answers]


def test_every_question_of_a_derived_fact_opens_it_and_those_that_are_not_for_sql_open_nothing_else(facts, golden):
    base = load_base(Model(quantization="none", dtype="float32"), str(SHOP.parent / "tiny-base"))
    memory = Memory.make(base.model, base.tokenizer, MemorySection())
    memory.add(list(facts.values()), [example.question for example in read_examples(SHOP / "seeds.jsonl")])
    shut = [use.question for fact in facts.values() for use in fact.asked if fact.id not in memory.find(use.question)]
    assert shut == []
    opened = [name for example in golden for name in memory.find(example.question)]
    assert opened and all(facts[name].uses for name in opened)


def test_what_would_be_one_question_with_two_answers_is_one_fact_with_both():
    both = [
        Column(name="home", type="String", term="land", values=["FR"]),
        Column(name="work", type="String", term="land"),
    ]
    card = SchemaCard(
        tables=[
            Table(name="a.users", columns=both),
            Table(name="b.users", columns=[Column(name="state", type="String", values=["fr", "O'Hare"])]),
        ],
        relations=[
            Relation(left="a.users.home", right="b.users.state"),
            Relation(left="a.users.work", right="b.users.state"),
        ],
        glossary=[
            GlossaryTerm(term="worker", meaning="works", table="a.users", condition="work != ''"),
            GlossaryTerm(term="workers", meaning="all that work"),
        ],
    )
    facts = {fact.id: fact for fact in derive_facts(card)}
    check_facts(list(facts.values()), "facts")
    assert facts["column a.users land"].answer == "a.users.home or a.users.work"
    assert "a.users" in facts["column a.users land"].phrasings[0]  # two tables are called users
    assert facts["join a.users b.users"].answer == "a.users.home = b.users.state or a.users.work = b.users.state"
    assert facts["spelling FR"].answer == "'FR' in a.users.home and 'fr' in b.users.state"
    assert facts["spelling O'Hare"].answer == "'O''Hare' in b.users.state"
    assert "condition workers" not in facts and facts["meaning workers"].answer == "all that work"


def test_a_card_of_a_table_alone_gives_facts_without_the_uses_that_it_cannot_have():
    card = SchemaCard(tables=[Table(name="db.t", columns=[Column(name="Odd name", type="String", values=["x"])])])
    facts = {fact.id: fact for fact in derive_facts(card)}
    assert facts["column db.t odd name"].answer == "db.t.`Odd name`"
    assert [use.answer for use in facts["spelling x"].uses] == [
        "SELECT count() AS rows FROM db.t WHERE `Odd name` = 'x'",
        "SELECT count() AS rows FROM db.t WHERE `Odd name` != 'x'",
    ]
