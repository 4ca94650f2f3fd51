"""The dataset's page and its card, checked as text."""

import datetime
import shutil
from pathlib import Path

import pytest
import yaml

from sqlft.dataset.build import PARTS, BuildReport
from sqlft.dataset.dataset_card import write_dataset_card
from sqlft.recipe import Recipe
from sqlft.records import Example, Slot, write_jsonl
from sqlft.report import write_dataset_page
from sqlft.report.dataset_page import render
from sqlft.report.drawing import add_legend, drawing
from sqlft.report.markup import clean
from tests.report.test_page import HOSTILE, Page

NOON = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
SLOT = Slot(level="easy", construct="count", tables=["shop.users"], style="terse", dates="May 2023", term="adult")
COUNTS = {"written": 30, "kept": 25, "shown": 20}


def example(number: int, **fields: object) -> Example:
    given = {
        "question": f"How many users are older than {number}?",
        "sql": f"SELECT count() FROM shop.users WHERE age > {number}",
        "source": "gpt-4o",
        "teacher": "openai",
        "prompt_sha256": "ab" * 32,
        "seeds": ["s01", "s02"],
        "checks": ["runs", "has_rows"],
        "fingerprint": "0123456789abcdef",
        "level": "easy",
        "slot": SLOT,
        "time": NOON,
    }
    return Example(**(given | fields))


def made(folder: Path, parts: dict[str, list[Example]], **fields: object) -> BuildReport:
    for part in PARTS:
        write_jsonl(folder / f"{part}.jsonl", parts.get(part, []), whole=True)
    teacher = {"kind": "openai", "model": "gpt-4o", "temperature": 0.5, "pairs_per_prompt": 5, "seeds_per_prompt": 3}
    teacher |= {"slots": True, "prompt_tokens": 900, "completion_tokens": 100, "dollars": 0.25, "base_url": None}
    cells = {"easy count": COUNTS, "hard join": {"written": 10, "kept": 1, "shown": 1}}
    given = {
        "name": "shop",
        "folder": folder,
        "teacher": teacher,
        "written": 40,
        "validity": {"queries": 40, "run": 36},
        "steps": [("runs", 40, 4), ("has_rows", 36, 3), ("is_not_golden", 33, 2)],
        "rejected": {"error": 4, "empty": 3, "golden_question": 2, "shared_sql": 1},
        "counts": {part: len(parts.get(part, [])) for part in PARTS},
        "files": {"train.jsonl": "cd" * 32},
        "card": "ef" * 32,
        "sandbox": "static",
        "seconds": 1.5,
        "notes": ["1 of 2 seeds ask a golden question"],
        "coverage": {
            "level": {"easy": COUNTS, "hard": {"written": 10, "kept": 1, "shown": 1}},
            "construct": {"count": COUNTS, "join": {"written": 10, "kept": 1, "shown": 1}},
            "cell": cells,
            "style": {"terse": COUNTS},
        },
    }
    return BuildReport(**(given | fields))


def recipe(**fields: object) -> Recipe:
    return Recipe(schema="s.yaml", seeds="seeds.jsonl", golden="golden.jsonl", **fields)


@pytest.fixture
def parts() -> dict[str, list[Example]]:
    return {
        "train": [example(number) for number in range(25)],
        "heldout": [example(number) for number in range(25, 30)],
    }


@pytest.fixture
def report(tmp_path: Path, parts: dict[str, list[Example]]) -> BuildReport:
    return made(tmp_path, parts)


def test_the_page_says_what_is_in_the_set_and_what_was_dropped(report: BuildReport) -> None:
    path = write_dataset_page(report, recipe())
    page = Page(path.read_text())
    assert path.name == "dataset.html" and not page.open and not list(path.parent.glob("*.partial"))
    for wanted in (
        "25 pairs to train on and 5 held out, of 40 that gpt-4o wrote.",
        "10 of 40 were dropped (25%), most often: 4 error, 3 empty, 2 golden question, 1 shared sql.",
        "2 pairs were dropped since they leak golden questions: 2 golden question.",
        "1 of 2 seeds ask a golden question",
        "25 of 30",  # the cell of easy counts
        "easy · count · shop.users · terse · May 2023 · adult",
        "runs, has rows",
        "0123456789abcdef",
        "gpt-4o, 2026-11-28 12:00:00 UTC, shown s01, s02, prompt abababababab",
        "cdcdcd",
        "efefef",
    ):
        assert wanted in page.text, wanted


def test_the_plots_tell_the_waterfall_the_constructs_and_the_lengths(report: BuildReport) -> None:
    page = Page(write_dataset_page(report, recipe()).read_text())
    told = [svg["aria-label"] or "" for svg in page.all("svg")]
    assert "runs: 4 of 40 dropped; has rows: 3 of 36 dropped; is not golden: 2 of 33 dropped" in told[0]
    assert "dividing into parts: 1 of 31 dropped" in told[0]
    assert told[1].startswith("Constructs in the SQL. ") and "count: 30" in told[1]
    assert told[2] == "Length of questions: 7 to 7 words, median 7."
    assert told[3] == "Length of SQL: 44 to 45 characters, median 45."
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_twenty_pairs_are_drawn_by_the_seed(report: BuildReport, parts: dict[str, list[Example]]) -> None:
    def drawn(seed: int) -> list[str]:
        text = Page(render(report, parts, seed)).text
        assert "20 random pairs" in text
        return [one.question for part in parts.values() for one in part if one.question in text]

    assert len(drawn(0)) == 20
    assert drawn(0) == drawn(0) != drawn(1)


