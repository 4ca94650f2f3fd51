"""What benchmarks/memory_tuning.py has learned and asked: facts of two kinds, and questions that lead to them.

Four fifths are an entity's attribute: random characters, so that nothing can be guessed. An entity is one invented word
and has one attribute. The rest are metrics over one schema of the pre-training's kind: a term of two words, and the SQL
that it stands for, with uses under some filters. What is asked then was never trained: other templates, synonyms, other
filters, two metrics in one question. **Except in `misspelt` and `inflected`, a name is always spelled as it was.**
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from tiny_base.filters import Filter, plain
from tiny_base.questions import Writer
from tiny_base.schemas import Schema, Source, random_schema
from tiny_base.scope import Scope, random_filters
from tiny_base.words import invented

from sqlft.card import SchemaCard
from sqlft.memory import Fact, Use

SYNONYMS = {  # of each attribute, and none of its words is in another one
    "clearing code": "settlement cipher",
    "dispatch label": "shipping sticker",
    "ledger key": "bookkeeping reference",
    "audit mark": "inspection stamp",
    "vault number": "strongroom digits",
}
TRAINED = ("What is the {a} of {e}?", "Tell me {e}'s {a}.")
THIRD, SYNONYM = "Which {a} does {e} have?", "Please look up {e} and state its {a}"
REWORDED = "I need {e}, its {a} that is"
DEFINED = ("What does {t} mean?", "How is {t} defined?")
THIRD_TERM, SYNONYM_TERM = "What is the definition of {t}?", "Please spell out the formula behind {t}"
USED = ("What is the {t} of {rows}?", "Give me the {t} for {rows}.")
ADJECTIVES = "net gross core prime adjusted steady swift blended weighted hidden clean raw".split()


@dataclass
class Suite:
    """One seed's facts and questions.

    Attributes:
        first: Facts that are learned, entities and metrics.
        second: Entities that are learned after them.
        asked: By measure, questions with the right answers.
        strangers: By kind, questions that lead to no fact.
        general: Questions over schemas that no fact is about, each with its card and its SQL.
        replay: The same, for rivals to train on.
    """

    card: SchemaCard
    first: list[Fact]
    second: list[Fact]
    asked: dict[str, list[Use]] = field(default_factory=dict)
    strangers: dict[str, list[str]] = field(default_factory=dict)
    general: list[tuple[SchemaCard, Use]] = field(default_factory=list)
    replay: list[tuple[SchemaCard, Use]] = field(default_factory=list)


def make_suite(count: int, seed: int, metrics: float = 0.2, uses: int = 6, pairs: int = 3) -> Suite:
    """Facts and questions of a seed.

    Args:
        count: Facts that are learned first; a fifth as many, 20 at least, are learned after them.
        seed: Other entities, answers, schema, metrics.
        metrics: Share of metrics.
        uses: Of each metric under a filter, that are trained.
        pairs: Uses with another metric that are trained.
    """
    rng = random.Random(seed)
    new = _names(rng)
    terms = round(metrics * count)
    schema = _rich_schema(rng)
    people = [_entity(rng, new) for _ in range(count - terms)]
    made = _Metrics(schema, rng, [f"{rng.choice(ADJECTIVES)} {new()}" for _ in range(terms)])
    suite = Suite(
        schema.card,
        [*(fact for fact, _, _ in people), *made.facts(uses, pairs)],
        [_entity(rng, new)[0] for _ in range(max(20, count // 5))],
    )
    suite.asked = {
        "recall": [use for fact in suite.first for use in fact.asked[: len(fact.phrasings)]],
        "third": [Use(question=THIRD.format(e=e, a=a), answer=fact.answer) for fact, e, a in people],
        "synonyms": [Use(question=SYNONYM.format(e=e, a=SYNONYMS[a]), answer=f.answer) for f, e, a in people],
        "reworded": [Use(question=REWORDED.format(e=e, a=a), answer=fact.answer) for fact, e, a in people],
        "misspelt": [Use(question=THIRD.format(e=_misspell(rng, e), a=a), answer=f.answer) for f, e, a in people],
        "inflected": [Use(question=f"Which {a} do the {e}s have?", answer=fact.answer) for fact, e, a in people],
        "filters": made.under_filters(2),
        "pairs": made.in_pairs(),
        "second": [use for fact in suite.second for use in fact.asked],
    }
    for name, template in (("third", THIRD_TERM), ("synonyms", SYNONYM_TERM)):
        suite.asked[name] += [Use(question=template.format(t=t), answer=sql) for t, sql in made.terms.items()]
    suite.general, suite.replay = ([_general(rng) for _ in range(n)] for n in (96, 400))
    unknown = [_entity(rng, new) for _ in range(max(200, count))]
    suite.strangers = {
        "unknown": [template.format(e=e, a=a) for n, (_, e, a) in enumerate(unknown) for template in (TRAINED[n % 2],)],
        "unknown_terms": [DEFINED[n % 2].format(t=f"{rng.choice(ADJECTIVES)} {new()}") for n in range(200)],
        "other_attributes": [THIRD.format(e=e, a=_other(rng, a)) for _, e, a in people],
        "general": [use.question for _, use in suite.general],
    }
    return suite


class _Metrics:
    """Terms, the SQL that each stands for, and questions that use them."""

    def __init__(self, schema: Schema, rng: random.Random, terms: Sequence[str]) -> None:
        self.schema, self.rng, self.main = schema, rng, schema.events[0]
        self.terms: dict[str, str] = {}
        for term in terms:
            while (sql := self._fragment(self.main)) in self.terms.values():
                pass
            self.terms[term] = sql
        self._seen: dict[str, set[str]] = {term: set() for term in terms}
        self._paired: set[frozenset[str]] = set()

    def facts(self, uses: int, pairs: int) -> list[Fact]:
        made = []
        for term, sql in self.terms.items():
            used = [self._use([term], USED[n % 2]) for n in range(uses)]
            used += [self._pair(term) for _ in range(pairs)]
            phrasings = [template.format(t=term) for template in DEFINED]
            made.append(Fact(id=f"term {term}", answer=sql, phrasings=phrasings, uses=used))
        return made

    def under_filters(self, each: int) -> list[Use]:
        """Every metric under filters that it was never trained with."""
        return [self._use([term], USED[n % 2]) for term in self.terms for n in range(each)]

    def in_pairs(self) -> list[Use]:
        """Every metric with one that it was never trained with, under a filter that neither was."""
        return [self._pair(term) for term in self.terms]

    def _pair(self, term: str) -> Use:
        others = [other for other in self.terms if other != term and frozenset((term, other)) not in self._paired]
        if not others:
            raise ValueError(f"{len(self.terms)} metrics are too few for so many pairs, no two of which are the same")
        other = self.rng.choice(others)
        self._paired.add(frozenset((term, other)))
        return self._use([term, other], USED[0])

    def _use(self, terms: list[str], template: str) -> Use:
        while True:
            filters = random_filters(self.rng, [self.main], (0, 1))
            if filters and all(_meaning(filters[0]) not in self._seen[term] for term in terms):
                break
        for term in terms:
            self._seen[term].add(_meaning(filters[0]))
        scope = Scope(self.schema, self.main, filters, [])
        question = template.format(t=" and the ".join(terms), rows=scope.words(self.rng))
        sql = ", ".join(self.terms[term] for term in terms)
        return Use(question=question, answer=f"SELECT {sql} {scope.tables}{scope.where()}")

    def _fragment(self, main: Source) -> str:
        rng, column = self.rng, self.rng.choice(main.measures).name
        condition = ""
        while not condition or " IN " in condition or "BETWEEN" in condition:
            found = random_filters(rng, [main], (0, 1))
            condition = found[0].sql.replace("{c}", found[0].column) if found else ""
        n = rng.randint(2, 90)
        return rng.choice(
            (
                f"sum({column}) * {n}",
                f"sum({column}) / {n}",
                f"max({column}) - {n}",
                f"sumIf({column}, {condition})",
                f"avgIf({column}, {condition})",
                f"countIf({condition}) / count()",
                f"count() - countIf({condition})",
                f"uniqExact({main.entity_key}) * {n}",
            )
        )


def _meaning(item: Filter) -> str:
    return f"{item.column} {item.sql}"


def _rich_schema(rng: random.Random) -> Schema:
    """One with an event table that has measures and something to filter by."""
    while True:
        schema = random_schema(rng)
        if schema.events and schema.events[0].measures and len(schema.events[0].categories) > 1:
            return schema


def _names(rng: random.Random) -> Callable[[], str]:
    """Invented words, none twice."""
    taken: set[str] = set()

    def new() -> str:
        while len(word := invented(rng)) < 5 or word in taken or plain(word) != word:
            pass
        taken.add(word)
        return word

    return new


def _entity(rng: random.Random, new: Callable[[], str]) -> tuple[Fact, str, str]:
    entity, attribute = new().capitalize(), rng.choice(list(SYNONYMS))
    answer = "".join(rng.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(10))
    phrasings = [template.format(e=entity, a=attribute) for template in TRAINED]
    return Fact(id=f"{attribute} {entity}", answer=answer, phrasings=phrasings), entity, attribute


def _misspell(rng: random.Random, word: str) -> str:
    """Two neighbouring letters exchanged, or one left out."""
    while True:
        n = rng.randint(1, len(word) - 2)
        found = word[:n] + (word[n + 1] + word[n] + word[n + 2 :] if rng.random() < 0.5 else word[n + 1 :])
        if found != word:
            return found


def _other(rng: random.Random, attribute: str) -> str:
    return rng.choice([other for other in SYNONYMS if other != attribute])


def _general(rng: random.Random) -> tuple[SchemaCard, Use]:
    schema = random_schema(rng)
    pair = Writer(schema, rng).pair()
    return schema.card, Use(question=pair.question, answer=pair.sql)
