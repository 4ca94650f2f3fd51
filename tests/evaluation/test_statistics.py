"""Against published figures, and against scipy where it has the method."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from sqlft.evaluation.statistics import difference, mcnemar, paired_interval, share


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_share_has_the_wilson_intervals_of_newcombe_1998(k: int, n: int, low: float, high: float) -> None:
    found = share(k, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_five_of_ten_is_24_to_76_percent() -> None:
    found = share(5, 10)
    assert (round(found.low, 2), round(found.high, 2), found.value) == (0.24, 0.76, 0.5)


@settings(deadline=None)
@given(st.integers(1, 2000), st.data())
def test_share_agrees_with_scipy(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    found = share(k, n)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)
    assert found.low <= k / n <= found.high


def test_of_no_questions_nothing_is_known() -> None:
    nothing = share(0, 0)
    assert (nothing.value, nothing.low, nothing.high) == (None, 0, 1)
    assert paired_interval(0, 0, 0, 0) == (-1, 1)
    assert difference("a", "base", []).value is None


def test_mcnemar_is_the_exact_conditional_p_of_bentur_2009() -> None:
    assert round(mcnemar(1, 7), 3) == 0.070


@settings(deadline=None)
@given(st.integers(0, 900), st.integers(0, 900))
def test_mcnemar_is_symmetric_and_agrees_with_scipy(fixed: int, broken: int) -> None:
    p = mcnemar(fixed, broken)
    assert p == mcnemar(broken, fixed)
    assert p == pytest.approx(binomtest(fixed, fixed + broken).pvalue if fixed + broken else 1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [((1, 1, 7, 12), -0.507, -0.026), ((59, 6, 16, 80), -0.1186, -0.0046)],
    ids=["Bentur 2009", "Cavo 2012"],
)
def test_paired_interval_is_newcombes_as_published(cells: tuple[int, int, int, int], low: float, high: float) -> None:
    digits = 3 if low == -0.507 else 4
    found = paired_interval(*cells)
    assert (round(found[0], digits), round(found[1], digits)) == (low, high)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_paired_interval_holds_the_difference_and_mirrors(both: int, fixed: int, broken: int, neither: int) -> None:
    n = both + fixed + broken + neither
    low, high = paired_interval(both, fixed, broken, neither)
    assert -1 <= low <= high <= 1
    if n:
        assert low - 1e-12 <= (fixed - broken) / n <= high + 1e-12
    mirrored = paired_interval(both, broken, fixed, neither)
    assert mirrored == (pytest.approx(-high), pytest.approx(-low))


def test_difference_counts_pairs_and_not_totals() -> None:
    found = difference("a", "base", [(True, True), (True, False), (True, False), (False, True), (False, False)])
    assert (found.both, found.fixed, found.broken, found.neither, found.n) == (1, 2, 1, 1, 5)
    assert found.value == pytest.approx(0.2)
    assert found.p == 1.0
