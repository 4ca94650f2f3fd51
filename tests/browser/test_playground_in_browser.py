"""The playground as a browser shows it: asked, corrected, kept, looked through, and never talked into anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from sqlft.agent import Analyst
from sqlft.breaking import Breaking, Probe
from sqlft.database import Gate
from sqlft.recipe import Recipe
from sqlft.records import Example, read_examples, write_jsonl
from tests.evaluation.made import answer, ladder, question
from tests.few_users import gate
from tests.playground.served import BY_COUNTRY, COUNT, SEED, TRAIN, make_analyst, make_recipe, served

__all__ = ["gate"]

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "${alert(3)}",
    "{{constructor.constructor('alert(4)')()}}",
    "`+alert(5)+`",
    "[x](javascript:alert(6))",
    "$$\\href{javascript:alert(7)}{x}$$",
)
EVIL = "'" + "', '".join(text.replace("\\", "\\\\").replace("'", "\\'") for text in HOSTILE) + "'"
WAIT = 30_000


def say(question: str) -> str:
    """What the base says: SQL that is right, wrong, broken or hostile."""
    if "by country" in question:
        return BY_COUNTRY
    if "Hostile" in question:
        return f"SELECT arrayJoin([{EVIL}]) AS `<img src=y onerror=alert(8)>`, 1 AS n"
    return COUNT


@pytest.fixture(scope="module")
def playground(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Analyst], str]]:
    """Two who answer, and the page's address: gradio takes seconds to make one."""
    folder = tmp_path_factory.mktemp("playground")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        recipe = make_recipe(folder)
        analysts = [
            make_analyst(recipe, gate, say),
            make_analyst(recipe, gate, lambda question: "SELECT land FROM shop.users", "tuned"),
        ]
        write_jsonl(recipe.seeds, [SEED, *(Example(question=text, sql="SELECT 1") for text in HOSTILE)])
        with served(analysts) as url:
            yield analysts, url


@pytest.fixture
def url(playground: tuple[list[Analyst], str]) -> str:
    return playground[1]


@pytest.fixture
def recipe(playground: tuple[list[Analyst], str]) -> Recipe:
    """With its files as they were made, and nothing decided about them."""
    folder = playground[0][0].recipe.path.parent
    for path in (folder / "runs").rglob("*.jsonl"):
        path.unlink()
    return make_recipe(folder)


Visit = Callable[..., Any]


@pytest.fixture
def visit(chromium: Any) -> Visit:
    """Opens the page, and fails where it complains, opens a dialog or asks another server for anything."""

    @contextmanager
    def visit(url: str, width: int = 1280, height: int = 900, **options: Any) -> Iterator[Any]:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: (
                complaints.append(f"request: {request.url}")
                if not request.url.startswith((url, "data:", "blob:"))
                else None
            ),
        )
        page.goto(url)
        page.get_by_label("Question", exact=True).first.wait_for()
        yield page
        context.close()
        assert complaints == []

    return visit


def ask(page: Any, question: str) -> Any:
    """Asks; the base's panel once it has answered."""
    page.get_by_label("Question", exact=True).first.fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator("#panel-1 .answer").wait_for()
    return page.locator("#panel-0")


def write_sql(panel: Any, sql: str) -> None:
    panel.locator(".cm-content").click()
    panel.page.keyboard.press("Control+a")
    panel.page.keyboard.insert_text(sql)


def press(panel: Any, name: str) -> None:
    panel.get_by_role("button", name=name, exact=True).click()