def test_the_page_loads_nothing_and_runs_nothing(report: BuildReport) -> None:
    page = Page(write_dataset_page(report, recipe()).read_text())
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & {tag for tag, _ in page.tags}
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_teacher_or_a_database_wrote_stays_text(tmp_path: Path, text: str) -> None:
    slot = Slot(level="", construct=text, tables=[text], style=text, dates=text, term=text, category=text)
    row = example(
        1, id="r1", question=f"Q {text}", sql=text, comment=text, source=text, template=text, tags=[text], slot=slot
    )
    row.checks = row.seeds = [text]
    found = made(tmp_path, {}, name=text, notes=[text], rejected={text: 1}, coverage={"style": {text: COUNTS}})
    found.steps = [(text, 40, 1)]
    found.counts["train"] = 1
    html = render(found, {"train": [row]}, 0)
    page = Page(html)
    assert not page.open and not page.all("script") and not page.all("img") and not page.all("b")
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    assert page.text.count(" ".join(clean(text).split())) >= 8
    html.encode()


def test_a_set_without_slots_and_a_set_without_rows_have_pages(tmp_path: Path) -> None:
    grammar = [example(n, source="template", template=f"t{n % 3}", slot=None, time=None) for n in range(3)]
    found = made(tmp_path, {"train": grammar}, coverage={}, rejected={})
    text = Page(write_dataset_page(found, recipe()).read_text()).text
    assert "3 random pairs" in text and "Coverage of the slots" not in text and "Nothing was dropped." in text
    empty = made(tmp_path, {}, coverage={})
    assert "0 random pairs" in Page(write_dataset_page(empty, recipe()).read_text()).text


def test_the_card_s_header_is_what_the_hub_reads(report: BuildReport) -> None:
    from huggingface_hub import DatasetCard

    path = write_dataset_card(report, recipe())
    header, text = yaml.safe_load(path.read_text().split("---\n")[1]), path.read_text().split("---\n", 2)[2]
    assert header["license"] == "other" and header["license_name"] == "terms-of-the-teacher"
    assert header["language"] == ["en"] and header["size_categories"] == ["n<1K"]
    files = [{"split": "train", "path": "train.jsonl"}, {"split": "heldout", "path": "heldout.jsonl"}]
    assert header["configs"] == [{"config_name": "default", "data_files": files}]
    read = DatasetCard.load(path).data
    assert read.task_categories == ["text-generation", "table-question-answering"] and read.pretty_name == "shop"
    for wanted in (
        "# shop: questions and ClickHouse SQL",
        "`gpt-4o` (`openai`, temperature 0.5)",
        "1,000 tokens, $0.25",
        "| has rows | 36 | 3 |",
        "| train | 25 | what a model learns from |",
        "| count | 30 |",
        "| terse | 30 | 25 |",
        "2 golden question. The golden set is `golden.jsonl`",
        "follow the terms of the teacher",
    ):
        assert wanted in text, wanted


def test_a_set_that_was_not_compared_with_the_golden_questions_says_so(tmp_path: Path) -> None:
    off = made(tmp_path, {"train": [example(1)]}, steps=[("runs", 40, 4)], rejected={"error": 4})
    on = made(tmp_path, {"train": [example(1)]}, rejected={"error": 4})
    assert "not compared with the golden questions" in write_dataset_card(off, recipe()).read_text()
    assert "compared with the golden questions, and none had to" in write_dataset_card(on, recipe()).read_text()


def test_the_card_of_the_grammar_names_no_model(tmp_path: Path) -> None:
    teacher = {"kind": "template", "model": "gpt-4o", "dollars": 0.0}
    text = write_dataset_card(made(tmp_path, {"train": [example(1)]}, teacher=teacher), recipe()).read_text()
    assert "gpt-4o" not in text and "offline grammar" in text and "license_name: not-chosen-yet" in text


def test_the_hub_s_reader_finds_the_parts_by_the_card(report: BuildReport, tmp_path: Path) -> None:
    from datasets import load_dataset

    shutil.copy(write_dataset_card(report, recipe()), tmp_path / "README.md")
    (tmp_path / "README.md").rename(report.folder / "README.md")
    read = load_dataset(str(report.folder), cache_dir=str(tmp_path / "cache"))
    assert {name: split.num_rows for name, split in read.items()} == {"train": 25, "heldout": 5}


def test_train_is_read_as_it_is(report: BuildReport, tmp_path: Path, parts: dict[str, list[Example]]) -> None:
    from datasets import load_dataset

    by_hand = Example(question="By hand?", sql="SELECT 1")  # a seed: no slot, no time
    write_jsonl(report.folder / "train.jsonl", [by_hand, *parts["train"]], whole=True)
    files = {"train": str(report.folder / "train.jsonl"), "heldout": str(report.folder / "heldout.jsonl")}
    read = load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert set(read["train"].column_names) == set(read["heldout"].column_names) == set(Example.model_fields)
    assert read["train"][0]["slot"] is None and read["train"][1]["slot"]["construct"] == "count"
    assert read["heldout"][0]["seeds"] == ["s01", "s02"]


def test_a_plot_without_labels_has_no_legend_and_warns_of_none(recwarn):
    with drawing(2) as (figure, _):
        add_legend(figure)
        assert not figure.legends and not recwarn.list
