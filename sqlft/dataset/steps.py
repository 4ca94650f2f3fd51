"""The steps that every written pair passes, in order: lint's rules, each as an objection that drops a pair.

A row step looks at one pair and what its query gave; a set step at all pairs that came as far, since only several rows
show a repetition or a contradiction. None changes anything, and each can be left out (`clean.skip`).
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sqlft.database import Result
from sqlft.dataset.lint.disagree import DISAGREEMENTS
from sqlft.dataset.lint.groups import Found, agree, conflicts, metrics_two_ways, near_duplicates
from sqlft.dataset.lint.leakage import leaks
from sqlft.dataset.lint.literals import out_of_range as beyond_bounds
from sqlft.dataset.lint.literals import unknown_literals
from sqlft.dataset.lint.outcomes import degenerate as says_nothing
from sqlft.dataset.lint.outcomes import failures, sizes
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark
from sqlft.dataset.lint.similarity import close_pairs, grams, jaccard
from sqlft.dataset.lint.unsteady import approximations, relative_dates
from sqlft.dataset.lint.wording import fold, gist, literals, template
from sqlft.recipe import Clean

Remarks = Iterable[Remark]


@dataclass
class Known:
    """What the steps judge by.

    Attributes:
        clean: The recipe's section.
        date: What today() means.
        golden: What may not be given away, with its results.
        values: That the card lists.
        regenerate: The pairs that the teacher writes anew for each of these questions, run; None where nobody is asked.
        read_back: The question that the teacher reads in each of these pairs' SQL, '' where it read none; None where
            nobody is asked.
        embed: Their vectors; None where the recipe names no endpoint for them, or they may not be asked for.
    """

    clean: Clean
    date: datetime.date
    golden: Sequence[Pair] = ()
    values: Sequence[str] = ()
    regenerate: Callable[[Sequence[str]], list[list[Pair]]] | None = None
    read_back: Callable[[Sequence[Pair]], list[str]] | None = None
    embed: Callable[[Sequence[str]], np.ndarray | None] | None = None


def parse(pair: Pair, known: Known) -> Remarks:
    """There is a question, and the SQL can be read."""
    return _only("parse", failures(pair))


def allow_list(pair: Pair, known: Known) -> Remarks:
    """The SQL is one SELECT over the card's tables."""
    return _only("not_allowed", failures(pair))


def runs(pair: Pair, known: Known) -> Remarks:
    """The database runs it within its limits."""
    return _only("runs", failures(pair))


def row_limit(pair: Pair, known: Known) -> Remarks:
    """No more rows than `clean.max_rows`."""
    return _only("too_many_rows", sizes(pair, known.clean.max_rows))


def empty(pair: Pair, known: Known) -> Remarks:
    """At least one row; where there is none, the evidence names the literal that no row passes."""
    return _explained(pair, _only("empty", sizes(pair, known.clean.max_rows)))


def degenerate(pair: Pair, known: Known) -> Remarks:
    """More than zeros and NULLs."""
    return _explained(pair, says_nothing(pair))


def unknown_literal(pair: Pair, known: Known) -> Remarks:
    """Strings that their columns hold."""
    return unknown_literals(pair)


def out_of_range(pair: Pair, known: Known) -> Remarks:
    """Dates and numbers within what the card says of their columns."""
    return beyond_bounds(pair)


def unsteady(pair: Pair, known: Known) -> Remarks:
    """No clock and no approximation, where the recipe does not keep them; what could be rewritten has been by now."""
    yield from relative_dates(pair, known.date)
    yield from approximations(pair)


def disagree(pair: Pair, known: Known) -> Remarks:
    """Question and SQL speak of the same."""
    for rule in DISAGREEMENTS:
        yield from rule(pair)


def metric_two_ways(pairs: Sequence[Pair], known: Known) -> Found:
    """A rate is counted as most rows count it; where two ways are as common, both go."""
    return metrics_two_ways(pairs)


def duplicate(pairs: Sequence[Pair], known: Known) -> Found:
    """One question with one answer stands once."""
    return ((place, remark) for place, remark in conflicts(pairs) if remark.code == "duplicate")


