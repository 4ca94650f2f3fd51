"""Which facts a question opens: nested terms, several at once, words that nobody knows, pieces in another order."""

import pytest
import torch

from sqlft.memory.router import Router, make_embed, split_words

TERMS = ["revenue", "net revenue", "revenue per user", "churn rate", "code of Marlow", "code of Quill"]
OTHERS = ["How many users are there in France?", "What is the average age by country?", "Which users are oldest?"]


def phrasings(term):
    return [f"What does {term} mean?", f"Define {term}.", f"How is {term} computed?"]


@pytest.fixture(scope="module")
def router(base):
    router = Router(make_embed(base.model, base.tokenizer))
    router.fit({term: phrasings(term) for term in TERMS}, OTHERS)
    return router


def test_the_longer_of_two_nested_terms_is_the_one_that_is_meant(router):
    assert router.find("What was the net revenue in 2023?") == ["net revenue"]
    assert router.find("What was the revenue in 2023?") == ["revenue"]
    assert router.find("Show revenue per user by country.") == ["revenue per user"]


def test_two_facts_in_one_question_are_both_found_and_no_more_than_may_be(router):
    question = "Compare churn rate and net revenue by country"
    assert set(router.find(question)) == {"churn rate", "net revenue"}
    assert len(router.find(question, most=1)) == 1


@pytest.mark.parametrize("question", [*OTHERS, "What is the code of Venlo?", "What is the rate?", "", "?!"])
def test_questions_about_nothing_that_is_known_open_nothing(router, question):
    assert router.find(question) == []


def test_case_marks_and_order_of_words_do_not_matter(router):
    assert router.find("REVENUE, net: how much?") == ["net revenue"]


def test_the_order_of_a_words_pieces_matters(router, base):
    one, other = "Marlow", "wolraM"
    pieces = [base.tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("aebe", "beae")]
    assert sorted(pieces[0]) == sorted(pieces[1]) and pieces[0] != pieces[1]  # the same pieces
    assert float(router.embed("aebe") @ router.embed("beae")) < 0.8
    assert float(router.embed(one.lower()) @ router.embed(other.lower())) < 0.8
    assert router.find("What is the code of wolram?") == []


def test_what_was_fitted_does_not_change_when_facts_are_added_or_dropped(router, base):
    fresh = Router(make_embed(base.model, base.tokenizer))
    fresh.fit({term: phrasings(term) for term in TERMS}, OTHERS)
    before = (fresh.threshold, dict(fresh.rarity), dict(fresh.cores["churn rate"]))
    fresh.add({"lead time": phrasings("lead time")})
    assert fresh.find("lead time in 2023?") == ["lead time"]
    fresh.drop(["lead time"])
    assert fresh.find("lead time in 2023?") == []
    assert (fresh.threshold, fresh.rarity, fresh.cores["churn rate"]) == before


def test_all_facts_dropped_leave_a_router_that_opens_nothing(base):
    fresh = Router(make_embed(base.model, base.tokenizer))
    fresh.fit({"churn rate": phrasings("churn rate")})
    fresh.drop(["churn rate"])
    assert fresh.find("What does churn rate mean?") == [] and fresh.scores("churn") == {}


def test_words_are_split_without_case_and_marks():
    assert (
        split_words("What's the «Churn-Rate» of ecommerce.users?") == "what s the churn rate of ecommerce users".split()
    )


def test_vectors_of_words_have_unit_length(router):
    assert torch.allclose(torch.stack([router.embed(w) for w in ("churn", "of", "zzz")]).norm(dim=1), torch.ones(3))
