"""Which facts a question is about; none, where it is about none of them.

A question is taken word by word. A word's vector is made of the base's own token embeddings, whitened, each turned by
its place in the word, so that words of the same pieces in another order are others. A fact is known by the words that
all of its phrasings have, the rare ones above all; it opens where nearly all of them are met in the question (the sum
of greatest cosines of Khattab and Zaharia 2020, "ColBERT", weighted by inverse document frequency). Unlike a vector for
the whole question this finds two facts in one question, and a fact among words that it was never seen with. It is
fitted once, then frozen: the same question always opens the same facts.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sqlft.memory.purpose import Purpose

DIMENSIONS = 128
SAMPLE = 8192
SAME = 0.8
"""Cosine from which a word of a question is taken for a word of a fact."""
BOUNDS = (0.8, 0.95)
"""Between these the fitted threshold lies: a fact of three words may lose none of them."""

NAMED = 0.55
"""Share of a fact's squared weights that a name has which is enough by itself: of two words as rare neither is."""

Embed = Callable[[str], Tensor]


def make_embed(model: Any, tokenizer: Any) -> Embed:
    """A function from a word to its vector of unit length, (dimensions,)."""
    table: Tensor = model.get_input_embeddings().weight.detach()
    take = torch.linspace(0, len(table) - 1, min(SAMPLE, len(table))).long().to(table.device)
    some = table[take].float().cpu()
    mean = some.mean(0)
    values, vectors = torch.linalg.eigh((some - mean).T @ (some - mean) / len(some))
    kept = min(DIMENSIONS, len(values))
    whiten = vectors[:, -kept:] / values[-kept:].clamp(min=1e-8).sqrt()
    seen: dict[str, Tensor] = {}

    def embed(word: str) -> Tensor:
        if word not in seen:
            ids = tokenizer(word, add_special_tokens=False)["input_ids"]
            pieces = (table[ids].float().cpu() - mean) @ whiten
            pieces = torch.nn.functional.normalize(pieces, dim=-1)
            turned = torch.stack([piece.roll(7 * place) for place, piece in enumerate(pieces)]).sum(0)
            seen[word] = torch.nn.functional.normalize(turned, dim=0)
        return seen[word]

    return embed


def split_words(text: str) -> list[str]:
    """The words of a text, without case and marks."""
    return [word.lower() for word in re.findall(r"\w+", text)]