def near_duplicate(pairs: Sequence[Pair], known: Known) -> Found:
    """Of questions in nearly the same words, or of one meaning, with the same literals and answer, the first stays.

    Wording alone says little: 'most' for 'least' is one word of a dozen. Two that give the same are one lesson.
    """
    vectors = known.embed([pair.question for pair in pairs]) if known.embed and pairs else None
    near = known.clean.embeddings and known.clean.embeddings.near_duplicate
    meant = close_pairs(vectors, near) if vectors is not None and near else ()
    return near_duplicates(pairs, known.values, known.clean.near_duplicate, agreeing=True, meant=meant)


def template_quota(pairs: Sequence[Pair], known: Known) -> Found:
    """So many pairs share their SQL but for its literals, and no more."""
    quota, counts = known.clean.template_quota, Counter[str]()
    for place, pair in enumerate(pairs):
        counts[form := template(pair.sql)] += 1
        if counts[form] > quota:
            yield place, Remark("same_template", "note", f"{quota} pairs before it share this SQL but for literals")


def conflict(pairs: Sequence[Pair], known: Known) -> Found:
    """One question has one result: the one that most of the teacher's regenerations give, else none stays."""
    told = {place: remark for place, remark in conflicts(pairs) if remark.code == "conflict"}
    groups: dict[str, list[int]] = defaultdict(list)
    for place in told:
        groups[fold(pairs[place].question)].append(place)
    questions = [pairs[places[0]].question for places in groups.values()]
    again = known.regenerate(questions) if known.regenerate and questions else [[]] * len(questions)
    for places, made in zip(groups.values(), again, strict=True):
        ran = [other for other in made if isinstance(other.outcome, Result)]
        for place in places:
            votes = sum(agree(pairs[place], other) for other in ran)
            if 2 * votes <= known.clean.regenerations or not made:
                said = f"; {votes} of {known.clean.regenerations} regenerations give its result" if made else ""
                yield place, dataclasses.replace(told[place], evidence=told[place].evidence + said)


def back_translation(pairs: Sequence[Pair], known: Known) -> Found:
    """The teacher, shown the SQL alone, reads a question in it that is like the pair's own."""
    least = known.clean.back_translation
    assert least is not None and known.read_back is not None  # else it is no step
    for place, (pair, said) in enumerate(zip(pairs, known.read_back(pairs), strict=True)):
        if not said:
            continue
        alike = jaccard(grams(gist(pair.question)), grams(gist(said)))
        ours, theirs = (_named(question, known.values) for question in (pair.question, said))
        if alike < least or ours != theirs:
            apart = f", {', '.join(sorted(ours ^ theirs))} named in one alone" if ours != theirs else ""
            yield place, Remark("back_translation", "note", f"{alike:.2f} like what its SQL answers: {said}{apart}")


def leakage(pairs: Sequence[Pair], known: Known) -> Found:
    """Nothing gives a golden question away: not the question, nor nearly it, nor its SQL, nor its answer."""
    for place, remark in leaks(pairs, known.golden, known.values, known.clean.leak_near):
        yield place, dataclasses.replace(remark, evidence=f"{remark.evidence}: {remark.golden}")


RowStep = Callable[[Pair, Known], Remarks]
SetStep = Callable[[Sequence[Pair], Known], Found]
ROW_STEPS: tuple[RowStep, ...] = (
    parse, allow_list, runs, row_limit, empty, degenerate, unknown_literal, out_of_range, unsteady, disagree,
)  # fmt: skip
SET_STEPS: tuple[SetStep, ...] = (
    metric_two_ways, duplicate, near_duplicate, template_quota, conflict, back_translation, leakage,
)  # fmt: skip


def _only(code: str, remarks: Remarks) -> Iterator[Remark]:
    return (remark for remark in remarks if remark.code == code)


def _explained(pair: Pair, remarks: Remarks) -> Iterator[Remark]:
    for remark in remarks:
        why = next(iter([*unknown_literals(pair), *beyond_bounds(pair)]), None)
        yield dataclasses.replace(remark, evidence=f"{remark.evidence}: {why.evidence}") if why else remark


def _named(question: str, values: Sequence[str]) -> set[str]:
    """The years and the card's values that a question names; other numbers have too many ways to be said."""
    known = {fold(value) for value in values}
    return {one for one in literals(question, values) if one in known or re.fullmatch(r"(19|20)\d\d", one)}
