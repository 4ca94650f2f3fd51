"""What only several rows show: one question with two answers, near-duplicates, one metric in two ways, one template."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sqlglot import exp

from sqlft.comparison import compare
from sqlft.database import Result
from sqlft.dataset.fold import fold_sql
from sqlft.dataset.lint.lexicon import words
from sqlft.dataset.lint.pair import Pair, function_name
from sqlft.dataset.lint.remark import Remark
from sqlft.dataset.lint.similarity import similar_pairs
from sqlft.dataset.lint.wording import fold, gist, literals

QUOTA = 50
NEAR = 0.9

Found = Iterator[tuple[int, Remark]]
"""(place in the pairs, what is wrong)."""


def conflicts(pairs: Sequence[Pair]) -> Found:
    """Rows with one question whose results differ; without results, whose SQL differs, which is a warning."""
    same: dict[str, list[int]] = defaultdict(list)
    for place, pair in enumerate(pairs):
        if question := fold(pair.question):
            same[question].append(place)
    for places in same.values():
        if len(places) < 2:
            continue
        classes: list[list[int]] = []
        for place in places:
            for members in classes:
                if agree(pairs[members[0]], pairs[place]):
                    members.append(place)
                    break
            else:
                classes.append([place])
        ran = all(isinstance(pairs[place].outcome, Result) for place in places)
        for members in classes if len(classes) > 1 else []:
            other = next(one for one in classes if one is not members)[0]
            what = "another result" if ran else "other SQL"
            for place in members:
                evidence = f"row {pairs[other].row} asks the same and has {what}: {pairs[other].sql[:160]}"
                yield place, Remark("conflict", "error" if ran else "warning", evidence, "Keep the right one.")
        for members in classes:
            for place in members[1:]:
                first = pairs[members[0]]
                evidence = f"row {first.row} asks the same: {first.sql[:160]}"
                yield place, Remark("duplicate", "note", evidence, "Keep one of them.")


def near_duplicates(
    pairs: Sequence[Pair],
    values: Sequence[str] = (),
    threshold: float = NEAR,
    *,
    agreeing: bool = False,
    meant: Iterable[tuple[int, int, float]] = (),
) -> Found:
    """Rows whose question is nearly that of an earlier row which stays, with the same literals.

    Args:
        pairs: The rows.
        values: Of the card's columns: literals, too.
        threshold: Jaccard similarity of character n-grams.
        agreeing: Only those that have the earlier row's answer too, and so teach nothing new.
        meant: Pairs that are near in meaning, whatever their words, as `close_pairs` yields them; of these always
            only those that have the same answer.
    """
    questions = [gist(pair.question) for pair in pairs]
    spelt = [found for found in similar_pairs(questions, threshold) if _same_words(*(questions[n] for n in found[:2]))]
    near = [(other, one, "", similarity) for one, other, similarity in spelt]
    near += [(other, one, " in meaning", similarity) for one, other, similarity in meant]
    told: set[int] = set()
    for other, one, how, similarity in sorted(near):
        same = literals(pairs[one].question, values) == literals(pairs[other].question, values)
        if not same or {one, other} & told:
            continue
        if not (agreeing or how) or agree(pairs[one], pairs[other]):
            told.add(other)
            evidence = f"{similarity:.2f} like row {pairs[one].row}{how}: {pairs[one].question}"
            yield other, Remark("near_duplicate", "warning", evidence, "Keep one of them.")


def metrics_two_ways(pairs: Sequence[Pair]) -> Found:
    """Rows whose question speaks of a rate or share by one name, and whose SQL counts it otherwise than most."""
    clusters: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, pair in enumerate(pairs):
        name, skeleton = metric_name(pair), ""
        if name:
            skeleton = metric_skeleton(pair)
        if name and skeleton:
            clusters[name][skeleton].append(place)
    for name, ways in clusters.items():
        if len(ways) < 2:
            continue
        most = max(ways, key=lambda way: len(ways[way]))
        tied = sum(len(places) == len(ways[most]) for places in ways.values()) > 1
        for way, places in ways.items():
            if way == most and not tied:
                continue
            other = most if way != most else next(one for one in ways if one != most)
            for place in places:
                evidence = f"{name!r} is {way} here, {other} in {len(ways[other])} other rows"
                yield (
                    place,
                    Remark(
                        "metric_two_ways",
                        "warning",
                        evidence,
                        f"Say in the question what is counted, or write {other}.",
                    ),
                )


def crowded_templates(pairs: Sequence[Pair], quota: int = QUOTA) -> Found:
    """One note for each SQL template that more rows than the quota share, at the first row beyond it."""
    counts: Counter[str] = Counter()
    total = Counter(templates := [pair.template for pair in pairs])
    for place, one in enumerate(templates):
        counts[one] += 1
        if counts[one] == quota + 1:
            evidence = f"{total[one]} rows share this SQL but for literals, the quota is {quota}"
            yield place, Remark("same_template", "note", evidence, "Drop some of them.")


def metric_name(pair: Pair) -> str:
    """The rate that a question speaks of, with what it is 'of' where that is said: 'fraud rate of users'."""
    found = re.search(
        r"\b([a-z-]+) rate\b(?: (?:of|among|for|by|per) (?:\w+ )?(users?|sessions?|customers?|visitors?"
        r"|visits?|buyers?))?",
        pair.words,
    )
    if not found or found[1] in words("no_metric"):
        return ""
    unit = {"customer": "user", "visitor": "user", "visit": "session"}.get(
        (found[2] or "").rstrip("s"), (found[2] or "").rstrip("s")
    )
    before = re.search(rf"(user|session|customer)(?:s|-level)? {re.escape(found[1])} rate", pair.words)
    unit = unit or (before[1].replace("customer", "user") if before else "")
    return f"{found[1]} rate of {unit}s" if unit else f"{found[1]} rate"


def metric_skeleton(pair: Pair) -> str:
    """What a ratio divides: 'distinct user_id / distinct user_id', 'rows / rows'; '' where there is no plain ratio."""
    if pair.tree is None:
        return ""
    for node in pair.nodes(exp.Div):
        parts = [_counted(pair, side) for side in (node.left, node.right)]
        if all(parts):
            return " / ".join(parts)
    if any(function_name(node).startswith("avg") for node in pair.nodes(exp.Func)):
        return "rows / rows"
    return ""


def _counted(pair: Pair, side: exp.Expr) -> str:
    for node in pair.resolve(side.unnest()).walk():
        node = pair.resolve(node) if isinstance(node, exp.Column) else node
        if not isinstance(node, exp.Func):
            continue
        name = function_name(node)
        column = node.find(exp.Column)
        key = column.name.lower() if column else ""
        if (
            name.startswith("uniq")
            or isinstance(node, exp.ApproxDistinct)
            or (isinstance(node, exp.Count) and node.find(exp.Distinct))
        ):
            return "rows" if key.startswith("session") else f"distinct {key}"
        if isinstance(node, exp.Count | exp.CountIf) or name.startswith(("count", "sum")):
            inner = pair.tree.find(exp.Subquery) if pair.tree else None
            grouped = inner.find(exp.Group) if inner else None
            if grouped and [k.name.lower() for k in grouped.expressions] == ["user_id"]:
                return "distinct user_id"
            if name.startswith("sum") and key and not key.startswith("is_") and "if" not in name:
                return f"sum {key}"
            return "rows"
    return ""


def agree(one: Pair, other: Pair) -> bool:
    """Whether two rows have the same SQL or, as far as the database could say, the same result."""
    if fold_sql(one.sql) == fold_sql(other.sql):
        return True
    if not (isinstance(one.outcome, Result) and isinstance(other.outcome, Result)):
        return isinstance(one.outcome, Exception) or isinstance(other.outcome, Exception)
    first, second = one.outcome, other.outcome
    verdicts = [compare(first, second, ordered=False), compare(second, first, ordered=False)]
    forgiven = {"rounded", "scaled_100"}  # of a model's answer; rows to learn from should not differ in it
    return any(
        (v.relaxed and not forgiven & set(v.reasons)) or v.status in ("vacuous", "undetermined") for v in verdicts
    )


def _same_words(one: str, other: str) -> bool:
    """Near-duplicates differ in forms of words, not in a word that says something else."""
    apart = set(one.split()) ^ set(other.split())
    return len({word[:4] for word in apart}) <= max(1, len(apart) // 2)
