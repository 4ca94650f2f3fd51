"""The page, checked as text: what stands in it, what it loads, what it escapes."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sqlft.evaluation.diagnosis.categories import LABELS, Finding
from sqlft.evaluation.results import Leakage, Opinion, Preview, Results
from sqlft.records import Attempt, Verdict
from sqlft.report import sentences, write_report
from sqlft.report.markup import clean, highlight
from sqlft.report.page import render
from tests.evaluation.made import STEPS, answer, ladder, plain, question, results

VOID = {"meta", "input", "br", "path", "use"}


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag was closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def shop() -> Results:
    found = plain({"base": "mxxrinxxxu", "tuned": "mmmmmxmmmm"}, warnings=["LEAKAGE: 1 of 10 questions"])
    found.leakage = Leakage(
        files={"runs/shop/dataset/train.jsonl": "ab" * 32}, rows=90, by_question=1, by_sql=0, either=1
    )
    found.questions[3].leaked = ["question"]
    return found


@pytest.fixture(scope="module")
def page(shop: Results) -> Page:
    return Page(render(shop))


def test_every_question_stands_with_each_models_sql_and_verdict(shop: Results, page: Page) -> None:
    assert not page.open
    details = [d for d in page.all("details") if d.get("class") == "question"]
    assert len(details) == 10
    assert [d["data-outcomes"] for d in details][:4] == [
        "match match",
        "mismatch match",
        "mismatch match",
        "relaxed match",
    ]
    assert details[9]["data-outcomes"] == "out out"
    assert [d.get("data-leaked") for d in details].count("yes") == 1
    for asked in shop.questions:
        assert asked.question in page.text
        assert page.text.count(f"age > {asked.id[1:]} ") >= 2
    assert page.text.count("Verdict: ") == 20


def test_headline_figures_warnings_and_settings_are_in_words(page: Page) -> None:
    headline = (
        "tuned answers 89% (n=9, 95% CI 57–98%) of the held-out questions right; the base 11% (n=9, 95% CI 2–43%)."
    )
    assert headline in page.text
    assert "tuned against the base: +78 points" in page.text
    assert "It is right on 7 that the base gets wrong, and wrong on 0 that the base gets right." in page.text
    for wanted in (
        "p = 0.016",
        "8 of 9",
        "LEAKAGE: 1 of 10 questions",
        "1 that could not be decided",
        "temperature: 0",
        "abab",
    ):
        assert wanted in page.text, wanted


def test_nothing_is_loaded_from_anywhere(shop: Results) -> None:
    html = render(shop)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", html)
    page = Page(html)
    assert not {"link", "img", "iframe", "object", "base", "form", "image"} & {tag for tag, _ in page.tags}
    references = [
        value for _, attributes in page.tags for key, value in attributes.items() if key.endswith(("href", "src"))
    ]
    assert all(str(reference).startswith("#") for reference in references)
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy


def test_the_policy_allows_exactly_the_pages_own_script(shop: Results) -> None:
    import base64
    import hashlib

    html = render(shop)
    [script] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in html


HOSTILE = [
    "</pre></details><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %}",
    "SELECT '</script><svg onload=alert(1)>' -- <b>",
    '" onmouseover="alert(1)',
    "javascript:alert(1) \x00\x1b[2J \u202e\ud800",
    "$x^$ & &lt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_model_or_a_database_wrote_stays_text(text: str) -> None:
    asked = question(1, question=f"Q {text}", sql=text, comment=text, level="", tags=[text], template=text)
    asked.gold_result = Preview(columns=[text], rows=[[text], [None]], totals=[text], row_count=2)
    verdict = Verdict(status="mismatch", strict=False, relaxed=False, reasons=[text], evidence={text: [text]})
    failed = Verdict(
        status="invalid",
        strict=False,
        relaxed=False,
        reasons=["error"],
        evidence={"name": text, "message": text, "hint": text},
    )
    wrong = answer(
        asked,
        "base",
        "mismatch",
        sql=text,
        text=text,
        verdict=verdict,
        judge=Opinion(right=False, reason=text, first="gold"),
        findings=[Finding(category="wrong_filter", detail=text)],
        earlier=[Attempt(sql=text, fault=text)],
    )
    prose = answer(asked, text, "no_sql", text=text)
    broken = answer(asked, "x", "invalid", sql=text, verdict=failed)
    for first in ("base", f"{text} step"):  # the second is a ladder
        given = {first: [wrong], text: [prose], "x": [broken]}
        html = render(results([asked], given, warnings=[text], run=text, on=text))
        page = Page(html)
        assert not page.open
        assert len(page.all("script")) == 1
        assert not page.all("img") and not page.all("b")
        assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
        assert page.text.count(" ".join(clean(text).split())) >= 11
        html.encode()
        assert not re.search("[\x00\x1b\u202e]", html)


def test_highlighting_changes_no_letter() -> None:
    sql = "SELECT count() /* a */, 'it''s <b>', `from` FROM t -- end\nWHERE x >= 1.5e3 AND y = 'open"
    html = str(highlight(sql))
    assert Page(html).texts and "".join(Page(html).texts) == sql
    assert '<i class="k">SELECT</i>' in html
    assert '<i class="s">&#39;it&#39;&#39;s &lt;b&gt;&#39;</i>' in html
    assert '<i class="c">-- end</i>' in html
    assert '<i class="n">1.5e3</i>' in html
    assert '<i class="k">from</i>' not in html


def test_plots_tell_their_figures_to_those_who_cannot_see_them(page: Page, shop: Results) -> None:
    alt = [svg["aria-label"] or "" for svg in page.all("svg")]
    assert all(svg["role"] == "img" for svg in page.all("svg"))
    assert "base 1 of 9 (2 to 43%), tuned 8 of 9 (57 to 98%)" in alt[0]
    assert (
        "tuned: 8 right, 0 right if relaxed, 1 other result, 0 does not run, 0 no SQL found, 1 does not count" in alt[1]
    )
    ids = re.findall(r'\sid="([^"]+)"', render(shop))
    assert len(ids) == len(set(ids))
    assert all(head.get("scope") in ("row", "col") for head in page.all("th"))


def test_a_plot_by_level_is_drawn_where_there_are_levels() -> None:
    questions = [question(1, level="easy"), question(2, level="hard")]
    found = results(questions, {"base": [answer(q, "base", "match") for q in questions]})
    labels = [svg["aria-label"] or "" for svg in Page(render(found)).all("svg")]
    assert any("easy (1): base 1 of 1" in label for label in labels)
    assert len(labels) == 3


def test_the_loss_curve_comes_from_the_runs_own_manifest(shop: Results, tmp_path: Path) -> None:
    shop.save(tmp_path / "runs" / "shop" / "evaluation" / "heldout")
    assert "Loss while training" not in write_report(shop).read_text()
    curve = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.5}, {"step": 2, "eval_loss": 1.75}]
    (tmp_path / "runs" / "shop" / "run.json").write_text(json.dumps({"curve": curve}))
    path = write_report(shop)
    assert path == tmp_path / "runs" / "shop" / "evaluation" / "heldout" / "report.html"
    assert "training from 3 to 1.5; validation from 1.75 to 1.75" in path.read_text()
    assert not list(path.parent.glob("*.partial"))


def test_a_base_alone_has_neither_differences_nor_their_filters() -> None:
    html = render(plain({"base": "mx"}))
    assert "The base answers 50%" in Page(html).text
    assert "fixed by the adapter" not in html


def test_no_question_that_counts_is_said_and_not_divided_by() -> None:
    text = Page(render(plain({"base": "u", "tuned": "u"}))).text
    assert "not one can be counted" in text


def test_the_headline_names_the_best_of_several_and_says_so() -> None:
    found = plain({"base": "xxxx", "one": "mxxx", "two": "mmxx"})
    assert sentences.headline(found).startswith("two, the best of 2 adapters, answers 50%")


def test_a_difference_that_may_be_chance_is_called_so() -> None:
    found = plain({"base": "mxxx", "tuned": "mmxx"})
    assert "chance alone may well make such a difference (p = 1.00)" in sentences.comparisons(found)[0]


def test_a_thousand_questions_make_one_page_that_a_browser_still_opens(tmp_path: Path) -> None:
    found = plain({"base": "mxinr" * 200, "tuned": "mmmmx" * 200})
    found.save(tmp_path)
    path = write_report(found)
    assert path.read_text().count('class="question"') == 1000
    assert path.stat().st_size < 10_000_000


@pytest.fixture(scope="module")
def steps() -> Page:
    return Page(render(ladder()))


def test_a_ladder_shows_its_steps_in_order_and_what_a_right_answer_costs(steps: Page) -> None:
    shares, price, *_ = [svg["aria-label"] or "" for svg in steps.all("svg")]
    places = [shares.index(f"{step} ") for step in STEPS]
    assert places == sorted(places)
    assert "adapter 8 of 12 (39 to 86%)" in shares and shares.endswith("The best is adapter+reflect.")
    assert price.startswith("What a right answer costs, in dollars. zero_shot: $0.0024")
    assert price.endswith("rag gpt-4o-mini: none right.")
    assert "adapter+reflect, the best of 9 steps, answers 83%" in steps.text
    assert "adapter+reflect against zero_shot: +67 points" in steps.text
    assert "few_shot against zero_shot: " not in steps.text
    for head in ("attempts each", "tokens each", "seconds each", "$ a right one", "fixed by the step"):
        assert head in steps.text, head
    assert "1,490 60 written 0.80 0.0077" in steps.text
    assert "Given up before: an empty result SELECT nothing" in steps.text
    assert "Voted for by 3 of 5 samples." in steps.text and "5 attempts, 150 tokens, 2.00 s, $0.018" in steps.text


def test_a_ladder_without_prices_counts_tokens_and_an_evaluation_neither() -> None:
    unpriced = Page(render(ladder(priced=False)))
    assert "What a right answer costs, in tokens. zero_shot: 2,580;" in (unpriced.all("svg")[1]["aria-label"] or "")
    text = Page(render(plain({"base": "mx", "tuned": "mm"}))).text
    assert "What a right answer costs" not in text and "tokens each" not in text and "fixed by the adapter" in text


def test_many_models_are_summed_up_beside_a_question(steps: Page) -> None:
    assert "How many users are older than 4? 2 right 3 other result 5 does not run" in steps.text


def test_categories_have_their_labels_and_lead_to_their_questions(steps: Page) -> None:
    cells = [(a["data-category"], a["data-model"], a["href"]) for a in steps.all("a") if "data-category" in a]
    assert ("date_range", "0", "#questions") in cells
    options = [option["value"] for option in steps.all("option") if option["value"] in LABELS]
    assert sorted(str(option) for option in options) == sorted({cell[0] for cell in cells if cell[0]})
    rows = [str(d["data-categories"]).split(" ") for d in steps.all("details") if d.get("class") == "question"]
    assert {len(row) for row in rows} == {len(STEPS)} and rows[1][0] == "date_range,wrong_order"
    assert "What is wrong: a wrong date range (as in 1); another order (as in 1)" in steps.text
    assert not [key for key in ("date_range", "wrong_order", "unknown_column") if key in steps.text]


def test_a_question_that_does_not_count_is_under_no_category() -> None:
    asked = question(1, gold="empty")
    wrong = answer(asked, "base", "mismatch", findings=[Finding(category="scale")])
    [row] = [d for d in Page(render(results([asked], {"base": [wrong]}))).all("details") if d.get("id") == "q1"]
    assert row["data-categories"] == ""


def test_the_page_says_what_to_do_next_for_the_best_model(steps: Page) -> None:
    assert "The next target of adapter+reflect, from 83.3% right:" in steps.text
    assert (
        "repairing “a wrong date range” and “another order” (2 answers with no other fault) would reach at most 100.0%"
        in steps.text
    )
    assert "Easiest questions that still fail (2, with adapter+reflect) 8 How many" in steps.text
    many = Page(render(plain({"base": "x" * 12}))).text
    assert "Easiest questions that still fail (10, with base)" in many and "next target" not in many
    assert "What to do next" not in Page(render(plain({"base": "mm"}))).text


def judged(gold: str, own: str) -> Results:
    """A judge's opinions, a letter each, of right answers: shown the gold first, and shown the model's first."""
    firsts = ["gold"] * len(gold) + ["answer"] * len(own)
    asked = [question(n) for n in range(len(firsts))]
    says = [Opinion(right=said == "y", reason="", first=first) for said, first in zip(gold + own, firsts, strict=True)]
    given = [answer(one, "base", "match", judge=opinion) for one, opinion in zip(asked, says, strict=True)]
    return results(asked, {"base": given})


def test_the_page_says_whether_the_judge_goes_by_the_place() -> None:
    text = Page(render(judged("y" * 9 + "n", "n" * 8 + "yy"))).text
    assert "Shown the gold query first, it calls 9 of 10 right and agrees with execution on 9" in text
    assert (
        "shown the model's first, 2 of 10 right and agrees with execution on 2. The place sways it (p = 0.005)" in text
    )
    assert "LLM judge, shown the gold query first: right." in text
    assert "No sign that the place sways it (p = 1.00)" in Page(render(judged("yyn", "yyn"))).text
    assert sentences.swayed(judged("yyn", "").base) == ""


def test_whether_memory_opened_and_for_what_is_said_of_each_answer() -> None:
    found = plain({"base": "mm", "memory": "mm"})
    found.answers["memory"][0].facts = ["metric total revenue", "<b>"]
    found.answers["memory"][1].facts = []
    page = Page(render(found))
    assert "Memory: opened metric total revenue, <b>" in page.text
    assert page.text.count("Memory: its gate stayed shut") == 1 and page.text.count("Memory:") == 2
