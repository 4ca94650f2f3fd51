"""The teacher without a model: examples from a grammar over the schema card, for demos and tests."""

from __future__ import annotations

import random
from collections.abc import Iterator

from sqlft.card import SchemaCard
from sqlft.dataset.grammar import Template, expand, known_values, read_roles
from sqlft.dataset.grammar.filters import Unavailable
from sqlft.problems import SqlftError
from sqlft.records import Example

_TRIES = 30


class TemplateTeacher:
    """Writes examples by templates, as many from each.

    Args:
        card: Any card; what it does not know (values, ranges, relations, glossary) no template speaks of.
        seed: Of all that is drawn. The first examples of a longer list are those of a shorter one.
    """

    def __init__(self, card: SchemaCard, seed: int) -> None:
        self.templates = list(expand(read_roles(card), known_values(card)))
        self.seed = seed

    @property
    def template_ids(self) -> list[str]:
        """The ids of all templates that the card can fill, in a fixed order."""
        return [template.id for template in self.templates]

    def examples(self, n: int) -> list[Example]:
        """The first `n` examples, no question twice.

        Raises:
            SqlftError: The card does not offer so many different questions.
        """
        found: list[Example] = []
        seen: set[str] = set()
        rng = random.Random(self.seed)
        open_templates = [(template, random.Random(f"{self.seed} {template.id}")) for template in self.templates]
        while len(found) < n and open_templates:
            rng.shuffle(open_templates)
            left = []
            for template, own in open_templates:
                example = next(_fresh(template, own, seen), None)
                if example:
                    seen.add(_folded(example))
                    found.append(example)
                    left.append((template, own))
            open_templates = left
        if len(found) < n:
            raise SqlftError(
                f"The template teacher finds {len(found)} different questions for this card, not {n}. Ask for fewer examples."
            )
        return found[:n]


def _fresh(template: Template, rng: random.Random, seen: set[str]) -> Iterator[Example]:
    for _ in range(_TRIES):
        try:
            example = template.draw(rng)
        except Unavailable:
            continue
        if _folded(example) not in seen:
            yield example
            return


def _folded(example: Example) -> str:
    return " ".join(example.question.lower().split()).rstrip(".?")
