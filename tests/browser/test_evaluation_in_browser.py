"""The page of an evaluation, as a browser shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sqlft.evaluation.diagnosis.categories import Finding
from sqlft.evaluation.results import Opinion, Preview, Results
from sqlft.records import Attempt, Verdict
from sqlft.report import write_report
from tests.browser.conftest import Open
from tests.evaluation.made import answer, ladder, question, results
from tests.report.test_page import HOSTILE

PHONE = {"width": 390, "height": 844, "is_mobile": True, "device_scale_factor": 2}
BASE = "mxxrinxxxm" * 3
TUNED = "mmmmmxmmmx" * 3
WORDS = {"m": "match", "r": "relaxed", "x": "mismatch", "i": "invalid", "n": "no_sql"}
GOLD = Preview(columns=["country", "sessions"], rows=[["France", "120"], ["Spain", "81"], [None, "7"]], row_count=3)
OTHER = Preview(columns=["country", "n"], rows=[["France", "120"], ["Spain", "80"], [None, "7"]], row_count=3)


def made() -> Results:
    asked = [
        question(
            number,
            level=("easy", "hard")[number % 2],
            tags=["join"] if number % 3 else [],
            sql=f"SELECT country, count() AS sessions\nFROM shop.sessions\nWHERE day > {number} AND y{number} = 2023\n"
            "GROUP BY country ORDER BY sessions DESC",
            gold_result=GOLD,
        )
        for number in range(len(BASE))
    ]
    answers = {}
    for name, letters in (("base", BASE), ("tuned", TUNED), ("a-much-longer-name-of-an-adapter", TUNED[::-1])):
        answers[name] = [
            answer(
                one,
                name,
                WORDS[letter],
                result=None if letter in "in" else GOLD if letter == "m" else OTHER,
                **({"sql": one.sql.replace("> ", ">= ").replace("sessions DESC", "sessions")} if letter == "x" else {}),
                **({"text": "I am sorry, but as a language model I cannot look."} if letter == "n" else {}),
                **(
                    {"findings": [Finding(category=key) for key in ("wrong_filter", "wrong_order")]}
                    if letter == "x"
                    else {}
                ),
                judge=Opinion(right=letter != "i", reason="It looks right."),
            )
            for one, letter in zip(asked, letters, strict=True)
        ]
    return results(asked, answers, warnings=["Only 30 questions count."], settings={"base": "tiny", "judge": "gpt-4o"})


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = made()
    found.save(tmp_path_factory.mktemp("browser"))
    return write_report(found)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = ladder()
    found.save(tmp_path_factory.mktemp("ladder"))
    return write_report(found)


EVERYWHERE = pytest.mark.parametrize(
    "options",
    [{}, PHONE, {"color_scheme": "dark"}, PHONE | {"color_scheme": "dark"}],
    ids=["wide", "phone", "dark", "both"],
)


@EVERYWHERE
def test_the_page_is_drawn_and_nothing_runs_over_its_side(
    report: Path, open_page: Open, options: dict[str, Any]
) -> None:
    with open_page(report, **options) as page:
        assert "tuned" in page.inner_text(".headline")
        assert [page.locator(place).count() for place in (".question", "figure svg", ".tile")] == [30, 3, 5]
        nothing_sticks_out(page, options)


@EVERYWHERE
def test_a_ladder_is_drawn_and_nothing_runs_over_its_side(
    steps: Path, open_page: Open, options: dict[str, Any]
) -> None:
    with open_page(steps, **options) as page:
        assert [page.locator(place).count() for place in (".question", "figure svg")] == [12, 4]
        texts = page.locator("figure svg").first.locator("text").all_text_contents()
        assert "rag gpt-4o-mini" in texts and "83%, best" in texts
        page.locator("#q2 > summary").click()
        nothing_sticks_out(page, options)


def nothing_sticks_out(page: Any, options: dict[str, Any]) -> None:
    for figure in page.locator("figure svg").all():
        assert figure.bounding_box()["height"] > 60
        assert figure.evaluate(LONG_TEXTS) == []
    page.evaluate("document.querySelectorAll('main > details:not(.question)').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= options.get("width", 1280)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(report: Path, open_page: Open, scheme: str) -> None:
    with open_page(report, color_scheme=scheme) as page:
        page.locator("#q2 > summary").click()
        for place in ("body", ".note", ".card", ".warnings", ".tile", ".badge", "mark", "pre .k", "pre del", "dt"):
            assert page.locator(place).first.evaluate(CONTRAST) >= 4.5, place
        light = page.evaluate(f"({BRIGHTNESS})(getComputedStyle(document.body).backgroundColor)")
        assert (light > 0.5) == (scheme == "light")


def test_questions_are_found_by_outcome_model_and_words(report: Path, open_page: Open) -> None:
    with open_page(report) as page:

        def shown(status: str, model: str = "tuned", words: str = "") -> int:
            page.select_option("#status", status)
            page.select_option("#model", label=model)
            page.fill("#search", words)
            count = page.locator(".question:visible").count()
            assert page.inner_text("#count") == f"{count} of 30 questions"
            return count

        assert shown("all") == 30
        assert (shown("right"), shown("wrong"), shown("right", "base")) == (24, 6, 6)
        assert (shown("fixed"), shown("broken"), shown("invalid", "base")) == (21, 3, 6)
        assert shown("disputed") == 6 and shown("disputed", "base") == 21
        assert shown("all", words="older than 17?") == 1
        assert shown("all", words="wrong filter") > 0 and shown("all", words="nowhere") == 0


def test_a_category_leads_to_its_questions(steps: Path, open_page: Open) -> None:
    with open_page(steps) as page:

        def shown() -> list[str]:
            return [one.get_attribute("id") for one in page.locator(".question:visible").all()]

        assert page.input_value("#model") == "7"  # the best step
        page.select_option("#category", label="a wrong date range")
        assert shown() == ["q8", "q9"]
        page.fill("#search", "nowhere")
        page.locator("a[data-category='unknown_column'][data-model='0']").click()
        assert shown() == ["q5"] and page.input_value("#search") == ""
        assert page.locator("#questions").bounding_box()["y"] < 900
        page.select_option("#category", "")
        assert len(shown()) == 12


def test_a_question_opens_and_shows_what_differs(report: Path, open_page: Open) -> None:
    with open_page(report) as page:
        second = page.locator("#q2")
        assert not second.locator("pre").first.is_visible()
        second.locator("summary").first.click()
        base = second.locator(".answers > section").first
        assert base.locator("del").all_inner_texts() == [">", "DESC"]
        assert base.locator("ins").all_inner_texts() == [">="]
        assert base.locator("mark").all_inner_texts() == ["81", "80"]
        assert "What is wrong: a wrong filter, or one too many; another order" in base.inner_text()


def test_a_link_to_a_question_opens_it_even_where_it_is_filtered_away(report: Path, open_page: Open) -> None:
    with open_page(report) as page:
        page.fill("#search", "nowhere")
        page.get_by_text("Fixed by tuned").click()
        page.locator("a[href='#q2']:visible").first.click()
        assert page.locator("#q2 pre").first.is_visible()
        assert page.locator("#q2").bounding_box()["y"] < 900
        assert not page.locator("#q3").is_visible()


def test_what_a_model_wrote_does_nothing_in_a_browser(tmp_path: Path, open_page: Open) -> None:
    asked = [question(n, question=text, sql=text, tags=[text], comment=text) for n, text in enumerate(HOSTILE)]
    evidence = {"gold_rows": [[text] for text in HOSTILE]}
    verdict = Verdict(status="mismatch", strict=False, relaxed=False, reasons=["rows"], evidence=evidence)
    given = [
        answer(
            one,
            HOSTILE[0],
            "mismatch",
            sql=text,
            text=text,
            verdict=verdict,
            judge=Opinion(right=True, reason=text),
            findings=[Finding(category="scale", detail=text)],
            earlier=[Attempt(sql=text, fault=text)],
        )
        for one, text in zip(asked, reversed(HOSTILE), strict=True)
    ]
    found = results(asked, {HOSTILE[0]: given}, warnings=list(HOSTILE), settings={text: text for text in HOSTILE})
    found.folder = tmp_path
    with open_page(write_report(found)) as page:
        for summary in page.locator("summary").all():
            summary.click()
        page.fill("#search", "alert")
        assert 0 < page.locator(".question:visible").count() <= len(HOSTILE)
        assert page.locator("script").count() == 1 and page.locator("img").count() == 0


def test_it_prints_without_controls_and_with_its_lists(report: Path, open_page: Open) -> None:
    with open_page(report, width=760, color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert page.evaluate(f"({BRIGHTNESS})(getComputedStyle(document.body).color)") < 0.1
        assert not page.locator(".controls").is_visible()
        assert page.locator("a[href='#q2']").first.is_visible()
        assert len(page.pdf()) > 20_000


def test_a_ladder_is_printed_on_one_papers_width(steps: Path, open_page: Open) -> None:
    with open_page(steps, width=760) as page:
        page.emulate_media(media="print")
        assert page.get_by_text("By difficulty").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 760


LONG_TEXTS = """svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1;
  }).map(text => text.textContent);
}"""
BRIGHTNESS = """color => {
  const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}"""
CONTRAST = f"""element => {{
  const brightness = {BRIGHTNESS};
  let behind = element;
  while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  const both = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(brightness);
  return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
}}"""
