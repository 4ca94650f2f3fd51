"""Builds a run's dataset: the teacher writes, the database judges, the rest is divided."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlft.card import SchemaCard
from sqlft.database import open_gate
from sqlft.dataset.clean import clean, count_validity
from sqlft.dataset.fold import fold_question
from sqlft.dataset.provenance import stamp
from sqlft.dataset.queries import Queries
from sqlft.dataset.slots.coverage import Coverage, count_coverage, thin
from sqlft.dataset.split import Parts, split
from sqlft.dataset.teacher import write_pairs
from sqlft.dataset.written import Confirm, Progress, Written, with_format
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example, read_examples, write_jsonl

PARTS = ("train", "validation", "heldout", "heldout_templates", "unused")


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
    """Makes runs/NAME/dataset: {train,validation,heldout,heldout_templates,unused,rejected}.jsonl and dataset.json.

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
    if recipe.split.heldout_templates and recipe.teacher.kind != "template":
        why = "only the template teacher's pairs have templates to withhold"
        what = f"`split.heldout_templates: {recipe.split.heldout_templates}`"
        where = recipe.where("split", "heldout_templates")
        raise WrongUse(Problem(where, what, why, "Write 0, or teacher.kind: template."))
    database = recipe.database
    with open_gate(
        database.dsn, limits=database.limits, tables=card.table_names, sandbox=database.sandbox, date=recipe.prompt.date
    ) as gate:
        queries = Queries(gate)

        def survey(asked: Sequence[Example]) -> list[bool]:
            outcomes = queries.run([example.sql for example in asked])
            alive = {id(example) for example in clean(asked, outcomes, golden, recipe.clean.max_rows).kept}
            return [id(example) in alive for example in asked]

        written = write_pairs(
            recipe,
            card,
            seeds,
            folder,
            report_progress,
            survey=survey,
            confirm=confirm,
            failures=from_failures,
        )
        own = [with_format(seed, recipe.prompt.format_clause) for seed in seeds] if recipe.split.seeds else []
        # before the teacher's: of two pairs with one question the real one stays
        real = [with_format(pair, recipe.prompt.format_clause) for pair in imported]
        pairs = [*own, *real, *written.examples]
        outcomes = queries.run(
            [pair.sql for pair in pairs], progress=lambda done: report_progress("queries", done, len(pairs), "")
        )
        sandbox, warnings = gate.sandbox, list(gate.warnings)
    cleaned = clean(pairs, outcomes, golden, recipe.clean.max_rows)
    write_jsonl(folder / "rejected.jsonl", cleaned.rejected)
    given = dict(zip((pair.sql for pair in pairs), outcomes, strict=True))
    stamp(cleaned.kept, [given[example.sql] for example in cleaned.kept], [name for name, _, _ in cleaned.steps])
    by_hand = {id(seed) for seed in own}
    parts = split(
        [example for example in cleaned.kept if id(example) not in by_hand],
        recipe.split,
        recipe.seed,
        [example for example in cleaned.kept if id(example) in by_hand],
    )
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
        validity=count_validity(outcomes[len(own) + len(real) :], recipe.prompt.format_clause),
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
            *_notes(seeds, golden, own, parts, coverage),
            *_kept_of(recipe, real, cleaned.kept),
        ],
        coverage=coverage,
    )
    (folder / "dataset.json").write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
    return report


def _teacher(recipe: Recipe, written: Written) -> dict[str, Any]:
    cost = {key: value for key, value in vars(written).items() if key not in ("examples", "notes")}
    return {**recipe.teacher.model_dump(), **cost}


def _notes(
    seeds: list[Example], golden: list[Example], own: list[Example], parts: Parts, coverage: Coverage
) -> list[str]:
    notes = []
    asked = {fold_question(example.question) for example in golden}
    if shared := sum(fold_question(seed.question) in asked for seed in seeds):
        notes.append(f"{shared} of {len(seeds)} seeds ask a golden question, and the teacher is shown them")
    if cells := thin(coverage):
        notes.append(f"thinnest coverage, pairs kept of those written: {'; '.join(cells)}")
    if lost := len(own) - sum(any(seed is example for example in parts.train) for seed in own):
        notes.append(f"{lost} of {len(own)} seeds were dropped by cleaning")
    return notes


def _kept_of(recipe: Recipe, real: list[Example], kept: list[Example]) -> list[str]:
    alive = {id(example) for example in kept}
    count = sum(id(example) in alive for example in real)
    return [f"{count} of {len(real)} pairs of {recipe.imported} passed cleaning"] if real else []


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