def test_an_answer_is_corrected_and_saved_and_stands_in_the_file(recipe: Recipe, url: str, visit: Visit) -> None:
    with visit(url) as page:
        panel = ask(page, "How many users live in France?")
        assert "The answer is 20" in panel.inner_text()
        assert "does not run" in page.locator("#panel-1").inner_text()
        assert "2 attempts" in page.locator("#panel-1").inner_text()
        press(panel, "Wrong")
        press(panel, "Save")
        panel.get_by_text("you called wrong").wait_for()
        write_sql(panel, "SELECT land FROM shop.users")
        press(panel, "Run it again")
        panel.get_by_text("The SQL does not run").wait_for()
        press(panel, "Save")
        panel.get_by_text("Not saved.").wait_for()
        write_sql(panel, right := "SELECT count() FROM shop.users WHERE country = 'France'")
        press(panel, "Run it again")
        panel.get_by_text("The answer is 13").wait_for()
        panel.get_by_label("Golden question").check()
        press(panel, "Save")
        panel.get_by_text("Save all the same").wait_for()  # a training row asks it of another country
        assert "memory, not skill" in panel.inner_text() and len(read_examples(recipe.golden)) == 1
        press(panel, "Save all the same")
        panel.get_by_text("Saved as a golden question").wait_for()
    assert read_examples(recipe.golden)[-1] == Example(question="How many users live in France?", sql=right)


def test_what_is_right_is_saved_as_it_stands_and_a_duplicate_is_said(recipe: Recipe, url: str, visit: Visit) -> None:
    with visit(url) as page:
        panel = ask(page, "How many are there by country?")
        assert panel.locator("img.chart").count() == 1 and panel.locator("td").count() == 4
        press(panel, "Right")
        press(panel, "Save")
        panel.get_by_text("Saved as a seed").wait_for()
        press(panel, "Save")
        panel.get_by_text("already, on line 2").wait_for()
    assert [example.sql for example in read_examples(recipe.seeds)] == [COUNT, BY_COUNTRY]


