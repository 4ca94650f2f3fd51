import datetime
import hashlib
import json
from contextlib import nullcontext
from typing import get_args

import pytest

import sqlft
from sqlft.card import SchemaCard
from sqlft.dataset.build import build, rehearse
from sqlft.dataset.fold import fold_question, fold_sql
from sqlft.dataset.lint.wording import template
from sqlft.dataset.split import PARTS
from sqlft.problems import WrongUse
from sqlft.recipe import CleaningStep
from sqlft.records import Example, Rejected, read_jsonl, write_jsonl
from tests.dataset.built import GOLDEN, SAID, SEEDS, dsn, gate, one_gate, openai, read, recipe, stub
from tests.openai_stub import CREATED, OpenAIStub

__all__ = ["dsn", "gate", "one_gate", "recipe", "stub"]


def test_the_template_teacher_fills_every_part(recipe):
    lines = []
    made = recipe(
        teacher={"kind": "template", "examples": 300},
        split={"train": 100, "validation": 10, "heldout": 40, "heldout_templates": 0.2},
    )
    report = build(made, progress=lambda *step: lines.append(step))
    assert report.written == 300 and report.dollars == 0
    assert (report.counts["train"], report.counts["validation"], report.counts["heldout"]) == (100, 10, 40)
    assert sum(report.counts.values()) + sum(report.rejected.values()) == 300
    parts = {part: read(report, part) for part in PARTS}
    assert {part: len(examples) for part, examples in parts.items()} == report.counts
    assert {example.source for examples in parts.values() for example in examples} == {"template"}
    known = {fold_sql(example.sql) for example in parts["train"]}
    asked = {fold_question(example.question) for example in parts["train"]}
    for example in [*parts["heldout"], *parts["heldout_templates"], *parts["validation"]]:
        assert fold_sql(example.sql) not in known and fold_question(example.question) not in asked
    templates = {example.template for example in parts["train"]}
    assert not templates & {example.template for example in parts["heldout_templates"]}
    assert ("teacher", 300, 300, "") in lines and ("queries", 300, 300, "") in lines


@pytest.mark.usefixtures("one_gate")
def test_the_same_recipe_builds_the_same_files(recipe):
    section = {"teacher": {"kind": "template", "examples": 60}, "split": {"validation": 5}}
    first, again = (build(recipe(**section)).files for _ in range(2))
    assert first == again != build(recipe(seed=1, **section)).files


@pytest.mark.usefixtures("one_gate")
def test_the_manifest_names_the_files_by_their_content(recipe):
    report = build(recipe(teacher={"kind": "template", "examples": 30}, split={"validation": 5}))
    manifest = json.loads((report.folder / "dataset.json").read_text())
    assert manifest == json.loads(json.dumps(report.to_json()))
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((report.folder / name).read_bytes()).hexdigest() == digest
    assert set(manifest["files"]) == {f"{part}.jsonl" for part in (*PARTS, "rejected")}
    assert manifest["sandbox"] and manifest["seconds"] > 0
    assert manifest["teacher"]["kind"] == "template"


@pytest.mark.usefixtures("one_gate")
def test_every_dropped_pair_has_its_reason(recipe, stub):
    report = build(recipe(teacher=openai(stub), split={"validation": 1}))
    found = {item.example.question: item.reason for item in read(report, "rejected", Rejected)}
    assert found == {question: reason for question, _, reason in SAID if reason}
    assert report.rejected["not_allowed"] == 2 and report.rejected["runs"] == 1
    assert report.counts["train"] + report.counts["validation"] == 4
    assert report.validity == {
        "queries": 12,
        "run": 9,
        "run_with_format_clause": 1,
        "run_with_format_as_asked": 8,
    }
    assert report.teacher["calls"] == 1 and report.dollars == pytest.approx(0.0075)
    assert {example.source for example in read(report, "train")} == {"gpt-4o"}


@pytest.mark.usefixtures("one_gate")
def test_a_second_build_asks_nothing_again(recipe, stub):
    first = build(recipe(teacher=openai(stub), split={"validation": 1}))
    again = build(recipe(teacher=openai(stub), split={"validation": 1}))
    assert len(stub.requests) == 1
    assert first.files == again.files


@pytest.mark.usefixtures("one_gate")
def test_the_format_clause_is_asked_for_and_counted(recipe, stub):
    report = build(recipe(teacher=openai(stub), split={"validation": 0}, prompt={"format_clause": True}))
    assert "FORMAT TabSeparatedWithNames" in stub.requests[0]["messages"][0]["content"]
    assert report.validity["run_with_format_as_asked"] == 1
    template = {"kind": "template", "examples": 20}
    report = build(recipe(name="t", teacher=template, split={"validation": 0}, prompt={"format_clause": True}))
    assert report.validity["run_with_format_as_asked"] == 20
    assert all(example.sql.endswith(" FORMAT TabSeparatedWithNames") for example in read(report, "train"))


