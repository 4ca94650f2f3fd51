"""Real queries become pairs: admitted by the guard, one of each kind, masked, run, put into words, cleaned."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlft.card import SchemaCard
from sqlft.database import Gate, QueryError, QueryRefused
from sqlft.database.clauses import tokens
from sqlft.dataset.clean import Waterfall
from sqlft.dataset.harvest.ask import ask_questions, need_teacher
from sqlft.dataset.harvest.masking import Masking, write_string
from sqlft.dataset.harvest.personal import personal_forms
from sqlft.dataset.harvest.query_log import LogFilter, read_query_log
from sqlft.dataset.harvest.sql_files import read_sql_files
from sqlft.dataset.harvest.statements import Found, admit
from sqlft.dataset.queries import Queries, recipe_gate
from sqlft.dataset.written import Confirm, Progress, with_format
from sqlft.problems import Problem, WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example, Origin, Rejected, locked, read_examples, write_jsonl

Source = Literal["query_log", "file"]


@dataclass
class ImportReport:
    """What an import did; the file beside the pairs that ends in .json holds the same.

    Attributes:
        file: The pairs.
        found: Different statements that were looked at.
        runs: How often they ran, or stand in the files.
        left: Different queries that were left in the log, by reason.
        rejected: Statements and pairs that were dropped, by reason; they stand beside the pairs in .rejected.jsonl.
        merged: Statements that differ from another one in their literals alone.
        masked: What was masked: kind, column ('' where none says so) and how many literals.
        asked: Questions that the teacher wrote.
        pairs: Pairs that are left.
        dollars: What the teacher cost; None where its price is not known.
    """

    file: Path
    source: Source
    found: int
    runs: int
    left: dict[str, int]
    merged: int
    rejected: dict[str, int]
    masked: list[tuple[str, str, int]]
    asked: int
    pairs: int
    dollars: float | None
    sandbox: str
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "file": str(self.file)}


@dataclass
class _Query:
    """A statement on its way: as the guard let it through, masked, and what it gives."""

    found: Found
    sql: str
    hash: str = ""
    masked: str = ""
    question: str = ""


def import_log(
    recipe: Recipe,
    out: Path,
    chosen: LogFilter,
    dsn: str | None = None,
    progress: Progress | None = None,
    confirm: Confirm | None = None,
) -> ImportReport:
    """Makes pairs of the queries that people ran.

    Args:
        recipe: Its database judges the queries, its teacher writes the questions.
        out: JSONL to write; see `ImportReport` for what stands beside it.
        chosen: Which queries are taken.
        dsn: Where the log is; the recipe's database by default.
        progress: Called with (stage, done, of, note).
        confirm: Asked before the first call that costs.

    Raises:
        WrongUse: The recipe, a table or the key is wrong, there is no log, or nobody agrees to the cost.
        SqlftError: The database or the teacher fails.
    """
    need_teacher(recipe)
    logged = read_query_log(dsn or recipe.database.dsn, SchemaCard.load(recipe.schema_), chosen)
    return _Import(recipe, out, "query_log", progress, confirm).run(logged.found, logged.left)


def import_files(
    recipe: Recipe, paths: Sequence[Path], out: Path, progress: Progress | None = None, confirm: Confirm | None = None
) -> ImportReport:
    """Makes pairs of the statements in .sql files; as `import_log`, and the teacher is asked where no comment asks."""
    return _Import(recipe, out, "file", progress, confirm).run(read_sql_files(paths), {})


class _Import:
    def __init__(
        self, recipe: Recipe, out: Path, source: Source, progress: Progress | None, confirm: Confirm | None
    ) -> None:
        if out.suffix != ".jsonl":
            raise WrongUse(
                Problem("--out", str(out), "pairs are written as JSONL", "Write a name that ends in .jsonl.")
            )
        self._recipe, self._out, self._source, self._confirm = recipe, out, source, confirm
        self._tell: Progress = progress or (lambda stage, done, of, note: None)
        self._card = SchemaCard.load(recipe.schema_)
        self._seeds, self._golden = read_examples(recipe.seeds), read_examples(recipe.golden)
        self._masking = Masking(self._card)
        self._rejected: list[Rejected] = []
        self._dollars: float | None = 0.0
        self._notes: list[str] = []

    def run(self, found: Sequence[Found], left: dict[str, int]) -> ImportReport:
        with recipe_gate(self._recipe, self._card) as gate:
            admitted = self._admit(found)
            queries = self._merge(gate, admitted)
            merged = len(admitted) - len(queries)
            queries = self._mask(queries)
            runner = Queries(gate)
            queries = self._try(runner, queries)
            sandbox, self._notes = gate.sandbox, [*gate.warnings]
            asked = [query for query in queries if not query.question]
            pairs = self._clean(runner, queries, self._ask(asked))
        self._notes += [f"{len(queries) - len(asked)} questions were read from comments"] * (len(asked) < len(queries))
        with locked(self._out) as file:
            # what hands have added, on the playground's page say, was found nowhere and stays
            by_hand = [pair for pair in read_examples(self._out) if not pair.origin] if file.seek(0, 2) else []
            write_jsonl(self._out, [*by_hand, *pairs])
        self._notes += [f"{len(by_hand)} pairs without an origin stay in {self._out}"] * bool(by_hand)
        write_jsonl(self._out.with_suffix(".rejected.jsonl"), self._rejected)
        report = ImportReport(
            file=self._out,
            source=self._source,
            found=len(found),
            runs=sum(one.runs for one in found),
            left=left,
            merged=merged,
            rejected=dict(Counter(item.reason for item in self._rejected).most_common()),
            masked=[(kind, column, n) for (kind, column), n in sorted(self._masking.counts.items())],
            asked=len(asked),
            pairs=len(pairs),
            dollars=self._dollars,
            sandbox=sandbox,
            notes=self._notes,
        )
        self._out.with_suffix(".json").write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
        return report

    def _admit(self, found: Sequence[Found]) -> list[_Query]:
        admitted = []
        for one in found:
            try:
                admitted.append(_Query(one, admit(one, self._card)))
            except QueryRefused as error:
                self._reject(one, blank(one.sql), "refused", error.message)
        return admitted

    def _merge(self, gate: Gate, queries: Sequence[_Query]) -> list[_Query]:
        """The newest of each kind, as often as all of them ran; the kinds that ran most often first."""
        hashes = gate.run_many([f"SELECT toString(normalizedQueryHash({write_string(q.sql)}))" for q in queries])
        kinds: dict[str, list[_Query]] = {}
        for query, said in zip(queries, hashes, strict=True):
            if isinstance(said, QueryError):
                self._reject(query.found, blank(query.sql), said.kind, str(said))
                continue
            query.hash = str(said.rows[0][0])
            kinds.setdefault(query.hash, []).append(query)
        newest = []
        for same in kinds.values():
            last = max(same, key=lambda q: q.found.last) if self._source == "query_log" else same[-1]
            question = last.found.question or next((q.found.question for q in reversed(same) if q.found.question), "")
            runs = sum(q.found.runs for q in same)
            newest.append(_Query(Found(last.sql, runs, last.found.last, "", question), last.sql, last.hash))
        return sorted(newest, key=lambda q: -q.found.runs)

    def _mask(self, queries: Sequence[_Query]) -> list[_Query]:
        faults = self._masking.look([q.sql for q in queries], [q.found.question for q in queries])
        masked = []
        for query, fault in zip(queries, faults, strict=True):
            if fault:
                self._reject(query.found, blank(query.sql), "unreadable", fault, query.hash)
                continue
            query.masked = self._masking.mask(query.sql)
            query.question = self._masking.mask_text(query.found.question)
            masked.append(query)
        return masked

    def _try(self, runner: Queries, queries: Sequence[_Query]) -> list[_Query]:
        """Those that give what cleaning would keep: a question costs, and none is asked for the others."""
        kept = []
        outcomes = runner.run(
            [query.masked for query in queries], progress=lambda done: self._tell("queries", done, len(queries), "")
        )
        for query, outcome in zip(queries, outcomes, strict=True):
            if isinstance(outcome, QueryError):
                self._reject(query.found, query.masked, outcome.kind, str(outcome), query.hash)
                continue
            count = outcome.total_rows if outcome.total_rows is not None else len(outcome.rows)
            if not count:
                self._reject(query.found, query.masked, "empty", "no rows", query.hash)
            elif count > (limit := self._recipe.clean.max_rows):
                self._reject(query.found, query.masked, "too_many_rows", f"{count} rows, limit {limit}", query.hash)
            else:
                kept.append(query)
        return kept

    def _ask(self, queries: Sequence[_Query]) -> dict[str, Example]:
        if not queries:
            return {}
        seeds = [with_format(seed, False) for seed in self._seeds]
        sqls = [query.masked for query in queries]
        journal = self._out.with_suffix(".journal.jsonl")
        pairs, written = ask_questions(self._recipe, self._card, seeds, sqls, journal, self._tell, self._confirm)
        self._dollars = written.dollars
        self._notes += written.notes
        return pairs

    def _clean(self, runner: Queries, queries: Sequence[_Query], asked: dict[str, Example]) -> list[Example]:
        examples = []
        for query in queries:
            pair = asked.get(query.masked)
            if pair is None and not query.question:
                why = "the teacher wrote no question for it, or changed the SQL"
                self._reject(query.found, query.masked, "no_question", why, query.hash)
                continue
            example = pair or Example(question=query.question, sql=query.masked)
            origin = self._origin(query.found, query.hash)
            example = example.model_copy(update={"sql": query.masked, "origin": origin})
            examples.append(with_format(example, self._recipe.prompt.format_clause))
        cleaned = Waterfall(self._recipe, self._card, self._golden, runner.run).clean(examples)
        self._rejected += cleaned.rejected
        return cleaned.kept

    def _reject(self, found: Found, sql: str, reason: str, evidence: str, query_hash: str = "") -> None:
        example = Example(id=query_hash, question="", sql=sql, source="", origin=self._origin(found, query_hash))
        self._rejected.append(Rejected(example=example, reason=reason, evidence=hide_values(evidence)))

    def _origin(self, found: Found, query_hash: str) -> Origin:
        return Origin(source=self._source, hash=query_hash, runs=found.runs)


def blank(sql: str) -> str:
    """A statement that was not masked, for the file of what was rejected: literals emptied, comments left out."""
    empty = {"string": "''", "quoted": '""', "number": "0", "comment": " ", "blank": " ", "broken": "…"}
    return _hide_forms("".join(empty.get(token.kind, token.text) for token in tokens(sql)).strip())


def hide_values(evidence: str) -> str:
    """An error's sentence without what it quotes: that may be a value of a literal, or of a row."""
    return _hide_forms(re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "'…'", evidence))


def _hide_forms(text: str) -> str:
    for span in sorted(personal_forms(text), key=lambda span: -span.start):
        text = text[: span.start] + "…" + text[span.end :]
    return text