@dataclass
class Router:
    """Finds facts in questions.

    Attributes:
        embed: See `make_embed`.
        threshold: Share of a fact's weight that a question must have.
        rarity: Weight of each word that was seen when it was fitted; the greatest for any other.
        cores: Of each fact, by its id: the words that it is known by, with their weights.
        purpose: Tells questions that ask for a fact from those that use it.
    """

    embed: Embed
    threshold: float = BOUNDS[1]
    rarity: dict[str, float] = field(default_factory=dict)
    rarest: float = 1.0
    cores: dict[str, dict[str, float]] = field(default_factory=dict)
    purpose: Purpose = field(default_factory=Purpose)

    def fit(self, phrasings: dict[str, list[str]], others: Sequence[str] = ()) -> None:
        """The first phase: which words are rare, by what each fact is known, and how much of it a question must have.

        Args:
            phrasings: Of each fact, by its id.
            others: Questions about none of them, such as the training set's.
        """
        texts = [set(split_words(" ".join(given))) for given in phrasings.values()]
        texts += [set(split_words(other)) for other in others]
        holders = Counter(word for words in texts for word in words)
        self.rarity = {word: math.log((1 + len(texts)) / (0.5 + count)) for word, count in holders.items()}
        self.rarest = math.log((1 + len(texts)) / 0.5)
        self.add(phrasings)
        self.threshold = self._choose_threshold(phrasings, others)

    def add(self, phrasings: dict[str, list[str]]) -> None:
        """More facts, by the rarity and the threshold that were fitted."""
        self.cores |= {name: self._core(given) for name, given in phrasings.items()}
        self._forget()

    def drop(self, names: Sequence[str]) -> None:
        """Facts that no question opens any more."""
        self.cores = {name: core for name, core in self.cores.items() if name not in set(names)}
        self._forget()

    def scores(self, text: str) -> dict[str, float]:
        """How much of each fact a question has, from 0 to 1."""
        met = self._met(split_words(text))[0]
        return dict(zip(self.cores, self._share(met).tolist(), strict=True))

    def places(self, text: str, names: Sequence[str]) -> list[set[int]]:
        """Which of a question's words name each of these facts, counted from 0."""
        met, places = self._met(split_words(text))
        return [set(self._own(name, met, places).values()) for name in names]

    def find(self, text: str, most: int = 4) -> list[str]:
        """The facts that a question opens, at most so many, the surest first.

        Of two facts that claim the same words the one with more of them is meant: 'net revenue' is not 'revenue'.
        """
        words = split_words(text)
        if not words or not self.cores:
            return []
        met, places = self._met(words)
        shares, found, used = self._share(met).tolist(), list[str](), set[int]()
        names, weight = list(self.cores), self._totals
        open_ = [n for n, share in enumerate(shares) if share >= self.threshold]
        for n in sorted(open_, key=lambda n: (-shares[n] * weight[n], n)):
            own = self._own(names[n], met, places)
            new = sum(self.cores[names[n]][word] for word, place in own.items() if place not in used)
            if new >= 0.5 * weight[n] and len(found) < most:
                found.append(names[n])
                used |= set(own.values())
        return found + self._find_named(words, met, places, shares, used)[: most - len(found)]

    def _find_named(
        self, words: Sequence[str], met: Tensor, places: Sequence[int], shares: Sequence[float], used: set[int]
    ) -> list[str]:
        """Facts whose own name, which nothing else has, is met, while the rest is said in words that no fact has.

        A name must be spelled as it is. 'Its settlement cipher' may be the clearing code; 'its dispatch label' is not:
        other facts are about that.
        """
        names, vocabulary = list(self.cores), list(self._vocabulary)
        here = [n for n, near in enumerate(met.tolist()) if near > 0]
        known = {places[n] for n in here}
        as_spelled = [vocabulary[n] for n in here if met[n] > 0.99]
        lone = {word for word in as_spelled if self._rarity(word) > self.rarest - math.log(3.5)}
        able = {}
        for n in sorted({n for word in lone for n in self._holders[word] if shares[n] >= NAMED / 2}):
            core, own = self.cores[names[n]], self._own(names[n], met, places)
            share = sum(core[word] ** 2 for word in own) / sum(weight**2 for weight in core.values())
            spare = sum(self._rarity(words[place]) for place in known - used - set(own.values()))
            lacking = sum(weight for word, weight in core.items() if word not in own)
            if share >= NAMED and 2 * spare < lacking and not used & set(own.values()):
                able[names[n]] = set(own.values())
        return [name for name, own in able.items() if not any(own & able[other] for other in able if other != name)]

    def _own(self, name: str, met: Tensor, places: Sequence[int]) -> dict[str, int]:
        """The words of a fact that a question has, and where it has them."""
        numbers = {word: self._vocabulary[word] for word in self.cores[name]}
        return {word: places[n] for word, n in numbers.items() if met[n] > 0}

    def _core(self, phrasings: list[str]) -> dict[str, float]:
        texts = [set(split_words(phrasing)) for phrasing in phrasings]
        shared = set.intersection(*texts) or set.union(*texts)
        return {word: self._rarity(word) for word in sorted(shared)}

    def _rarity(self, word: str) -> float:
        return self.rarity.get(word, self.rarest)

    def _forget(self) -> None:
        for name in ("_vocabulary", "_vectors", "_weights", "_totals", "_holders"):
            self.__dict__.pop(name, None)

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return {word: n for n, word in enumerate(dict.fromkeys(w for core in self.cores.values() for w in core))}

    @cached_property
    def _totals(self) -> list[float]:
        return [sum(core.values()) for core in self.cores.values()]

    @cached_property
    def _holders(self) -> dict[str, list[int]]:
        """The facts that each word is in the core of, by their place."""
        holders: dict[str, list[int]] = {word: [] for word in self._vocabulary}
        for n, core in enumerate(self.cores.values()):
            for word in core:
                holders[word].append(n)
        return holders

    @cached_property
    def _vectors(self) -> Tensor:
        return torch.stack([self.embed(word) for word in self._vocabulary])

    @cached_property
    def _weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Fact, word and weight of each word of each core; a fact's weights sum to 1."""
        entries = [
            (n, self._vocabulary[word], weight / max(1e-9, sum(core.values())))
            for n, core in enumerate(self.cores.values())
            for word, weight in core.items()
        ]
        facts, words, weights = zip(*entries, strict=True)
        return torch.tensor(facts), torch.tensor(words), torch.tensor(weights)

    def _met(self, words: Sequence[str]) -> tuple[Tensor, list[int]]:
        """For each word of the vocabulary: how near the question comes to it, and with which of its words."""
        if not words or not self.cores:
            return torch.zeros(len(self._vocabulary)), []
        near, place = (self._vectors @ torch.stack([self.embed(word) for word in words]).T).max(1)
        return torch.where(near >= SAME, near, 0.0), place.tolist()

    def _share(self, met: Tensor) -> Tensor:
        shares = torch.zeros(len(self.cores))
        if not self.cores:
            return shares
        facts, words, weights = self._weights
        return shares.index_add_(0, facts, weights * met[words])

    def _choose_threshold(self, phrasings: dict[str, list[str]], others: Sequence[str]) -> float:
        """Between what a phrasing has of its own fact when it is left out, and what questions have of a wrong one."""
        own, wrong = [1.0], [0.0]
        for name, given in list(phrasings.items())[:500]:
            scores = self.scores(given[0])
            wrong.append(max((score for other, score in scores.items() if other != name), default=0.0))
            if len(given) > 2:
                core = self._core(given[1:])
                words = set(split_words(given[0]))
                own.append(sum(w for word, w in core.items() if word in words) / max(1e-9, sum(core.values())))
        wrong += [max(self.scores(text).values(), default=0.0) for text in others[:500]]
        low, high = (sorted(wrong)[int(0.99 * (len(wrong) - 1))], sorted(own)[int(0.01 * (len(own) - 1))])
        return min(BOUNDS[1], max(BOUNDS[0], (low + high) / 2))
