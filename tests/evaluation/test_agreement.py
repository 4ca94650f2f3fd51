"""Cohen's kappa, against published figures."""

import pytest

from sqlft.evaluation.agreement import agree


def pairs(both: int, judge: int, execution: int, neither: int) -> list[tuple[bool, bool]]:
    return [(True, True)] * both + [(True, False)] * judge + [(False, True)] * execution + [(False, False)] * neither


@pytest.mark.parametrize(
    ("cells", "kappa"), [((20, 5, 10, 15), 0.4), ((45, 15, 25, 15), 0.1304), ((25, 35, 5, 35), 0.2593)]
)
def test_kappa_is_as_in_the_textbooks(cells: tuple[int, int, int, int], kappa: float) -> None:
    found = agree(pairs(*cells))
    assert found.kappa == pytest.approx(kappa, abs=1e-4)
    assert found.low is not None and found.high is not None and found.low < kappa < found.high
    assert (found.both, found.judge, found.execution, found.neither) == cells and found.n == sum(cells)


def test_the_interval_has_about_the_width_of_the_large_sample_formula() -> None:
    found = agree(pairs(200, 50, 100, 150))
    assert found.low is not None and found.high is not None
    # Fleiss, Cohen and Everitt 1969: standard error 0.0402 here
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(0.0402, abs=0.002)


@pytest.mark.parametrize("cells", [(5, 45, 0, 0), (0, 0, 5, 45)])
def test_a_judge_that_always_says_the_same_agrees_as_far_as_chance(cells: tuple[int, int, int, int]) -> None:
    found = agree(pairs(*cells))
    assert (found.kappa, found.low, found.high) == (0, 0, 0)


@pytest.mark.parametrize("cells", [(9, 0, 0, 0), (0, 0, 0, 9), (0, 0, 0, 0)])
def test_where_both_say_one_thing_of_everything_nothing_is_known(cells: tuple[int, int, int, int]) -> None:
    assert agree(pairs(*cells)).kappa is None


def test_full_agreement_is_one() -> None:
    assert agree(pairs(4, 0, 0, 6)).kappa == 1
