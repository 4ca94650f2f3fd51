"""Rounds of training on what goes wrong: evaluate, diagnose, build, train, evaluate.

Three sets keep the figures honest. A round looks at the `development` part alone: what fails there says, as kinds of
question, what the teacher writes next. The `heldout` part judges: no row of any round shares a question or a query with
it, and it is asked when all rounds are over. The golden set is not asked.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

import sqlft
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.dataset.lint.wording import template as mask_sql
from sqlft.evaluation import Results
from sqlft.evaluation.mining import find_wrong
from sqlft.evaluation.remedy.overview import diagnose_results
from sqlft.evaluation.results import left_out
from sqlft.evaluation.statistics import Difference, Share, difference
from sqlft.evaluation.table import p_value, percent
from sqlft.problems import Problem, SqlftError, WrongUse
from sqlft.progress import Stages
from sqlft.recipe import Recipe, Split
from sqlft.records import Example, read_examples, write_jsonl

SEEN, JUDGE = "development", "heldout"
HELPS = 0.1
"""A round helps where it mends more than it breaks, and exact McNemar gives at most this p."""
_HELD = (SEEN, JUDGE, "heldout_templates", "validation")
_SPARE = 1.5
"""Pairs that are asked for, for each row that nothing directs: some are dropped, some were there before."""
_CANDIDATES = 4
"""Pairs that are asked for, for each row of a round: much of what they ask is answered right, and teaches little."""


@dataclass
class Round:
    """One training; the first has no slots.

    Attributes:
        recipe: The recipe that it was trained by; its run is a folder of its own.
        rows: Training rows.
        slots: The file of slots that its new rows were built by; None for rows that nothing directed.
        development: Right answers there; None until it was asked.
        against: The round before it, on development.
        judged: Right answers on the set that no round sees; None until the end.
        gain: Against the first round, on that set.
    """

    number: int
    recipe: Recipe
    rows: int
    slots: Path | None = None
    development: Share | None = None
    against: Difference | None = None
    judged: Share | None = None
    gain: Difference | None = None

    @property
    def adapter(self) -> Path:
        return self.recipe.run_dir / "adapter"

    def to_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"number": self.number, "run": str(self.recipe.run_dir), "rows": self.rows}
        said["slots"] = str(self.slots) if self.slots else None
        for name in ("development", "against", "judged", "gain"):
            value = getattr(self, name)
            said[name] = value.model_dump() if value else None
        return said


@dataclass
class Improvement:
    """All rounds, and why there is no further one."""

    folder: Path
    rounds: list[Round] = field(default_factory=list)
    stopped: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "rounds": [one.to_json() for one in self.rounds], "stopped": self.stopped}

    def table(self) -> Table:
        """The curve for the terminal."""
        table = Table(title="Right by execution", title_justify="left")
        for head in ("round", "rows", SEEN, f"{JUDGE}, seen by no round [95% CI]", "against the first"):
            table.add_column(head, justify="left" if head == "round" else "right")
        for one in self.rounds:
            shown, judged, gain = one.development, one.judged, one.gain
            table.add_row(
                f"{one.number} {one.recipe.run_dir}",
                str(one.rows),
                percent(shown.value, 1) if shown else "",
                f"{percent(judged.value, 1)} [{percent(judged.low)}, {percent(judged.high)}]" if judged else "",
                f"{100 * (gain.value or 0):+.1f} points, {p_value(gain.p)}" if gain else "",
            )
        return table


def improve(
    recipe: Recipe, target: float = 0.95, rounds: int = 3, rows: int | None = None, yes: bool = False
) -> Improvement:
    """Trains in rounds until the target, a round that does not help, or the last round; writes improvement.json.

    What is trained already is not trained again: killed and started anew, it goes on with the round that it was in.

    Args:
        recipe: Its `split.development` and `split.heldout` hold the questions of the two sets.
        target: Share of right answers on development at which no further round is begun.
        rounds: Rounds at the most, the first training not counted.
        rows: New training rows a round; half of the first training's where None.
        yes: Agree to what a teacher's calls are estimated to cost.

    Raises:
        WrongUse: The recipe holds out no questions for one of the sets, or is wrong otherwise.
        SqlftError: A stage fails, or the teacher finds nothing new to write.
    """
    recipe = recipe.model_copy(deep=True)
    recipe.evaluation.endpoint = None  # no server holds the adapters of the rounds
    found = Improvement(recipe.run_dir)
    found.rounds.append(first_round(recipe, yes))
    results = _look(found.rounds[0])
    while not (stopped := _stop(found.rounds, target, rounds)):
        last = found.rounds[-1]
        slots = diagnose_results(results, last.recipe.run_dir).file
        if slots is None:
            stopped = "stopped: no wrong answer says what to write"
            break
        wanted = rows or max(1, found.rounds[0].rows // 2)
        found.rounds.append(add_round(last, wanted, slots, f"{recipe.name}-round-{last.number + 1}", yes))
        before, results = results, _look(found.rounds[-1])
        found.rounds[-1].against = compare(results, before)
    found.stopped = stopped
    judge(recipe, found.rounds)
    found.folder.mkdir(parents=True, exist_ok=True)
    (found.folder / "improvement.json").write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
    return found


def first_round(recipe: Recipe, yes: bool = False) -> Round:
    """Builds and trains as the recipe says, where that is not done yet.

    Raises:
        WrongUse: The recipe holds out no questions for one of the sets.
    """
    for part in (SEEN, JUDGE):
        if not getattr(recipe.split, part):
            where, why = recipe.where("split", part), "there would be no questions to look at between rounds"
            why = why if part == SEEN else "there would be no questions that no round has seen"
            raise WrongUse(Problem(where, f"`split.{part}: 0`", why, f"Write split.{part}: 200, or more."))
    train = recipe.run_dir / "dataset" / "train.jsonl"
    if not (train.is_file() and (train.parent / f"{SEEN}.jsonl").is_file()):
        sqlft.build(recipe, yes=yes)
    return _trained(Round(0, recipe, len(read_examples(train))))


def add_round(last: Round, rows: int, slots: Path | None, name: str, yes: bool = False) -> Round:
    """Trains anew on the rows of the last round and as many new ones; of what slots bring, on what it gets wrong.

    Args:
        last: The round before.
        rows: New rows.
        slots: What they are to be about; anything where None.
        name: The new run's.
        yes: Agree to what a teacher's calls are estimated to cost.

    Raises:
        SqlftError: The teacher writes no new row that shares nothing with a set that is asked.
    """
    recipe = last.recipe.model_copy(deep=True)
    recipe.name, recipe.seed = name, last.recipe.seed + 1
    before, folder = last.recipe.run_dir / "dataset", recipe.run_dir / "dataset"
    held = {part: read_examples(before / f"{part}.jsonl") for part in _HELD}
    known = read_examples(before / "train.jsonl")
    asked, note = {"rows": rows, "slots": str(slots or "")}, folder / "round.json"
    if not note.is_file() or json.loads(note.read_text(encoding="utf-8")) != asked:
        build = recipe.model_copy(deep=True)
        build.teacher.examples = round((_CANDIDATES if slots else _SPARE) * rows)
        build.split, build.imported = Split(validation=0), None
        sqlft.build(build, yes=yes, from_failures=slots)
        new = fresh(read_examples(folder / "train.jsonl"), known, held)
        new = (_hardest(last, new) if slots else new)[:rows]
        if not new:
            raise SqlftError(
                f"Round {last.number + 1}: the teacher wrote nothing that is new. Other seeds or terms may help."
            )
        write_jsonl(folder / "train.jsonl", [*known, *new], whole=True)
        for part in _HELD:
            shutil.copyfile(before / f"{part}.jsonl", folder / f"{part}.jsonl")
        note.write_text(json.dumps(asked), encoding="utf-8")
    return _trained(Round(last.number + 1, recipe, len(read_examples(folder / "train.jsonl")), slots))


def fresh(new: Sequence[Example], known: Sequence[Example], held: dict[str, list[Example]]) -> list[Example]:
    """The pairs whose question is new, and whose question, SQL and withheld template no set that is asked knows."""
    asked = [example for examples in held.values() for example in examples]
    questions = {fold_question(example.question) for example in (*known, *asked)}
    sqls = {fold_sql(example.sql) for example in asked}
    apart = held["heldout_templates"]
    templates = {mask_sql(example.sql) for example in apart} | {
        example.template for example in apart if example.template
    }
    return [
        example
        for example in new
        if fold_question(example.question) not in questions
        and fold_sql(example.sql) not in sqls
        and not {mask_sql(example.sql), example.template} & templates
    ]


def _hardest(last: Round, candidates: list[Example]) -> list[Example]:
    """What the last round gets wrong comes first, and what it has learned already last."""
    if not candidates:
        return []
    with Stages() as stages:
        wrong = find_wrong(last.recipe, last.adapter, candidates, stages)
    return [candidates[n] for n in sorted(range(len(candidates)), key=lambda n: not wrong[n])]


def compare(results: Results, before: Results) -> Difference:
    """The last model of either evaluation, on the questions that count in both."""
    out = {*left_out(results.questions, results.answers), *left_out(before.questions, before.answers)}
    names = [list(one.answers)[-1] for one in (results, before)]
    given = [one.answers[name] for one, name in zip((results, before), names, strict=True)]
    pairs = [(a.verdict.strict, b.verdict.strict) for i, (a, b) in enumerate(zip(*given, strict=True)) if i not in out]
    return difference(names[0], names[1], pairs)


def judge(recipe: Recipe, rounds: Sequence[Round]) -> Results:
    """Asks the adapters of all rounds the questions that none has seen, and notes what came of it in the rounds."""
    results = sqlft.evaluate_each(recipe, [one.adapter for one in rounds], [JUDGE])[0]
    out = left_out(results.questions, results.answers)
    names = list(results.answers)[1:]
    first = results.answers[names[0]]
    for one, name, figures in zip(rounds, names, results.models[1:], strict=True):
        given = results.answers[name]
        pairs = [(given[i].verdict.strict, first[i].verdict.strict) for i in range(len(first)) if i not in out]
        one.judged, one.gain = figures.right, difference(name, names[0], pairs) if one is not rounds[0] else None
    return results


def _look(one: Round) -> Results:
    results = sqlft.evaluate_each(one.recipe, [one.adapter], [SEEN])[0]
    one.development = results.models[-1].strict
    return results


def _stop(rounds: Sequence[Round], target: float, most: int) -> str:
    last = rounds[-1]
    assert last.development is not None  # _look asked
    if last.development.value is not None and last.development.value >= target:
        return f"stopped: {percent(last.development.value, 1)} of {SEEN} is the target of {percent(target)}, or above"
    against = last.against
    if against and (against.fixed <= against.broken or against.p > HELPS):
        told = f"it mended {against.fixed} answers and broke {against.broken}, {p_value(against.p)}"
        return f"stopped: round {last.number} did not help any more: {told}"
    return f"stopped: after {most} rounds" if last.number >= most else ""


def _trained(one: Round) -> Round:
    """Trains, unless the adapter of exactly these rows is there."""
    manifest, train = one.recipe.run_dir / "run.json", one.recipe.run_dir / "dataset" / "train.jsonl"
    done = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() and one.adapter.is_dir() else {}
    rows = hashlib.sha256(train.read_bytes()).hexdigest()
    if done.get("identity", {}).get("data_sha256", {}).get("train") != rows:
        unfinished = (one.recipe.run_dir / "checkpoints").is_dir() and not manifest.is_file()
        sqlft.train(one.recipe, resume=unfinished)
    return one
