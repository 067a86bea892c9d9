"""Statistics against hand computation, scipy's worked cases and simulation."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from convchoice.analysis.result_model import Interval
from convchoice.analysis.statistics import (
    holm,
    mean_and_deviation,
    mean_interval,
    paired_t_p,
    paired_t_power,
    seeds_needed,
    sign_flip_p,
    two_way_bootstrap_interval,
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


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 1.0))
def test_the_90_interval_is_that_of_two_one_sided_tests(seed: int, margin: float):
    differences = np.random.default_rng(seed).normal(0.0, 0.3, 8)
    interval = mean_interval(differences, 0.90)
    assert interval is not None
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    inside = -margin < interval.low and interval.high < margin
    assert inside == (max(above, below) < 0.05)


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


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.04 × 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.04 → monotone.
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([None, 0.02, None, 0.03]) == [None, 0.04, None, 0.04]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_raw_p_and_bonferronis(p_values: list[float]):
    adjusted = holm(p_values)
    for raw, mine in zip(p_values, adjusted, strict=True):
        assert mine is not None
        assert raw <= mine <= min(1.0, raw * len(p_values)) or mine == max(
            value for value in adjusted if value is not None and value <= mine
        )
        assert mine >= raw
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff([adjusted[index] for index in order]) >= 0)  # type: ignore[arg-type]


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


def test_seeds_needed_has_a_limit():
    assert seeds_needed(1e6, 0.1) is None
    assert seeds_needed(1e300, 1e-300) is None
    with pytest.raises(ValueError, match="margin"):
        seeds_needed(1.0, 0.0)


def test_two_way_bootstrap_is_wider_than_seeds_alone_and_covers():
    random = generator()
    hard = random.random(2_000) < 0.05  # the same images are hard for every seed
    ours = (random.random((10, 2_000)) < 0.4) & hard
    theirs = (random.random((10, 2_000)) < 0.6) & hard
    differences = theirs.astype(np.int8) - ours.astype(np.int8)
    both = two_way_bootstrap_interval(differences, generator())
    seeds_only = mean_interval(differences.mean(axis=1))
    assert both is not None
    assert seeds_only is not None
    assert both.low < differences.mean() < both.high
    assert both.high - both.low > seeds_only.high - seeds_only.low
    assert both == two_way_bootstrap_interval(differences, generator())


def test_two_way_bootstrap_of_examples_alone_has_the_binomial_width():
    # Every seed the same: only the images vary, 50 of 1,000 differ; sd = √(p(1−p)/n) = 0.00689.
    differences = np.zeros((5, 1_000), dtype=np.int8)
    differences[:, :50] = 1
    interval = two_way_bootstrap_interval(differences, generator())
    assert interval is not None
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.00689, rel=0.1)


def test_two_way_bootstrap_of_nothing_to_draw():
    assert two_way_bootstrap_interval(np.ones((1, 5), dtype=np.int8), generator()) is None
    same = two_way_bootstrap_interval(np.zeros((3, 5), dtype=np.int8), generator())
    assert same == Interval(0.0, 0.0)


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]], [math.nan, 1.0], [math.inf]])
def test_illegal_samples_are_refused(values: list[float]):
    with pytest.raises(ValueError, match="value"):
        mean_interval(values)
