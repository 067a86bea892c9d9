"""Error rates and coverage of the statistics over thousands of simulated studies.

Our functions take about a millisecond a study, so the same formulas are written over whole arrays,
checked against our functions on a few studies, and counted on all. Bounds are at least four
standard errors of the count wide.
"""

import math
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from convchoice.analysis.predictions import mcnemar_p
from convchoice.analysis.result_model import Interval
from convchoice.analysis.statistics import (
    holm,
    mean_interval,
    paired_t_p,
    paired_t_power,
    seeds_needed,
    sign_flip_p,
    two_way_bootstrap_interval,
)
from convchoice.analysis.verdict import ClaimVerdict, Verdict, claim_verdict_of, verdict_of

STUDIES = 20_000
CHECKED = 40
"""Studies on which the array formulas are compared with our functions."""
WITHIN_MARGIN = {Verdict.equivalent, Verdict.negligibly_better, Verdict.negligibly_worse}
MARGIN = 0.10
SEED_SPREAD = 0.065
"""Standard deviation over seeds of one arm's accuracy, percentage points."""
UNPAIRED = math.sqrt(2) * SEED_SPREAD
"""Of a difference between unpaired arms; pairing makes it smaller."""

Floats = NDArray[np.float64]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def four_errors(rate: float, studies: int = STUDIES) -> float:
    """Four standard errors of a share that is counted over so many studies."""
    return 4 * math.sqrt(rate * (1 - rate) / studies)


def intervals(draws: Floats, confidence: float) -> tuple[Floats, Floats]:
    """The t interval of each row's mean."""
    n = draws.shape[1]
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * draws.std(axis=1, ddof=1) / math.sqrt(n)
    return draws.mean(axis=1) - half, draws.mean(axis=1) + half


def p_values(draws: Floats) -> Floats:
    """The paired t test's two-sided p of each row."""
    n = draws.shape[1]
    statistic = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / math.sqrt(n))
    return np.asarray(2 * stats.t.sf(np.abs(statistic), n - 1))


@pytest.fixture(scope="module")
def null_studies() -> Floats:
    """Differences of 8 seeds where the arms do not differ, (STUDIES, 8)."""
    return generator().normal(0.0, UNPAIRED, (STUDIES, 8))


def test_array_formulas_equal_our_functions(null_studies: Floats) -> None:
    low, high = intervals(null_studies, 0.95)
    low_90, high_90 = intervals(null_studies, 0.90)
    p = p_values(null_studies)
    for index, row in enumerate(null_studies[:CHECKED]):
        assert mean_interval(row, 0.95) == pytest.approx((low[index], high[index]))
        assert mean_interval(row, 0.90) == pytest.approx((low_90[index], high_90[index]))
        assert paired_t_p(row) == pytest.approx(p[index])


def test_false_positive_rate_of_the_t_test(null_studies: Floats) -> None:
    rejected = (p_values(null_studies) < 0.05).mean()
    assert rejected == pytest.approx(0.05, abs=four_errors(0.05))


@pytest.mark.parametrize("confidence", [0.90, 0.95])
@pytest.mark.parametrize("seeds", [3, 6, 30])
def test_coverage_of_intervals(confidence: float, seeds: int) -> None:
    draws = generator(seeds).normal(0.3, UNPAIRED, (STUDIES, seeds))
    low, high = intervals(draws, confidence)
    covered = ((low <= 0.3) & (high >= 0.3)).mean()
    assert covered == pytest.approx(confidence, abs=four_errors(confidence))


@pytest.mark.parametrize("draw", ["normal", "skewed"])
def test_level_of_the_sign_flip_test(draw: str) -> None:
    # 2^8 assignments: the largest level at or below 0.05 that a p can take is 12 / 256.
    if draw == "normal":
        draws = generator(1).normal(0, 1, (STUDIES, 8))
    else:  # symmetric, with tails that no t test is made for
        draws = generator(2).standard_cauchy((STUDIES, 8))
    signs = np.array(list(product((1, -1), repeat=8)))
    flipped = np.abs(draws @ signs.T)
    seen = flipped[:, :1] * (1 - 1e-9)
    p = (flipped >= seen).mean(axis=1)
    for row, mine in zip(draws[:CHECKED], p[:CHECKED], strict=True):
        assert sign_flip_p(row, generator()) == pytest.approx(mine)
    attainable = 12 / 256
    assert (p <= 0.05).mean() == pytest.approx(attainable, abs=four_errors(attainable))


def test_level_of_holm_over_a_study() -> None:
    # Four arms against one baseline, which all contrasts share; none differs.
    studies, random = 4_000, generator(3)
    baseline = random.normal(0, SEED_SPREAD, (studies, 1, 8))
    arms = random.normal(0, SEED_SPREAD, (studies, 4, 8))
    p = p_values((arms - baseline).reshape(-1, 8)).reshape(studies, 4)
    adjusted = [holm(row.tolist()) for row in p]
    wrongly = np.mean([min(filter(None, row)) < 0.05 for row in adjusted])
    assert wrongly <= 0.05 + four_errors(0.05, studies)
    assert (p < 0.05).any(axis=1).mean() > 0.10  # what it would be without the adjustment


