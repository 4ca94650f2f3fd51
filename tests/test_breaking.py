"""Questions near a failure, on the demo's shop, with somebody who answers all but one kind of question right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import sqlft.breaking
from sqlft.agent import Analyst
from sqlft.breaking import PER_TEMPLATE, Breaking, Trial, break_it
from sqlft.card import SchemaCard
from sqlft.database import Database, Gate
from sqlft.database.shop import fill_shop
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.dataset.queries import recipe_gate
from sqlft.dataset.slots import Failure
from sqlft.dataset.template_teacher import TemplateTeacher, draw_new
from sqlft.dataset.written import Written
from sqlft.problems import WrongUse
from sqlft.recipe import Recipe, load_recipe
from sqlft.records import Example, Prediction, read_examples, read_jsonl, write_jsonl

RECIPE = Path(__file__).parent.parent / "recipes" / "tiny-cpu.yaml"
BROKEN = "sessions-count/where-num/by-cat"
WRONG = "SELECT 1"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Recipe, Gate]]:
    folder = tmp_path_factory.mktemp("shop")
    recipe = load_recipe(RECIPE, [f"database.dsn=chdb://{folder}/shop"])
    with Database.connect(recipe.database.dsn) as db:
        fill_shop(db, 500)
    with recipe_gate(recipe, SchemaCard.load(recipe.schema_)) as gate:
        yield recipe, gate


@pytest.fixture
def recipe(shop: tuple[Recipe, Gate], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.chdir(tmp_path)
    return shop[0].model_copy(deep=True)


class Answerer:
    """Stands in for an analyst: knows every pair that was drawn, and is wrong on those of some templates."""

    def __init__(self, gate: Gate, broken: set[str]) -> None:
        self.gate, self.name, self.broken, self.wrong = gate, "stub", broken, WRONG
        self.agent = SimpleNamespace(answer=self.answer)
        self.pairs: dict[str, Example] = {}
        self.asked: list[str] = []

    def answer(self, questions: Mapping[str, str], name: str) -> list[Prediction]:
        self.asked += questions.values()
        return [self._predict(key, question, name) for key, question in questions.items()]

    def _predict(self, key: str, question: str, name: str) -> Prediction:
        pair = self.pairs[question]
        sql = self.wrong if pair.template in self.broken else pair.sql
        return Prediction(id=key, question=question, model=name, text=sql, sql=sql)


@pytest.fixture
def answerer(shop: tuple[Recipe, Gate], monkeypatch: pytest.MonkeyPatch) -> Answerer:
    found = Answerer(shop[1], {BROKEN})

    def draw(*given: Any) -> Example | None:
        example = draw_new(*given)
        if example:
            found.pairs[example.question] = example
        return example

    monkeypatch.setattr("sqlft.breaking.draw_new", draw)
    return found


@pytest.fixture(scope="module")
def pairs() -> list[Example]:
    return TemplateTeacher(SchemaCard.load(load_recipe(RECIPE, []).schema_), 77).examples(900)


@pytest.fixture
def failure(pairs: list[Example]) -> Example:
    return next(pair for pair in pairs if pair.template == BROKEN)


def hunt(recipe: Recipe, answerer: Answerer, failure: Example, **options: Any) -> Breaking:
    return break_it(recipe, cast(Analyst, answerer), failure, **({"n": 12} | options))


@pytest.mark.parametrize("typed", [False, True])
def test_a_template_that_fails_is_found_more_often_than_by_chance(
    recipe: Recipe, answerer: Answerer, failure: Example, pairs: list[Example], typed: bool
) -> None:
    if typed:  # by a user, who names no template
        failure = Example(question="The long ones, by OS?", sql=failure.sql)
    found = hunt(recipe, answerer, failure, predicted=WRONG)
    chance = sum(pair.template == BROKEN for pair in pairs) / len(pairs)
    assert {probe.question.template for probe in found.failures} == {BROKEN}
    assert len(found.failures) / len(found.probes) > 10 * chance
    assert len(found.probes) == len(answerer.asked) == 12


def test_failures_come_first_with_both_queries_and_why(recipe: Recipe, answerer: Answerer, failure: Example) -> None:
    found = hunt(recipe, answerer, failure)
    failed = [probe.failed for probe in found.probes]
    assert failed == sorted(failed, reverse=True) and 0 < sum(failed) < len(failed)
    first = found.probes[0]
    assert first.question.template == BROKEN and first.answer.sql == WRONG
    assert first.answer.verdict.reasons and first.answer.findings and first.error == ""
    assert not found.probes[-1].answer.findings


def test_what_was_found_can_be_gone_on_from(recipe: Recipe, answerer: Answerer, failure: Example) -> None:
    trial = Trial(recipe, cast(Analyst, answerer))
    found = hunt(recipe, answerer, failure, n=6, trial=trial).failures[0]
    further = hunt(recipe, answerer, found.question, predicted=found.answer.sql, n=6, trial=trial)
    assert further.failures and found.question.sql not in {probe.question.sql for probe in further.probes}


def test_what_the_database_said_of_a_query_is_told(recipe: Recipe, answerer: Answerer, failure: Example) -> None:
    answerer.wrong = "SELECT land FROM ecommerce.users"
    assert "land" in hunt(recipe, answerer, failure, n=2).failures[0].error


def test_no_template_is_asked_for_ever_and_one_filter_more_is_tried(
    recipe: Recipe, answerer: Answerer, failure: Example
) -> None:
    found = hunt(recipe, answerer, failure, n=20)
    asked = [probe.question.template for probe in found.probes]
    assert max(map(asked.count, asked)) <= PER_TEMPLATE
    written = {template.id for template in TemplateTeacher(SchemaCard.load(recipe.schema_), 0).templates}
    assert {one for one in asked if one not in written} <= {
        f"sessions-count/where-num+{extra}/by-cat" for extra in ("cat", "pcat", "flag", "year", "quarter")
    }


def test_the_same_seed_asks_the_same_and_another_seed_other_questions(
    recipe: Recipe, answerer: Answerer, failure: Example
) -> None:
    one, again, other = (hunt(recipe, answerer, failure, seed=seed, n=6) for seed in (3, 3, 4))
    assert [p.question.question for p in one.probes] == [p.question.question for p in again.probes]
    assert {p.question.question for p in one.probes} != {p.question.question for p in other.probes}


def test_no_question_and_no_sql_is_asked_twice_nor_what_the_dataset_holds(
    recipe: Recipe, answerer: Answerer, failure: Example
) -> None:
    before = hunt(recipe, answerer, failure)
    kept = [probe.question for probe in before.probes[:4]]
    columns = Example.model_fields
    write_jsonl(
        recipe.run_dir / "dataset" / "train.jsonl", [Example(**q.model_dump(include=set(columns))) for q in kept]
    )
    after = hunt(recipe, answerer, failure)
    questions = [fold_question(probe.question.question) for probe in after.probes]
    sqls = [fold_sql(probe.question.sql) for probe in after.probes]
    assert len(set(questions)) == len(set(sqls)) == len(after.probes)
    assert not {fold_sql(q.sql) for q in kept} & {*sqls, fold_sql(failure.sql)} and after.dropped["known"] >= 4
    assert fold_sql(failure.sql) not in sqls


def test_golden_questions_are_not_handed_out(recipe: Recipe, answerer: Answerer, failure: Example) -> None:
    before = hunt(recipe, answerer, failure)
    secret = before.probes[0].question
    golden = read_examples(recipe.golden) + [Example(question=secret.question, sql=secret.sql)]
    recipe.golden = recipe.run_dir / "golden.jsonl"
    write_jsonl(recipe.golden, golden)
    after = hunt(recipe, answerer, failure)
    assert secret.question not in {probe.question.question for probe in after.probes}
    assert after.dropped["leak_exact"] or after.dropped["leak_near"]


def test_a_pair_that_does_not_run_or_gives_nothing_is_not_asked(
    recipe: Recipe, answerer: Answerer, failure: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = sqlft.breaking.draw_new
    spoilt = iter(("SELECT nothing FROM ecommerce.users", "SELECT 1 FROM ecommerce.users WHERE age < 0"))

    def spoil(*given: Any) -> Example | None:
        example = drawn(*given)
        return example and example.model_copy(update={"sql": next(spoilt, example.sql)})

    monkeypatch.setattr("sqlft.breaking.draw_new", spoil)
    found = hunt(recipe, answerer, failure, n=8)
    assert len(found.probes) == len(answerer.asked) == 8
    assert found.dropped["runs"] == 1 and found.dropped["empty"] + found.dropped["out_of_range"] == 1


def test_an_endpoint_is_asked_for_what_failed_and_what_it_writes_is_checked(
    recipe: Recipe, answerer: Answerer, pairs: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    slots: list[list[Failure]] = []
    left = [pair for pair in pairs if "TOTALS" in pair.sql]

    def write(asked: Recipe, card: SchemaCard, seeds: Any, folder: Path, tell: Any, **options: Any) -> Written:
        slots.append(read_jsonl(options["failures"], Failure))
        assert asked.teacher.kind == "openai" and folder.is_relative_to(recipe.run_dir / "break_it")
        made = [left.pop(0) for _ in range(min(len(left), asked.teacher.examples))]
        answerer.pairs |= {pair.question: pair for pair in made}
        return Written(made)

    monkeypatch.setattr("sqlft.breaking.write_pairs", write)
    answerer.broken = {pair.template for pair in left}
    recipe.teacher.kind = "openai-batch"
    found = hunt(recipe, answerer, left.pop(0), n=10)
    assert len(slots) >= 2 and {slot.construct_ for slot in slots[0]} == {"totals"}
    assert sum(slot.count for slot in slots[-1]) > sum(slot.count for slot in slots[0])
    assert found.failures == found.probes and len(found.probes) >= 8


def test_a_failure_whose_own_sql_cannot_judge_is_refused(recipe: Recipe, answerer: Answerer) -> None:
    for sql in ("", "SELECT land FROM ecommerce.users", "SELECT age FROM ecommerce.users WHERE age < 0"):
        with pytest.raises(WrongUse, match="the right SQL"):
            hunt(recipe, answerer, Example(question="Where?", sql=sql))
    assert not answerer.asked
