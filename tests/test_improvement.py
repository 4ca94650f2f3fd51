"""The rounds' logic, with stages that only leave the files that the real ones would leave."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import sqlft
from sqlft import improvement
from sqlft.evaluation import Results
from sqlft.improvement import JUDGE, SEEN, add_round, first_round, fresh, improve
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import Recipe, load_recipe
from sqlft.records import Example, read_examples, write_jsonl
from tests.evaluation.made import plain

ROOT = Path(__file__).parent.parent
PARTS = ("validation", JUDGE, SEEN, "heldout_templates")


def pair(number: int, **fields: Any) -> Example:
    return Example(question=f"Question {number}?", sql=f"SELECT {number} FROM t", **fields)


class Stages:
    """build, train and evaluate as stubs; `skill` is how many of 40 questions each round answers."""

    def __init__(self, skill: list[int]) -> None:
        self.skill, self.done = skill, list[str]()
        self.hard = 0
        self.slots: list[Path | None] = []

    def build(self, recipe: Recipe, *, yes: bool = False, from_failures: Path | None = None) -> None:
        self.done.append(f"build {recipe.name}")
        self.slots.append(from_failures)
        folder, first = recipe.run_dir / "dataset", 1000 * recipe.seed
        write_jsonl(folder / "train.jsonl", [pair(first + n) for n in range(recipe.teacher.examples)])
        for place, part in enumerate(PARTS):
            write_jsonl(folder / f"{part}.jsonl", [pair(-first - place - 1)] if recipe.seed == 0 else [])

    def train(self, recipe: Recipe, *, resume: bool = False) -> None:
        self.done.append(f"train {recipe.name}{' resumed' * resume}")
        (recipe.run_dir / "adapter").mkdir(parents=True, exist_ok=True)
        rows = hashlib.sha256((recipe.run_dir / "dataset" / "train.jsonl").read_bytes()).hexdigest()
        (recipe.run_dir / "run.json").write_text(json.dumps({"identity": {"data_sha256": {"train": rows}}}))

    def evaluate_each(self, recipe: Recipe, adapters: list[Path], on: list[str]) -> list[Results]:
        names = [path.parent.name for path in adapters]
        self.done.append(f"ask {on[0]} {' '.join(names)}")
        letters = {name: self._letters(int(name.partition("-round-")[2] or 0)) for name in names}
        found = plain({"base": "x" * 40} | letters, run=recipe.name, on=on[0], settings={"schema": str(recipe.schema_)})
        for asked in found.questions:
            asked.sql = asked.sql.replace("shop.users", "ecommerce.users")
        for given in found.answers.values():
            for answer in given:
                answer.sql = "SELECT count() FROM ecommerce.users"
        found.save(recipe.run_dir / "evaluation" / on[0])
        return [found]

    def find_wrong(self, recipe: Recipe, adapter: Path, examples: list[Example], tell: Any) -> list[bool]:
        """The last few of the candidates are hard."""
        assert adapter == recipe.run_dir / "adapter" and not {e.question for e in examples} & {
            e.question for e in read_examples(recipe.run_dir / "dataset" / "train.jsonl")
        }
        return [n >= len(examples) - self.hard for n in range(len(examples))]

    def _letters(self, number: int) -> str:
        return "m" * self.skill[number] + "x" * (40 - self.skill[number])


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = ROOT / "recipes" / "tiny-cpu.yaml"
    return load_recipe(path, ["split.development=40", "split.heldout=40", "teacher.examples=100", "name=shop"])


def run(stages: Stages, monkeypatch: pytest.MonkeyPatch, recipe: Recipe, **options: Any) -> Any:
    for name in ("build", "train", "evaluate_each"):
        monkeypatch.setattr(sqlft, name, getattr(stages, name))
    monkeypatch.setattr(improvement, "find_wrong", stages.find_wrong)
    return improve(recipe, **options)


def test_a_round_evaluates_diagnoses_builds_and_trains_and_the_judge_is_asked_last(recipe, monkeypatch):
    stages = Stages([10, 24, 38])
    found = run(stages, monkeypatch, recipe, target=0.95, rounds=3)
    assert stages.done == [
        "build shop", "train shop", "ask development shop",
        "build shop-round-1", "train shop-round-1", "ask development shop-round-1",
        "build shop-round-2", "train shop-round-2", "ask development shop-round-2",
        "ask heldout shop shop-round-1 shop-round-2",
    ]  # fmt: skip
    assert stages.slots == [
        None,
        *(Path(f"runs/{n}/evaluation/development/failures.jsonl") for n in ("shop", "shop-round-1")),
    ]
    assert all(path is None or path.is_file() for path in stages.slots)
    assert found.stopped.startswith("stopped: 95.0% of development is the target")


def test_each_round_trains_on_the_rows_before_and_as_many_new_ones(recipe, monkeypatch):
    found = run(Stages([10, 24, 38]), monkeypatch, recipe, rows=20)
    assert [one.rows for one in found.rounds] == [100, 120, 140]
    first, last = (read_examples(Path(f"runs/{name}/dataset/train.jsonl")) for name in ("shop", "shop-round-2"))
    assert last[:100] == first
    for part in PARTS:
        assert (
            Path(f"runs/shop-round-2/dataset/{part}.jsonl").read_text()
            == Path(f"runs/shop/dataset/{part}.jsonl").read_text()
        )


def test_what_the_last_round_gets_wrong_comes_first_and_the_rest_fills_up(recipe, monkeypatch):
    stages = Stages([10, 24, 24])
    stages.hard = 15
    run(stages, monkeypatch, recipe, rows=20, rounds=1)
    asked = [pair(1000 + n).question for n in range(80)]  # four candidates a row
    new = [e.question for e in read_examples(Path("runs/shop-round-1/dataset/train.jsonl"))[100:]]
    assert new == asked[-15:] + asked[:5]


def test_rows_that_nothing_directs_are_not_looked_at(recipe, monkeypatch):
    stages = Stages([10, 24])
    for name in ("build", "train", "evaluate_each"):
        monkeypatch.setattr(sqlft, name, getattr(stages, name))
    monkeypatch.setattr(improvement, "find_wrong", None)
    assert add_round(first_round(recipe), 20, None, "shop-round-1").rows == 120


def test_the_curve_is_kept_and_shown_with_its_paired_test(recipe, monkeypatch):
    found = run(Stages([10, 24, 38]), monkeypatch, recipe)
    told = json.loads(Path("runs/shop/improvement.json").read_text())
    assert [one["judged"]["k"] for one in told["rounds"]] == [10, 24, 38]
    assert told["rounds"][0]["gain"] is None and told["rounds"][2]["gain"]["fixed"] == 28
    assert told["rounds"][1]["against"]["p"] < 0.001
    assert found.table().row_count == 3


@pytest.mark.parametrize(("skill", "rounds", "why"), [
    ([10, 10, 38], 3, "did not help any more: it mended 0"),
    ([10, 12, 38], 3, "did not help any more: it mended 2 answers and broke 0"),
    ([10, 24, 30], 1, "after 1 rounds"),
])  # fmt: skip
def test_it_stops_where_a_round_does_not_help_or_was_the_last(recipe, monkeypatch, skill, rounds, why):
    found = run(Stages(skill), monkeypatch, recipe, rounds=rounds)
    assert len(found.rounds) == 2 and why in found.stopped
    assert found.rounds[-1].judged is not None


def test_at_the_target_no_round_is_begun(recipe, monkeypatch):
    found = run(Stages([39]), monkeypatch, recipe)
    assert len(found.rounds) == 1 and found.rounds[0].judged.k == 39


def test_killed_and_started_again_it_goes_on(recipe, monkeypatch):
    run(Stages([10, 24, 38]), monkeypatch, recipe)
    again = Stages([10, 24, 38])
    run(again, monkeypatch, recipe)
    assert not [what for what in again.done if what.startswith(("build", "train"))]
    Path("runs/shop-round-2/run.json").unlink()
    Path("runs/shop-round-2/checkpoints").mkdir()
    third = Stages([10, 24, 38])
    run(third, monkeypatch, recipe)
    assert [what for what in third.done if what.startswith(("build", "train"))] == ["train shop-round-2 resumed"]


@pytest.mark.parametrize("part", [SEEN, JUDGE])
def test_without_questions_for_both_sets_it_says_so(recipe, part):
    setattr(recipe.split, part, 0)
    with pytest.raises(WrongUse, match=f"split.{part}: 0.*Write split.{part}: 200"):
        first_round(recipe)


def test_new_rows_share_no_question_no_query_and_no_withheld_template_with_what_is_asked():
    held = {part: [] for part in PARTS} | {SEEN: [pair(1)], JUDGE: [pair(2)]}
    held["heldout_templates"] = [Example(question="Apart?", sql="SELECT max(a) FROM t WHERE b = 1", template="top")]
    new = [
        pair(3),
        pair(4).model_copy(update={"question": "question 1"}),
        pair(5).model_copy(update={"sql": "select 2 from t"}),
        Example(question="Known?", sql="SELECT 9 FROM u"),
        Example(question="Masked?", sql="SELECT max(a) FROM t WHERE b = 2"),
        Example(question="Template?", sql="SELECT 8 FROM u", template="top"),
    ]
    known = [Example(question="known", sql="SELECT 0 FROM u")]
    assert fresh(new, known, held) == [pair(3)]


def test_a_round_without_anything_new_fails_and_says_so(recipe, monkeypatch):
    stages = Stages([10])
    monkeypatch.setattr(sqlft, "build", stages.build)
    monkeypatch.setattr(sqlft, "train", stages.train)
    first = first_round(recipe)
    monkeypatch.setattr("sqlft.improvement.fresh", lambda *_: [])
    with pytest.raises(SqlftError, match="nothing that is new"):
        add_round(first, 5, None, "shop-round-1")