@pytest.mark.usefixtures("one_gate")
def test_seeds_join_train_where_the_recipe_says_so(recipe, stub):
    without = build(recipe(teacher=openai(stub), split={"validation": 0}))
    assert not {seed.question for seed in SEEDS} & {example.question for example in read(without, "train")}
    report = build(recipe(teacher=openai(stub), split={"validation": 0, "train": 2, "seeds": True}))
    train = read(report, "train")
    assert [(example.question, example.source) for example in train[:2]] == [(s.question, "hand") for s in SEEDS]
    assert train[1].sql == "SELECT count() FROM ecommerce.users"
    assert len(train) == 4
    assert report.validity["queries"] == 12  # the teacher's alone


@pytest.mark.usefixtures("one_gate")
def test_a_seed_that_is_a_golden_question_is_said(recipe, stub, tmp_path):
    write_jsonl(tmp_path / "golden.jsonl", [*GOLDEN, SEEDS[0]])
    report = build(recipe(teacher=openai(stub), split={"validation": 0, "seeds": True}))
    assert any("1 of 2 seeds ask a golden question" in note for note in report.notes)
    assert any("1 of 2 seeds were dropped" in note for note in report.notes)


@pytest.mark.usefixtures("one_gate")
def test_parts_too_large_are_said_and_what_was_dropped_is_kept(recipe, stub):
    with pytest.raises(WrongUse, match=r"heldout 10 \+ validation 32 \+ train 1 = 43.*4 examples are left"):
        build(recipe(teacher=openai(stub), split={"heldout": 10}))
    assert len(read_jsonl(recipe().run_dir / "dataset" / "rejected.jsonl", Rejected)) == 8


@pytest.mark.usefixtures("one_gate")
def test_templates_are_withheld_whoever_wrote_the_pairs(recipe, stub):
    report = build(recipe(teacher=openai(stub), split={"validation": 0, "heldout_templates": 0.3}))
    apart, train = read(report, "heldout_templates"), read(report, "train")
    assert len(apart) == 1 and len(train) == 3
    assert template(apart[0].sql) not in {template(example.sql) for example in train}


@pytest.mark.usefixtures("one_gate")
def test_what_evaluation_will_ask_beside_the_golden_set_is_kept_out_too(recipe, stub, tmp_path):
    write_jsonl(tmp_path / "more.jsonl", [Example(question="How old is the oldest user?", sql="SELECT 1")])
    report = build(recipe(teacher=openai(stub), split={"validation": 0}, evaluation={"questions": ["more.jsonl"]}))
    found = {item.example.question: item.reason for item in read(report, "rejected", Rejected)}
    assert found["How old is the oldest user?"] == "leak_exact"


@pytest.mark.usefixtures("one_gate")
def test_a_dry_run_says_what_each_step_would_do_and_writes_and_asks_nothing(recipe, stub, tmp_path):
    made = recipe(teacher=openai(stub), split={"validation": 1})
    with pytest.raises(WrongUse, match=r"journal.jsonl.*a dry run asks for nothing"):
        rehearse(made)
    report = build(made)
    held = {path: path.read_bytes() for path in report.folder.iterdir()}
    found = rehearse(made)
    assert found.steps == report.steps and found.kept == 4 and found.written == 12
    assert found.examples["row_limit"] == ("Show all users.", "400 rows, the limit is 100")
    assert len(stub.requests) == 1 and held == {path: path.read_bytes() for path in report.folder.iterdir()}
    skipped = rehearse(recipe(teacher=openai(stub), clean={"skip": ["row_limit"]}))
    assert skipped.kept == 5
    grammar = rehearse(recipe(name="dry", teacher={"kind": "template", "examples": 20}))
    assert grammar.kept == 20 and not (tmp_path / "runs" / "dry").exists()


def again(body):
    """What the stub's teacher writes first, what it answers when it is asked again, and what it reads in SQL."""
    text = body["messages"][0]["content"]
    sqls = ["SELECT count() FROM ecommerce.sessions", "SELECT uniqExact(user_id) FROM ecommerce.sessions"]
    if "Write the ClickHouse SELECT" in text:
        return {"pairs": [{"question": "How many visits are there?", "sql": f"{sqls[0]} ", "comment": ""}]}
    if "the question that it answers" in text:
        questions = ["How many visits are there?", "How many people came?"]
        return {"pairs": [{"question": q, "sql": s, "comment": ""} for q, s in zip(questions, sqls, strict=True)]}
    asked = ["How many visits are there?", "How many visits are there?", "How many browsers are there in all?"]
    sqls.append("SELECT uniqExact(browser) FROM ecommerce.sessions")
    return {"pairs": [{"question": q, "sql": s, "comment": ""} for q, s in zip(asked, sqls, strict=True)]}


