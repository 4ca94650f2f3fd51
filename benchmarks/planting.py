"""Defects put into clean pairs on purpose: what `benchmarks.lint_quality` counts the findings of."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.edits import (
    Edit,
    _one_year,
    _other_year,
    another_dimension,
    backwards,
    far_age,
    far_year,
    foreign_value,
    garbled,
    group_unasked,
    group_unheeded,
    lost_bracket,
    misspelt,
    month_in_question,
    month_in_sql,
    no_hundred,
    no_order,
    number_in_question,
    number_in_sql,
    reaches_out,
    term_unheeded,
    two_at_once,
    value_in_question,
    value_in_sql,
    value_unheeded,
    value_unsaid,
    year_in_question,
    year_in_sql,
    year_unheeded,
    year_unsaid,
)
from sqlft.records import Example


@dataclass(frozen=True)
class Planted:
    """An example with one defect: what kind of edit made it, and the codes of which one has to be found."""

    example: Example
    kind: str
    codes: tuple[str, ...]


EDITS: dict[Edit, tuple[str, ...]] = {
    lost_bracket: ("parse", "not_allowed", "runs"),
    garbled: ("parse", "not_allowed", "runs"),
    reaches_out: ("not_allowed",),
    misspelt: ("runs",),
    foreign_value: ("unknown_literal",),
    far_year: ("out_of_range",),
    far_age: ("out_of_range",),
    two_at_once: ("degenerate",),
    backwards: ("degenerate",),
    **dict.fromkeys(
        (year_in_question, year_in_sql, year_unsaid, year_unheeded, month_in_sql, month_in_question)
        + (number_in_sql, number_in_question, value_in_sql, value_in_question, value_unheeded, value_unsaid)
        + (another_dimension, no_order, no_hundred, group_unheeded, group_unasked, term_unheeded),
        ("disagree",),
    ),
}


def plant(examples: Sequence[Example], each: int, rng: random.Random) -> tuple[list[Planted], list[Example]]:
    """Plants up to `each` defects of every kind, each in an example of its own.

    Returns:
        The planted ones, and the examples that were left as they are.
    """
    left = list(examples)
    rng.shuffle(left)
    planted = []
    for edit, codes in sorted(EDITS.items(), key=lambda item: item[0].__name__):
        made = 0
        for example in list(left):
            changed = edit(example.question, example.sql, rng) if made < each else None
            if changed and changed != (example.question, example.sql):
                question, sql = changed
                edited = example.model_copy(update={"question": question, "sql": sql})
                planted.append(Planted(edited, edit.__name__, codes))
                left.remove(example)
                made += 1
    return planted, left


def plant_conflicts(examples: list[Example], each: int, rng: random.Random) -> list[Planted]:
    """The same question again, written otherwise, with a query that answers something else."""
    planted = []
    for _ in range(each):
        one, other = rng.sample(examples, 2)
        asked = rng.choice([one.question.upper(), f"{one.question.rstrip('?.')}  ", one.question.replace(" ", "  ", 2)])
        if one.sql.partition("FROM")[0] != other.sql.partition("FROM")[0]:
            planted.append(
                Planted(one.model_copy(update={"question": asked, "sql": other.sql}), "conflict", ("conflict",))
            )
    return planted


def plant_leaks(golden: Sequence[Example], each: int, rng: random.Random) -> list[Planted]:
    """Golden questions as they are (blanks, case, closing mark aside), and with a literal or a few words changed."""
    planted = []
    for example in rng.sample(list(golden), min(each, len(golden))):
        q = example.question
        asked = rng.choice([q, q.lower(), q.rstrip("?."), f"  {q} ", q.replace(" ", "  ")])
        planted.append(Planted(example.model_copy(update={"question": asked}), "leak_exact", ("leak_exact",)))
    for example in rng.sample(list(golden), min(each, len(golden))):
        q, s = example.question, example.sql
        if year := _one_year(q, s):
            other = _other_year(year, rng)
            q, s = q.replace(year, other), s.replace(year, other)
        else:
            for old, new in (
                ("How many", "What number of"),
                ("What was", "What is"),
                ("What is", "Tell me"),
                ("Which", "What"),
            ):
                if q.startswith(old):
                    q = q.replace(old, new, 1)
                    break
            else:
                q = f"Please: {q[0].lower()}{q[1:]}"
        planted.append(Planted(example.model_copy(update={"question": q, "sql": s}), "leak_near", ("leak_near",)))
    return planted
