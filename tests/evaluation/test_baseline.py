"""An evaluation against an earlier one, and what makes `sqlft evaluate` fail."""

from pathlib import Path

import pytest

from sqlft.evaluation.baseline import compare_with, read_baseline, shortfalls
from sqlft.evaluation.results import Results
from sqlft.problems import WrongUse
from tests.evaluation.made import answer, plain, question, results


def test_models_are_compared_by_name_and_on_questions_that_count_in_both() -> None:
    now = plain({"base": "xxxxx", "tuned": "mmmmx"})
    compare_with(now, plain({"base": "xxxxu", "tuned": "mxxxm"}, run="before"))
    base, tuned = now.baseline
    assert (base.model, base.base, base.n, base.fixed, base.broken) == ("base", "before, base", 4, 0, 0)
    assert (tuned.base, tuned.both, tuned.fixed, tuned.broken) == ("before, tuned", 1, 3, 0)
    assert now.warnings == ["4 of 5 questions that count are compared with the baseline."]


def test_an_adapter_of_another_name_meets_the_best_of_before() -> None:
    now = plain({"base": "xx", "new": "mm"})
    compare_with(now, plain({"base": "xx", "one": "xx", "two": "mx"}, run="before"))
    assert [one.base for one in now.baseline] == ["before, base", "before, two"]


def test_questions_are_the_same_by_their_words_and_their_gold() -> None:
    changed = [
        question(1),
        question(2, sql="SELECT 2"),
        question(3, sql="select count()\nFROM shop.users WHERE age > 3"),
    ]
    now = results(changed, {"base": [answer(q, "base", "match") for q in changed]})
    before = [question(3), question(2), question(1)]
    compare_with(now, results(before, {"base": [answer(q, "base", "mismatch") for q in before]}))
    assert (now.baseline[0].n, now.baseline[0].fixed) == (2, 2)
    with pytest.raises(WrongUse, match="none of its 1 questions counts here too"):
        compare_with(now, plain({"base": "m"}))


def test_what_else_has_changed_is_said() -> None:
    now = plain({"base": "m"}, settings={"model": {"quantization": "none"}, "judge": None})
    compare_with(now, plain({"base": "m"}, settings={"model": {"quantization": "nf4"}, "judge": "gpt-4o"}))
    assert now.warnings == ["The baseline was asked otherwise (model): a difference from it may come from that."]


def test_a_baseline_is_an_evaluation_or_a_run_by_folder_or_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = plain({"base": "mx"})
    found.save(Path("runs/shop/evaluation/golden"))
    for given in ("shop", "runs/shop", "runs/shop/evaluation/golden"):
        assert read_baseline(given, "golden") == found
    with pytest.raises(WrongUse, match=r"(?s)neither an evaluation nor a run.*runs/NAME/evaluation/heldout"):
        read_baseline("shop", "heldout")


def test_too_few_right_is_a_reason_to_stop() -> None:
    found = plain({"base": "xxxx", "one": "mmmx", "two": "mmmm"})
    assert shortfalls(found, None) == shortfalls(found, 0.75) == []
    assert shortfalls(found, 0.9) == ["one on heldout: 3 of 4 right, and 0.9 of them is the least."]
    assert len(shortfalls(plain({"base": "xx"}), 0.1)) == 1
    assert len(shortfalls(plain({"base": "u"}), 0.0)) == 1


def test_what_is_surely_worse_than_before_is_a_reason_to_stop_and_what_may_be_chance_is_not() -> None:
    def against(now: str, before: str) -> list[str]:
        found: Results = plain({"base": "x" * len(now), "tuned": now})
        compare_with(found, plain({"base": "x" * len(now), "tuned": before}))
        return shortfalls(found, None)

    [lost] = against("x" * 20, "m" * 20)
    assert lost.startswith("tuned on heldout: 20 questions lost and 0 won against the baseline (shop, tuned)")
    assert against("x" * 3 + "m" * 17, "m" * 20) == against("m" * 20, "x" * 20) == []
