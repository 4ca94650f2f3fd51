import torch

from sqlft.memory.router import Router

ATTRIBUTES = ("clearing code", "dispatch label", "ledger key", "audit mark")
NAMES = [f"zor{letter}" for letter in "abcdefghijklmnopqrst"]


def embed(word):
    noise = torch.Generator().manual_seed(int.from_bytes(word.encode(), "little") % 2**31)
    return torch.nn.functional.normalize(torch.randn(64, generator=noise), dim=0)


def fitted(extra=(), others=("How many users are there in France?",)):
    """Twenty names with an attribute each, and `extra` (name, attribute)."""
    every = [*((name, ATTRIBUTES[n % 4]) for n, name in enumerate(NAMES)), *extra]
    router = Router(embed)
    router.fit({f"{n} {a}": [f"What is the {a} of {n}?", f"Tell me {n}'s {a}."] for n, a in every}, others)
    return router


def test_a_name_that_one_fact_has_is_enough_where_the_rest_is_said_in_words_of_no_fact():
    assert fitted().find("Please look up zora and state its settlement cipher") == ["zora clearing code"]


def test_a_name_is_not_enough_where_something_else_is_asked_that_other_facts_are_about():
    assert fitted().find("Which dispatch label does zora have?") == []


def test_a_name_that_two_facts_have_does_not_say_which_is_meant():
    router = fitted([("zora", "audit mark")])
    assert router.find("Please look up zora and state its settlement cipher") == []
    assert router.find("Which audit mark does zora have?") == ["zora audit mark"]


def test_a_word_that_other_questions_have_is_no_name():
    router = fitted(others=[f"How many {word} of zora are there?" for word in ("users", "orders")])
    assert router.find("How many people has zora?") == []


def test_two_facts_are_found_in_one_question_and_a_name_beside_them():
    found = fitted().find("The clearing code of zora and the dispatch label of zorb, please, and zorc?")
    assert found[:2] == ["zora clearing code", "zorb dispatch label"]


def test_of_two_words_that_nothing_else_has_neither_is_a_name():
    router = Router(embed)
    phrasings = {term: [f"What does {term} mean?", f"How is {term} defined?"] for term in ("net zora", "gross zorb")}
    router.fit(phrasings, ["How many users are there?"] * 20)
    assert router.find("What does gross zorc mean?") == []
    assert router.find("Please spell out gross zorb") == ["gross zorb"]
