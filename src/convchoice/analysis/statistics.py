"""Intervals, tests and power for paired samples.

Pure functions over numpy arrays; scipy's own where it has the method. No test is chosen from the
data: a study always gets all of them.
"""

import math
import sys
from functools import cache

import numpy as np
import scipy  # loads its submodules when they are first used
from numpy.typing import ArrayLike, NDArray

from convchoice.analysis.result_types import MOST_SEEDS, Interval, Scale

SIGNIFICANCE = 0.05
POWER = 0.80
FEWEST_SEEDS = 6
"""Fewest pairs at which a two-sided sign-flip test can reject at 0.05: 2 / 2^6 = 0.031."""
SIGN_FLIP_RESAMPLES = 20_000
"""Sign assignments drawn where 2^n is larger; up to n = 14 all assignments are used."""
TRIMMED = 0.2
"""Share of values that the trimmed mean leaves out at each end."""
FAR = 3.5
"""Modified z of an outlying value."""
NEGLIGIBLE_WRONG_SIDE = 5.0
"""Noncentrality above which a test rejects on the wrong side with a probability below 1e-8."""
LARGE_NONCENTRALITY = 1e4
"""Above it noncentral t is noncentrality / √(χ²/df) to 1e-6; scipy's series diverges near 1e5."""

Floats = NDArray[np.float64]


def mean_and_deviation(values: ArrayLike) -> tuple[float, float | None]:
    """Mean and standard deviation (n − 1, None for n = 1) of values of shape (n,).

    Exactly (value, 0) where all values are the same: sum / n may differ in the last bit.
    """
    array = np.asarray(values, dtype=np.float64)
    same = bool((array == array[0]).all())
    if array.size == 1:
        return float(array[0]), None
    return (float(array[0]), 0.0) if same else (float(array.mean()), float(array.std(ddof=1)))


def mean_interval(
    values: ArrayLike, confidence: float = 0.95, scale: Scale = Scale.natural
) -> Interval | None:
    """Student's t interval of the mean of values of shape (n,): m ± t(n − 1) · s / √n.

    On another scale g, which must allow the values, the interval is g(m) ± t(n − 1) · |g′(m)| · s /
    √n, taken back to the values' own unit (delta method). None for n = 1; a point where all values
    are the same.

    Source: Student (1908), The probable error of a mean, Biometrika 6(1); Agresti (2013),
    Categorical Data Analysis, § 3.1 and 16.1, for the delta method.
    """
    mean, deviation = mean_and_deviation(values)
    if deviation is None:
        return None
    if deviation == 0.0:
        return Interval(mean, mean)
    n = np.size(values)
    half = t_quantile(n - 1, 1 - confidence) * deviation / math.sqrt(n)
    if scale is Scale.log:
        return Interval(mean * math.exp(-half / mean), mean * math.exp(half / mean))
    if scale is Scale.logit:
        odds, step = scipy.special.logit(mean), half / (mean * (1 - mean))
        return Interval(
            float(scipy.special.expit(odds - step)), float(scipy.special.expit(odds + step))
        )
    return Interval(mean - half, mean + half)


@cache
def t_quantile(freedom: float, level: float) -> float:
    """|t| that is exceeded with probability `level`, both sides together."""
    return float(scipy.stats.t.isf(level / 2, freedom))


def t_p(t: float, freedom: float) -> float:
    """Two-sided p of a t statistic."""
    return 2 * float(scipy.special.stdtr(freedom, -abs(t)))


def paired_t_p(differences: ArrayLike) -> float | None:
    """Two-sided p of the paired t test of differences of shape (n,): is their mean 0?

    None for n = 1. Where all differences are the same: 0, or 1 if they are 0; None for fewer than
    `FEWEST_SEEDS` of them, as a few rounded values are often equal by chance.
    """
    mean, deviation = mean_and_deviation(differences)
    n = np.size(differences)
    if deviation is None or (deviation == 0.0 and n < FEWEST_SEEDS):
        return None
    if deviation == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return t_p(mean * math.sqrt(n) / deviation, n - 1)


def sign_flip_p(differences: ArrayLike, generator: np.random.Generator) -> float:
    """Two-sided permutation p of a mean paired difference, by flipping the pairs' signs.

    If the two arms are exchangeable, each sign is as likely as the other. All 2^n assignments are
    used if they are at most `SIGN_FLIP_RESAMPLES`; otherwise that many are drawn, with the +1 of
    Phipson and Smyth (2010). Smallest p: `2 / 2^n`.

    Source: Fisher (1935), The Design of Experiments, § 21; scipy.stats.permutation_test.
    """
    array = np.asarray(differences, dtype=np.float64)
    if array.size == 1 or not array.any():
        return 1.0  # every assignment is as far from 0
    result = scipy.stats.permutation_test(
        (array,), np.mean, permutation_type="samples", vectorized=True, rng=generator,
        n_resamples=SIGN_FLIP_RESAMPLES, batch=2_000,  # below a megabyte with 30 seeds
    )  # fmt: skip
    return float(result.pvalue)


def wilson_interval(successes: int, trials: int) -> Interval:
    """Wilson's 95 % score interval of a proportion (1927, J. Am. Stat. Assoc. 22)."""
    interval = scipy.stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(float(interval.low), float(interval.high))


