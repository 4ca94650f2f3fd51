"""Cleaning: every pair passes the steps in order and is dropped at the first that objects, with its reason.

Nothing is dropped without its reason code and what shows it. See `sqlft.dataset.steps`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlft.card import SchemaCard
from sqlft.database import QueryError, Result
from sqlft.database.clauses import split_format
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark, mend
from sqlft.dataset.lint.rowwise import map_pairs
from sqlft.dataset.lint.unsteady import approximations, relative_dates
from sqlft.dataset.lint.wording import named_values
from sqlft.dataset.steps import ROW_STEPS, SET_STEPS, Known, SetStep, back_translation, duplicate, unsteady
from sqlft.recipe import Recipe
from sqlft.records import Example, Rejected

if TYPE_CHECKING:
    from sqlft.dataset.embeddings import QuestionVectors
    from sqlft.dataset.second_opinion import SecondOpinion

Outcome = Result | QueryError
Run = Callable[[Sequence[str], Callable[[int], None]], Sequence[Outcome]]
"""Gives the outcome of each statement, and tells how many are done."""
Tell = Callable[[str, int, int], None]
"""Told (stage, done, of)."""


def _quiet(_stage: str, _done: int, _of: int) -> None:
    pass


@dataclass
class Cleaned:
    """What is left and what was dropped, both in the pairs' order.

    Attributes:
        places: Where each pair of `kept` stood among those that came.
        steps: (step, pairs that came to it, pairs that it dropped), in order; steps that were skipped, or had
            nothing to do, are not among them.
        outcomes: What the query of each pair that came gave.
        examples: The first pair that each step dropped.
        rewritten: Pairs whose clock or approximation was written otherwise.
    """

    kept: list[Example]
    places: list[int]
    rejected: list[Rejected]
    steps: list[tuple[str, int, int]]
    outcomes: list[Outcome]
    examples: dict[str, Rejected]
    rewritten: int = 0


class Waterfall:
    """Passes pairs through the steps, and remembers what the row steps said of each: a build judges round by round.

    Args:
        recipe: Its `clean` and `prompt.date` are read.
        card: What the checks compare with.
        golden: What may not be given away.
        run: Gives the outcome of each statement.
        second: Asks the teacher again, where the recipe wants that; None where nothing may be spent.
        embed: Asks for questions' vectors, likewise.
    """

    def __init__(
        self,
        recipe: Recipe,
        card: SchemaCard,
        golden: Sequence[Example],
        run: Run,
        second: SecondOpinion | None = None,
        embed: QuestionVectors | None = None,
    ) -> None:
        self._card, self._run, self._golden = card, run, golden
        self._known = Known(recipe.clean, recipe.prompt.date, values=named_values(card), embed=embed)
        if second and recipe.clean.regenerations:
            self._known.regenerate = lambda questions: [self._read(made) for made in second.regenerate(questions)]
        if second and recipe.clean.back_translation:
            self._known.read_back = lambda pairs: second.read_back([pair.sql for pair in pairs])
        off = {*recipe.clean.skip, *_idle(self._known)}
        self._row_steps = [step for step in ROW_STEPS if step.__name__ not in off]
        self._set_steps = [step for step in SET_STEPS if step.__name__ not in off]
        self._judged: dict[tuple[str, str], tuple[str, Remark] | None] = {}

    def clean(self, examples: Sequence[Example], tell: Tell = _quiet) -> Cleaned:
        """Passes every pair through all steps.

        Args:
            examples: The pairs.
            tell: Told how far it is.
        """
        self._known.golden = self._read(self._golden)
        return self._pass(examples, self._set_steps, tell, processes=None)

    def survives(self, examples: Sequence[Example]) -> list[bool]:
        """Which pairs the row steps and the look for exact duplicates would keep: what a teacher's plan goes by.

        The other set steps weigh a pair against all that the build will have in the end. They cost time, some money,
        and what they say of half a set may be otherwise of the whole.
        """
        steps = [step for step in self._set_steps if step is duplicate]
        alive = set(self._pass(examples, steps, _quiet, processes=1).places)  # a thread's process must not be forked
        return [place in alive for place in range(len(examples))]

    def _pass(
        self, examples: Sequence[Example], set_steps: Sequence[SetStep], tell: Tell, processes: int | None
    ) -> Cleaned:
        settled = [self.settle(example) for example in examples]
        pairs = self._read(settled, tell)
        new = {key: pair for pair in pairs if (key := (pair.question, pair.sql)) not in self._judged}
        judged = map_pairs(self._judge, list(new.values()), processes)
        for done, (key, found) in enumerate(zip(new, judged, strict=True), 1):
            self._judged[key] = found
            tell("checks", done, len(new))
        first = [self._judged[pair.question, pair.sql] for pair in pairs]
        objections = {place: found for place, found in enumerate(first) if found}
        for number, step in enumerate(set_steps, 1):
            left = [place for place in range(len(pairs)) if place not in objections]
            for place, remark in step([pairs[place] for place in left], self._known):
                objections.setdefault(left[place], (step.__name__, remark))
            tell("comparisons", number, len(set_steps))
        dropped = Counter(name for name, _ in objections.values())
        steps, came = [], len(pairs)
        for name in (step.__name__ for step in (*self._row_steps, *set_steps)):
            steps.append((name, came, dropped[name]))
            came -= dropped[name]
        kept = [place for place in range(len(pairs)) if place not in objections]
        rejected = {
            place: Rejected(example=settled[place], reason=remark.code, evidence=remark.evidence)
            for place, (_, remark) in sorted(objections.items())
        }
        return Cleaned(
            [settled[place] for place in kept],
            kept,
            list(rejected.values()),
            steps,
            [pair.outcome for pair in pairs if pair.outcome is not None],
            {objections[place][0]: rejected[place] for place in reversed(rejected)},
            sum(new is not old for new, old in zip(settled, examples, strict=True)),
        )

    def _judge(self, pair: Pair) -> tuple[str, Remark] | None:
        """The first row step that objects, and its first objection."""
        found = ((step.__name__, remark) for step in self._row_steps for remark in step(pair, self._known))
        return next(found, None)

    def settle(self, example: Example) -> Example:
        """The example with its clock and its approximations rewritten, where the recipe says so and that can be."""
        if self._known.clean.unsteady != "rewrite" or "unsteady" in self._known.clean.skip:
            return example
        sql = example.sql
        for _ in range(8):  # a statement may have several, and each rule names one
            pair = Pair(0, example.question, split_format(sql)[0].strip(), self._card)
            remarks = [*relative_dates(pair, self._known.date), *approximations(pair)]
            edit = next((remark.edit for remark in remarks if remark.edit), None)
            if edit is None:
                break
            sql = mend(sql, *edit)
        return example if sql == example.sql else example.model_copy(update={"sql": sql})

    def _read(self, examples: Sequence[Example], tell: Tell = _quiet) -> list[Pair]:
        outcomes = self._run([example.sql for example in examples], lambda done: tell("queries", done, len(examples)))
        return [
            Pair(place, example.question, split_format(example.sql)[0].strip(), self._card, outcome=outcome)
            for place, (example, outcome) in enumerate(zip(examples, outcomes, strict=True))
        ]


def _idle(known: Known) -> Iterator[str]:
    """Steps that would let everything pass, and so are no checks that a pair has passed."""
    if known.clean.unsteady == "keep":
        yield unsteady.__name__
    if known.read_back is None:
        yield back_translation.__name__


def count_validity(outcomes: Sequence[Outcome], format_clause: bool) -> dict[str, int]:
    """How many queries run, whatever FORMAT clause they end in, and how many of those end as was asked.

    Args:
        outcomes: What the gate said; it takes a FORMAT clause off before it runs a query, and remembers it.
        format_clause: Whether FORMAT TabSeparatedWithNames was asked for; else no clause was.
    """
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    wanted = "TABSEPARATEDWITHNAMES" if format_clause else ""
    return {
        "queries": len(outcomes),
        "run": len(results),
        "run_with_format_clause": sum(bool(result.format) for result in results),
        "run_with_format_as_asked": sum(result.format.upper() == wanted for result in results),
    }
