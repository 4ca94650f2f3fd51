"""The seeds whose questions are nearest to one that is asked.

BM25 is a page of arithmetic on some hundred short texts; the libraries for it bring arrays, stemmers and tokenisers for
millions of long ones, and one more thing to install.
"""

from __future__ import annotations

import base64
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from sqlft.dataset.journal import Entry, Journal, request_key
from sqlft.inference.embeddings import AT_ONCE, embed
from sqlft.inference.endpoint import open_client
from sqlft.recipe import Embedder
from sqlft.records import Example

K1, B = 1.5, 0.75


class Nearest(Protocol):
    """Finds the k seeds nearest to each question, the nearest last: what stands closest to the question counts most."""

    def find(self, questions: Sequence[str], k: int) -> list[list[Example]]: ...


class Bm25:
    """Nearest by words (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond")."""

    def __init__(self, seeds: Sequence[Example]) -> None:
        self._seeds = seeds
        self._words = [Counter(_words(seed.question)) for seed in seeds]
        self._holders = Counter(word for words in self._words for word in words)
        self._mean = sum(words.total() for words in self._words) / max(1, len(seeds))

    def find(self, questions: Sequence[str], k: int) -> list[list[Example]]:
        found = []
        for question in questions:
            asked = dict.fromkeys(_words(question))
            scores = [sum(self._score(word, words) for word in asked if word in words) for words in self._words]
            best = sorted(range(len(scores)), key=lambda place: -scores[place])[:k]
            found.append([self._seeds[place] for place in reversed(best)])
        return found

    def _score(self, word: str, words: Counter[str]) -> float:
        holders = self._holders[word]
        rarity = math.log(1 + (len(self._seeds) - holders + 0.5) / (holders + 0.5))
        return rarity * words[word] * (K1 + 1) / (words[word] + K1 * (1 - B + B * words.total() / self._mean))


class VectorSearch:
    """Nearest by the cosine of an endpoint's embeddings, each text's asked for once and kept in the journal.

    Raises:
        SqlftError: On `find`, where the endpoint fails.
    """

    def __init__(self, section: Embedder, seeds: Sequence[Example], journal: Journal) -> None:
        self._section, self._seeds, self._journal = section, seeds, journal

    def find(self, questions: Sequence[str], k: int) -> list[list[Example]]:
        seeds = self._vectors([seed.question for seed in self._seeds])
        best = np.argsort(-(self._vectors(questions) @ seeds.T), axis=1, kind="stable")[:, :k]
        return [[self._seeds[place] for place in reversed(row)] for row in best.tolist()]

    def _vectors(self, texts: Sequence[str]) -> np.ndarray:
        model, kept = self._section.model, self._journal.answers
        keys = [request_key(embed=text, model=model, base_url=self._section.base_url) for text in texts]
        missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in kept}.items())
        if missing:
            with open_client(model, self._section.base_url) as client:
                for start in range(0, len(missing), AT_ONCE):
                    some = missing[start : start + AT_ONCE]
                    vectors, _ = embed(client, model, [text for _, text in some])
                    for (key, _), vector in zip(some, vectors, strict=True):
                        self._journal.add(Entry(key=key, number=0, answer=base64.b64encode(vector.tobytes()).decode()))
        return np.array([np.frombuffer(base64.b64decode(kept[key]), dtype=np.float32) for key in keys])


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
