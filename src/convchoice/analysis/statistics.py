"""Intervals, tests and power for paired samples.

Pure functions over numpy arrays; scipy's own where it has the method. No test is chosen from the
data: a study always gets all of them.
"""

import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from convchoice.analysis.result_model import Interval

SIGNIFICANCE = 0.05
POWER = 0.80
SIGN_FLIP_RESAMPLES = 20_000
"""Sign assignments drawn where 2^n is larger; up to n = 14 all assignments are used."""
BOOTSTRAP_RESAMPLES = 2_000
MOST_SEEDS = 1_000_000
"""No number of seeds above this is computed."""
NEGLIGIBLE_WRONG_SIDE = 5.0
"""Noncentrality above which a test rejects on the wrong side with a probability below 1e-8."""

Floats = NDArray[np.float64]


def _sample(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"needs shape (n,) with at least one value, not {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError("every value must be finite.")
    return array


def mean_and_deviation(values: ArrayLike) -> tuple[float, float | None]:
    """Mean and standard deviation (n − 1, None for n = 1) of values of shape (n,).

    Exactly (value, 0) where all values are the same: sum / n may differ in the last bit.
    """
    array = _sample(values)
    same = bool((array == array[0]).all())
    if array.size == 1:
        return float(array[0]), None
    return (float(array[0]), 0.0) if same else (float(array.mean()), float(array.std(ddof=1)))


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Student's t interval of the mean of values of shape (n,): m ± t(n − 1) · s / √n.

    None for n = 1; a point where all values are the same. Source: Student (1908), The probable
    error of a mean, Biometrika 6(1).
    """
    mean, deviation = mean_and_deviation(values)
    if deviation is None:
        return None
    if deviation == 0.0:
        return Interval(mean, mean)
    n = np.size(values)
    low, high = stats.t.interval(confidence, n - 1, loc=mean, scale=deviation / math.sqrt(n))
    return Interval(float(low), float(high))


def paired_t_p(differences: ArrayLike) -> float | None:
    """Two-sided p of the paired t test of differences of shape (n,): is their mean 0?

    None for n = 1. Where all differences are the same: 0, or 1 if they are 0.
    """
    mean, deviation = mean_and_deviation(differences)
    if deviation is None:
        return None
    if deviation == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(stats.ttest_1samp(np.asarray(differences), 0.0).pvalue)


def sign_flip_p(differences: ArrayLike, generator: np.random.Generator) -> float:
    """Two-sided permutation p of a mean paired difference, by flipping the pairs' signs.

    If the two arms are exchangeable, each sign is as likely as the other. All 2^n assignments are
    used if they are at most `SIGN_FLIP_RESAMPLES`; otherwise that many are drawn, with the +1 of
    Phipson and Smyth (2010). Smallest p: `2 / 2^n`.

    Source: Fisher (1935), The Design of Experiments, § 21; scipy.stats.permutation_test.
    """
    array = _sample(differences)
    if array.size == 1 or not array.any():
        return 1.0  # every assignment is as far from 0
    result = stats.permutation_test(
        (array,), np.mean, permutation_type="samples", vectorized=True, rng=generator,
        n_resamples=SIGN_FLIP_RESAMPLES, batch=2_000,  # below a megabyte with 30 seeds
    )  # fmt: skip
    return float(result.pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p of a family of tests, in the order given.

    The i-th smallest of m is multiplied by m − i + 1, then made monotone and capped at 1. None (no
    test) stays None and is not counted. Source: Holm (1979), A simple sequentially rejective
    multiple test procedure, Scand. J. Stat. 6.
    """
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[index] = largest
    return adjusted


def wilson_interval(successes: int, trials: int) -> Interval:
    """Wilson's 95 % score interval of a proportion (1927, J. Am. Stat. Assoc. 22)."""
    interval = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def paired_t_power(n: int, effect: float) -> float:
    """Power of the two-sided paired t test at `SIGNIFICANCE`.

    `effect` is the true mean difference over the differences' standard deviation. Source:
    noncentral t with n − 1 degrees of freedom and noncentrality effect · √n; Cohen (1988),
    Statistical Power Analysis, chapter 2.
    """
    critical = float(stats.t.ppf(1 - SIGNIFICANCE / 2, n - 1))
    noncentrality = abs(effect) * math.sqrt(n)
    above = float(stats.nct.sf(critical, n - 1, noncentrality))
    # scipy's lower tail is nan at some large noncentralities, where it is 0 to all digits.
    negligible = noncentrality > NEGLIGIBLE_WRONG_SIDE
    wrong_side = 0.0 if negligible else float(stats.nct.cdf(-critical, n - 1, noncentrality))
    return above + wrong_side


def seeds_needed(standard_deviation: float, margin: float, power: float = POWER) -> int | None:
    """Fewest pairs with which a paired t test finds a true difference of `margin`.

    At least 2; None where it would take more than `MOST_SEEDS`. The deviation is that of the paired
    differences, in the margin's unit.
    """
    if margin <= 0:
        raise ValueError(f"the margin must be above 0, not {margin}.")
    if standard_deviation == 0.0:
        return 2
    effect = max(margin / standard_deviation, sys.float_info.min)
    # The normal approximation is always a little low, so few steps upwards are left.
    root = float(stats.norm.ppf(1 - SIGNIFICANCE / 2) + stats.norm.ppf(power)) / effect
    if root > math.sqrt(MOST_SEEDS):
        return None
    n = max(2, math.floor(root**2))
    while paired_t_power(n, effect) < power:
        n += 1
    return n


def two_way_bootstrap_interval(
    differences: NDArray[np.int8],
    generator: np.random.Generator,
    resamples: int = BOOTSTRAP_RESAMPLES,
) -> Interval | None:
    """95 % percentile interval of a mean over seeds and test examples, both drawn again.

    Differences have the shape (seeds, examples) and are −1, 0 or 1. None for a single seed. Source:
    Owen (2007), The pigeonhole bootstrap, Ann. Appl. Stat. 1(2): rows and columns are drawn
    independently of one another, with replacement.
    """
    seeds, examples = differences.shape
    if seeds == 1:
        return None
    # Examples on which no pair of runs differs contribute only their number: counted together,
    # they make a resample as cheap as the few hundred others.
    moving = differences[:, differences.any(axis=0)].astype(np.float64)
    if moving.shape[1] == 0:
        return Interval(0.0, 0.0)
    means = np.empty(resamples)
    share = np.full(seeds, 1 / seeds)
    columns = moving.shape[1]
    for index in range(resamples):
        seed_counts = generator.multinomial(seeds, share)
        drawn = generator.binomial(examples, columns / examples)
        example_counts = generator.multinomial(drawn, np.full(columns, 1 / columns))
        means[index] = seed_counts @ moving @ example_counts / (seeds * examples)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(low), float(high))