def paired_t_power(n: int, effect: float, level: float = SIGNIFICANCE) -> float:
    """Power of the two-sided paired t test at a level.

    `effect` is the true mean difference over the differences' standard deviation. Source:
    noncentral t with n − 1 degrees of freedom and noncentrality effect · √n; Cohen (1988),
    Statistical Power Analysis, chapter 2.
    """
    critical = t_quantile(n - 1, level)
    noncentrality = abs(effect) * math.sqrt(n)
    if noncentrality > LARGE_NONCENTRALITY:
        ratio = noncentrality / critical
        return float(scipy.stats.chi2.cdf((n - 1) * ratio * ratio, n - 1))
    above = float(scipy.stats.nct.sf(critical, n - 1, noncentrality))
    # scipy's lower tail is nan at some large noncentralities, where it is 0 to all digits.
    negligible = noncentrality > NEGLIGIBLE_WRONG_SIDE
    wrong_side = 0.0 if negligible else float(scipy.stats.nct.cdf(-critical, n - 1, noncentrality))
    return above + wrong_side


def seeds_needed(
    standard_deviation: float, margin: float, level: float = SIGNIFICANCE
) -> int | None:
    """Fewest pairs with which a paired t test finds a true difference of `margin`, above 0.

    At a level, with the power `POWER`. At least 2; None where it would take more than `MOST_SEEDS`.
    The deviation is that of the paired differences, in the margin's unit.
    """
    if standard_deviation == 0.0:
        return 2
    effect = max(margin / standard_deviation, sys.float_info.min)
    # The normal approximation is always a little low, so few steps upwards are left.
    root = float(scipy.stats.norm.isf(level / 2) + scipy.stats.norm.ppf(POWER)) / effect
    if root > math.sqrt(MOST_SEEDS):
        return None
    n = max(2, math.floor(root**2))
    while paired_t_power(n, effect, level) < POWER:
        n += 1
    return n


def seeds_needed_interval(
    standard_deviation: float, n: int, margin: float, level: float = SIGNIFICANCE
) -> tuple[int | None, int | None]:
    """`seeds_needed` at the ends of the deviation's 95 % interval from n differences.

    Source of the interval: (n − 1) s² / σ² follows χ² with n − 1 degrees of freedom.
    """
    quantiles = scipy.stats.chi2.ppf([0.975, 0.025], n - 1)
    low, high = (standard_deviation * math.sqrt((n - 1) / float(q)) for q in quantiles)
    return seeds_needed(low, margin, level), seeds_needed(high, margin, level)


def trimmed_mean(values: ArrayLike, level: float = SIGNIFICANCE) -> tuple[float, Interval | None]:
    """The 20 % trimmed mean of values of shape (n,) and its interval at 1 − `level`.

    A few runs that end far from the others do not move it. Below 5 values nothing is trimmed and
    the interval is Student's. Source: Yuen (1974), The two-sample trimmed t for unequal population
    variances, Biometrika 61(1), for one sample: √(winsorized squares / (h (h − 1))), h − 1 degrees
    of freedom, with h values kept. None for n = 1, and where the kept of fewer than `FEWEST_SEEDS`
    values are the same.
    """
    array = np.asarray(values, dtype=np.float64)
    mean = float(scipy.stats.trim_mean(array, TRIMMED))
    cut = int(TRIMMED * array.size)
    kept = np.sort(array)[cut : array.size - cut]
    if kept[0] == kept[-1]:
        same = float(kept[0])
        return same, Interval(same, same) if array.size >= FEWEST_SEEDS else None
    winsorized = np.clip(array, kept[0], kept[-1])
    squares = float(np.square(winsorized - winsorized.mean()).sum())
    half = t_quantile(kept.size - 1, level) * math.sqrt(squares / (kept.size * (kept.size - 1)))
    return mean, Interval(mean - half, mean + half)


def outlying(values: ArrayLike) -> NDArray[np.bool_]:
    """Which values of shape (n,) lie far from the others: modified z beyond 3.5.

    The modified z is 0.6745 · (x − median) / MAD; none is outlying where MAD is 0. Source:
    Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers.
    """
    array = np.asarray(values, dtype=np.float64)
    distance = array - np.median(array)
    spread = float(np.median(np.abs(distance)))
    return np.abs(0.6745 * distance) > FAR * spread if spread else np.zeros(array.size, dtype=bool)


def new_images_interval(differences: NDArray[np.int8]) -> Interval | None:
    """95 % interval of a mean over seeds and test images, both drawn from larger populations.

    d̄ ± t(df) · √(s_d² / n + σ̂²_image / m) for differences of shape (n seeds, m images), with
    σ̂²_image from the mean squares of the two-way table and Hillis' degrees of freedom. Never
    narrower than the paired t interval, which is for these images. None for n = 1.

    Source: Obuchowski and Rockette (1995), Commun. Stat. Simul. Comput. 24(2); Hillis (2007), A
    comparison of denominator degrees of freedom methods for multiple observer ROC analysis, Stat.
    Med. 26(3).
    """
    n, m = differences.shape
    if n == 1:
        return None
    by_seed, by_image = differences.mean(axis=1), differences.mean(axis=0)
    mean = float(by_seed.mean())
    seeds = m * float(by_seed.var(ddof=1))
    images = n * float(by_image.var(ddof=1))
    squares = float(np.square(differences, dtype=np.int64).sum()) - n * m * mean**2
    rest = (squares - (n - 1) * seeds - (m - 1) * images) / ((n - 1) * (m - 1))
    over_images = max(images - rest, 0.0)
    paired = t_quantile(n - 1, SIGNIFICANCE) * math.sqrt(seeds / (n * m))
    if over_images == 0.0:
        return Interval(mean - paired, mean + paired)
    freedom = (n - 1) * ((seeds + over_images) / seeds) ** 2 if seeds else math.inf
    half = t_quantile(freedom, SIGNIFICANCE) * math.sqrt((seeds + over_images) / (n * m))
    return Interval(mean - max(half, paired), mean + max(half, paired))
