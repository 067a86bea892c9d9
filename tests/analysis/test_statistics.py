"""Statistics and simultaneous intervals: by hand, published cases, scipy and simulation."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from convchoice.analysis.multiplicity import (
    FEWEST_FLIPPED,
    extended_error,
    largest_t,
    planned_levels,
    simultaneous,
    unplanned_level,
    uses_flips,
)
from convchoice.analysis.result_types import Interval, Scale
from convchoice.analysis.statistics import (
    FEWEST_SEEDS,
    mean_and_deviation,
    mean_interval,
    new_images_interval,
    outlying,
    paired_t_p,
    paired_t_power,
    seeds_needed,
    seeds_needed_interval,
    sign_flip_p,
    trimmed_mean,
    wilson_interval,
)


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_one_value_has_no_interval():
    assert mean_interval([0.99]) is None
    assert paired_t_p([0.1]) is None
    assert mean_and_deviation([0.1]) == (0.1, None)
    assert sign_flip_p([0.1], generator()) == 1.0
    assert trimmed_mean([0.3]) == (0.3, None)
    assert new_images_interval(np.ones((1, 5), dtype=np.int8)) is None


@pytest.mark.parametrize(("value", "p"), [(0.1, 0.0), (-0.1, 0.0), (0.0, 1.0)])
def test_identical_differences_give_a_point(value: float, p: float):
    values = [value] * 7  # 7 × 0.1 / 7 is not 0.1 in floating point
    assert mean_interval(values) == Interval(value, value)
    assert mean_and_deviation(values) == (value, 0.0)
    assert paired_t_p(values) == p
    assert sign_flip_p(values, generator()) == (2 / 2**7 if value else 1.0)
    assert trimmed_mean([*values, 9.0]) == (value, Interval(value, value))
    assert mean_interval([1.0] * 3, scale=Scale.logit) == Interval(1.0, 1.0)
    assert new_images_interval(np.zeros((3, 5), dtype=np.int8)) == Interval(0.0, 0.0)


def test_paired_t_on_students_sleep_data():
    # Student (1908), as in R's help of t.test: t = −4.0621, df = 9, p = 0.002833,
    # 95 % interval −2.4598858 to −0.7001142, mean −1.58.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    differences = np.subtract(first, second)
    assert mean_and_deviation(differences)[0] == pytest.approx(-1.58)
    assert paired_t_p(differences) == pytest.approx(0.002833, abs=5e-7)
    assert mean_interval(differences) == pytest.approx((-2.4598858, -0.7001142), abs=1e-7)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_paired_t_against_scipy(seed: int, n: int):
    ours, theirs = np.random.default_rng(seed).normal(99.0, 0.1, (2, n))
    oracle = stats.ttest_rel(ours, theirs)
    assert paired_t_p(ours - theirs) == pytest.approx(oracle.pvalue, rel=1e-6)
    for confidence in (0.95, 0.90):
        expected = oracle.confidence_interval(confidence)
        found = mean_interval(ours - theirs, confidence)
        assert found == pytest.approx((expected.low, expected.high))
    if n < 5:  # too few to trim
        assert trimmed_mean(ours - theirs)[1] == pytest.approx(mean_interval(ours - theirs))


def test_sign_flip_over_all_assignments_by_hand():
    # |1 + 2 − 4| and so on: count the assignments whose mean lies at least as far from 0.
    differences = [1.0, 2.0, -0.5, 3.0]
    seen = abs(sum(differences))
    flipped = [abs(np.dot(signs, differences)) for signs in product((1, -1), repeat=4)]
    share = sum(value >= seen for value in flipped) / 16
    assert sign_flip_p(differences, generator()) == pytest.approx(share)


def test_sign_flip_on_fishers_darwin_data():
    # Fisher (1935), § 21: Darwin's 15 pairs of maize; 1,726 of 2^15 assignments, p = 0.05267.
    # More than are gone through here, so the p is a sample's.
    pairs = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sign_flip_p(pairs, generator()) == pytest.approx(1726 / 2**15, abs=0.005)


def test_sampled_sign_flip_is_never_zero():
    assert 0 < sign_flip_p(np.full(30, 1.0) + np.arange(30) / 100, generator()) < 0.001


def test_wilson_by_its_formula():
    # (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) with 8 of 10 and z = 1.959964.
    z, n, p = 1.959964, 10, 0.8
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    interval = wilson_interval(8, 10)
    assert (interval.low, interval.high) == pytest.approx((centre - half, centre + half))


@pytest.mark.parametrize(
    ("deviation", "seeds"), [(0.1, 10), (0.2, 34), (0.5, 199), (0.0, 2), (1e-9, 2)]
)
def test_power_and_seeds_needed_of_published_effects(deviation: float, seeds: int):
    # Cohen's effects 1, 0.5 and 0.2 take 10, 34 and 199 pairs for 80 % power.
    assert seeds_needed(deviation, 0.1) == seeds
    # Effect 0.5, 34 pairs: power 0.8078 (G*Power 3.1; Cohen's table: 0.81).
    assert paired_t_power(34, 0.5) == pytest.approx(0.8078, abs=5e-4)
    assert paired_t_power(10, 0.0) == pytest.approx(0.05)


@pytest.mark.parametrize("noncentrality", [9_999.0, 10_001.0, 150_000.0, 1e9])
def test_power_at_a_strict_level_and_a_large_effect(noncentrality: float):
    """With 2 pairs and δ large, T > c where |Z| < δ/c: scipy's series does not converge there."""
    level = 2e-5
    critical = 1 / math.tan(math.pi * level / 2)  # Student's t with 1 degree of freedom: Cauchy's
    expected = math.erf(noncentrality / critical / math.sqrt(2))
    power = paired_t_power(2, noncentrality / math.sqrt(2), level)
    assert power == pytest.approx(expected, abs=1e-6)


