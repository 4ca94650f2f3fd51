"""What to mend next."""

from sqlft.evaluation.diagnosis.categories import Category
from sqlft.evaluation.remedy.targets import find_targets
from sqlft.evaluation.statistics import share


def test_an_answer_is_right_only_once_all_that_is_wrong_with_it_is_mended() -> None:
    wrong: list[list[Category]] = [["date_range"]] * 3 + [["wrong_order"]] * 2 + [["wrong_order", "scale"]] * 4
    one, two, three = find_targets(wrong, share(10, 20))
    assert (one.categories, one.answers, one.accuracy) == (("date_range",), 3, 0.65)
    assert (set(two.categories), two.answers, two.accuracy) == ({"wrong_order", "scale"}, 6, 0.8)
    assert (len(three.categories), three.answers, three.accuracy) == (3, 9, 0.95)
    assert str(one) == "repairing “a wrong date range” (3 answers with no other fault) would reach at most 65.0%"
    assert "“another order” and “another scale: percent, unit, rounding” (6 answers" in str(two)


def test_what_no_rule_explains_is_no_target_and_neither_is_what_mends_nothing_more() -> None:
    wrong: list[list[Category]] = [["unexplained"]] * 5 + [["scale"], ["totals", "unexplained"], []]
    assert [(one.categories, one.answers) for one in find_targets(wrong, share(2, 10))] == [(("scale",), 1)]
    assert find_targets([], share(3, 3)) == find_targets([["scale", "unexplained"]], share(2, 3)) == []
