"""What a method of benchmarks/memory_rivals.py is worth: recall by wording, composition, what else has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.memory_facts import Suite
from benchmarks.memory_rivals import Method, Remembered, Untaught, cpu_seconds, make_method, tokenize
from sqlft.dataset.fold import fold_sql
from sqlft.inference.load import Base
from sqlft.memory import Use

THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)


def measure(name: str, base: Base, suite: Suite, seed: int, clock: float) -> dict[str, Any]:
    """Has a method learn a suite's facts, then its second batch, and measures it after each.

    Args:
        name: See `make_method`.
        base: In float32.
        suite: What is learned and asked.
        seed: Of the training.
        clock: Seconds after which rivals stop; half as many for the second batch.
    """
    method = make_method(name, base, suite, seed)
    began = cpu_seconds()
    method.learn(suite.first, clock)
    found: dict[str, Any] = {"seconds": cpu_seconds() - began, "stopped": method.stopped, "epochs": method.epochs}
    found["bytes_a_fact"] = method.bytes / len(suite.first)
    for kind, uses in suite.asked.items():
        if kind != "second":
            found[kind] = right(method, uses)
    both = [*suite.asked["filters"], *suite.asked["pairs"]]
    weights = [len(suite.asked[kind]) / max(1, len(both)) for kind in ("filters", "pairs")]
    found["composition"] = weights[0] * found["filters"] + weights[1] * found["pairs"]
    found |= changed(method, base, suite)
    if method.gate:
        found |= {f"opened_{kind}": opened(method, questions) for kind, questions in suite.strangers.items()}
        found["false_openings"] = found["opened_unknown"]
    if isinstance(method, Remembered):
        found["curve"] = curve(method, suite)
    method.learn(suite.second, clock / 2)
    found["second"] = right(method, suite.asked["second"])
    found["old_facts_kept"] = right(method, suite.asked["recall"])
    return found


def right(method: Method, uses: Sequence[Use]) -> float:
    """Share of questions that are answered word for word; a query counts whatever its case and blanks are."""
    answers = method.ask([use.question for use in uses])
    return sum(_same(a, use.answer) for a, use in zip(answers, uses, strict=True)) / max(1, len(uses))


def _same(answer: str, expected: str) -> bool:
    return answer == expected or (expected.startswith("SELECT") and fold_sql(answer) == fold_sql(expected))


def changed(method: Method, base: Base, suite: Suite) -> dict[str, float]:
    """On questions over unseen schemas: the loss on their SQL, what was added to it, and KL from the base, in nats."""
    rows, plain = tokenize(base, suite.general), Untaught("base", base, suite, method.seed)
    losses, added, divergence = [], [], []
    for row, (_, use) in zip(rows, suite.general, strict=True):
        before = _log_probs(*plain.expect(row, use.question))
        after = _log_probs(*method.expect(row, use.question))
        losses.append(-after[1])
        added.append(before[1] - after[1])
        divergence.append((before[0].exp() * (before[0] - after[0])).sum(-1))
    kl = torch.cat(divergence)
    tokens = torch.cat(losses)
    return {"general_loss": float(tokens.mean()), "loss_added": float(torch.cat(added).mean()), "kl": float(kl.mean())}


def _log_probs(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    every = logits.log_softmax(-1)
    return every, every.gather(-1, targets[:, None])[:, 0]


def opened(method: Method, questions: Sequence[str]) -> float:
    """Share of questions that open any fact."""
    return sum(bool(method.find(question)) for question in questions) / max(1, len(questions))


def curve(method: Remembered, suite: Suite) -> list[dict[str, float]]:
    """At each threshold: how many questions open their fact, and how many strangers open any."""
    router, names = method.memory.router, {fact.answer: fact.id for fact in suite.first}
    chosen, points = router.threshold, []
    for threshold in THRESHOLDS:
        router.threshold = threshold
        point = {"threshold": threshold}
        for kind in ("third", "synonyms", "misspelt"):
            uses = suite.asked[kind]
            point[kind] = sum(method.find(use.question)[:1] == [names[use.answer]] for use in uses) / len(uses)
        points.append(point | {kind: opened(method, questions) for kind, questions in suite.strangers.items()})
    router.threshold = chosen
    return [{"threshold": round(chosen, 4), "chosen": 1.0}, *points]