def test_seeds_needed_with_the_spread_as_known_as_it_is():
    # s = 0.2 from 6 differences: (n − 1) s² / χ² gives 0.1248 to 0.4905 for σ.
    low, high = seeds_needed_interval(0.2, 6, 0.1)
    assert low == seeds_needed(0.2 * math.sqrt(5 / 12.832502), 0.1)
    assert high == seeds_needed(0.2 * math.sqrt(5 / 0.8312116), 0.1)
    stricter = seeds_needed(0.2, 0.1, level=0.01)
    assert stricter == 51  # (z(0.995) + z(0.80))² · 4 + about z²/2 = 46.7 + 3.3, rounded up


def test_seeds_needed_has_a_limit():
    assert seeds_needed(1e6, 0.1) is None
    assert seeds_needed(1e300, 1e-300) is None


def test_the_interval_for_new_images_by_hand():
    # Rows are seeds, columns images. Row means 1/2, 1/4, 1/4 and 0; column means 0, 3/4, 1/4, 0.
    # MS_seeds = 4 · var(rows) = 1/6, MS_images = 4 · var(columns) = 1/2; the sum of squares about
    # the mean is 4 − 16/16 = 3, the rest (3 − 3/6 − 3/2) / 9 = 1/9. So over images 7/18,
    # variance (1/6 + 7/18) / 16 = 5/144, df = 3 · ((1/6 + 7/18) / (1/6))² = 3 · (10/3)² = 33.33.
    differences = np.array([[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=np.int8)
    interval = new_images_interval(differences)
    half = float(stats.t.ppf(0.975, 100 / 3)) * math.sqrt(5 / 144)
    assert interval == pytest.approx((0.25 - half, 0.25 + half))


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(2, 50))
def test_the_interval_for_new_images_is_never_the_narrower_one(seed: int, n: int, m: int):
    differences = np.random.default_rng(seed).integers(-1, 2, (n, m)).astype(np.int8)
    these, new = mean_interval(differences.mean(axis=1)), new_images_interval(differences)
    assert new.low <= these.low + 1e-12
    assert new.high >= these.high - 1e-12


def test_trimmed_mean_by_hand():
    # 20 % of 10 values: the two smallest and largest go. Winsorized: 3 3 3 4 5 6 7 8 8 8; its sum
    # of squares about 5.5 is 42.5; standard error √(42.5 / (6 · 5)), t with 5 degrees of freedom.
    mean, interval = trimmed_mean([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    half = float(stats.t.ppf(0.975, 5)) * math.sqrt(42.5 / 30)
    assert mean == 5.5
    assert interval == pytest.approx((5.5 - half, 5.5 + half))
    assert trimmed_mean([1, 2, 3, 4, 5, 6, 7, 8, 9, 1e6])[0] == 5.5


def test_outlying_values_by_hand():
    # Median 5, absolute distances 4 3 2 1 0 1 2 3 95: median 2, so 3.5 is 10.4 away.
    assert outlying([1, 2, 3, 4, 5, 6, 7, 8, 100]).tolist() == [False] * 8 + [True]
    assert not outlying([5, 5, 5, 5, 100]).any()  # no spread to measure by


def test_scaled_intervals_by_the_delta_method():
    # exp(ln 2 ± t · s / (√n · 2)) and the same for ln(m / (1 − m)) with s / (√n · m (1 − m)).
    values = np.array([1.5, 2.0, 2.5])
    half = float(stats.t.ppf(0.975, 2)) * 0.5 / math.sqrt(3)
    expected = (2 * math.exp(-half / 2), 2 * math.exp(half / 2))
    assert mean_interval(values, scale=Scale.log) == pytest.approx(expected)
    half, odds = half / 10, math.log(0.2 / 0.8)
    ends = [1 / (1 + math.exp(-(odds + sign * half / 0.16))) for sign in (-1, 1)]
    assert mean_interval(values / 10, scale=Scale.logit) == pytest.approx(tuple(ends))


def test_largest_t_over_all_flips_by_hand():
    differences = np.array([[0.1, 0.5, -0.2, 0.3], [0.0, 0.2, 0.4, -0.1]])
    expected = []
    for signs in product((1, -1), repeat=4):
        flipped = (differences - differences.mean(axis=1, keepdims=True)) * signs
        expected.append(max(abs(stats.ttest_1samp(row, 0.0).statistic) for row in flipped))
    expected[0] = math.inf  # the data's own
    assert largest_t(differences) == pytest.approx(sorted(expected, reverse=True))


def test_bonferroni_by_hand():
    differences = [[0.1, 0.2, 0.3, 0.4], [0.5, -0.5, 0.2, 0.1], [0.3, 0.2, 0.1, 0.2]]
    for values, each in zip(differences, simultaneous(differences, flips=False), strict=True):
        assert each.interval == pytest.approx(mean_interval(values, 1 - 0.05 / 3))
        assert each.p == pytest.approx(min(1.0, 3 * paired_t_p(values)))
        assert each.level == pytest.approx(0.05 / 3)


@pytest.mark.parametrize("equal", [[0.1], [0.1] * 2, [0.0] * 3, [0.1] * (FEWEST_SEEDS - 1)])
def test_a_few_equal_differences_have_no_interval(equal):
    for each in simultaneous([equal, equal], flips=False):
        assert (each.interval, each.p) == (None, None)
    assert trimmed_mean(equal)[1] is None


def test_rounding_to_equal_values_gives_no_false_words():
    """Five arms that do not differ, two seeds, two digits: a third of such tables had a word."""
    source, words = np.random.default_rng(2), 0
    for _ in range(1_000):
        arms, reference = (np.round(source.normal(0.8, 0.02, (k, 2)), 2) for k in (5, 1))
        found = simultaneous(list(np.round(arms - reference, 12)), flips=False)
        words += any(each.interval and not each.interval.low <= 0 <= each.interval.high
                     for each in found)  # fmt: skip
    assert words <= 77  # 5 % of 1,000 is 50; beyond 77 once in ten thousand


def test_no_spread_of_many_seeds_is_a_point():
    for flips in (True, False):
        same, _ = simultaneous([[0.1] * 12, list(np.arange(12.0))], flips=flips)
        assert (same.interval, same.p) == ((0.1, 0.1), 0.0)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(-0.3, 0.3))
def test_an_interval_excludes_0_just_where_its_p_is_at_most_the_level(
    seed: int, contrasts: int, centre: float
):
    differences = np.random.default_rng(seed).normal(centre, 0.3, (contrasts, 10))
    for flips in (True, False):
        found = simultaneous(list(differences), flips=flips)
        for values, each in zip(differences, found, strict=True):
            assert (each.interval.low > 0 or each.interval.high < 0) == (each.p <= 0.05)
            raw = paired_t_p(values)
            assert each.interval.low <= mean_interval(values).low + 1e-12
            assert raw - 1e-12 <= each.p <= min(1.0, contrasts * raw) + 1e-12
            assert each.interval == pytest.approx(mean_interval(values, 1 - each.level))


def test_flips_are_used_for_enough_equal_seeds_only():
    n = FEWEST_FLIPPED
    assert uses_flips([range(n), range(n)])
    assert not uses_flips([range(n - 1)] * 2)
    assert not uses_flips([range(n), range(1, n + 1)])
    assert not uses_flips([range(n)])
    assert not uses_flips([range(n)] * 2, level=0.001)  # 1 of 1,024 assignments is not enough


def test_levels_of_planned_looks():
    # The first by formula: 2 − 2 Φ(1.959964 / √(6/30)) = 1.17e-5; all error spent at the last.
    levels = planned_levels((6, 12, 30))
    assert levels[0] == pytest.approx(2 * stats.norm.sf(1.959964 / math.sqrt(0.2)), rel=1e-5)
    assert levels[0] < levels[1] < levels[2] < 0.05
    assert planned_levels((6,), 30) == levels[:1]
    assert planned_levels((6, 12), 30) == levels[:2]
    assert planned_levels((30,)) == pytest.approx((0.05,))


def test_error_over_planned_and_unplanned_looks():
    studies, looks = 60_000, (6, 12, 30)
    draws = np.random.default_rng(1).normal(0, 1, (studies, 30))
    p = np.stack([stats.ttest_1samp(draws[:, :n], 0.0, axis=1).pvalue for n in looks], axis=1)
    bound = 0.05 + 4 * math.sqrt(0.05 * 0.95 / studies)
    planned = (p <= np.array(planned_levels(looks))).any(axis=1).mean()
    unplanned = (p <= unplanned_level(looks)).any(axis=1).mean()
    assert 0.045 < planned <= bound
    assert 0.045 < unplanned <= bound
    assert (p <= 0.05).any(axis=1).mean() > 0.09  # what it would be without


@pytest.mark.parametrize(
    ("looks", "documented"),
    [
        ((6, 12), 7), ((6, 30), 7), ((10, 30), 7), ((6, 12, 30), 8), ((6, 12, 18, 24, 30), 9),
    ],
)  # fmt: skip
def test_error_of_a_study_that_was_extended_without_a_plan(looks, documented):
    # Each look with the level that was printed then: the first knew of no other.
    studies = 60_000
    draws = np.random.default_rng(2).normal(0, 1, (studies, looks[-1]))
    wrong = np.array([
        stats.ttest_1samp(draws[:, :n], 0.0, axis=1).pvalue
        <= (unplanned_level(looks[: index + 1]) if index else 0.05)
        for index, n in enumerate(looks)
    ])  # fmt: skip
    error = wrong.any(axis=0).mean()
    assert error == pytest.approx(extended_error(looks), abs=4 * math.sqrt(0.08 * 0.92 / studies))
    assert round(100 * extended_error(looks)) == documented  # in docs/decisions/statistics.md
    alone = wrong.mean(axis=1)
    assert alone[0] == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / studies))
    assert max(alone[1:]) < 0.03
