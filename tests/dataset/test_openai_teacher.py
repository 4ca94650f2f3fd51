import json
import os
import random

import pytest

from sqlft.card import Column, SchemaCard, Table
from sqlft.dataset.journal import Entry, Journal
from sqlft.dataset.openai_teacher import OpenAITeacher
from sqlft.dataset.requests import Requests
from sqlft.inference.endpoint import Endpoint
from sqlft.problems import SqlftError, WrongUse
from sqlft.recipe import Recipe
from sqlft.records import Example
from tests.openai_stub import Fault, OpenAIStub

CARD = SchemaCard(tables=[Table(name="shop.users", columns=[Column(name="age", type="UInt8", min=18, max=90)])])
SEEDS = [Example(question=f"Seed question {n}?", sql=f"SELECT {n}{n % 2 * ' FORMAT CSV'}") for n in range(10)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(Endpoint, "backoff", 0.002)


def recipe_with(*, seed=0, format_clause=False, **section):
    return Recipe(
        schema="s.yaml",
        seeds="seeds.jsonl",
        golden="golden.jsonl",
        seed=seed,
        teacher={"examples": 30, "pairs_per_prompt": 10, "concurrency": 4, "slots": False, **section},
        prompt={"format_clause": format_clause},
    )


def agree(_estimate):
    return True


@pytest.fixture
def make(tmp_path):
    def teacher(stub, *, seeds=SEEDS, survey=None, confirm=agree, **keys):
        recipe = recipe_with(base_url=stub.url, **keys)
        requests = Requests(recipe, CARD, seeds)
        return OpenAITeacher(recipe, requests, tmp_path / "journal.jsonl", survey=survey, confirm=confirm)

    return teacher


def write(teacher):
    lines = []
    written = teacher.write(lambda *step: lines.append(step))
    return written, lines


def pairs_for(body, count=10):
    """Pairs that depend on the request alone, so that who repeats a request gets the same ones."""
    shown = sum(map(ord, body["messages"][0]["content"])) + random.Random(body["messages"][0]["content"]).randrange(
        10**9
    )
    return {
        "pairs": [
            {"question": f"Question {shown} {n}?", "sql": f"SELECT {n}", "comment": "Counts."} for n in range(count)
        ]
    }


def test_writes_as_many_pairs_as_the_recipe_wants(make):
    with OpenAIStub(pairs_for) as stub:
        written, lines = write(make(stub, examples=25))
    assert len(written.examples) == 25
    assert len(stub.requests) == 3
    assert {example.source for example in written.examples} == {"gpt-4o"}
    assert written.examples[0].comment == "Counts."
    assert written.dollars == pytest.approx(3 * 0.0075)
    assert lines[-1] == ("teacher", 25, 25, "3 calls, 4,500 tokens, $0.02")


def test_the_prompt_shows_the_card_and_three_random_seeds(make):
    with OpenAIStub(pairs_for) as stub:
        write(make(stub, examples=100))
    prompts = [body["messages"][0]["content"] for body in stub.requests]
    assert all("age UInt8 18 to 90" in prompt and "Write 10 new pairs" in prompt for prompt in prompts)
    shown = [tuple(line for line in prompt.splitlines() if line.startswith("Question: ")) for prompt in prompts]
    assert {len(seeds) for seeds in shown} == {3}
    assert len(set(shown)) > 5
    assert {body["temperature"] for body in stub.requests} == {0.5}


def test_the_seeds_shown_follow_the_recipe_s_seed():
    builds = [Requests(recipe_with(seed=seed), CARD, SEEDS) for seed in (0, 0, 1)]
    requests = [[build.chat(number) for number in range(5)] for build in builds]
    assert requests[0] == requests[1] != requests[2]


@pytest.mark.parametrize("asked", [True, False])
def test_the_prompt_asks_for_a_format_clause_where_the_recipe_does(asked):
    text = Requests(recipe_with(format_clause=asked), CARD, SEEDS).chat(0)[0]["content"]
    assert ("End each statement with FORMAT TabSeparatedWithNames." in text) is asked
    assert ("Write no FORMAT clause" in text) is not asked
    assert text.count("FORMAT") == (4 if asked else 1)  # the three examples end as was asked, whatever the seeds do


def test_concurrency_and_order_do_not_change_the_pairs(make, tmp_path):
    with OpenAIStub(pairs_for) as stub:
        one = write(make(stub, concurrency=1))[0].examples
    (tmp_path / "journal.jsonl").unlink()
    with OpenAIStub(pairs_for, latency=0.05) as stub:
        many = write(make(stub, concurrency=3))[0].examples
    assert stub.most == 3
    assert one == many


def test_short_answers_are_made_up_for_by_further_calls(make):
    with OpenAIStub(lambda body: pairs_for(body, 4)) as stub:
        assert len(write(make(stub, examples=10))[0].examples) == 10


def test_a_build_that_was_stopped_repeats_no_finished_call(make):
    with OpenAIStub(pairs_for) as stub:
        whole, _ = write(make(stub))
        again, _ = write(make(stub))
        assert len(stub.requests) == 3
    assert again.examples == whole.examples
    assert (again.calls, again.calls_kept) == (0, 3)
    assert again.dollars == pytest.approx(whole.dollars)


def test_a_half_written_last_line_is_asked_for_again_and_said(make, tmp_path):
    journal = tmp_path / "journal.jsonl"
    with OpenAIStub(pairs_for) as stub:
        whole, _ = write(make(stub, concurrency=1))
        os.truncate(journal, journal.stat().st_size - 40)
        mended, _ = write(make(stub, concurrency=1))
        assert len(stub.requests) == 4
    assert mended.examples == whole.examples
    assert any("half a line" in note for note in mended.notes)
    assert len([json.loads(line) for line in journal.read_text().splitlines()]) == 3


def test_a_broken_line_before_the_last_is_an_error(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(Entry(key="a", number=0, answer=1))
    path.write_text("half a li\n" + path.read_text())
    with pytest.raises(WrongUse, match=r"journal.jsonl:1"):
        Journal(path)


def test_an_answer_keeps_its_time_when_a_build_goes_on(make, monkeypatch):
    monkeypatch.setattr("tests.openai_stub.CREATED", 0)  # an endpoint that does not say: the clock does
    with OpenAIStub(pairs_for) as stub:
        whole, _ = write(make(stub))
        monkeypatch.setattr("sqlft.dataset.answers.clock.time", lambda: 2e9)
        again, _ = write(make(stub))
        more, _ = write(make(stub, examples=40))
    assert again.examples == whole.examples
    years = [example.time.year for example in more.examples]
    assert 2033 not in years[:30] and set(years[30:]) == {2033}


def test_a_journal_without_times_is_still_taken(make, tmp_path):
    with OpenAIStub(pairs_for) as stub:
        whole, _ = write(make(stub))
        journal = tmp_path / "journal.jsonl"
        entries = [json.loads(line) for line in journal.read_text().splitlines()]
        journal.write_text("".join(json.dumps({k: v for k, v in e.items() if k != "time"}) + "\n" for e in entries))
        again, _ = write(make(stub))
        assert len(stub.requests) == 3
    assert [e.question for e in again.examples] == [e.question for e in whole.examples]
    assert {example.time for example in again.examples} == {None}


def test_other_requests_do_not_take_the_journal_s_answers(make):
    with OpenAIStub(pairs_for) as stub:
        write(make(stub))
        other, _ = write(make(stub, temperature=0.9))
    assert (other.calls, other.calls_kept) == (3, 0)
    assert other.dollars == pytest.approx(6 * 0.0075)  # the folder's whole cost


@pytest.mark.parametrize("concurrency", [1, 16])
def test_the_budget_stops_hard_and_keeps_what_was_written(make, concurrency):
    with OpenAIStub(pairs_for) as stub:  # a call costs 0.0075 dollars
        written, _ = write(make(stub, examples=1000, budget_usd=0.05, concurrency=concurrency))
        assert 3 <= len(stub.requests) <= 6
        assert len(written.examples) == 10 * len(stub.requests)
        assert written.dollars <= 0.05
        assert any("stopped at the budget of 0.05 dollars" in note for note in written.notes)
        more, _ = write(make(stub, examples=1000, budget_usd=0.1, concurrency=concurrency))
    assert more.examples[: len(written.examples)] == written.examples
    assert written.dollars < more.dollars <= 0.1


def test_a_budget_that_pays_for_no_call_is_said_before_any(make):
    with OpenAIStub(pairs_for) as stub, pytest.raises(WrongUse, match="one call costs about"):
        write(make(stub, budget_usd=0.0001))
    assert not stub.requests


def test_an_unknown_price_is_said(make):
    with OpenAIStub(pairs_for) as stub:
        written, lines = write(make(stub, model="qwen", budget_usd=0.0001))
    assert written.dollars is None
    assert any("price of qwen is not in" in note for note in written.notes)
    assert "price not known" in lines[-1][3]


def test_plain_json_is_understood_as_a_list_too(make):
    with OpenAIStub(
        lambda body: "Sure!\n```json\n" + json.dumps(pairs_for(body)["pairs"]) + "\n```", structured=False
    ) as stub:
        written, _ = write(make(stub))
    assert len(written.examples) == 30
    assert any("no structured output" in note for note in written.notes)


def test_faults_on_the_way_lose_and_repeat_nothing(make, tmp_path):
    with OpenAIStub(pairs_for) as stub:
        calm, _ = write(make(stub, examples=100))
    (tmp_path / "journal.jsonl").unlink()
    with OpenAIStub(pairs_for) as stub:
        stub.faults += [
            Fault(429, headers={"Retry-After": "0.05"}),
            Fault(500),
            Fault(200, cut=True),
            Fault(200, '{"choi'),
        ] * 2
        stormy, _ = write(make(stub, examples=100))
    assert stormy.examples == calm.examples
    assert stormy.retries == 8
    assert len(stub.requests) == 10


def test_a_failing_endpoint_ends_the_build_and_the_next_one_goes_on(make):
    with OpenAIStub(pairs_for) as stub:
        teacher = make(stub, concurrency=1)
        stub.answer = lambda body: (
            stub.faults.extend([Fault(403, '{"error": {"message": "blocked"}}')]) or pairs_for(body)
        )
        with pytest.raises(SqlftError, match=r"403: .*blocked"):
            write(teacher)
        stub.answer = pairs_for
        written, _ = write(make(stub, concurrency=1))
        assert len(stub.requests) == 3
    assert (written.calls, written.calls_kept) == (2, 1)


def test_answers_without_pairs_end_the_build(make):
    with (
        OpenAIStub(lambda body: "I would rather not.") as stub,
        pytest.raises(SqlftError, match=r"5 calls brought no pair; .*rather not"),
    ):
        write(make(stub, concurrency=1))
    assert len(stub.requests) == 15


def test_an_unreadable_answer_costs_and_is_not_taken_for_finished(make, tmp_path):
    bad = True

    def answer(body):
        return "no" if bad and "Seed question 0?" in body["messages"][0]["content"] else pairs_for(body)

    with OpenAIStub(answer) as stub:
        first, _ = write(make(stub, examples=100))
        bad = False
        second, _ = write(make(stub, examples=100))
    fruitless = [note for note in first.notes if "brought no pair" in note]
    assert fruitless and len(first.examples) == 100
    assert len(second.examples) == 100 and second.calls > 0
    with Journal(tmp_path / "journal.jsonl") as journal:
        assert sum(entry.dollars for entry in journal.entries) == pytest.approx(second.dollars)


def test_no_seeds_to_show_is_said(make):
    with OpenAIStub(pairs_for) as stub:
        with pytest.raises(WrongUse, match=r"seeds.jsonl: .*teacher.seeds_per_prompt: 0"):
            make(stub, seeds=[])
        assert "Examples" not in Requests(recipe_with(seeds_per_prompt=0), CARD, []).chat(0)[0]["content"]
        few, _ = write(make(stub, seeds=SEEDS[:2]))
    assert any("shows all 2 seeds" in note for note in few.notes)


def test_what_it_will_cost_is_said_before_the_first_call(make):
    said = []
    with OpenAIStub(pairs_for) as stub:
        with pytest.raises(WrongUse, match=r"3 calls of gpt-4o, about .* for about \$0.0\d: nobody has.*Write --yes"):
            write(make(stub, confirm=lambda estimate: said.append(estimate)))
        assert not stub.requests
        written, _ = write(make(stub, examples=30, confirm=lambda estimate: not said.append(estimate)))
        assert len(stub.requests) == 3
        write(make(stub, examples=30, confirm=lambda estimate: not said.append(estimate)))
    assert [estimate.calls for estimate in said] == [3, 3]  # once a build, and not where nothing is left to pay
    assert said[0].bounded is False and said[0].completion_tokens == 3 * 10 * 130
    assert said[0].dollars == pytest.approx(said[0].prompt_tokens * 2.5e-6 + said[0].completion_tokens * 10e-6)
    assert len(written.examples) == 30


@pytest.mark.parametrize(
    ("section", "agreed"),
    [({"budget_usd": 1.0}, True), ({"model": "qwen"}, True), ({}, False)],
    ids=["a budget", "a local endpoint without a price", "neither"],
)
def test_nobody_need_agree_where_something_bounds_the_cost(make, section, agreed):
    with OpenAIStub(pairs_for) as stub:
        teacher = make(stub, confirm=None, **section)
        if agreed:
            assert len(write(teacher)[0].examples) == 30
        else:
            with pytest.raises(WrongUse, match="no budget bounds it"):
                write(teacher)
    assert bool(stub.requests) is agreed


def test_rounds_are_judged_while_the_next_is_asked_for(make, tmp_path):
    judged = []

    def survey(pairs):
        judged.append(len(pairs))
        return [n % 2 == 0 for n in range(len(pairs))]

    options = {"slots": True, "requests_per_round": 4, "pairs_per_prompt": 2, "examples": 40, "concurrency": 2}
    with OpenAIStub(lambda body: pairs_for(body, 2)) as stub:
        whole, _ = write(make(stub, survey=survey, **options))
        again, _ = write(make(stub, survey=survey, **options))
        assert len(stub.requests) == 20
    assert judged[:3] == [8, 16, 24] and len(judged) <= 4
    assert again.examples == whole.examples and again.calls == 0
    with Journal(tmp_path / "journal.jsonl") as journal:
        assert [entry.answer for entry in journal.entries if entry.number == 8][-1] == [1, 1, 1, 1]
    assert all(example.slot and example.level == example.slot.level for example in whole.examples)


def test_a_database_that_fails_while_judging_ends_the_build(make):
    def survey(pairs):
        raise SqlftError("the database is gone")

    options = {"slots": True, "requests_per_round": 2, "pairs_per_prompt": 2, "examples": 40}
    with OpenAIStub(lambda body: pairs_for(body, 2)) as stub, pytest.raises(SqlftError, match=r"is gone.* goes on"):
        write(make(stub, survey=survey, **options))
