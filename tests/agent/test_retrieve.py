"""Which seeds are nearest to a question, by words and by an endpoint's vectors."""

from pathlib import Path

from sqlft.agent import Bm25, VectorSearch
from sqlft.dataset.journal import Journal
from sqlft.recipe import Embedder
from sqlft.records import Example
from tests.openai_stub import OpenAIStub

SEEDS = [
    Example(question=question, sql=f"SELECT {number}")
    for number, question in enumerate(
        [
            "How many users are there?",
            "How many users signed up in Germany?",
            "How many sessions on Linux?",
            "What is the mean revenue of a session, by browser?",
            "How many users are there in each country of ours, by the year in which they signed up with us?",
        ]
    )
]


def found(search: Bm25 | VectorSearch, question: str, k: int) -> list[str]:
    return [seed.question for seed in search.find([question], k)[0]]


def test_a_rare_word_weighs_more_than_common_ones_and_the_nearest_stands_last() -> None:
    assert found(Bm25(SEEDS), "How many users with revenue, by browser?", 1) == [SEEDS[3].question]
    assert found(Bm25(SEEDS), "how many LINUX sessions?", 2)[-1] == SEEDS[2].question


def test_a_short_seed_beats_a_long_one_that_holds_the_same_words() -> None:
    assert found(Bm25(SEEDS), "How many users are there", 2) == [SEEDS[4].question, SEEDS[0].question]


def test_a_question_that_shares_no_word_still_gets_its_seeds() -> None:
    assert len(found(Bm25(SEEDS), "Umsatz?", 3)) == 3


def test_vectors_find_what_shares_no_word_and_are_asked_for_once(tmp_path: Path) -> None:
    def vector(text: str) -> list[float]:
        return [1.0, 0.1] if "revenue" in text or "Umsatz" in text else [0.0, 1.0]

    with OpenAIStub(str, vector=vector) as stub:
        for _ in range(2):
            with Journal(tmp_path / "journal.jsonl") as journal:
                search = VectorSearch(Embedder(base_url=stub.url), SEEDS, journal)
                assert found(search, "Umsatz?", 1) == [SEEDS[3].question]
    assert [len(request["input"]) for request in stub.requests] == [len(SEEDS), 1]
