"""Texts that are nearly the same, among ten thousand: MinHash over character n-grams, banded, then exact Jaccard.

After Broder 1997, "On the resemblance and containment of documents", and the banding of Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

import heapq
import itertools
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

PERMUTATIONS = 128
_BLOCK = 1024
_PRIME = np.uint64(2**31 - 1)


def grams(text: str, n: int = 3) -> frozenset[int]:
    """Hashes of the text's character n-grams, its ends marked with a blank; of the text itself where it is shorter."""
    padded = f" {text} "
    pieces = {padded[place : place + n] for place in range(max(1, len(padded) - n + 1))}
    return frozenset(zlib.crc32(piece.encode()) & 0x7FFFFFFF for piece in pieces)


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    """How much two sets share: 0 nothing, 1 everything."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def similar_pairs(texts: Sequence[str], threshold: float, n: int = 3) -> Iterator[tuple[int, int, float]]:
    """Yields (i, j, similarity) for i < j at or above the threshold, each once, with no equal texts among them.

    A pair at the threshold is missed about once in a hundred; a nearer one less often.
    """
    sets = [grams(text, n) for text in texts]
    seen: set[tuple[int, int]] = set()
    for bucket in _buckets(sets, threshold):
        for pair in itertools.combinations(bucket, 2):
            if pair in seen or texts[pair[0]] == texts[pair[1]]:
                continue
            seen.add(pair)
            if (found := jaccard(sets[pair[0]], sets[pair[1]])) >= threshold:
                yield *pair, found


def close_pairs(vectors: np.ndarray, threshold: float) -> Iterator[tuple[int, int, float]]:
    """Yields (i, j, cosine) for i < j at or above the threshold.

    Args:
        vectors: A row of length 1 for each text.
        threshold: The least cosine.
    """
    for start in range(0, len(vectors), _BLOCK):
        cosines = np.triu(vectors[start : start + _BLOCK] @ vectors[start:].T, 1)
        for row, column in np.argwhere(cosines >= threshold).tolist():
            yield start + row, start + column, float(cosines[row, column])


def similar_across(
    texts: Sequence[str], others: Sequence[str], threshold: float, n: int = 3
) -> Iterator[tuple[int, int, float]]:
    """Yields (place in texts, place in others, similarity) at or above the threshold, each once."""
    sets = [grams(text, n) for text in [*texts, *others]]
    split = len(texts)
    seen: set[tuple[int, int]] = set()
    for bucket in _buckets(sets, threshold):
        ours = [place for place in bucket if place < split]
        theirs = [place for place in bucket if place >= split]
        for pair in itertools.product(ours, theirs):
            if pair not in seen:
                seen.add(pair)
                if (found := jaccard(sets[pair[0]], sets[pair[1]])) >= threshold:
                    yield pair[0], pair[1] - split, found


def nearest(texts: Sequence[str], others: Sequence[str], count: int, n: int = 3) -> list[list[tuple[int, float]]]:
    """For each text the (place, similarity) of the `count` others that are nearest to it, the nearest first."""
    sets = [grams(text, n) for text in others]
    holders: dict[int, list[int]] = defaultdict(list)
    for place, one in enumerate(sets):
        for gram in one:
            holders[gram].append(place)
    found = []
    for own in (grams(text, n) for text in texts):
        shared = Counter(place for gram in own for place in holders.get(gram, ()))
        alike = [(place, number / (len(own) + len(sets[place]) - number)) for place, number in shared.items()]
        found.append(heapq.nsmallest(count, alike, key=lambda item: (-item[1], item[0])))
    return found


def _buckets(sets: Sequence[frozenset[int]], threshold: float) -> Iterator[list[int]]:
    """Groups of texts that agree in one band of their signatures, in the texts' order."""
    if not sets:
        return
    rows = next((r for r in (8, 6, 5, 4, 3, 2) if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= 0.99), 1)
    signatures = _signatures(sets)
    for band in range(PERMUTATIONS // rows):
        groups: dict[bytes, list[int]] = defaultdict(list)
        for place, signature in enumerate(signatures[:, band * rows : (band + 1) * rows]):
            groups[signature.tobytes()].append(place)
        yield from (group for group in groups.values() if len(group) > 1)


def _signatures(sets: Sequence[frozenset[int]]) -> np.ndarray:
    rng = np.random.default_rng(0)
    factors = rng.integers(1, int(_PRIME), PERMUTATIONS, dtype=np.uint64)
    offsets = rng.integers(0, int(_PRIME), PERMUTATIONS, dtype=np.uint64)
    found = np.empty((len(sets), PERMUTATIONS), dtype=np.uint32)
    for place, one in enumerate(sets):
        values = np.fromiter(one, dtype=np.uint64, count=len(one))
        found[place] = ((values[:, None] * factors + offsets) % _PRIME).min(axis=0)
    return found
