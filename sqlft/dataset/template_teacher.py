"""The teacher without a model: examples from a grammar over the schema card, for demos and tests."""

from __future__ import annotations

import random

from sqlft.card import SchemaCard
from sqlft.dataset.grammar import Template, Unavailable, expand, read_roles
from sqlft.problems import SqlftError
from sqlft.records import Example

_TRIES = 30


class TemplateTeacher:
    """Writes examples by templates, as many from each.

    Args:
        card: Any card; what it does not know (values, ranges of dates, relations, glossary) no template speaks of.
        seed: Of all that is drawn. The first examples of a longer list are those of a shorter one.
    """

    def __init__(self, card: SchemaCard, seed: int) -> None:
        self.templates = list(expand(read_roles(card)))
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
        found: dict[str, Example] = {}
        rng = random.Random(self.seed)
        lively = [(template, random.Random(f"{self.seed} {template.id}")) for template in self.templates]
        while len(found) < n and lively:
            rng.shuffle(lively)
            lively = [(template, own) for template, own in lively if _add(template, own, found)]
        if len(found) < n:
            raise SqlftError(
                f"The template teacher finds {len(found)} different questions for this card, not {n}. Ask for fewer."
            )
        return list(found.values())[:n]


def _add(template: Template, rng: random.Random, found: dict[str, Example]) -> bool:
    """Adds a new example of the template; False where the template has none left."""
    for _ in range(_TRIES):
        try:
            example = template.draw(rng)
        except Unavailable:
            continue
        key = " ".join(example.question.lower().split()).rstrip(".?")
        if key not in found:
            found[key] = example
            return True
    return False
