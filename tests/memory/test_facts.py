"""What may be a fact: three forms of file, and everything that is refused with its place and name."""

import json

import pytest

from sqlft.card import Column, SchemaCard, Table
from sqlft.memory import Fact, check_facts, read_facts
from sqlft.memory.facts import refuse_leaks
from sqlft.problems import WrongUse
from sqlft.records import Example

CARD = SchemaCard(
    tables=[Table(name="shop.users", columns=[Column(name="land", type="String", values=["France", "Spain"])])]
)


def write(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return path


def fact(name, answer="42", *phrasings, **more):
    return {"id": name, "answer": answer, "phrasings": list(phrasings) or [f"What is {name}?"]} | more


def refusal(path):
    with pytest.raises(WrongUse) as error:
        read_facts(path)
    return str(error.value)


def test_facts_pairs_and_a_glossary_may_stand_in_one_file(tmp_path):
    lines = [
        fact("a", "42", "What is a?", "Tell a.", uses=[{"question": "Twice a?", "answer": "84"}]),
        {"question": "How many users?", "sql": "SELECT count() FROM users", "level": "easy"},
        {"id": "pair", "question": "Oldest?", "sql_query": "SELECT max(age) FROM users"},
        {"term": "buyer", "definition": "a user with a purchase", "sql": "revenue > 0"},
        {"term": "visitor", "meaning": "a user with a session", "metric": "uniqExact(user_id)"},
    ]
    found = read_facts(write(tmp_path / "facts.jsonl", *lines))
    assert [f.answer for f in found] == [
        "42",
        "SELECT count() FROM users",
        "SELECT max(age) FROM users",
        "a user with a purchase revenue > 0",
        "a user with a session uniqExact(user_id)",
    ]
    assert [use.answer for use in found[0].asked] == ["42", "42", "84"]
    assert found[1].phrasings == ["How many users?"] and found[2].id == "pair"
    assert found[3].id == "term buyer" and len(found[3].phrasings) >= 3
    assert all("buyer" in phrasing for phrasing in found[3].phrasings)


def test_everything_that_is_wrong_with_a_file_is_said_at_once_with_its_line(tmp_path):
    said = refusal(
        write(
            tmp_path / "facts.jsonl",
            fact("a", "  "),
            {"id": "b", "answer": "1", "phrasings": []},
            {"question": "How many?"},
            {"term": "buyer"},
            fact("c", "1", "What is c?", ""),
        )
    )
    for line in range(1, 6):
        assert f"facts.jsonl:{line}" in said
    assert said.count("it is empty") == 4 and "answer" in said and "phrasings" in said


def test_an_empty_file_and_half_a_line_are_said(tmp_path):
    assert "holds none" in refusal(write(tmp_path / "none.jsonl", ""))
    (tmp_path / "cut.jsonl").write_text('{"id": "a", "answ')
    assert "the file ends in the middle" in refusal(tmp_path / "cut.jsonl")


def test_two_facts_with_one_phrasing_and_two_answers_are_named_and_refused(tmp_path):
    path = write(
        tmp_path / "facts.jsonl", fact("one", "17", "What is the code?"), fact("two", "18", "what is the CODE")
    )
    said = refusal(path)
    assert "facts one and two" in said and "'17' / '18'" in said
    same = write(tmp_path / "same.jsonl", fact("one", "17", "What is the code?"), fact("two", "17", "what is the CODE"))
    assert len(read_facts(same)) == 2  # one answer: nothing contradicts


def test_a_fact_whose_use_contradicts_its_own_phrasing_is_named():
    fact = Fact(id="a", answer="1", phrasings=["How many?"], uses=[{"question": "how many", "answer": "2"}])
    with pytest.raises(WrongUse, match="fact a, 'How many\\?'"):
        check_facts([fact], "facts")


def test_two_facts_of_one_id_are_refused(tmp_path):
    said = refusal(write(tmp_path / "facts.jsonl", fact("a"), fact("a", "42", "Tell a."), fact("b")))
    assert "fact a: 2 facts have this id" in said


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        ("how many users live in FRANCE", "12", "the same question"),
        ("How many users live in Spain?", "7", "but for literals"),
        ("Number of people from France", "SELECT count() FROM shop.users WHERE land = 'France'", "the same SQL"),
    ],
)
def test_a_fact_or_a_use_that_gives_a_golden_question_away_is_refused(question, answer, why):
    golden = [
        Example(question="How many users live in France?", sql="SELECT count() FROM shop.users WHERE land = 'France'")
    ]
    told = Fact(id="leaky", answer=answer, phrasings=[question])
    used = Fact(id="used", answer="a", phrasings=["What is it?"], uses=[{"question": question, "answer": answer}])
    for leaky in (told, used):
        with pytest.raises(WrongUse) as error:
            refuse_leaks([leaky], golden, CARD, 0.95, "facts.jsonl")
        assert f"fact {leaky.id}" in str(error.value) and why in str(error.value)
        assert "allow_leakage" in str(error.value) and "How many users live in France?" in str(error.value)
    refuse_leaks([Fact(id="a", answer="1", phrasings=["What is a land?"])], golden, CARD, 0.95, "facts.jsonl")