@pytest.mark.usefixtures("one_gate")
def test_a_contradiction_is_put_to_the_teacher_once_within_the_budget(recipe):
    with OpenAIStub(again) as server:
        section = openai(server, examples=3, pairs_per_prompt=3)
        first = build(recipe(teacher=section, split={"validation": 0}))
        assert first.rejected == {"conflict": 2} and len(server.requests) == 1
        wants = {"teacher": section, "split": {"validation": 0}, "clean": {"regenerations": 3}}
        asked = build(recipe(**wants))
        assert asked.rejected == {"conflict": 1} and len(server.requests) == 4
        assert "SELECT count() FROM ecommerce.sessions" in [example.sql for example in read(asked, "train")]
        assert asked.dollars == pytest.approx(4 * 0.0075)
        more = build(recipe(**wants))
        assert more.files == asked.files and len(server.requests) == 4
        poor = build(recipe(**{**wants, "name": "poor", "teacher": {**section, "budget_usd": 0.0076}}))
        assert poor.rejected == {"conflict": 2} and any("the budget is spent" in note for note in poor.notes)
        short = build(recipe(**{**wants, "name": "short", "teacher": {**section, "budget_usd": 0.016}}))
        assert any(note.startswith("regenerations: stopped at the budget") for note in short.notes)


@pytest.mark.usefixtures("one_gate")
def test_sql_is_read_back_where_the_recipe_asks_for_it(recipe):
    with OpenAIStub(again) as server:
        clean = {"back_translation": 0.5, "regenerations": 1}
        section = openai(server, examples=3, pairs_per_prompt=3)
        report = build(recipe(teacher=section, clean=clean, split={"validation": 0}))
    assert report.rejected == {"conflict": 1}  # the count is read back as it was asked, the browsers not at all
    assert (report.folder / "back_translations.jsonl").is_file()


@pytest.mark.usefixtures("one_gate")
def test_embeddings_are_asked_for_once_and_paid_from_the_same_budget(recipe):
    def answer(body):
        asked = ["Revenue, in all?", "Revenue that was made by the whole shop?"]
        sqls = ["SELECT sum(revenue) FROM ecommerce.sessions", "SELECT sum(s.revenue) FROM ecommerce.sessions AS s"]
        return {"pairs": [{"question": q, "sql": s, "comment": ""} for q, s in zip(asked, sqls, strict=True)]}

    with OpenAIStub(answer, vector=lambda text: [1.0, 2.0]) as server:
        section = openai(server, examples=2, pairs_per_prompt=2)
        clean = {"skip": ["leakage"], "embeddings": {"base_url": server.url}}
        made = recipe(teacher=section, clean=clean, split={"validation": 0})
        dry = rehearse(recipe(teacher={"kind": "template", "examples": 5}, clean=clean))
        assert any("were not asked for" in note for note in dry.notes) and not server.requests
        report, again = build(made), build(made)
    assert report.rejected == {"near_duplicate": 1} and report.files == again.files
    assert [len(body.get("input", "")) for body in server.requests] == [0, 2]
    assert report.dollars == again.dollars == pytest.approx(0.0075 + 1000 * 0.02 / 1e6)


@pytest.mark.usefixtures("one_gate")
def test_sets_that_are_empty_are_told_of(recipe, tmp_path):
    (tmp_path / "none.jsonl").touch()
    made = recipe(teacher={"kind": "template", "examples": 12}, split={"validation": 2})
    made.golden = made.imported = tmp_path / "none.jsonl"
    made.clean.skip = list(get_args(CleaningStep))
    notes = sqlft.build(made).notes
    assert "the golden set is empty: no pair was compared with it" in notes
    assert f"0 of 0 pairs of {made.imported} passed cleaning" in notes


def test_the_grammar_has_no_second_opinion(recipe):
    with pytest.raises(WrongUse, match=r"clean.regenerations: 2.*the grammar can be asked nothing"):
        build(recipe(teacher={"kind": "template"}, clean={"regenerations": 2}))


