"""Against published figures, and against scipy where it has the method."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact

from sqlft.evaluation.clusters import cluster_share, resample, sign_flip
from sqlft.evaluation.statistics import (
    adjust,
    difference,
    fisher,
    holm,
    mcnemar,
    paired_interval,
    questions_needed,
    share,
)  # fmt: skip


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_share_has_the_wilson_intervals_of_newcombe_1998(k: int, n: int, low: float, high: float) -> None:
    found = share(k, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_fishers_test_is_scipys(k: int, more: int, other: int, others: int) -> None:
    expected = fisher_exact([[k, more], [other, others]]).pvalue
    assert fisher(k, k + more, other, other + others) == pytest.approx(expected)


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


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 200))
def test_turning_the_signs_of_single_questions_is_mcnemars_test(fixed: int, broken: int) -> None:
    assert sign_flip([1] * fixed + [-1] * broken) == pytest.approx(mcnemar(fixed, broken), abs=1e-9)


def test_turning_the_signs_of_clusters_counts_all_ways() -> None:
    # of 3, 2 and -1 the eight ways give 6 4 2 0 0 -2 -4 -6 (4 is what was seen)
    assert sign_flip([3, 2, -1]) == pytest.approx(4 / 8)
    assert sign_flip([5]) == 1.0 and sign_flip([]) == 1.0


def test_twenty_wordings_of_one_query_prove_no_more_than_the_query() -> None:
    pairs = [(True, False)] * 20 + [(False, False)] * 20
    alone = difference("a", "base", pairs)
    together = difference("a", "base", pairs, [f"t{place // 20}" for place in range(40)])
    assert alone.p == together.p == alone.holm < 0.001
    assert (together.resampled.clusters, together.resampled.p, together.holm) == (2, 1.0, 1.0)
    assert together.interval == (together.resampled.low, together.resampled.high) == (0.0, 1.0)
    assert alone.interval == (alone.low, alone.high)


def test_the_paired_bootstrap_has_the_width_that_theory_gives_it() -> None:
    found = difference("a", "base", [(True, False)] * 60 + [(False, True)] * 20 + [(True, True)] * 120).resampled
    assert (found.n, found.clusters, found.value) == (200, 200, pytest.approx(0.2))
    width = 2 * 1.96 * ((80 / 200 - 0.2**2) / 200) ** 0.5
    assert found.high - found.low == pytest.approx(width, rel=0.05)
    assert (found.low + found.high) / 2 == pytest.approx(0.2, abs=0.01)


def test_of_one_cluster_or_none_nothing_is_known() -> None:
    one = resample([("t", 1), ("t", 1)])
    assert (one.low, one.high, one.p, one.value) == (-1, 1, 1.0, 1.0)
    assert resample([]).value is None
    assert (cluster_share([]).low, cluster_share([("t", True)]).high, cluster_share([]).value) == (0, 1, None)


def test_a_share_of_clusters_of_one_mind_is_worth_its_clusters() -> None:
    hits = [(str(place // 5), place % 10 < 5) for place in range(200)]  # 40 clusters of 5, each all right or all wrong
    found, fewer, more = cluster_share(hits), share(20, 40), share(100, 200)
    assert (found.k, found.n, found.clusters) == (100, 200, 40)
    assert found.high - found.low == pytest.approx(fewer.high - fewer.low, rel=0.05)
    assert found.high - found.low > 2 * (more.high - more.low)
    sure = cluster_share([(cluster, True) for cluster, _ in hits])
    assert sure.high == 1.0 and sure.low == pytest.approx(share(40, 40).low, abs=0.02)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=60), st.integers(1, 6))
def test_clusters_never_make_an_interval_narrower(hits: list[bool], size: int) -> None:
    found = cluster_share([(str(place // size), right) for place, right in enumerate(hits)])
    alone = share(sum(hits), len(hits))
    assert found.low <= alone.low + 1e-9 and found.high >= alone.high - 1e-9


def test_holm_is_as_in_his_own_procedure() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([0.02]) == [0.02] and holm([]) == []


def test_comparisons_made_together_have_to_be_surer() -> None:
    pairs = [(True, False)] * 8 + [(False, True)] + [(True, True)] * 20
    family = [difference(name, "base", pairs) for name in "abc"]
    adjust(family)
    assert [one.holm for one in family] == pytest.approx([3 * family[0].p] * 3)
    assert family[0].p < 0.05 < family[0].holm


def test_the_questions_that_five_points_take_are_connors() -> None:
    assert questions_needed(0.2) == 626  # (1.96 * 0.2 ** 0.5 + 0.8416 * (0.2 - 0.0025) ** 0.5) ** 2 / 0.0025
    assert questions_needed(0.0) == questions_needed(0.05) == 155
    assert difference("a", "b", [(True, False)] * 1 + [(False, True)] * 1 + [(True, True)] * 8).needed == 626


def test_that_many_questions_show_five_points_four_times_in_five() -> None:
    import numpy as np

    n = questions_needed(0.2)
    fixed = np.random.default_rng(1).multinomial(n, [0.125, 0.075, 0.8], 400)[:, :2]
    power = np.mean([mcnemar(int(won), int(lost)) < 0.05 for won, lost in fixed])
    assert 0.72 < power < 0.86


def test_several_samples_of_a_question_count_as_one_cluster() -> None:
    pairs = [(True, False), (False, False), (True, True)]
    found = difference("a", "base", pairs, ["q1", "q2", "q3"], [pairs, pairs])
    assert (found.n, found.resampled.n, found.resampled.clusters) == (3, 9, 3)
    assert found.resampled.value == found.value and found.resampled.p == found.p == 1.0
