import random
import time

import pytest

from sqlft.dataset.lint.similarity import grams, jaccard, nearest, similar_across, similar_pairs
from sqlft.dataset.lint.wording import fold, gist, literals, mask, template

WORDS = "users sessions revenue browser country month average total number fraud rate age first purchase linux".split()


def test_jaccard_of_the_same_and_of_the_different():
    assert jaccard(grams("how many users"), grams("how many users")) == 1
    assert jaccard(grams("abc"), grams("xyz")) == 0


def test_banding_finds_what_comparing_all_finds():
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=6)) for _ in range(150)]
    texts += [text[:-1] + "z" for text in texts[:40]]
    sets = [grams(text) for text in texts]
    every = {
        (i, j)
        for i in range(len(texts))
        for j in range(i + 1, len(texts))
        if texts[i] != texts[j] and jaccard(sets[i], sets[j]) >= 0.8
    }
    assert len(every) > 30
    assert {(i, j) for i, j, _ in similar_pairs(texts, 0.8)} == every


def test_pairs_across_two_lists_are_told_once_with_their_similarity():
    [(one, other, similarity)] = similar_across(["total revenue", "age of users"], ["the age of users"], 0.6)
    assert (one, other) == (1, 0) and 0.6 < similarity < 1


def test_nothing_is_like_nothing():
    assert list(similar_pairs([], 0.9)) == list(similar_across([], ["a"], 0.9)) == []


def test_thousands_of_texts_take_seconds():
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=9)) + f" {n}" for n in range(3000)]
    started = time.process_time()
    list(similar_pairs(texts, 0.9))
    assert time.process_time() - started < 10


def test_wording():
    assert fold("  How MANY users, please?") == "how many users please"
    assert gist("What is the number of users in France?") == gist("How many users are in France?")
    assert mask("Revenue in May 2024 from France", ["France"]) == mask("Revenue in June 2023 from Germany", ["Germany"])
    assert literals("Users over 30 in France", ["France"]) == ("30", "france")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SELECT 1 FROM t WHERE a = 'x'", "select  2 from T where a='y' FORMAT CSV", True),
        ("SELECT a FROM t", "SELECT b FROM t", False),
    ],
)
def test_templates_differ_in_more_than_literals(one, other, same):
    assert (template(one) == template(other)) == same


def test_the_nearest_come_first_and_no_more_than_asked_for():
    others = ["users in france", "sessions by browser", "users in spain by age", "revenue"]
    [near, far] = nearest(["users in spain", "zzz"], others, 2)
    assert [place for place, _ in near] == [2, 0] and near[0][1] > near[1][1] > 0.3
    assert all(alike < 0.2 for _, alike in far)
    assert nearest(["users"], [], 2) == [[]]
