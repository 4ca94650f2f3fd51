"""Cleaning: each step looks at one pair and what its query gave, and says why it should go, or nothing.

A pair passes the steps in order and is dropped at the first that objects. Nothing is dropped without its reason and
what shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlft.database import QueryError, Result
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.records import Example, Rejected

Outcome = Result | QueryError
Objection = tuple[str, str]
"""Reason code and evidence."""


@dataclass
class Knowledge:
    """What the steps judge by: the recipe's row limit, the golden set, and the pairs that have passed so far."""

    max_rows: int
    golden_questions: dict[str, str] = field(default_factory=dict)
    golden_sql: dict[str, str] = field(default_factory=dict)
    passed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, golden: Sequence[Example], max_rows: int) -> Knowledge:
        return cls(
            max_rows,
            {fold_question(example.question): example.question for example in golden},
            {fold_sql(example.sql): example.question for example in golden},
        )


def has_question(example: Example, _outcome: Outcome, _known: Knowledge) -> Objection | None:
    return None if fold_question(example.question) else ("blank_question", example.sql)


def runs(_example: Example, outcome: Outcome, _known: Knowledge) -> Objection | None:
    """The reason is the error's kind: refused, error, timeout, limit or crashed."""
    return (outcome.kind, str(outcome)) if isinstance(outcome, QueryError) else None


def is_small(_example: Example, outcome: Outcome, known: Knowledge) -> Objection | None:
    count = row_count(outcome)
    return ("too_many_rows", f"{count} rows, limit {known.max_rows}") if count > known.max_rows else None


def has_rows(_example: Example, outcome: Outcome, _known: Knowledge) -> Objection | None:
    return None if row_count(outcome) else ("empty", "no rows")


def is_not_golden(example: Example, _outcome: Outcome, known: Knowledge) -> Objection | None:
    if golden := known.golden_questions.get(fold_question(example.question)):
        return "golden_question", golden
    if golden := known.golden_sql.get(fold_sql(example.sql)):
        return "golden_sql", golden
    return None


def is_new(example: Example, _outcome: Outcome, known: Knowledge) -> Objection | None:
    """Of several pairs with one question the first that passes every step is kept, so this step comes last."""
    question = fold_question(example.question)
    if question in known.passed:
        return "duplicate_question", known.passed[question]
    known.passed[question] = example.sql
    return None


Step = Callable[[Example, Outcome, Knowledge], Objection | None]
STEPS: tuple[Step, ...] = (has_question, runs, is_small, has_rows, is_not_golden, is_new)


@dataclass
class Cleaned:
    """What is left, what was dropped, and by which step: (step, pairs that came to it, pairs that it dropped)."""

    kept: list[Example]
    rejected: list[Rejected]
    steps: list[tuple[str, int, int]]


def clean(
    examples: Sequence[Example], outcomes: Sequence[Outcome], golden: Sequence[Example], max_rows: int
) -> Cleaned:
    """Passes every pair through the steps.

    Args:
        examples: The pairs.
        outcomes: What the gate said of each one's query, in the same order.
        golden: The golden set, whose questions and queries may not come through.
        max_rows: A pair whose result has more rows is dropped.
    """
    known = Knowledge.of(golden, max_rows)
    kept: list[Example] = []
    rejected: list[Rejected] = []
    came, dropped = [0] * len(STEPS), [0] * len(STEPS)
    for example, outcome in zip(examples, outcomes, strict=True):
        for place, step in enumerate(STEPS):
            came[place] += 1
            if objection := step(example, outcome, known):
                dropped[place] += 1
                rejected.append(Rejected(example=example, reason=objection[0], evidence=objection[1]))
                break
        else:
            kept.append(example)
    return Cleaned(kept, rejected, list(zip([step.__name__ for step in STEPS], came, dropped, strict=True)))


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


def row_count(outcome: Outcome) -> int:
    """Rows that a query gave, those past the gate's limit included."""
    assert isinstance(outcome, Result)  # `runs` comes first
    return outcome.total_rows if outcome.total_rows is not None else len(outcome.rows)
