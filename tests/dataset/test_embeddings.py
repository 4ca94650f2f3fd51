import math

import numpy as np
import pytest

from sqlft.dataset.clean import Waterfall
from sqlft.dataset.embeddings import QuestionVectors
from sqlft.dataset.purse import Purse
from sqlft.dataset.written import Written
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import Embeddings, Recipe
from sqlft.records import Example
from tests.dataset.lint.pairs import CARD, DATA
from tests.dataset.test_clean import ONE, Database, rows
from tests.openai_stub import Fault, OpenAIStub


def angle(text):
    """Questions of one meaning begin with the same word here."""
    turn = sum(map(ord, text.split()[0]))
    return [3 * math.cos(turn), 3 * math.sin(turn)]


@pytest.fixture
def stub():
    with OpenAIStub(lambda body: "", vector=angle) as server:
        yield server


@pytest.fixture
def ask(stub, tmp_path):
    def make(model="text-embedding-3-small", budget=1.0, spent=0.0, confirm=None):
        clean = {"embeddings": {"model": model, "base_url": stub.url}}
        recipe = Recipe(schema=DATA / "schema.yaml", seeds="s", golden="g", clean=clean, teacher={"budget_usd": budget})
        purse = Purse(recipe, confirm, lambda *step: None, [Written([], dollars=spent)])
        return QuestionVectors(recipe.clean.embeddings, tmp_path / "embeddings.jsonl", purse), purse

    return make


def test_each_question_is_asked_for_once_and_its_cost_counted(ask, stub):
    texts = [f"word{n} is this?" for n in range(40)]
    vectors, purse = ask()
    made = vectors([*texts, texts[0] + "  "])
    assert made.shape == (41, 2) and np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-3)
    assert made[3] @ made[3] > made[3] @ made[4] and (made[0] == made[40]).all()
    assert [len(body["input"]) for body in stub.requests] == [32, 8]
    assert purse.total().dollars == pytest.approx(2 * 1000 * 0.02 / 1e6)
    again, resumed = ask()
    assert (again([*texts, "new?"])[:40] == made[:40]).all()
    assert [body["input"] for body in stub.requests[2:]] == [["new?"]]
    assert resumed.total().dollars == pytest.approx(3 * 1000 * 0.02 / 1e6) and resumed.paid[1].calls_kept == 2


def test_a_kill_in_between_loses_nothing_that_was_answered(ask, stub):
    texts = [f"word{n} is this?" for n in range(70)]
    stub.faults.extend([None, None, Fault(400)])
    with pytest.raises(SqlftError, match="refuses the request"):
        ask()[0](texts)
    assert ask()[0](texts).shape == (70, 2)
    assert [len(body["input"]) for body in stub.requests] == [32, 32, 6]


def test_another_model_has_other_vectors(ask, stub):
    ask()[0](["one?"])
    ask("text-embedding-3-large")[0](["one?"])
    assert [body["model"] for body in stub.requests] == ["text-embedding-3-small", "text-embedding-3-large"]


def test_they_count_against_the_budget_and_want_agreement(ask, stub):
    poor, purse = ask(budget=0.5, spent=0.5)
    assert poor(["one?"]) is None and not stub.requests
    assert purse.notes == ["the budget is spent: embeddings were not asked for"]
    with pytest.raises(WrongUse, match=r"1 calls of text-embedding-3-small.*budget_usd"):
        ask(budget=None)[0](["one?"])
    with pytest.raises(WrongUse, match="nobody has agreed"):
        ask(confirm=lambda estimate: False)[0](["one?"])
    assert not stub.requests
    own, purse = ask(model="bge-m3", budget=None)  # a local endpoint's own model costs nothing
    assert own(["one?"]).shape == (1, 2) and purse.total().dollars == 0


@pytest.mark.parametrize("vector", [[], [0.0, 0.0], [float("nan")]])
def test_an_answer_without_vectors_is_said(ask, stub, vector):
    stub.vector = lambda text: vector
    with pytest.raises(SqlftError, match="vectors"):
        ask()[0](["one?"])


def test_a_key_is_asked_for_before_anything_is_spent(ask, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(WrongUse, match="OPENAI_API_KEY"):
        QuestionVectors(Embeddings(base_url="https://api.example.com/v1"), None, None)


def test_of_questions_with_one_meaning_one_answer_and_the_same_literals_the_first_stays(ask):
    pairs = [
        ("Revenue of 2023, in all?", "SELECT 7", ONE),
        ("Revenue that the shop made while it was 2023, please", "SELECT 8 - 1", ONE),
        ("Revenue in 2024 was how much?", "SELECT 6 + 1", ONE),
        ("Revenue per visitor, for those who came in 2023?", "SELECT 3", rows(2)),
        ("Money that was taken over the whole of 2023?", "SELECT 7 + 0", ONE),
    ]
    outcomes = {sql: outcome for _, sql, outcome in pairs}
    examples = [Example(question=question, sql=sql) for question, sql, _ in pairs]
    vectors, _ = ask()
    recipe = vectors._purse.recipe
    recipe.clean.skip = ["disagree"]

    def dropped(embed):
        made = Waterfall(recipe, CARD, [], Database(outcomes), embed=embed).clean(examples)
        return [(item.reason, item.evidence) for item in made.rejected]

    assert dropped(vectors) == [("near_duplicate", f"1.00 like row 0 in meaning: {pairs[0][0]}")]
    assert dropped(None) == []
