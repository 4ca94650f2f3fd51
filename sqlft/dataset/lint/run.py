"""Every check over every row: the findings, in the file's order."""

from __future__ import annotations

import datetime
import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlglot.dialects.dialect import Dialect

from sqlft.card import SchemaCard
from sqlft.database import QueryError, Result
from sqlft.database.clauses import split_format
from sqlft.dataset.findings import Finding
from sqlft.dataset.lint.files import Rows, read_rows, write_rows
from sqlft.dataset.lint.groups import conflicts, crowded_templates, metrics_two_ways, near_duplicates
from sqlft.dataset.lint.leakage import leaks
from sqlft.dataset.lint.pair import Pair
from sqlft.dataset.lint.remark import Remark, mend
from sqlft.dataset.lint.rowwise import look_at
from sqlft.dataset.lint.wording import named_values
from sqlft.dataset.queries import recipe_gate
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Clean, Recipe
from sqlft.records import Example

Progress = Callable[[str, int, int], None]

_LEVELS = ("error", "warning", "note")


@dataclass
class LintReport:
    """What was found.

    Attributes:
        findings: By row, errors first.
        fixed: Each row's SQL with the mechanical fixes made.
        sandbox: What protected the database; empty without one.
        notes: What the user should know.
    """

    findings: list[Finding]
    fixed: list[str]
    sandbox: str = ""
    notes: list[str] = field(default_factory=list)

    def count(self, level: str) -> int:
        return sum(finding.level == level for finding in self.findings)


def lint_rows(
    rows: Rows,
    recipe: Recipe | None = None,
    golden: Sequence[Example] = (),
    dialect: str = "clickhouse",
    progress: Progress | None = None,
) -> LintReport:
    """Looks at every row by itself, at rows together, and at rows beside the golden set.

    Args:
        rows: The set.
        recipe: Names the card and the database that the SQL is run on, through the gate; None for what can be said
            without them. SQL of another dialect than ClickHouse is read and not run.
        golden: What may not leak into the set.
        dialect: As sqlglot names it.
        progress: Called with (stage, done, of).

    Raises:
        WrongUse: The card cannot be read.
        SqlftError: The database cannot be opened.
    """
    tell = progress or (lambda stage, done, of: None)
    card = SchemaCard.load(recipe.schema_) if recipe else None
    pairs = [
        Pair(row, q, split_format(s)[0].strip(), card, dialect)
        for row, (q, s) in enumerate(zip(rows.questions, rows.sqls, strict=True))
    ]
    asked = [Pair(-1, example.question, split_format(example.sql)[0].strip(), card, dialect) for example in golden]
    report = LintReport([], list(rows.sqls))
    if recipe and card and dialect == "clickhouse":
        _run_all([*pairs, *asked], recipe, card, report, tell)
    clean = recipe.clean if recipe else Clean()
    date = recipe.prompt.date if recipe else datetime.date(2024, 12, 31)
    found: dict[int, list[Remark]] = defaultdict(list)
    for row, remarks in enumerate(look_at(pairs, clean.max_rows, date)):
        found[row] += remarks
        tell("rows", row + 1, len(pairs))
    words = named_values(card)
    together = (
        conflicts(pairs),
        near_duplicates(pairs, words, clean.near_duplicate),
        metrics_two_ways(pairs),
        crowded_templates(pairs, clean.template_quota),
        leaks(pairs, asked, words, clean.leak_near),
    )
    for place, remark in itertools.chain(*together):
        found[place].append(remark)
    for row in sorted(found):
        for one in sorted(found[row], key=lambda remark: _LEVELS.index(remark.level)):
            report.findings.append(Finding(row, one.code, one.level, one.evidence, one.fix, one.golden))
            if one.edit:
                report.fixed[row] = mend(report.fixed[row], *one.edit)
    return report


def lint_file(
    path: Path,
    recipe: Recipe | None = None,
    golden: Path | None = None,
    dialect: str = "clickhouse",
    fix: Path | None = None,
    progress: Progress | None = None,
) -> LintReport:
    """Lints a file; see `lint_rows`.

    Args:
        path: The set.
        recipe: For its card, its database and its golden set, which does not leak into itself.
        golden: Read instead of the recipe's golden set.
        dialect: Of the SQL.
        fix: Where to write the set with its mechanical fixes.
        progress: Called with (stage, done, of).

    Raises:
        WrongUse: A file cannot be read or written, or there is no such dialect.
        SqlftError: The database cannot be opened.
    """
    if dialect not in Dialect.classes:
        near = ", ".join(sorted(name for name in Dialect.classes if name))
        raise WrongUse(Problem("--dialect", dialect, "sqlglot knows no such dialect", f"Write one of {near}."))
    rows = read_rows(path)
    if not len(rows):
        raise WrongUse(Problem(str(path), "file", "it holds no rows", "Write a file of questions and SQL."))
    asked: Sequence[Example] = []
    source = golden or (recipe.golden if recipe else None)
    notes, unanswerable = [], set[int]()
    if source and source.resolve() == path.resolve():
        notes.append(f"{source} is the golden set itself, which does not leak into itself: no row was compared with it")
        unanswerable = {row for row, sql in enumerate(rows.sqls) if not sql.strip()}
    elif source:
        held = read_rows(source)
        asked = [Example(question=q, sql=s) for q, s in zip(held.questions, held.sqls, strict=True) if q.strip()]
        notes += [f"{source} holds no golden questions: nothing can leak"] * (not asked)
    report = lint_rows(rows, recipe, asked, dialect, progress)
    report.notes += notes
    report.findings = [finding for finding in report.findings if finding.row not in unanswerable]
    if surplus := sum(None in record for record in rows.records):
        report.notes.append(f"{surplus} rows have more fields than the header, and were judged without them")
    if recipe and recipe.clean.embeddings:
        report.notes.append("clean.embeddings costs and was not asked: near-duplicates are compared by their letters")
    if fix:
        write_rows(fix, rows, report.fixed)
        changed = sum(old != new for old, new in zip(rows.sqls, report.fixed, strict=True))
        report.notes.append(f"{changed} of {len(rows)} rows mended in {fix}")
    return report


def _run_all(pairs: Sequence[Pair], recipe: Recipe, card: SchemaCard, report: LintReport, tell: Progress) -> None:
    """Runs each distinct statement once, and hands every pair what its own gave."""
    distinct = list(dict.fromkeys(pair.sql for pair in pairs if pair.sql))
    with recipe_gate(recipe, card) as gate:
        gave = gate.run_many(distinct, progress=lambda done: tell("queries", done, len(distinct)))
        report.sandbox, report.notes = gate.sandbox, list(gate.warnings)
    outcomes: dict[str, Result | QueryError] = dict(zip(distinct, gave, strict=True))
    for pair in pairs:
        pair.outcome = outcomes.get(pair.sql)
