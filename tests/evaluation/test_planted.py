"""What was planted has to show: each of these makes an evaluation look better, or worse, than it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlft.database import Database, Gate, open_gate
from sqlft.evaluation.diagnosis.categories import Finding
from sqlft.evaluation.judge import judge_answers
from sqlft.evaluation.results import BASE, Results
from sqlft.evaluation.scoring import check_gold, score_samples, settle
from sqlft.evaluation.suspicions import suspicions
from sqlft.inference.extract import extract_sql
from sqlft.recipe import Judge, Limits
from sqlft.records import Example, Prediction
from sqlft.report.page import render
from tests.evaluation.made import plain, results
from tests.openai_stub import OpenAIStub
from tests.report.test_page import Page

GOLDEN = {
    "How many numbers?": "SELECT count() FROM shop.n",
    "The largest?": "SELECT max(n) FROM shop.n",
    "The sum?": "SELECT sum(n) FROM shop.n",
    "Any three?": "SELECT n FROM shop.n ORDER BY rand() LIMIT 3",
    "Those below nothing?": "SELECT n FROM shop.n WHERE n < 0",
}
WRONG = "SELECT 1"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    dsn = f"chdb://{tmp_path_factory.mktemp('planted')}"
    with Database.connect(dsn) as database:
        database.command("CREATE DATABASE shop")
        database.command(
            "CREATE TABLE shop.n ENGINE = MergeTree ORDER BY n AS SELECT toInt64(number) AS n FROM numbers(1000)"
        )
    with open_gate(dsn, limits=Limits(seconds=20), tables=["shop.n"]) as gate:
        yield gate


def evaluated(gate: Gate, judge: Judge | None = None, **answers: list[str]) -> Results:
    """An evaluation of models that answer with these texts; the last one again where there are more questions."""
    examples = [Example(question=question, sql=sql) for question, sql in GOLDEN.items()]
    questions, golds = check_gold(gate, examples, lambda done: None)
    predictions = {
        name: [
            Prediction(id=e.id, question=e.question, model=name, text=text, sql=extract_sql(text))
            for e, text in zip(examples, texts + texts[-1:] * len(examples), strict=False)
        ]
        for name, texts in answers.items()
    }
    given = score_samples(gate, questions, golds, predictions, lambda done: None)
    settle(questions, given, frozenset())
    if judge:
        for of in given.values():
            assert judge_answers(judge, questions, of, lambda done: None) == ""
    found = results(questions, given)
    found.warnings += suspicions(found.models)
    return found


def test_a_judge_that_always_says_yes_has_kappa_0_and_no_say(gate: Gate) -> None:
    with OpenAIStub(lambda body: {"correct": True, "reason": "Looks right."}) as stub:
        judge = Judge(model="gpt-4o", base_url=stub.url)
        found = evaluated(gate, judge, base=[GOLDEN["How many numbers?"], WRONG, "I cannot say.", WRONG, WRONG])
    [agreement] = [model.agreement for model in found.models]
    assert agreement is not None
    assert (agreement.both, agreement.judge, agreement.execution, agreement.neither) == (1, 1, 0, 0)
    assert (agreement.kappa, found.base.strict.k, found.base.strict.n) == (0, 1, 3)
    page = Page(render(found)).text
    assert "it calls every answer right: kappa 0.00 (0.00 to 0.00), which is what chance alone brings" in page
    assert "The judge calls all 2 answers of base right, 1 of them against execution" in page
    assert "Where they disagree (1)" in page and "base answers 33% (n=3" in page


def test_a_judge_sees_gold_and_answer_in_an_order_that_a_seed_draws(gate: Gate) -> None:
    def orders(seed: int) -> list[str]:
        examples = [Example(question=f"How many numbers, and {i}?", sql=GOLDEN["How many numbers?"]) for i in range(30)]
        questions, golds = check_gold(gate, examples, lambda done: None)
        predictions = [Prediction(id=e.id, question=e.question, model=BASE, text=WRONG, sql=WRONG) for e in examples]
        given = score_samples(gate, questions, golds, {BASE: predictions}, lambda done: None)[BASE]
        with OpenAIStub(lambda body: {"correct": False, "reason": "No."}) as stub:
            judge_answers(Judge(model="gpt-4o", base_url=stub.url), questions, given, lambda done: None, seed)
        for request in stub.requests:
            text = request["messages"][-1]["content"]
            gold = text.index("SELECT count()") < text.index(WRONG)
            assert f"Query {'A' if gold else 'B'} is the reference, query {'B' if gold else 'A'} the analyst's" in text
            [first] = [a.judge.first for a in given if a.judge and f"{a.question}\n" in text]
            assert first == ("gold" if gold else "answer")
        return [a.judge.first for a in given if a.judge]

    first = orders(0)
    assert 8 <= first.count("gold") <= 22
    assert orders(0) == first != orders(1)


def test_a_golden_query_that_changes_and_one_that_is_empty_judge_nobody(gate: Gate) -> None:
    found = evaluated(gate, base=list(GOLDEN.values()))
    assert [q.gold for q in found.questions] == ["sound"] * 3 + ["undetermined", "empty"]
    assert (found.base.strict.k, found.base.strict.n) == (3, 3)
    page = Page(render(found)).text
    assert "Left out for all models: 1 that could not be decided, 1 whose gold result is empty" in page
    assert "run twice, it gave two answers, and judges nobody" in page
    assert "it returns nothing, and two empty results prove nothing" in page


def test_a_model_that_answers_in_prose_is_called_that(gate: Gate) -> None:
    found = evaluated(gate, base=["There are about a thousand of them, as far as I know."], tuned=list(GOLDEN.values()))
    assert found.base.no_sql.k == 5 and found.models[1].no_sql.k == 0
    page = Page(render(found)).text
    assert "base gives no SQL to 3 of 3 questions that count, but something else, such as prose." in page
    assert "It wrote no SQL, but: There are about a thousand of them" in page and "base: no SQL found" in page


UNKNOWN = {"What did they cost?": "", "Who wrote them?": "", "When were they counted?": ""}


def test_to_what_the_database_cannot_answer_right_is_to_say_so_and_nothing_else(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = dict(list(GOLDEN.items())[:3])
    monkeypatch.setattr(f"{__name__}.GOLDEN", known | UNKNOWN)
    no = "The database cannot answer this with a SELECT: it does not record that."
    with OpenAIStub(lambda body: {"correct": True, "reason": "Looks right."}) as stub:
        judge = Judge(model="gpt-4o", base_url=stub.url)
        shown = evaluated(gate, judge, declines=[*known.values(), no], makes_up=[*known.values(), "SELECT 1"])
    assert len(stub.requests) == 6  # the judge has no gold to hold the others against, and is not asked
    assert all(answer.judge is None for given in shown.answers.values() for answer in given[3:])
    found = evaluated(
        gate,
        makes_up=[*known.values(), "SELECT count() FROM shop.n"],
        declines=[*known.values(), no],
        prose=["There are a thousand.", no, no, "It was Ada.", "", " "],
        both=[*known.values(), f"{no} Here is another:\n\nSELECT 1"],
    )
    makes_up, declines, prose, both = found.models
    assert [(m.strict.k, m.strict.n) for m in found.models] == [(3, 6), (6, 6), (0, 6), (3, 6)]
    assert makes_up.categories == both.categories == {"unanswerable": 3} and declines.categories == {}
    assert prose.categories == {"no_sql": 3, "unanswerable": 3}
    assert [(m.no_sql.k, m.validity.k) for m in found.models] == [(0, 6), (0, 6), (6, 0), (0, 6)]
    page = Page(render(found)).text
    assert page.count("The database cannot answer this; right is to say so.") == 3 == page.count("It declined:")
    assert page.count("It wrote no SQL, and does not say why:") == 3
    assert declines.by["tag"] == {} and [m.right.n for m in found.models] == [6] * 4  # no two are one piece of evidence
    assert [w for w in found.warnings if "gives no SQL" in w] == [w for w in found.warnings if w.startswith("prose")]


def test_an_adapter_that_does_nothing_is_called_that(gate: Gate) -> None:
    found = evaluated(gate, base=[*GOLDEN.values()], idle=[*GOLDEN.values()], tuned=[WRONG])
    assert [model.same_as_base for model in found.models] == [None, 5, 0]
    page = Page(render(found)).text
    assert "idle answers all 5 questions as base does, letter for letter: it does nothing." in page
    assert "tuned answers all" not in page and "No difference seen" in page


def test_nothing_is_suspected_where_nothing_is_wrong() -> None:
    assert suspicions(plain({"base": "mxmxn", "tuned": "mmmmm"}).models) == []


def test_twenty_wordings_of_one_query_are_one_piece_of_evidence(gate: Gate) -> None:
    from sqlft.evaluation.results import Question
    from tests.evaluation.made import answer

    asked = [Question(question=f"Above {i}?", sql=f"SELECT count() FROM shop.n WHERE n > {i}") for i in range(20)]
    found = results(asked, {"base": [answer(q, "base", "mismatch") for q in asked],
                            "tuned": [answer(q, "tuned", "match") for q in asked]})  # fmt: skip
    tested = found.models[1].against_base
    assert tested is not None and tested.p < 0.001 and (tested.resampled.clusters, tested.holm) == (1, 1.0)
    page = Page(render(found)).text
    assert "The 20 questions that count come from 1 SQL template." in page and "No difference seen" in page


def test_several_samples_are_averaged_and_the_first_is_shown(gate: Gate) -> None:
    examples = [Example(question=question, sql=sql) for question, sql in list(GOLDEN.items())[:3]]
    questions, golds = check_gold(gate, examples, lambda done: None)
    texts = [WRONG, examples[0].sql, examples[1].sql, examples[1].sql, WRONG, WRONG]  # two samples of each
    drawn = [Prediction(id="q", question="q", model=BASE, text=text, sql=text) for text in texts]
    given = score_samples(gate, questions, golds, {BASE: drawn}, lambda done: None)
    settle(questions, given, frozenset())
    assert [a.samples for a in given[BASE]] == [[False, True], [True, True], [False, False]]
    found = results(questions, given)
    assert [(one.k, one.n) for one in found.base.samples] == [(1, 3), (2, 3)]
    clustered = found.base.clustered
    assert clustered is not None and (clustered.k, clustered.n, clustered.clusters) == (3, 6, 3)
    assert found.base.strict.k == 1 and found.base.right == clustered
    page = Page(render(found)).text
    assert "Each question was answered 2 times" in page and "Right by sample: base 33%, 67%." in page
    assert "Right in 1 of 2 samples; this is the first." in page


def test_samples_and_categories_come_back_from_the_files(tmp_path: Path) -> None:
    found = plain({"base": "mx"})
    found.answers["base"][1].findings = [Finding(category="wrong_filter")]
    found.answers["base"][1].samples = [False, True]
    found.save(tmp_path)
    again = Results.load(tmp_path).answers["base"][1]
    assert (again.categories, again.samples) == (["wrong_filter"], [False, True])