def test_a_failure_is_broken_further_with_the_failures_first(
    recipe: Recipe, url: str, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def break_it(recipe: Recipe, analyst: Analyst, failure: Example, predicted: str, n: int, tell: Any) -> Breaking:
        given.append((analyst.name, failure.question, failure.sql, predicted))
        tell("questions", 1, n, "1 failed")
        asked = [question(place, question=f"{place} {HOSTILE[1]}", sql=f"SELECT '{HOSTILE[0]}'") for place in range(2)]
        kinds = zip(asked, ("mismatch", "match"), strict=True)
        return Breaking([Probe(one, answer(one, "base", kind, sql=HOSTILE[2])) for one, kind in kinds])

    monkeypatch.setattr("sqlft.playground.asking.break_it", break_it)
    with visit(url) as page:
        panel = ask(page, "How many users live in France?")
        press(panel, "Right")
        assert not panel.get_by_role("button", name="Break it").is_visible()
        press(panel, "Wrong")
        press(panel, "Break it")
        panel.get_by_text("you called wrong").wait_for()
        write_sql(panel, right := "SELECT count() FROM shop.users WHERE country = 'France'")
        press(panel, "Break it")
        panel.get_by_text("1 of 2 questions near this one failed").wait_for()
        shown = panel.locator("details")
        assert shown.locator("summary strong").all_inner_texts() == ["mismatch", "match"]
        assert all(text in shown.first.inner_text() for text in HOSTILE[:3])
        assert page.locator("img[src=x]").count() == 0
    assert given == [("base", "How many users live in France?", right, COUNT)]


def test_script_is_shown_and_not_run(recipe: Recipe, url: str, visit: Visit) -> None:
    rows = [Example(question=text, sql=f"SELECT '{text}'", tags=[text]) for text in HOSTILE]
    write_jsonl(recipe.run_dir / "dataset" / "train.jsonl", rows, whole=True)
    with visit(url) as page:
        panel = ask(page, f"Hostile {' '.join(HOSTILE)}")
        cells = panel.locator("td").all_inner_texts()
        assert all(text in cells for text in HOSTILE) and "onerror=alert(8)" in panel.locator("th").first.inner_text()
        assert HOSTILE[1] in panel.locator(".cm-content").inner_text()
        press(panel, "Right")
        press(panel, "Save")
        panel.get_by_text("Saved as a seed").wait_for()
        page.get_by_role("tab", name="Datasets").click()
        for text in HOSTILE:
            page.wait_for_function("text => document.querySelector('#row-question textarea').value === text", arg=text)
            assert text in page.locator("#row-sql .cm-content").inner_text()
            page.keyboard.press("j")
        assert page.locator("img[src=x], img[src=y], a[href^='javascript']").count() == 0
        assert page.evaluate("[...document.scripts].every(one => !one.text.startsWith('alert'))")


def test_rows_are_accepted_edited_and_rejected_by_keys(recipe: Recipe, url: str, visit: Visit) -> None:
    folder = recipe.run_dir / "dataset"
    rows = [TRAIN, Example(question="Oldest?", sql="SELECT max(id) FROM shop.users"), Example(question="?", sql=COUNT)]
    write_jsonl(folder / "train.jsonl", rows, whole=True)
    with visit(url) as page:
        page.get_by_role("tab", name="Datasets").click()
        page.get_by_text("1 of 3").wait_for()
        page.keyboard.press("a")
        page.get_by_text("Accepted.").wait_for()
        page.get_by_text("2 of 3").wait_for()
        page.keyboard.press("e")
        page.keyboard.press("Control+a")
        page.keyboard.insert_text("SELECT min(id) FROM shop.users")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Save the edit").click()
        page.get_by_text("the row is what you wrote").wait_for()
        page.keyboard.press("ArrowDown")
        page.get_by_text("3 of 3").wait_for()
        page.keyboard.press("r")
        page.get_by_text("Rejected by hand").wait_for()
    left = read_examples(folder / "train.jsonl")
    assert [example.sql for example in left] == [TRAIN.sql, "SELECT min(id) FROM shop.users"]
    assert '"reason":"by_hand"' in (folder / "rejected.jsonl").read_text()


def test_runs_are_listed_with_their_scores_and_reports(recipe: Recipe, url: str, visit: Visit) -> None:
    folder = recipe.run_dir / "evaluation" / "golden"
    ladder().save(folder)
    (folder / "report.html").write_text("<title>The report</title><script>document.title += ' runs'</script>")
    with visit(url) as page:
        page.get_by_role("tab", name="Runs").click()
        page.get_by_text("open the report").wait_for()
        assert re.search(r"\d+ to \d+%", page.locator(".run").inner_text())
        with page.expect_popup() as opened:
            page.get_by_text("open the report").click()
        opened.value.wait_for_load_state()
        assert opened.value.title() == "The report runs"


def test_without_the_password_nothing_is_answered(
    playground: tuple[list[Analyst], str], recipe: Recipe, visit: Visit
) -> None:
    with served(playground[0], ("ann", "p:ss")) as url:
        for path in ("/", "/config", "/assets/x.js", "/gradio_api/startup-events", "/report/shop/evaluation/golden"):
            assert httpx.get(url + path).status_code == 401
        assert httpx.get(url, auth=("ann", "other")).status_code == 401
        with visit(url, http_credentials={"username": "ann", "password": "p:ss"}) as page:
            assert "The answer is 20" in ask(page, "How many?").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(recipe: Recipe, url: str, visit: Visit, scheme: str) -> None:
    options = {"width": 390, "height": 844, "is_mobile": True, "device_scale_factor": 2, "color_scheme": scheme}
    with visit(url, **options) as page:
        press(ask(page, "How many by country?"), "Right")
        for tab in ("Ask", "Datasets", "Runs"):
            page.get_by_role("tab", name=tab).click()
            assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_nothing_is_told_to_anybody_and_no_event_is_for_others(url: str) -> None:
    told = httpx.get(f"{url}/config").json()
    assert told["analytics_enabled"] is False
    assert {one["api_visibility"] for one in told["dependencies"]} == {"private"}
