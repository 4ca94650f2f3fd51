"""The figures of an evaluation: shares with their intervals, and what they are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from sqlft.dataset.split import name_templates
from sqlft.evaluation.agreement import Agreement, agree
from sqlft.evaluation.breakdown import LEVELS, find_keys
from sqlft.evaluation.clusters import Clustered, cluster_share
from sqlft.evaluation.results import Answer, ModelFigures, Question, left_out, outcome
from sqlft.evaluation.statistics import Share, adjust, difference, share


def figures(
    questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]], adapters: Mapping[str, str]
) -> tuple[list[ModelFigures], dict[str, int]]:
    """Counts everything.

    Args:
        questions: In order.
        answers: By model, each in the questions' order; the first one is the base that others are compared with.
        adapters: Path of each model's adapter, the base left out.

    Returns:
        Figures by model, and the number of questions that no headline counts, by reason.
    """
    out = left_out(questions, answers)
    kept = [index for index in range(len(questions)) if index not in out]
    first, base = next(iter(answers.items()))
    axes = find_keys(questions)
    names = name_templates(questions)
    clusters = [names[id(questions[index])] for index in kept]
    alone = [str(index) for index in kept]  # a template's own wordings are what its row counts
    rows = []
    for name, given in answers.items():
        judged = [a.judge.right for a in given if a.judge and a.judge.right is not None]
        leaked = any(question.leaked for question in questions)
        hits, base_hits = _samples(given, kept), _samples(base, kept)
        grouped = len(hits) > 1 or len(set(clusters)) < len(kept)
        pairs, *more = [list(zip(*both, strict=True)) for both in zip(hits, base_hits, strict=False)]
        right = _share(given[i].verdict.strict for i in kept)
        rows.append(
            ModelFigures(
                name=name,
                adapter=adapters.get(name),
                validity=_share(a.runs or _declines(a) for a in given),
                no_sql=_share(a.sql is None and not _declines(a) for a in given),
                strict=right,
                relaxed=_share(given[i].verdict.relaxed for i in kept),
                exact=_share(a.exact for a in given),
                judge=_share(judged) if judged else None,
                unleaked=_share(given[i].verdict.strict for i in kept if not questions[i].leaked) if leaked else None,
                outcomes=dict(Counter("out" if i in out else outcome(a) for i, a in enumerate(given))),
                reasons=dict(Counter(reason for a in given for reason in a.verdict.reasons).most_common()),
                by={
                    kind: _breakdown(keys, given, kept, alone if kind == "template" else clusters)
                    for kind, keys in axes.items()
                },
                clustered=cluster_share([pair for of in hits for pair in zip(clusters, of, strict=True)])
                if grouped
                else None,
                samples=[_share(of) for of in hits] if len(hits) > 1 else [],
                agreement=_agreement([given[i] for i in kept]),
                agreement_by_first=_agreement_by_first([given[i] for i in kept]),
                same_as_base=None if name == first else sum(a.text == b.text for a, b in zip(given, base, strict=True)),
                categories=dict(Counter(key for i in kept for key in given[i].categories).most_common()),
                against_base=None if name == first else difference(name, first, pairs, clusters, more),
                data_dependent=sum("data_dependent" in given[i].verdict.reasons for i in kept),
                prompt_tokens=sum(a.prompt_tokens for a in given),
                completion_tokens=sum(a.completion_tokens for a in given),
                seconds=sum(a.seconds for a in given),
                cut=sum(not a.stopped for a in given),
                attempts=sum(a.attempts for a in given),
                dollars=_dollars(given),
                dollars_per_right=_each(_dollars([given[i] for i in kept]), right.k),
            )
        )
    adjust([row.against_base for row in rows if row.against_base])
    return rows, dict(Counter(out.values()))


def _dollars(given: Sequence[Answer]) -> float | None:
    prices = [answer.dollars for answer in given]
    return None if None in prices else sum(price or 0.0 for price in prices)


def _each(dollars: float | None, right: int) -> float | None:
    return dollars / right if dollars is not None and right else None


def _breakdown(
    keys: Sequence[Sequence[str]], given: Sequence[Answer], kept: Sequence[int], clusters: Sequence[str]
) -> dict[str, Clustered | Share]:
    groups: dict[str, list[tuple[str, bool]]] = {}
    for index, cluster in zip(kept, clusters, strict=True):
        for key in keys[index]:
            groups.setdefault(key, []).append((cluster, given[index].verdict.strict))
    order: dict[str, int] = {level: place for place, level in enumerate(LEVELS)}
    return {key: _group(groups[key]) for key in sorted(groups, key=lambda key: (order.get(key, len(order)), key))}


def _group(hits: Sequence[tuple[str, bool]]) -> Clustered | Share:
    repeats = len({cluster for cluster, _ in hits}) < len(hits)
    return cluster_share(hits) if repeats else _share(right for _, right in hits)


def _agreement(given: Sequence[Answer]) -> Agreement | None:
    """Of what the judge was shown: that an answer without SQL is wrong was never asked."""
    shown = [(a.judge.right, a.verdict.strict) for a in given if a.judge and a.judge.right is not None and a.sql]
    return agree(shown) if shown else None


def _agreement_by_first(given: Sequence[Answer]) -> dict[Literal["gold", "answer"], Agreement]:
    orders: tuple[Literal["gold", "answer"], ...] = ("gold", "answer")
    found = {first: _agreement([a for a in given if a.judge and a.judge.first == first]) for first in orders}
    return {first: one for first, one in found.items() if one}


def _samples(given: Sequence[Answer], kept: Sequence[int]) -> list[tuple[bool, ...]]:
    """Which of the questions that count each sample has right."""
    return list(zip(*(given[index].hits for index in kept), strict=True)) or [()]


def _share(hits: Iterable[bool]) -> Share:
    values = list(hits)
    return share(sum(values), len(values))


def _declines(answer: Answer) -> bool:
    """It says, rightly, that the database cannot answer."""
    return answer.sql is None and answer.verdict.strict