def verdicts(draws: Floats) -> list[Verdict]:
    """The verdict of each row."""
    bounds = np.stack([*intervals(draws, 0.95), *intervals(draws, 0.90)], axis=1).tolist()
    return [
        verdict_of(Interval(*row[:2]), Interval(*row[2:]), MARGIN, higher_is_better=True)
        for row in bounds
    ]


def test_level_of_the_claim_over_all_arms() -> None:
    # The intersection-union test: far above two arms, and no different from the third. Its error is
    # that of the one test on one side: 2.5 %, whatever the number of arms.
    studies = 6_000
    centres = np.array([1.0, 1.0, 0.0])[None, :, None]
    draws = generator(4).normal(centres, UNPAIRED, (studies, 3, 8))
    rows = np.reshape(verdicts(draws.reshape(-1, 8)), (studies, 3)).tolist()
    claims = [claim_verdict_of([Verdict(word) for word in row]) for row in rows]
    holds = np.mean([claim is ClaimVerdict.holds for claim in claims])
    assert holds == pytest.approx(0.025, abs=four_errors(0.025, studies))


@pytest.mark.parametrize("side", [1, -1])
def test_rate_of_equivalence_at_the_margin(side: int) -> None:
    # The truth lies on the margin, so any claim of equivalence is wrong: 5 % of studies.
    draws = generator(5).normal(side * MARGIN, 0.04, (STUDIES, 12))
    claimed = np.mean([verdict in WITHIN_MARGIN for verdict in verdicts(draws)])
    assert claimed == pytest.approx(0.05, abs=four_errors(0.05))


def test_rate_of_better_at_the_margin() -> None:
    draws = generator(6).normal(MARGIN, UNPAIRED, (STUDIES, 8))
    rate = np.mean([verdict is Verdict.better for verdict in verdicts(draws)])
    assert rate == pytest.approx(0.025, abs=four_errors(0.025))


@pytest.mark.parametrize(("power", "seeds"), [(0.80, 9), (0.90, 11)])
def test_seeds_needed_for_a_tenth_of_a_point(power: float, seeds: int) -> None:
    # The design's table: 0.10 points with a spread of 0.065 over seeds.
    assert seeds_needed(UNPAIRED, MARGIN, power) == seeds
    draws = generator(7).normal(MARGIN, UNPAIRED, (STUDIES, seeds))
    found = (p_values(draws) < 0.05).mean()
    assert found >= power - four_errors(power)
    assert found == pytest.approx(paired_t_power(seeds, MARGIN / UNPAIRED), abs=four_errors(power))
    fewer = generator(8).normal(MARGIN, UNPAIRED, (STUDIES, seeds - 1))
    assert (p_values(fewer) < 0.05).mean() < power


@pytest.mark.parametrize(("n", "effect"), [(2, 1.0), (5, 0.5), (20, 0.7)])
def test_power_against_simulation(n: int, effect: float) -> None:
    draws = generator(n).normal(effect, 1.0, (STUDIES, n))
    found = (p_values(draws) < 0.05).mean()
    assert paired_t_power(n, effect) == pytest.approx(found, abs=four_errors(0.5))


def test_level_of_mcnemar() -> None:
    # Two networks, equally good: each of the images they disagree on falls to either side.
    only_ours = generator(9).binomial(40, 0.5, STUDIES)
    p_of = {count: mcnemar_p(int(count), 40 - int(count)) for count in np.unique(only_ours)}
    rejected = np.mean([p_of[count] < 0.05 for count in only_ours])
    # Discreteness costs it some: of 40 images 14 to 26 pass, which leaves 0.0385.
    exact = 1 - (stats.binom.cdf(26, 40, 0.5) - stats.binom.cdf(13, 40, 0.5))
    assert exact < 0.05
    assert rejected == pytest.approx(exact, abs=four_errors(exact))


def correct_predictions(
    random: np.random.Generator, hardness: Floats, spread: float, seeds: int
) -> NDArray[np.bool_]:
    """Correct predictions (seeds, images): images differ in hardness, runs in luck."""
    luck = random.normal(0, spread, (seeds, 1))
    return random.random((seeds, len(hardness))) < stats.norm.cdf(hardness + luck)


def test_coverage_of_the_two_way_bootstrap() -> None:
    # Images and seeds are both drawn anew for each study; the arms do not differ over all of them.
    # The pigeonhole bootstrap is known to be a little wide (Owen 2007), so it may cover more.
    studies, random, covered = 300, generator(10), 0
    for study in range(studies):
        hardness = random.normal(1.5, 1.0, 400)
        ours = correct_predictions(random, hardness + random.normal(0, 0.3, 400), 0.1, 10)
        theirs = correct_predictions(random, hardness + random.normal(0, 0.3, 400), 0.1, 10)
        interval = two_way_bootstrap_interval(
            ours.astype(np.int8) - theirs.astype(np.int8), generator(study), resamples=200
        )
        assert interval is not None
        covered += interval.low <= 0 <= interval.high
    assert covered / studies >= 0.95 - four_errors(0.95, studies)
