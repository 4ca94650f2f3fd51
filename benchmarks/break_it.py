"""Does "Break it" find what goes wrong more often than chance? The demo's adapter, near its failures and anywhere.

    python -m benchmarks.break_it [--run runs/tiny-cpu] [--failures 12] [--seeds 1] [--questions 16] [KEY=VALUE …]

Failures are wrong answers of the run's own evaluations on held-out questions, each of a template of its own, drawn by
lot. Near each, `break_it` asks so many questions with each seed. As many are drawn as `sqlft build` draws its pairs,
pass the same checks, are as new to the run, and are asked of the same agent. A question or a query that comes again,
near another failure or with another seed, counts once.

Rates are wrong answers of what counted, with intervals that take templates whole; the ratio's is a bootstrap that takes
failures whole, and p the exact test in which what was asked near one failure and what was asked instead change sides
together. `one_filter_more` are questions near that the grammar writes for failures alone; `ratio_without` leaves them
out, and `random_with_one_filter_more` is the rate of as many such questions drawn by lot. `templates` are those that
the failures found span. All right SQL is the grammar's, ran twice with one answer, and passed the checks that compare
it with its question. The demo is made first where the run is missing.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from sqlft.agent import open_analyst
from sqlft.breaking import Probe, Trial, break_it
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.dataset.grammar import widen
from sqlft.dataset.template_teacher import TemplateTeacher, draw_new
from sqlft.demo import demo_recipe, run_demo
from sqlft.evaluation import Results
from sqlft.evaluation.clusters import Clustered, cluster_share, resample
from sqlft.recipe import Recipe, load_recipe
from sqlft.records import Example

ON = ("heldout", "heldout_templates")
ANOTHER_SEED = 1_000  # than the run's: what it drew is in its dataset
SPARE = 3  # random pairs that are drawn for each that is asked: the run's dataset holds many
DRAWS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("runs/tiny-cpu"))
    parser.add_argument("--failures", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--questions", type=int, default=16)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_args()
    recipe = load_recipe(demo_recipe(), [f"name={arguments.run.name}", *arguments.overrides])
    if not (recipe.run_dir / "adapter").is_dir():
        run_demo(recipe)
    began = time.perf_counter()
    near: list[tuple[str, Probe]] = []
    with open_analyst(recipe, (recipe.name, recipe.run_dir / "adapter")) as analyst:
        trial = Trial(recipe, analyst)
        for failure, predicted in draw_failures(recipe, arguments.failures):
            for seed in range(arguments.seeds):
                found = break_it(recipe, analyst, failure, predicted, n=arguments.questions, seed=seed, trial=trial)
                near += [(failure.id, probe) for probe in found.probes]
                wrong, of = len(found.failures), len(found.probes)
                print(f"{wrong} of {of} wrong near {failure.question!r}, seed {seed}", file=sys.stderr, flush=True)
        near = once(near)
        drawn = TemplateTeacher(trial.card, recipe.seed + ANOTHER_SEED).examples(SPARE * len(near))
        other = trial.anew()
        anywhere = other.ask(other.sift(drawn)[: len(near)])
        other = trial.anew()
        harder = other.ask(other.sift(draw_harder(trial.teacher, 2 * len(near)))[: len(near)])
    anywhere = anywhere[: len(near)]
    near = near[: len(anywhere)]
    conclude(trial.teacher, near, anywhere, harder, time.perf_counter() - began)


def draw_failures(recipe: Recipe, wanted: int) -> list[tuple[Example, str | None]]:
    """Wrong answers of the adapter, each of another template: the question with its right SQL, and what it wrote."""
    found: dict[str, list[tuple[Example, str | None]]] = {}
    for on in ON:
        results = Results.load(recipe.run_dir / "evaluation" / on)
        for place in results.failures(recipe.name):
            question = results.questions[place]
            found.setdefault(question.template, []).append((question, results.answers[recipe.name][place].sql))
    rng = random.Random(0)
    return [rng.choice(found[name]) for name in rng.sample(sorted(found), min(wanted, len(found)))]


def draw_harder(teacher: TemplateTeacher, most: int) -> list[Example]:
    """Of templates drawn by lot, with one filter more."""
    rng, found = random.Random(0), dict[str, Example]()
    wider = [one for template in teacher.templates for one in widen(template)]
    drawn = [draw_new(template, rng, found) for template in rng.sample(wider, min(most, len(wider)))]
    return [example for example in drawn if example]


def once(probes: Iterable[tuple[str, Probe]]) -> list[tuple[str, Probe]]:
    """The first of those with one question or one query."""
    seen: set[str] = set()
    kept = []
    for name, probe in probes:
        texts = {fold_question(probe.question.question), fold_sql(probe.question.sql)}
        if not texts & seen:
            kept.append((name, probe))
        seen |= texts
    return kept


def rate(probes: Sequence[Probe]) -> Clustered:
    """The share of wrong answers, with an interval that takes templates whole."""
    return cluster_share([(probe.question.template, probe.failed) for probe in probes])


def ratio_interval(near: Sequence[tuple[str, bool]], anywhere: Sequence[bool]) -> tuple[float, float]:
    """95% interval of the ratio of shares: percentiles over draws of whole failures."""
    names = sorted({name for name, _ in near})
    beside = [(name, failed) for (name, _), failed in zip(near, anywhere, strict=True)]
    sums = np.array([[sum(hit for one, hit in side if one == name) for name in names] for side in (near, beside)])
    drawn = np.random.default_rng(0).integers(len(names), size=(DRAWS, len(names)))
    ours, theirs = sums[0][drawn].sum(1), sums[1][drawn].sum(1)
    low, high = np.quantile(ours / np.maximum(theirs, 1), [0.025, 0.975])
    return round(float(low), 2), round(float(high), 2)


def conclude(
    teacher: TemplateTeacher,
    near: list[tuple[str, Probe]],
    anywhere: list[Probe],
    harder: list[Probe],
    seconds: float,
) -> None:
    """Prints the table and the last line."""
    ours = [probe for _, probe in near]
    every = {"near failures": ours, "anywhere": anywhere, "anywhere, one filter more": harder}
    table = Table("questions", "n", "wrong [95% CI]", "templates asked", "templates that failed", "commonest mistakes")
    for name, probes in every.items():
        share, failed = rate(probes), [probe for probe in probes if probe.failed]
        kinds = Counter(category for probe in failed for category in probe.answer.categories).most_common(4)
        table.add_row(
            name,
            str(share.n),
            f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]",
            str(len({probe.question.template for probe in probes})),
            str(len({probe.question.template for probe in failed})),
            ", ".join(f"{category} {count}" for category, count in kinds),
        )
    Console(file=sys.stderr).print(table)
    shares = {name: rate(probes) for name, probes in every.items()}
    wrong = [(name, probe.failed) for name, probe in near]
    chance = [probe.failed for probe in anywhere]
    known = set(teacher.template_ids)
    plain = [probe for probe in ours if probe.question.template in known]
    assert all(probe.question.source == "template" and probe.question.gold == "sound" for probe in (*ours, *anywhere))
    p = resample([(name, failed - by) for (name, failed), by in zip(wrong, chance, strict=True)]).p
    expected = max(sum(chance), 1) / len(chance)
    print(
        json.dumps(
            {
                "near_failure_rate": round(shares["near failures"].value or 0.0, 4),
                "random_failure_rate": round(shares["anywhere"].value or 0.0, 4),
                "ratio": round(sum(failed for _, failed in wrong) / len(wrong) / expected, 2),
                "p": p,
                "n": len(near),
                "near_interval": [round(shares["near failures"].low, 4), round(shares["near failures"].high, 4)],
                "random_interval": [round(shares["anywhere"].low, 4), round(shares["anywhere"].high, 4)],
                "ratio_interval": ratio_interval(wrong, chance),
                "one_filter_more": len(ours) - len(plain),
                "random_with_one_filter_more": round(shares["anywhere, one filter more"].value or 0.0, 4),
                "ratio_without": round(sum(probe.failed for probe in plain) / max(len(plain), 1) / expected, 2),
                "templates": {
                    name: len({probe.question.template for probe in probes if probe.failed})
                    for name, probes in every.items()
                },
                "failures": len({name for name, _ in near}),
                "seconds": round(seconds, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