def test_a_missing_key_is_said(recipe, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(WrongUse, match="OPENAI_API_KEY"):
        build(recipe(teacher={"kind": "openai"}))


@pytest.mark.usefixtures("one_gate")
def test_the_card_s_hash_is_in_the_report(recipe, tmp_path):
    made = recipe(teacher={"kind": "template", "examples": 20}, split={"validation": 0})
    before = build(made).card
    card = SchemaCard.load(made.schema_)
    card.tables[0].description += " Changed."
    card.save(tmp_path / "card.yaml")
    made.schema_ = tmp_path / "card.yaml"
    assert build(made).card != before


def test_coverage_is_reported_and_rounds_know_what_survived(recipe, gate, monkeypatch):
    monkeypatch.setattr("sqlft.dataset.queries.open_gate", lambda *_, **__: nullcontext(gate))

    def answer(body):
        number = sum(map(ord, body["messages"][0]["content"]))
        column = "age" if "vague" not in body["messages"][0]["content"] and "loose" not in str(body) else "height"
        query = (
            f"SELECT country, count(), {number} FROM ecommerce.users WHERE {column} > %d GROUP BY 1 ORDER BY 1 LIMIT 3"
        )
        sql = [query % age for age in (20, 30)]
        return {"pairs": [{"question": f"{number} {query}?", "sql": query, "comment": ""} for query in sql]}

    with OpenAIStub(answer) as server:
        section = {"examples": 64, "pairs_per_prompt": 2, "slots": True, "requests_per_round": 8}
        report = build(recipe(teacher=openai(server, **section), split={"validation": 1}))
    found = json.loads((report.folder / "dataset.json").read_text())["coverage"]
    assert found["style"]["vague"]["kept"] == 0 < found["style"]["formal"]["kept"]
    assert found["style"]["vague"]["written"] > found["style"]["formal"]["written"]
    kept, shown = (sum(counts[name] for counts in found["level"].values()) for name in ("kept", "shown"))
    assert 0 < shown < kept < report.written == 64  # it shows a few of the constructs
    assert any("thinnest coverage" in note for note in report.notes)
    assert "argMax" in json.loads((report.folder / "functions.json").read_text())
    assert all(example.slot for example in read(report, "train"))


@pytest.mark.usefixtures("one_gate")
def test_each_row_says_where_it_comes_from_and_what_it_passed(recipe, stub):
    report = build(recipe(teacher=openai(stub), split={"validation": 1, "seeds": True}))
    [asked] = [body["messages"][0]["content"] for body in stub.requests]
    *rest, last = [*read(report, "train"), *read(report, "validation")]
    written = [example for example in (*rest, last) if example.source != "hand"]
    assert len(written) == 4
    for example in written:
        assert (example.teacher, example.source) == ("openai", "gpt-4o")
        assert example.prompt_sha256 == hashlib.sha256(asked.encode()).hexdigest()
        assert sorted(example.seeds) == sorted(seed.id for seed in SEEDS)
        assert example.time == datetime.datetime.fromtimestamp(CREATED, datetime.UTC)
        assert example.checks == [name for name, _, _ in report.steps]
    marks = {example.question: example.fingerprint for example in (*rest, last)}
    assert all(marks.values()) and marks["How old is the oldest user?"] != marks["How old is the youngest user?"]
    by_hand = [example for example in rest if example.source == "hand"]
    assert by_hand and all(e.teacher == "" and e.time is None and e.checks for e in by_hand)
    assert all(not item.example.checks for item in read(report, "rejected", Rejected))


@pytest.mark.usefixtures("one_gate")
def test_what_the_grammar_writes_has_no_time_and_all_else(recipe):
    report = build(recipe(teacher={"kind": "template", "examples": 30}, split={"validation": 5}))
    lines = [json.loads(line) for line in (report.folder / "train.jsonl").read_text().splitlines()]
    assert {frozenset(line) for line in lines} == {frozenset(Example.model_fields)}  # the same columns everywhere
    assert all(line["teacher"] == "template" and line["time"] is None and line["template"] for line in lines)
    assert all(line["fingerprint"] and line["checks"] for line in lines)


@pytest.mark.usefixtures("one_gate")
def test_the_api_leaves_a_page_and_a_card_beside_the_parts_and_chats_where_asked(recipe):
    made = recipe(teacher={"kind": "template", "examples": 30}, split={"validation": 5})
    report = sqlft.build(made)
    train = f"{report.counts['train']} pairs to train on"
    assert train in (report.folder / "dataset.html").read_text()
    assert train in (report.folder / "dataset_card.md").read_text()
    assert not (report.folder / "trl").exists()
    sqlft.build(made, format="trl")
    lines = (report.folder / "trl" / "train.jsonl").read_text().splitlines()
    assert len(lines) == report.counts["train"] and set(json.loads(lines[0])) >= {"prompt", "completion"}
