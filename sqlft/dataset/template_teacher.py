"""The teacher without a model: examples from a grammar over the schema card, for demos and tests."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property, partial

from sqlft.card import SchemaCard
from sqlft.dataset.grammar import Template, Unavailable, expand, read_roles, widen
from sqlft.dataset.slots import ABOUT_ANYTHING, Failure
from sqlft.dataset.slots.axes import axes
from sqlft.problems import SqlftError
from sqlft.records import Example

_TRIES = 30
_SHOWN = 8


class TemplateTeacher:
    """Writes examples by templates, as many from each.

    Args:
        card: Any card; what it does not know (values, ranges of dates, relations, glossary) no template speaks of.
        seed: Of all that is drawn. The first examples of a longer list are those of a shorter one.
    """

    def __init__(self, card: SchemaCard, seed: int) -> None:
        self.card = card
        self.templates = list(expand(read_roles(card)))
        self.seed = seed

    @property
    def template_ids(self) -> list[str]:
        """The ids of all templates that the card can fill, in a fixed order."""
        return [template.id for template in self.templates]

    def examples(self, n: int, failures: Sequence[Failure] = ()) -> list[Example]:
        """The first `n` examples, no question twice.

        Args:
            n: How many.
            failures: Categories to draw from, in proportion to their counts: their constructs, tables and terms choose
                the templates, which get a filter more where they run out. One example of `ABOUT_ANYTHING`, and what
                they do not fill, is of any template.

        Raises:
            SqlftError: The card does not offer so many different questions. With failures those that there are will do.
        """
        found: dict[str, Example] = {}
        rng = random.Random(self.seed)
        if failures:
            self._draw_failures(n - n // ABOUT_ANYTHING, failures, found)
        directed = len(found)
        lively = [(template, random.Random(f"{self.seed} {template.id}")) for template in self.templates]
        while len(found) < n and lively:
            rng.shuffle(lively)
            lively = [(template, own) for template, own in lively if draw_new(template, own, found)]
        if len(found) < n and not (failures and found):
            raise SqlftError(
                f"The template teacher finds {len(found)} different questions for this card, not {n}. Ask for fewer."
            )
        return _mix(list(found.values())[:n], directed)

    @cached_property
    def shown(self) -> dict[str, list[str]]:
        """The SQL of some draws of each template."""
        return {template.id: _show(template) for template in self.templates}

    def _draw_failures(self, n: int, failures: Sequence[Failure], found: dict[str, Example]) -> None:
        lively = []
        for place, failure in enumerate(failures):
            fitting, fits = self.fitting(failure)
            lively.append((failure, fits, [(one, random.Random(f"{self.seed} {place} {one.id}")) for one in fitting]))
        made = [0] * len(lively)
        while len(found) < n and (left := [place for place in range(len(lively)) if lively[place][2]]):
            place = min(left, key=lambda place: (made[place] + 1) / lively[place][0].count)
            _, fits, queue = lively[place]
            template, own = queue.pop(0)
            if draw_new(template, own, found, fits):
                queue.append((template, own))
                made[place] += 1
            elif template in self.templates:
                queue += [(one, random.Random(f"{self.seed} {place} {one.id}")) for one in widen(template)]

    def fitting(self, failure: Failure) -> tuple[list[Template], Callable[[str], bool]]:
        """The templates of a category, and its SQL: of all that it names, and no other construct; or of less of it."""
        terms = [term for term in self.card.glossary if term.term in failure.terms]
        says = [bare(term.metric or term.condition) for term in terms if term.metric or term.condition]
        construct = axes().find_construct(failure.construct_) if failure.construct_ else None

        def fits(sql: str, names: int) -> bool:
            about = (
                construct is None or construct.is_in(sql),
                not failure.tables or [name for name in self.card.table_names if name in sql] == failure.tables,
                not says or any(said in bare(sql) for said in says),
                not failure.beside or {one.name for one in axes().constructs if one.is_in(sql)} == shown,
            )
            return all(about[:names])

        shown = {failure.construct_, *failure.beside}
        for names in (4, 3, 2, 1):
            if found := [one for one in self.templates if any(fits(sql, names) for sql in self.shown[one.id])]:
                rng = random.Random(f"{self.seed} {failure.model_dump_json()}")
                return rng.sample(found, len(found)), partial(fits, names=names)
        return [], bool


def _mix(examples: list[Example], directed: int) -> list[Example]:
    """The first `directed`, with one of the others after every few of them."""
    few = ABOUT_ANYTHING - 1
    order = sorted(range(len(examples)), key=lambda n: n if n < directed else few * (n - directed + 1) - 0.5)
    return [examples[n] for n in order]


def bare(sql: str) -> str:
    """SQL in lower case, its blanks folded, without its columns' qualifiers."""
    return " ".join(re.sub(r"\b\w+\.(?=\w)", "", sql).split()).lower()


def _show(template: Template) -> list[str]:
    rng = random.Random(template.id)
    found: list[str] = []
    for _ in range(_SHOWN):
        with suppress(Unavailable):
            found.append(template.draw(rng).sql)
    return found


def draw_new(
    template: Template, rng: random.Random, found: dict[str, Example], fits: Callable[[str], bool] = bool
) -> Example | None:
    """Draws an example of the template, of SQL that fits, and adds it to those found; None where no new one comes."""
    for _ in range(_TRIES):
        try:
            example = template.draw(rng)
        except Unavailable:
            continue
        key = " ".join(example.question.lower().split()).rstrip(".?")
        if key not in found and fits(example.sql):
            found[key] = example
            return example
    return None
