"""Intervals that hold for all contrasts of a study together, and for all planned looks at it.

Words are decided from these intervals: the chance that a study has any false directional word is at
most 5 %. If it is extended after a look that was not planned, that holds for each look alone, not
for all of them together: see `extended_error`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import scipy  # loads its submodules when they are first used
from numpy.typing import ArrayLike, NDArray

from convchoice.analysis.result_types import Interval
from convchoice.analysis.statistics import (
    SIGNIFICANCE,
    mean_and_deviation,
    paired_t_p,
    t_p,
    t_quantile,
)

FEWEST_FLIPPED = 10
"""Fewest seeds at which sign flips are used: with fewer, too few of them are distinct."""
MOST_ENUMERATED = 14
"""Up to so many seeds all 2^n sign assignments are used, above it `FLIPS` are drawn."""
FLIPS = 20_000
FEWEST_EXTREME = 20
"""Sign assignments that must lie beyond the critical value, else it is not known well enough."""
STUDIES = 400_000
"""Studies that are simulated for the levels of several looks."""
SEED = 2019
"""Of all simulations: equal inputs give equal results."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Simultaneous:
    """One contrast's share of a simultaneous inference.

    Attributes:
        interval: of the mean difference; None for a single seed, or a few equal differences.
        p: two-sided and adjusted; at most the level just where the interval excludes 0.
        level: of a single interval that is as wide.
    """

    interval: Interval | None
    p: float | None
    level: float


def _signs(n: int) -> Floats:
    """Sign assignments (assignments, n): the one of the data first."""
    if n <= MOST_ENUMERATED:
        return np.array(list(product((1.0, -1.0), repeat=n)))
    drawn = np.random.default_rng(SEED).integers(0, 2, (FLIPS - 1, n)) * 2.0 - 1.0
    return np.vstack([np.ones(n), drawn])


def largest_t(differences: Floats) -> Floats:
    """The largest |t| over contrasts under each joint sign flip of the centred differences.

    Differences have the shape (contrasts, n): a column is a seed, whose differences are flipped
    together, which keeps their correlation. Sorted, largest first. Source: Westfall and Young
    (1993), Resampling-Based Multiple Testing, § 2.
    """
    n = differences.shape[1]
    centred = differences - differences.mean(axis=1, keepdims=True)
    moving = centred[np.square(centred).sum(axis=1) > 0]
    signs = _signs(n)
    largest = np.zeros(len(signs))
    for row in moving:
        mean = signs @ row / n
        variance = (float(row @ row) - n * np.square(mean)) / (n - 1)
        t = np.abs(mean) / np.sqrt(np.maximum(variance, np.finfo(float).tiny) / n)
        largest = np.maximum(largest, t)
    largest[0] = np.inf  # the data's own assignment counts as extreme (Phipson and Smyth 2010)
    return np.sort(largest)[::-1]


def uses_flips(seeds: Sequence[Sequence[int]], level: float = SIGNIFICANCE) -> bool:
    """Whether a family of contrasts with these seeds is adjusted by sign flips, not Bonferroni."""
    n = len(seeds[0])
    assignments = 2**n if n <= MOST_ENUMERATED else FLIPS
    same = all(list(each) == list(seeds[0]) for each in seeds)
    return len(seeds) > 1 and same and n >= FEWEST_FLIPPED and level * assignments >= FEWEST_EXTREME


def simultaneous(
    differences: Sequence[ArrayLike], *, flips: bool, level: float = SIGNIFICANCE
) -> list[Simultaneous]:
    """Simultaneous intervals of the mean paired differences of a family of contrasts.

    With `flips` the critical value is the max-T one of joint sign flips, between that of a single
    t interval and Bonferroni's; without, it is Bonferroni's.

    Args:
        differences: of each contrast, (n,); with `flips` all over the same seeds.
        flips: what `uses_flips` says.
        level: chance that any of the intervals misses its mean.
    """
    values = [np.asarray(each, dtype=np.float64) for each in differences]
    largest = largest_t(np.stack(values)) if flips else None
    return [_one(each, largest, len(values), level) for each in values]


