"""Everything that can be wrong with a run, found before money or GPU time is spent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlft.card import SchemaCard
from sqlft.database import Database, QueryError, Result, open_gate
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.evaluation.questions import read_questions
from sqlft.problems import SqlftError, WrongUse
from sqlft.prompts import render_chat
from sqlft.recipe import Recipe, load_recipe
from sqlft.records import Example, read_examples

MARKS = {"ok": "✓", "failed": "✗", "warning": "!"}
GIB = 2**30
CHECKPOINTS = 3
"""Two are kept, and one is being written."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    status: Literal["ok", "failed", "warning"]
    message: str
    exit_code: int = 0

    def __str__(self) -> str:
        return f"{MARKS[self.status]} {self.name}: {self.message}"


def run_checks(path: Path, overrides: Sequence[str] = ()) -> Iterator[Check]:
    """Looks at everything, past failures, and yields what it found as it goes.

    Args:
        path: The recipe.
        overrides: `KEY.SUBKEY=VALUE` each.
    """
    try:
        recipe = load_recipe(path, overrides)
    except WrongUse as error:
        yield from _failures("recipe", error, 2)
        return
    yield Check("recipe", "ok", f"{path}, run {recipe.name}")
    yield from _guarded("training", _training(recipe), 2)
    yield from _guarded("teacher", _teacher(recipe))
    card, examples = None, {}
    try:
        card = SchemaCard.load(recipe.schema_)
        yield Check(
            "schema card", "ok", f"{len(card.tables)} tables, {sum(len(t.columns) for t in card.tables)} columns"
        )
    except WrongUse as error:
        yield from _failures("schema card", error)
    for name, file in (("seeds", recipe.seeds), ("golden", recipe.golden)):
        try:
            examples[name] = read_questions(recipe, name)[1] if name == "golden" else read_examples(file)
            yield Check(
                name,
                "ok" if examples[name] else "failed",
                f"{len(examples[name])} examples",
                0 if examples[name] else 1,
            )
        except WrongUse as error:
            yield from _failures(name, error)
    yield from _leaks(examples.get("seeds", []), examples.get("golden", []))
    if card:
        yield from _guarded("database", _live(recipe, card))
        yield from _guarded("gate", _gated(recipe, card, examples))
    yield from _guarded("model", _model(recipe, card, [e for found in examples.values() for e in found]))


def _failures(name: str, error: SqlftError, code: int = 1) -> Iterator[Check]:
    for problem in error.problems if isinstance(error, WrongUse) else [error]:
        yield Check(name, "failed", str(problem), code)


def _guarded(name: str, checks: Iterator[Check], code: int = 1) -> Iterator[Check]:
    try:
        yield from checks
    except SqlftError as error:
        yield from _failures(name, error, code)


def _training(recipe: Recipe) -> Iterator[Check]:
    from sqlft.training import sftconfig

    config = sftconfig(recipe)
    length = f"{config.max_steps} steps" if config.max_steps > 0 else f"{config.num_train_epochs:g} epochs"
    yield Check("training", "ok", f"{length} at {config.learning_rate:g}")


def _teacher(recipe: Recipe) -> Iterator[Check]:
    if recipe.teacher.kind == "template":
        yield Check("teacher", "ok", "the template grammar, which needs no key")
    judge = recipe.evaluation.judge
    asked = recipe.teacher.kind != "template"
    wanted = [("teacher", recipe.teacher.model, recipe.teacher.base_url)] if asked else []
    wanted += [("judge", judge.model, judge.base_url)] if judge else []
    vectors = recipe.clean.embeddings
    wanted += [("embeddings", vectors.model, vectors.base_url)] if vectors else []
    for name, model, base_url in wanted:
        from sqlft.inference.endpoint import Endpoint

        yield Check(name, "ok", f"{model} at {Endpoint(model, base_url).url}, with a key; it was not called")


def _leaks(seeds: list[Example], golden: list[Example]) -> Iterator[Check]:
    questions, sqls = {fold_question(seed.question) for seed in seeds}, {fold_sql(seed.sql) for seed in seeds}
    leaked = [e for e in golden if fold_question(e.question) in questions or (e.sql and fold_sql(e.sql) in sqls)]
    for example in leaked:
        yield Check(
            "leakage",
            "failed",
            f"golden {example.id} is a seed too: {example.question!r}. Take it out of one of them.",
            1,
        )
    if golden and seeds and not leaked:
        yield Check("leakage", "ok", "no golden question and no golden SQL is a seed's")


def _live(recipe: Recipe, card: SchemaCard) -> Iterator[Check]:
    with Database.connect(recipe.database.dsn) as db:
        yield Check("database", "ok", f"{db.dsn}, ClickHouse {db.engine_version}")
        names = ", ".join(
            f"'{name}'" for name in (n.replace("\\", "\\\\").replace("'", "\\'") for n in card.table_names)
        )
        found = db.run(
            "SELECT concat(database, '.', table) AS place, name, type FROM system.columns "
            f"WHERE place IN ({names}) ORDER BY place, position"
        )
    live: dict[str, dict[str, str]] = {}
    for table_name, column_name, kind in found.rows:
        live.setdefault(table_name, {})[column_name] = kind
    before = None
    for table in card.tables:
        for before in _compare_table(table.name, {c.name: c.type for c in table.columns}, live.get(table.name)):
            yield before
    columns = {f"{table}.{column}" for table, found_columns in live.items() for column in found_columns}
    for side in (side for relation in card.relations for side in (relation.left, relation.right)):
        if side not in columns:
            before = Check("card and database", "failed", f"the relation's {side} is not in the database", 1)
            yield before
    if before is None:
        yield Check("card and database", "ok", "every table, column, type and relation of the card is there")


