"""Statistics against hand computation, scipy's worked cases and simulation."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from convchoice.analysis.result_model import Interval, Scale
from convchoice.analysis.statistics import (
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
from convchoice.analysis.verdict import FEWEST_SEEDS


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_mean_interval_by_hand():
    # 1, 2, 3, 4, 5: mean 3, s = √2.5, t(0.975; 4) = 2.776445, half width 2.776445 · √2.5 / √5.
    interval = mean_interval([1, 2, 3, 4, 5])
    assert interval is not None
    half = 2.7764451 * math.sqrt(2.5) / math.sqrt(5)
    assert interval.low == pytest.approx(3 - half)
    assert interval.high == pytest.approx(3 + half)


def test_one_value_has_no_interval():
    assert mean_interval([0.99]) is None
    assert paired_t_p([0.1]) is None
    assert mean_and_deviation([0.1]) == (0.1, None)
    assert sign_flip_p([0.1], generator()) == 1.0


@pytest.mark.parametrize(("value", "p"), [(0.1, 0.0), (-0.1, 0.0), (0.0, 1.0)])
def test_identical_differences_give_a_point(value: float, p: float):
    values = [value] * 7  # 7 × 0.1 / 7 is not 0.1 in floating point
    assert mean_interval(values) == Interval(value, value)
    assert mean_and_deviation(values) == (value, 0.0)
    assert paired_t_p(values) == p
    assert sign_flip_p([value] * 7, generator()) == (2 / 2**7 if value else 1.0)


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
    random = np.random.default_rng(seed)
    ours, theirs = random.normal(99.0, 0.1, (2, n))
    oracle = stats.ttest_rel(ours, theirs)
    assert paired_t_p(ours - theirs) == pytest.approx(oracle.pvalue, rel=1e-6)
    for confidence in (0.95, 0.90):
        expected = oracle.confidence_interval(confidence)
        found = mean_interval(ours - theirs, confidence)
        assert found == pytest.approx((expected.low, expected.high))


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


def test_sampled_sign_flip_is_reproducible_and_never_zero():
    differences = np.full(30, 1.0) + np.arange(30) / 100
    first, second = (sign_flip_p(differences, generator()) for _ in range(2))
    assert first == second
    assert 0 < first < 0.001


def test_five_seeds_cannot_reject_and_six_can():
    assert FEWEST_SEEDS == 6
    assert sign_flip_p([1, 2, 3, 4, 5], generator()) == pytest.approx(0.0625)
    assert sign_flip_p([1, 2, 3, 4, 5, 6], generator()) == pytest.approx(0.03125)


def test_wilson_by_its_formula():
    # (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n) with 8 of 10 and z = 1.959964.
    z, n, p = 1.959964, 10, 0.8
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    interval = wilson_interval(8, 10)
    assert (interval.low, interval.high) == pytest.approx((centre - half, centre + half))


def test_power_of_a_published_case():
    # Two-sided paired t, effect 0.5, 34 pairs: power 0.8078 (G*Power 3.1; Cohen's table: 0.81).
    assert paired_t_power(34, 0.5) == pytest.approx(0.8078, abs=5e-4)
    assert paired_t_power(10, 0.0) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("deviation", "seeds"), [(0.1, 10), (0.2, 34), (0.5, 199), (0.0, 2), (1e-9, 2)]
)
def test_seeds_needed_for_published_effects(deviation: float, seeds: int):
    # Cohen's effects 1, 0.5 and 0.2 take 10, 34 and 199 pairs for 80 % power.
    assert seeds_needed(deviation, 0.1) == seeds


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
    with pytest.raises(ValueError, match="margin"):
        seeds_needed(1.0, 0.0)


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
    assert these is not None
    assert new is not None
    assert new.low <= these.low + 1e-12
    assert new.high >= these.high - 1e-12


def test_the_interval_for_new_images_of_one_seed_or_of_no_difference():
    assert new_images_interval(np.ones((1, 5), dtype=np.int8)) is None
    assert new_images_interval(np.zeros((3, 5), dtype=np.int8)) == Interval(0.0, 0.0)


def test_trimmed_mean_by_hand():
    # 20 % of 10 values: the two smallest and largest go. Winsorized: 3 3 3 4 5 6 7 8 8 8; its sum
    # of squares about 5.5 is 42.5; standard error √(42.5 / (6 · 5)), t with 5 degrees of freedom.
    mean, interval = trimmed_mean([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    half = float(stats.t.ppf(0.975, 5)) * math.sqrt(42.5 / 30)
    assert mean == 5.5
    assert interval == pytest.approx((5.5 - half, 5.5 + half))
    assert trimmed_mean([1, 2, 3, 4, 5, 6, 7, 8, 9, 1e6])[0] == 5.5


def test_trimmed_mean_of_few_values():
    values = [0.1, 0.4, 0.3, 0.6]
    mean, interval = trimmed_mean(values)
    assert mean == pytest.approx(0.35)
    student = mean_interval(values)
    assert interval is not None
    assert student is not None
    assert tuple(interval) == pytest.approx(tuple(student))
    assert trimmed_mean([0.3]) == (0.3, None)
    assert trimmed_mean([0.3] * 6 + [9.0]) == (0.3, Interval(0.3, 0.3))


def test_outlying_values_by_hand():
    # Median 5, absolute distances 4 3 2 1 0 1 2 3 95: median 2, so 3.5 is 10.4 away.
    assert outlying([1, 2, 3, 4, 5, 6, 7, 8, 100]).tolist() == [False] * 8 + [True]
    assert not outlying([5, 5, 5, 5, 100]).any()  # no spread to measure by


def test_intervals_stay_where_values_can_be():
    accuracy = mean_interval([0.99, 1.0, 0.97], scale=Scale.logit)
    assert accuracy is not None
    assert 0 < accuracy.low < 0.9867 < accuracy.high < 1
    errors = mean_interval([0, 0, 3], scale=Scale.log)
    assert errors is not None
    assert 0 < errors.low < 1 < errors.high
    assert mean_interval([1.0, 1.0, 1.0], scale=Scale.logit) == Interval(1.0, 1.0)
    with pytest.raises(ValueError, match="outside the logit scale"):
        mean_interval([0.9, 1.1], scale=Scale.logit)


def test_scaled_intervals_by_the_delta_method():
    # exp(ln 2 ± t · s / (√n · 2)) and the same for ln(m / (1 − m)) with s / (√n · m (1 − m)).
    values = np.array([1.5, 2.0, 2.5])
    half = float(stats.t.ppf(0.975, 2)) * 0.5 / math.sqrt(3)
    expected = (2 * math.exp(-half / 2), 2 * math.exp(half / 2))
    assert mean_interval(values, scale=Scale.log) == pytest.approx(expected)
    half, odds = half / 10, math.log(0.2 / 0.8)
    ends = [1 / (1 + math.exp(-(odds + sign * half / 0.16))) for sign in (-1, 1)]
    assert mean_interval(values / 10, scale=Scale.logit) == pytest.approx(tuple(ends))


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]], [math.nan, 1.0], [math.inf]])
def test_illegal_samples_are_refused(values: list[float]):
    with pytest.raises(ValueError, match="value"):
        mean_interval(values)