def _one(values: Floats, largest: Floats | None, contrasts: int, level: float) -> Simultaneous:
    mean, deviation = mean_and_deviation(values)
    p = paired_t_p(values)
    if deviation is None or p is None:
        return Simultaneous(None, None, level / contrasts)
    n = values.size
    critical = t_quantile(n - 1, level / contrasts)
    adjusted = min(1.0, contrasts * p)
    if largest is not None:
        extreme = math.floor(level * len(largest))
        critical = max(t_quantile(n - 1, level), min(critical, float(largest[extreme])))
        if deviation:
            t = abs(mean) / (deviation / math.sqrt(n))
            adjusted = max(p, min(adjusted, float((largest >= t).mean())))
    half = critical * deviation / math.sqrt(n)
    return Simultaneous(Interval(mean - half, mean + half), adjusted, t_p(critical, n - 1))


# Several looks at the results


@cache
def _p_at_looks(looks: tuple[int, ...]) -> Floats:
    """The paired t test's p at each look, where nothing differs: (STUDIES, looks)."""
    generator = np.random.default_rng(SEED)
    sums, squares = np.zeros(STUDIES), np.zeros(STUDIES)
    columns, before = [], 0
    for n in looks:
        more = n - before
        new = generator.normal(0.0, math.sqrt(more), STUDIES)
        rest = generator.chisquare(more - 1, STUDIES) if more > 1 else 0.0
        sums, squares, before = sums + new, squares + rest + np.square(new) / more, n
        deviation = np.sqrt((squares - np.square(sums) / n) / (n - 1))
        columns.append(
            2 * scipy.special.stdtr(n - 1, -np.abs(sums) / n / (deviation / math.sqrt(n)))
        )
    return np.stack(columns, axis=1)


@cache
def planned_levels(looks: tuple[int, ...], last: int | None = None) -> tuple[float, ...]:
    """The level of each of several planned looks, at numbers of seeds that increase.

    The chance of a false word is spent as 2 − 2 Φ(z / √t) after the share t of the last look's
    seeds (Lan and DeMets' O'Brien–Fleming function), exactly for the paired t test: the first level
    by formula, the others by simulation.

    Args:
        looks: numbers of seeds of the looks so far.
        last: seeds of the last planned look; the last of `looks` if it is not smaller.

    Source: Lan and DeMets (1983), Discrete sequential boundaries for clinical trials,
    Biometrika 70(3); O'Brien and Fleming (1979), Biometrics 35(3).
    """
    shares = [min(1.0, n / max(last or 0, looks[-1])) for n in looks]
    z = float(scipy.stats.norm.isf(SIGNIFICANCE / 2))
    spent = [2 * float(scipy.stats.norm.sf(z / math.sqrt(share))) for share in shares]
    if len(looks) == 1:
        return (spent[0],)
    p = _p_at_looks(looks)
    undecided = np.full(len(p), True)
    levels = []
    for index, target in enumerate(spent):
        if index == 0:
            level = target
        else:
            quota = target * STUDIES - (STUDIES - int(undecided.sum()))
            level = float(np.sort(p[undecided, index])[max(0, round(quota) - 1)])
        undecided &= p[:, index] > level
        levels.append(level)
    return tuple(levels)


@cache
def unplanned_level(looks: tuple[int, ...]) -> float:
    """The level of the last of several looks where a study was extended without a plan.

    The chance of a false word at any look would be 5 % if every one had this level. The first did
    not: nobody knew of a second when it was printed at 5 %. Source: Pocock (1977), Group sequential
    methods in the design and analysis of clinical trials, Biometrika 64(2); by simulation for the
    paired t test.
    """
    return float(np.quantile(_p_at_looks(looks).min(axis=1), SIGNIFICANCE))


@cache
def extended_error(looks: tuple[int, ...]) -> float:
    """The chance of a false word at any look of a study that was extended without a plan.

    Each look counts with the level that it was printed with, the `unplanned_level` of the looks
    until then: 5 % at the first. About 7 % over two looks.
    """
    p = _p_at_looks(looks)
    levels = np.quantile(np.minimum.accumulate(p, axis=1), SIGNIFICANCE, axis=0)
    return float((p <= levels).any(axis=1).mean())