def _compare_table(name: str, card: dict[str, str], live: dict[str, str] | None) -> Iterator[Check]:
    place = "card and database"
    if live is None:
        yield Check(place, "failed", f"there is no table {name}, or this user may not see it", 1)
        return
    for column, kind in card.items():
        if column not in live:
            yield Check(place, "failed", f"{name} has no column {column}; it has {', '.join(live)}", 1)
        elif live[column] != kind:
            yield Check(place, "failed", f"{name}.{column} is {live[column]}, and the card says {kind}", 1)
    if extra := sorted(set(live) - set(card)):
        yield Check(
            place,
            "warning",
            f"{name} also has {', '.join(extra)}, which no question can use while the card leaves it out",
        )


def _gated(recipe: Recipe, card: SchemaCard, examples: dict[str, list[Example]]) -> Iterator[Check]:
    section = recipe.database
    with open_gate(
        section.dsn, limits=section.limits, tables=card.table_names, sandbox=section.sandbox, date=recipe.prompt.date
    ) as gate:
        yield Check("gate", "ok", f"model-written SQL runs behind: {gate.sandbox}")
        for warning in gate.warnings:
            yield Check("gate", "warning", warning)
        terms = [t for t in card.glossary if t.table and (t.metric or t.condition)]
        sqls = [f"SELECT {t.metric or f'countIf({t.condition})'} FROM {t.table}" for t in terms]
        yield from _ran("glossary", [t.term for t in terms], gate.run_many(sqls), may_be_empty=True)
        for name, found in examples.items():
            asked = found if name == "seeds" else [e for e in found if e.sql]  # the database cannot answer the others
            outcomes = gate.run_many([e.sql for e in asked])
            yield from _ran(name, [e.id for e in asked], outcomes, may_be_empty=name != "golden")


def _ran(name: str, ids: list[str], outcomes: Sequence[Result | QueryError], *, may_be_empty: bool) -> Iterator[Check]:
    failed = [(i, outcome) for i, outcome in zip(ids, outcomes, strict=True) if isinstance(outcome, QueryError)]
    for i, error in failed:
        hint = f" (maybe {error.hint})" if error.hint else ""
        yield Check(f"{name} queries", "failed", f"{i}: {error}{hint}", 1)
    empty = [i for i, outcome in zip(ids, outcomes, strict=True) if isinstance(outcome, Result) and not outcome.rows]
    if empty and not may_be_empty:
        yield Check(
            f"{name} queries", "warning", f"{', '.join(empty)} return nothing: agreeing with that proves nothing"
        )
    if ids and not failed:
        yield Check(f"{name} queries", "ok", f"all {len(ids)} run")


def _model(recipe: Recipe, card: SchemaCard | None, examples: list[Example]) -> Iterator[Check]:
    from sqlft.inference.load import base_folder, load_tokenizer
    from sqlft.inference.tokens import summarize_lengths, tokenize_chats

    try:
        folder = base_folder(recipe.model, recipe.base, weights=False)
    except SqlftError:
        with suppress(SqlftError):  # of well-known bases the size is known all the same
            yield from _space(recipe)
        raise
    yield Check("model", "ok", f"{recipe.base} can be read")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = config.get("text_config", config)
    try:
        yield from _space(recipe)
    except WrongUse as error:  # a plan knows dense decoders alone
        yield Check("disk", "warning", f"what it wants was not reckoned: {error}")
    answered = [e for e in examples if e.sql]  # the others are golden questions that the database cannot answer
    if card is None or not answered:
        return
    tokenizer, context = load_tokenizer(folder), config["max_position_embeddings"]
    whole = [render_chat(card, e.question, recipe.prompt, e.sql) for e in answered]
    rows = tokenize_chats(tokenizer, whole, [e.id for e in answered], recipe.prompt.date, context)
    asked = [render_chat(card, e.question, recipe.prompt) for e in examples]
    room, ids = recipe.generation.max_new_tokens, [e.id for e in examples]
    tokenize_chats(tokenizer, asked, ids, recipe.prompt.date, context, room=room)
    found = summarize_lengths(rows)
    yield Check("chat template", "ok", "one beginning, the prompt a prefix of every row, the end token learned")
    yield Check("tokens", "ok", f"{found['shortest']} to {found['longest']} in a row, the model's context is {context}")


def _space(recipe: Recipe) -> Iterator[Check]:
    from sqlft.training.plan.shape import read_shape

    shape, _ = read_shape(recipe)
    # float32 weights, and two moments of them in the optimizer's state
    wanted = [(Path("runs"), shape.trainable * 4 * (1 + 3 * CHECKPOINTS), "checkpoints and adapter")]
    if not Path(recipe.base).is_dir():
        from huggingface_hub.constants import HF_HUB_CACHE

        cache = Path(HF_HUB_CACHE)
        if not any((cache / f"models--{recipe.base.replace('/', '--')}").glob("snapshots/*/*.safetensors")):
            wanted.append((cache, shape.base * 2, "the base's weights"))
    for folder, size, what in wanted:
        there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
        free = shutil.disk_usage(there).free
        message = f"{what} want about {size / GIB:.1f} GiB in {folder}, and {free / GIB:.1f} GiB are free"
        yield Check("disk", "ok" if free > size else "failed", message, 0 if free > size else 1)
