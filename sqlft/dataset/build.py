"""Builds a run's dataset: the teacher writes, the waterfall of checks judges, the rest is divided."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.dataset.clean import Cleaned, Waterfall, count_validity
from sqlft.dataset.fold import fold_question
from sqlft.dataset.journal import read_answers
from sqlft.dataset.provenance import stamp
from sqlft.dataset.purse import Purse
from sqlft.dataset.queries import Queries, recipe_gate
from sqlft.dataset.review import FILE, Review
from sqlft.dataset.slots.coverage import Coverage, count_coverage, thin
from sqlft.dataset.split import PARTS, split
from sqlft.dataset.teacher import write_pairs
from sqlft.dataset.written import Confirm, Progress, Written, with_format
from sqlft.recipe import Recipe
from sqlft.records import Example, Rejected, locked, read_examples, write_jsonl


@dataclass
class BuildReport:
    """What `build` did; dataset.json holds the same.

    Attributes:
        folder: Where the files are.
        teacher: The recipe's `teacher` section, and what the calls cost.
        written: Pairs that the teacher wrote.
        validity: See `count_validity`; of the teacher's pairs alone.
        steps: (step, pairs that came to it, pairs that it dropped), in order.
        rejected: Dropped pairs by reason.
        counts: Examples in each part.
        coverage: See `count_coverage`; empty where the pairs have no slots.
        files: SHA-256 of each file.
        sandbox: What protected the database from the teacher's SQL.
        notes: What the user should know.
    """

    name: str
    folder: Path
    teacher: dict[str, Any]
    written: int
    validity: dict[str, int]
    steps: list[tuple[str, int, int]]
    rejected: dict[str, int]
    counts: dict[str, int]
    files: dict[str, str]
    card: str
    sandbox: str
    seconds: float
    notes: list[str] = field(default_factory=list)
    coverage: Coverage = field(default_factory=dict)

    @property
    def dollars(self) -> float | None:
        """What the teacher cost; None where its price is not known."""
        return self.teacher["dollars"]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "folder": str(self.folder)}


def build(
    recipe: Recipe,
    progress: Progress | None = None,
    *,
    confirm: Confirm | None = None,
    from_failures: Path | None = None,
) -> BuildReport:
    """Makes runs/NAME/dataset: a .jsonl of each of `PARTS`, rejected.jsonl and dataset.json.

    A build that was stopped, by a kill or by its budget, goes on where it was: see `Journal`.

    Args:
        recipe: The recipe.
        progress: Called with (stage, done, of, note).
        confirm: Asked before the first call that costs; without it, `teacher.budget_usd` must bound what is spent.
        from_failures: A file of failure categories, which all slots are drawn from.

    Raises:
        WrongUse: The recipe, its files or the key are wrong, or the parts want more examples than are left.
        SqlftError: The database or the teacher fails.
    """
    started = time.monotonic()
    report_progress = progress or (lambda stage, done, of, note: None)
    folder = recipe.run_dir / "dataset"
    card = SchemaCard.load(recipe.schema_)
    seeds, golden = read_examples(recipe.seeds), read_examples(recipe.golden)
    imported = read_examples(recipe.imported) if recipe.imported else []
    purse, second, embed = Purse(recipe, confirm, report_progress), None, None
    if recipe.clean.regenerations or recipe.clean.back_translation:
        from sqlft.dataset.second_opinion import SecondOpinion  # the openai client takes 2 s to import

        second = SecondOpinion(recipe, card, folder, purse)
    if recipe.clean.embeddings:
        from sqlft.dataset.embeddings import QuestionVectors

        embed = QuestionVectors(recipe.clean.embeddings, folder / "embeddings.jsonl", purse)
    with recipe_gate(recipe, card) as gate:
        waterfall = Waterfall(recipe, card, [*golden, *_asked_beside(recipe)], Queries(gate).run, second, embed)
        written = write_pairs(
            recipe,
            card,
            seeds,
            folder,
            report_progress,
            survey=waterfall.survives,
            confirm=confirm,
            failures=from_failures,
        )
        purse.paid.append(written)
        own = [with_format(seed, recipe.prompt.format_clause) for seed in seeds] if recipe.split.seeds else []
        # before the teacher's: of two pairs with one question the real one stays
        real = [with_format(pair, recipe.prompt.format_clause) for pair in imported]
        review = Review(folder)
        came = [*own, *real, *written.examples]
        settled = list(map(waterfall.settle, came))  # as the rows stood that somebody edited
        cleaned = waterfall.clean(
            review.apply_edits(settled), lambda stage, done, of: report_progress(stage, done, of, "")
        )
        cleaned.rewritten += sum(new is not old for new, old in zip(settled, came, strict=True))
        sandbox, warnings = gate.sandbox, list(gate.warnings)
    with locked(folder / FILE):  # who decides meanwhile waits, and finds the new rows
        review.drop_rejected(cleaned)
        written = purse.total()
        write_jsonl(folder / "rejected.jsonl", cleaned.rejected)
        outcomes = [cleaned.outcomes[place] for place in cleaned.places]
        stamp(cleaned.kept, outcomes, [name for name, _, _ in cleaned.steps])
        by_hand = sum(place < len(own) for place in cleaned.places)
        parts = split(cleaned.kept[by_hand:], recipe.split, recipe.seed, cleaned.kept[:by_hand])
        rejected = [*cleaned.rejected, *parts.rejected]
        write_jsonl(folder / "rejected.jsonl", rejected)
        for part in PARTS:
            write_jsonl(folder / f"{part}.jsonl", getattr(parts, part), whole=True)
        coverage = count_coverage(written.examples, cleaned.kept)
        report = BuildReport(
            name=recipe.name,
            folder=folder,
            teacher=_teacher(recipe, written),
            written=len(written.examples),
            validity=count_validity(cleaned.outcomes[len(own) + len(real) :], recipe.prompt.format_clause),
            steps=cleaned.steps,
            rejected=dict(Counter(item.reason for item in rejected).most_common()),
            counts={part: len(getattr(parts, part)) for part in PARTS},
            files={f"{name}.jsonl": _sha256((folder / f"{name}.jsonl").read_bytes()) for name in (*PARTS, "rejected")},
            card=_sha256(card.model_dump_json().encode()),
            sandbox=sandbox,
            seconds=round(time.monotonic() - started, 2),
            notes=[
                *warnings,
                *written.notes,
                *purse.notes,
                *_notes(seeds, golden, len(own) - by_hand, len(own), coverage),
                *_real_kept(recipe, cleaned, range(len(own), len(own) + len(real))),
                *_rewritten(cleaned),
            ],
            coverage=coverage,
        )
        (folder / "dataset.json").write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    return report


@dataclass
class DryRun:
    """What each step would do with the pairs that are written already.

    Attributes:
        rejected: All that would be dropped.
        examples: (question, evidence) of the first pair that each step would drop.
    """

    written: int
    kept: int
    steps: list[tuple[str, int, int]]
    rejected: list[Rejected]
    examples: dict[str, tuple[str, str]]
    sandbox: str
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "rejected": [item.model_dump(exclude_defaults=True) for item in self.rejected]}


def rehearse(recipe: Recipe, progress: Progress | None = None) -> DryRun:
    """Passes what the journal holds, or what the grammar writes, through the waterfall; spends and writes nothing.

    Args:
        recipe: The recipe.
        progress: Called with (stage, done, of, note).

    Raises:
        WrongUse: The recipe or its files are wrong, or nothing is written yet.
        SqlftError: The database fails.
    """
    report_progress = progress or (lambda stage, done, of, note: None)
    folder = recipe.run_dir / "dataset"
    card = SchemaCard.load(recipe.schema_)
    golden = [*read_examples(recipe.golden), *_asked_beside(recipe)]
    notes = []
    if recipe.teacher.kind == "template":
        pairs = write_pairs(recipe, card, [], folder, report_progress).examples
    else:
        pairs = read_answers(folder / "journal.jsonl", recipe.teacher.model)[: recipe.teacher.examples]
        notes.append(f"{len(pairs)} of {recipe.teacher.examples} pairs are in the journal")
    if recipe.clean.regenerations or recipe.clean.back_translation or recipe.clean.embeddings:
        notes.append("regenerations, back-translations and embeddings cost, and were not asked for")
    with recipe_gate(recipe, card) as gate:
        waterfall = Waterfall(recipe, card, golden, Queries(gate).run)
        cleaned = waterfall.clean(pairs, lambda stage, done, of: report_progress(stage, done, of, ""))
        notes += [*gate.warnings, *_rewritten(cleaned)]
        first = {step: (item.example.question, item.evidence) for step, item in cleaned.examples.items()}
        return DryRun(len(pairs), len(cleaned.kept), cleaned.steps, cleaned.rejected, first, gate.sandbox, notes)


def _teacher(recipe: Recipe, written: Written) -> dict[str, Any]:
    cost = {key: value for key, value in vars(written).items() if key not in ("examples", "notes")}
    return {**recipe.teacher.model_dump(), **cost}


def _notes(seeds: list[Example], golden: list[Example], lost: int, own: int, coverage: Coverage) -> list[str]:
    notes = []
    asked = {fold_question(example.question) for example in golden}
    if shared := sum(fold_question(seed.question) in asked for seed in seeds):
        notes.append(f"{shared} of {len(seeds)} seeds ask a golden question, and the teacher is shown them")
    if not golden:
        notes.append("the golden set is empty: no pair was compared with it")
    if cells := thin(coverage):
        notes.append(f"thinnest coverage, pairs kept of those written: {'; '.join(cells)}")
    if lost:
        notes.append(f"{lost} of {own} seeds were dropped by cleaning")
    return notes


def _real_kept(recipe: Recipe, cleaned: Cleaned, real: range) -> list[str]:
    count = sum(place in real for place in cleaned.places)
    return [f"{count} of {len(real)} pairs of {recipe.imported} passed cleaning"] if recipe.imported else []


def _rewritten(cleaned: Cleaned) -> list[str]:
    how = "today() and its kin as prompt.date, approximate functions as exact ones"
    return [f"{cleaned.rewritten} pairs were rewritten: {how}"] if cleaned.rewritten else []


def _asked_beside(recipe: Recipe) -> list[Example]:
    return [example for path in recipe.evaluation.questions for example in read_examples(path)]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
