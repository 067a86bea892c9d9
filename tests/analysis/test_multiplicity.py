"""Simultaneous intervals and levels of several looks, by hand, by properties and by simulation."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from convchoice.analysis.multiplicity import (
    FEWEST_FLIPPED,
    largest_t,
    planned_levels,
    simultaneous,
    unplanned_level,
    uses_flips,
)
from convchoice.analysis.statistics import mean_interval, paired_t_p


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
    found = simultaneous(differences, flips=False)
    for values, each in zip(differences, found, strict=True):
        p = paired_t_p(values)
        assert p is not None
        assert each.interval == pytest.approx(mean_interval(values, 1 - 0.05 / 3))
        assert each.p == pytest.approx(min(1.0, 3 * p))
        assert each.level == pytest.approx(0.05 / 3)


def test_a_single_contrast_has_students_interval():
    values = [0.1, 0.2, 0.3, 0.4, 0.2]
    [found] = simultaneous([values], flips=uses_flips([range(5)]))
    assert found.interval == pytest.approx(mean_interval(values))
    assert found.p == pytest.approx(paired_t_p(values))


def test_one_seed_has_no_interval_and_no_spread_is_a_point():
    [one] = simultaneous([[0.1]], flips=False)
    assert (one.interval, one.p) == (None, None)
    [same] = simultaneous([[0.1] * 12], flips=False)
    assert same.interval == (0.1, 0.1)
    flipped = simultaneous([[0.1] * 12, list(np.arange(12.0))], flips=True)
    assert flipped[0].interval == (0.1, 0.1)
    assert flipped[0].p == 0.0


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.floats(-0.3, 0.3))
def test_an_interval_excludes_0_just_where_its_p_is_at_most_the_level(
    seed: int, contrasts: int, centre: float
):
    random = np.random.default_rng(seed)
    differences = random.normal(centre, 0.3, (contrasts, 10))
    for flips in (True, False):
        found = simultaneous(list(differences), flips=flips)
        for values, each in zip(differences, found, strict=True):
            assert each.interval is not None
            assert each.p is not None
            assert (each.interval.low > 0 or each.interval.high < 0) == (each.p <= 0.05)
            single, raw = mean_interval(values), paired_t_p(values)
            assert single is not None
            assert raw is not None
            assert each.interval.low <= single.low + 1e-12
            assert raw - 1e-12 <= each.p <= min(1.0, contrasts * raw) + 1e-12
            assert each.interval == pytest.approx(mean_interval(values, 1 - each.level))


def test_flips_are_used_for_enough_equal_seeds_only():
    n = FEWEST_FLIPPED
    assert uses_flips([range(n), range(n)])
    assert not uses_flips([range(n - 1)] * 2)
    assert not uses_flips([range(n), range(1, n + 1)])
    assert not uses_flips([range(n)])
    assert not uses_flips([range(n)] * 2, level=0.001)  # 1 of 1,024 assignments is not enough


def test_contrasts_that_are_equal_need_no_adjustment_by_flips():
    values = np.random.default_rng(0).normal(0.1, 0.3, 12)
    found = simultaneous([values] * 8, flips=True)
    bonferroni = simultaneous([values] * 8, flips=False)
    for each, other in zip(found, bonferroni, strict=True):
        assert each.level > 3 * other.level


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
