"""The statistics of a study: intervals, tests and the number of seeds it takes.

Pure functions over numpy arrays; scipy's own wherever it has the method. Nothing here knows what
an arm or an accuracy is, and no test is chosen from the data: a study always gets all of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from convchoice.analysis.interval import Interval

SIGNIFICANCE = 0.05
POWER = 0.80
SIGN_FLIP_RESAMPLES = 20_000
"""Sign assignments drawn where 2^n are too many; up to n = 14 all of them are gone through."""
BOOTSTRAP_RESAMPLES = 2_000
MOST_SEEDS = 1_000_000
"""A study that needs more seeds than this is told that it needs more than it can run."""
NEGLIGIBLE_WRONG_SIDE = 5.0
"""Noncentrality above which a test rejects on the wrong side with a probability below 1e-8."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedComparison:
    """What n paired differences say about their mean; all but `p_t` in the differences' unit."""

    n: int
    mean: float
    standard_deviation: float | None
    """Of the differences, with n − 1 below the line; None for a single pair."""
    interval_95: Interval | None
    """None for a single pair, which says nothing about the spread."""
    interval_90: Interval | None
    """Inside ±margin exactly when two one-sided tests at 5 % show equivalence."""
    p_t: float | None


def _sample(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"one row of at least one value is needed, not shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError("every value must be finite.")
    return array


def _centre_and_deviation(array: Floats) -> tuple[float, float]:
    """Mean and standard deviation; exactly (value, 0) where all values are the same."""
    if (array == array[0]).all():
        return float(array[0]), 0.0  # the sum of equal floats over n may miss the float itself
    return float(array.mean()), float(array.std(ddof=1))


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Student's t interval of a mean: m ± t(n − 1) · s / √n.

    Args:
        values: shape (n,), one value a seed.
        confidence: coverage, between 0 and 1.

    Returns:
        None for n = 1; a point where all values are the same.

    Source: Student (1908), The probable error of a mean, Biometrika 6(1).
    """
    array = _sample(values)
    if array.size == 1:
        return None
    mean, deviation = _centre_and_deviation(array)
    if deviation == 0.0:
        return Interval(mean, mean)
    low, high = stats.t.interval(
        confidence, array.size - 1, loc=mean, scale=deviation / math.sqrt(array.size)
    )
    return Interval(float(low), float(high))


def paired_comparison(differences: ArrayLike) -> PairedComparison:
    """Paired t intervals (95 % and 90 %) and the two-sided t p of a mean difference against 0.

    The 90 % interval is that of two one-sided tests at 5 % each (Schuirmann 1987, A comparison of
    the two one-sided tests procedure, J. Pharmacokin. Biopharm. 15).

    Args:
        differences: shape (n,), arm minus partner with the same seed.

    Returns:
        The comparison. Where all differences are the same the intervals are a point and p is 0, or
        1 if that point is 0.
    """
    array = _sample(differences)
    mean, deviation = _centre_and_deviation(array)
    if array.size == 1:
        return PairedComparison(1, mean, None, None, None, None)
    if deviation == 0.0:
        p_t = 1.0 if mean == 0.0 else 0.0
    else:
        p_t = float(stats.ttest_1samp(array, 0.0).pvalue)
    return PairedComparison(
        n=array.size,
        mean=mean,
        standard_deviation=deviation,
        interval_95=mean_interval(array, 0.95),
        interval_90=mean_interval(array, 0.90),
        p_t=p_t,
    )


def _mean(values: Floats, axis: int = -1) -> Floats:
    return np.asarray(values.mean(axis=axis), dtype=np.float64)


def sign_flip_p(differences: ArrayLike, generator: np.random.Generator) -> float:
    """Two-sided permutation p of a mean paired difference, by flipping the pairs' signs.

    Under "the two arms are exchangeable" each sign is as likely as the other. All 2^n assignments
    are gone through where they are at most `SIGN_FLIP_RESAMPLES`; otherwise that many are drawn
    and the p carries the +1 of Phipson and Smyth (2010). Smallest p: `2 / 2^n`.

    Args:
        differences: shape (n,).
        generator: draws the assignments; unused where all are gone through.

    Source: Fisher (1935), The Design of Experiments, § 21; scipy.stats.permutation_test.
    """
    array = _sample(differences)
    if array.size == 1 or not array.any():
        return 1.0  # both assignments of one sign, or every assignment, lie as far from 0
    result = stats.permutation_test(
        (array,),
        _mean,
        permutation_type="samples",
        n_resamples=SIGN_FLIP_RESAMPLES,
        batch=2_000,  # keeps the assignments of 30 seeds below a megabyte
        vectorized=True,
        alternative="two-sided",
        rng=generator,
    )
    return float(result.pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p of a family of tests, in the order given.

    The i-th smallest of m is multiplied by m − i + 1, then made monotone and capped at 1.

    Args:
        p_values: one a test; None (no test could be made) stays None and is not counted.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6.
    """
    tested = sorted(
        ((p, index) for index, p in enumerate(p_values) if p is not None), key=lambda pair: pair[0]
    )
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[index] = largest
    return adjusted


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion.

    Args:
        successes: among the trials.
        trials: at least 1.
        confidence: coverage, between 0 and 1.

    Source: Wilson (1927), Probable inference, J. Am. Stat. Assoc. 22; scipy.stats.binomtest.
    """
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def paired_t_power(n: int, effect: float, significance: float = SIGNIFICANCE) -> float:
    """Power of the two-sided paired t test with n pairs.

    Args:
        n: pairs, at least 2.
        effect: true mean difference over the differences' standard deviation.
        significance: of the test.

    Source: noncentral t with n − 1 degrees of freedom and noncentrality effect · √n; Cohen (1988),
    Statistical Power Analysis, chapter 2.
    """
    critical = float(stats.t.ppf(1 - significance / 2, n - 1))
    noncentrality = abs(effect) * math.sqrt(n)
    above = float(stats.nct.sf(critical, n - 1, noncentrality))
    # scipy's lower tail is nan at some large noncentralities, where it is 0 to all digits.
    negligible = noncentrality > NEGLIGIBLE_WRONG_SIDE
    wrong_side = 0.0 if negligible else float(stats.nct.cdf(-critical, n - 1, noncentrality))
    return above + wrong_side


def seeds_needed(
    standard_deviation: float,
    margin: float,
    power: float = POWER,
    significance: float = SIGNIFICANCE,
) -> int | None:
    """Fewest pairs with which a paired t test finds a true difference of `margin`.

    Args:
        standard_deviation: of the paired differences, in the margin's unit.
        margin: the difference to find, above 0.
        power: probability of finding it.
        significance: of the two-sided test.

    Returns:
        At least 2; None where it would take more than `MOST_SEEDS`.
    """
    if margin <= 0:
        raise ValueError(f"the margin must be above 0, not {margin}.")
    if standard_deviation == 0.0:
        return 2
    effect = margin / standard_deviation
    # The normal approximation is always a little low, so counting upwards from it is short.
    quantiles = stats.norm.ppf(1 - significance / 2) + stats.norm.ppf(power)
    normal = float(quantiles / effect) ** 2
    if normal > MOST_SEEDS:
        return None
    n = max(2, math.floor(normal))
    while paired_t_power(n, effect, significance) < power:
        n += 1
    return n


def two_way_bootstrap_interval(
    differences: NDArray[np.int8],
    generator: np.random.Generator,
    confidence: float = 0.95,
    resamples: int = BOOTSTRAP_RESAMPLES,
) -> Interval | None:
    """Percentile interval of a mean over seeds and test examples, both drawn again.

    Widens the paired interval by the chance that lies in which examples the test set holds.

    Args:
        differences: shape (seeds, examples): right minus right, so −1, 0 or 1.
        generator: draws the resamples.
        confidence: coverage, between 0 and 1.
        resamples: drawn.

    Returns:
        None for a single seed.

    Source: Owen (2007), The pigeonhole bootstrap, Ann. Appl. Stat. 1(2): rows and columns are drawn
    independently of one another, with replacement.
    """
    seeds, examples = differences.shape
    if seeds == 1:
        return None
    # Examples on which no pair of runs differs add nothing but their number: they are counted as
    # one column, which makes a resample cost what the few hundred others cost.
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
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))
