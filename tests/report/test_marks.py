"""Which cells are marked, and which words of a query."""

from sqlft.evaluation.results import Preview
from sqlft.records import Verdict
from sqlft.report.marks import mark_cells
from sqlft.report.markup import diff
from tests.report.test_page import Page


def preview(columns: str, *rows: list[str | None], **fields: object) -> Preview:
    return Preview(**({"columns": columns.split(), "rows": list(rows), "row_count": len(rows)} | fields))


def marked(gold: Preview, ours: Preview, *reasons: str, **evidence: object) -> tuple[list[object], list[object]]:
    verdict = Verdict(status="mismatch", strict=False, relaxed=False, reasons=list(reasons), evidence=evidence)
    found = mark_cells(gold, ours, verdict)
    return tuple(  # type: ignore[return-value]
        [
            cell
            for row, flags in zip([*side.rows, side.totals or []], marks, strict=True)
            for cell, flag in zip(row, flags, strict=True)
            if flag
        ]
        for side, marks in zip((gold, ours), found, strict=True)
    )


def test_rows_are_paired_by_what_they_share_and_columns_by_name() -> None:
    gold = preview("country n", ["France", "5"], ["Spain", "4"], [None, "1"])
    ours = preview("n country", ["1", None], ["9", "Spain"], ["5.0", "France"])
    assert marked(gold, ours) == (["4"], ["9"])


def test_columns_of_other_names_are_paired_by_what_stands_in_them() -> None:
    gold = preview("country n", ["France", "5"], ["Spain", "4"])
    ours = preview("c x", ["5", "France"], ["3", "Spain"])
    assert marked(gold, ours) == (["4"], ["3"])


def test_rows_and_columns_without_a_partner_are_marked_whole() -> None:
    gold, ours = preview("a b", ["1", "2"], ["3", "4"]), preview("a", ["1"])
    assert marked(gold, ours) == (["2", "3", "4"], [])


def test_null_is_neither_nothing_nor_zero_and_large_numbers_count_to_the_last_digit() -> None:
    gold = preview("a b c", [None, None, "12345678901234567890"])
    ours = preview("a b c", ["", "0", "12345678901234567891"])
    assert marked(gold, ours)[1] == ["", "0", "12345678901234567891"]


def test_another_order_is_marked_where_it_is_the_reason() -> None:
    gold, ours = preview("a", ["1"], ["2"], ["3"]), preview("a", ["2"], ["1"], ["3"])
    assert marked(gold, ours) == ([], [])
    assert marked(gold, ours, "order") == (["1", "2"], ["2", "1"])


def test_totals_are_compared_with_totals() -> None:
    gold, ours = (preview("a", ["1"], totals=[total]) for total in ("1", "2"))
    assert marked(gold, ours) == (["1"], ["2"])
    assert marked(gold, preview("a", ["1"])) == (["1"], [])


def test_of_a_result_that_was_cut_only_what_the_verdict_names_is_marked() -> None:
    gold = preview("a b", ["1", "true"], ["2", "x"], row_count=50)
    ours = preview("a b", ["1", "true"], ["7", "x"], row_count=50)
    assert marked(gold, ours, gold_rows=[[1, True]], prediction_rows=[[7, "x"], "odd"]) == (["1", "true"], ["7", "x"])


def test_a_diff_shows_what_is_missing_and_what_is_more_and_no_blanks() -> None:
    gold = "SELECT country, count() FROM t\nWHERE day > '2024-01-01' GROUP BY country"
    found = str(diff(gold, "select country,  count() from t WHERE day >= '2024-01-01' GROUP BY country LIMIT 5"))
    assert "<del>&gt;</del> <ins>&gt;=</ins>" in found and found.count("<ins>") == 2 and found.count("<del>") == 1
    assert '<ins><i class="k">LIMIT</i> <i class="n">5</i></ins>' in found
    text = "".join(Page(found.replace("<del>&gt;</del>", "")).texts)
    assert " ".join(text.split()) == "select country, count() from t WHERE day >= '2024-01-01' GROUP BY country LIMIT 5"


def test_case_counts_in_text_alone() -> None:
    assert "<ins>" not in str(diff("SELECT A FROM T WHERE x = 'Y'", "select a from t where x = 'Y'"))
    assert "<del>" in str(diff("SELECT a FROM t WHERE x = 'Y'", "SELECT a FROM t WHERE x = 'y'"))


def test_what_has_little_in_common_is_not_compared() -> None:
    assert diff("SELECT count() FROM shop.users", "I cannot answer that, as I am a language model") is None
    assert diff("SELECT 1, " * 2000, "SELECT 2, " * 2000) is None
