"""Error rates and coverage of the statistics over thousands of simulated studies.

Our functions take about a millisecond a study, so the same formulas are written over whole arrays,
checked against our functions on a few studies, and counted on all. Bounds are at least four
standard errors of the count wide.
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from convchoice.analysis import multiplicity
from convchoice.analysis.multiplicity import simultaneous, uses_flips
from convchoice.analysis.predictions import mcnemar_p
from convchoice.analysis.result_types import Interval
from convchoice.analysis.statistics import (
    mean_interval,
    new_images_interval,
    paired_t_p,
    paired_t_power,
    seeds_needed,
    sign_flip_p,
)
from convchoice.analysis.verdict import Answer, Verdict, answer_of, outcome_of, verdict_of
from convchoice.config.study import Prediction

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
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]
"""Values of a shape."""


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


@pytest.mark.parametrize("confidence", [0.90, 0.95])
@pytest.mark.parametrize("seeds", [3, 8, 30])
def test_error_rate_of_intervals_and_of_p_values(confidence: float, seeds: int) -> None:
    draws = generator(seeds).normal(0.3, UNPAIRED, (STUDIES, seeds))
    low, high = intervals(draws, confidence)
    p = p_values(draws - 0.3)
    for index, row in enumerate(draws[:CHECKED]):
        assert mean_interval(row, confidence) == pytest.approx((low[index], high[index]))
        assert paired_t_p(row - 0.3) == pytest.approx(p[index])
    error = pytest.approx(1 - confidence, abs=four_errors(confidence))
    assert ((low > 0.3) | (high < 0.3)).mean() == error
    assert (p < 1 - confidence).mean() == error


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy"])
def test_level_of_the_sign_flip_test(draw: str) -> None:
    # 2^8 assignments: the largest level at or below 0.05 that a p can take is 12 / 256.
    draws = getattr(generator(1), draw)(size=(STUDIES, 8))
    signs = np.array(list(product((1, -1), repeat=8)))
    flipped = np.abs(draws @ signs.T)
    p = (flipped >= flipped[:, :1] * (1 - 1e-9)).mean(axis=1)
    for row, mine in zip(draws[:CHECKED], p[:CHECKED], strict=True):
        assert sign_flip_p(row, generator()) == pytest.approx(mine)
    assert (p <= 0.05).mean() == pytest.approx(12 / 256, abs=four_errors(12 / 256))


def heavy_tailed(random: np.random.Generator, shape: tuple[int, ...], rate: float = 0.08) -> Floats:
    """Accuracies over seeds as at full training, percentage points about their mean.

    A core of 0.07 and a spike downwards in a share of the runs, 8 % if nothing else is said: a
    standard deviation of 0.35, within the 0.11 to 0.64 of the arms of `reports/full`.
    """
    spikes = (random.random(shape) < rate) * random.exponential(0.9, shape)
    return random.normal(0, 0.07, shape) - spikes + rate * 0.9


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return random.normal(0, SEED_SPREAD, shape)


def words_of_studies(
    draw: Draw,
    contrasts: int,
    seeds: int,
    difference: float = 0.0,
    baseline: Draw | None = None,
) -> list[list[Verdict]]:
    """The words of studies in which every arm differs by the same from the baseline they share."""
    studies, random = 1_500, generator(contrasts + seeds)
    found = []
    for _ in range(studies):
        references = (baseline or draw)(random, (1, seeds))
        arms = draw(random, (contrasts, seeds)) + difference - references
        inferred = simultaneous(list(arms), flips=uses_flips([range(seeds)] * contrasts))
        found.append(
            [verdict_of(each.interval, MARGIN, higher_is_better=True) for each in inferred]
        )
    return found


@pytest.mark.parametrize("truth", [0.0, -MARGIN])
@pytest.mark.parametrize("draw", [normal, heavy_tailed])
@pytest.mark.parametrize(("contrasts", "seeds"), [(4, 6), (14, 6), (4, 30), (10, 30), (14, 16)])
def test_chance_of_any_false_word_in_a_study(
    draw: Draw,
    contrasts: int,
    seeds: int,
    truth: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Where nothing differs a direction is false, on the margin an equivalence is.
    false = WITHIN_MARGIN if truth else {w for w in Verdict if w.finding in {"better", "worse"}}
    monkeypatch.setattr(multiplicity, "FLIPS", 1_000)
    studies = words_of_studies(draw, contrasts, seeds, truth)
    wrong = np.mean([bool(false.intersection(words)) for words in studies])
    assert wrong <= 0.05 + four_errors(0.05, len(studies))


@pytest.mark.parametrize(
    ("rates", "contrasts", "seeds", "share"),
    [
        ((0.08, 0.0), 1, 6, 0.21), ((0.08, 0.0), 1, 30, 0.21), ((0.08, 0.0), 5, 30, 0.67),
        ((0.13, 0.07), 1, 10, 0.09), ((0.13, 0.07), 5, 30, 0.19), ((0.08, 0.08), 5, 30, 0.03),
    ],
)  # fmt: skip
def test_where_arms_spike_more_often_than_the_baseline_false_directions_are_frequent(
    rates: tuple[float, float],
    contrasts: int,
    seeds: int,
    share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the intervals do not hold: the shares that docs/decisions/statistics.md gives."""
    monkeypatch.setattr(multiplicity, "FLIPS", 1_000)
    arms, baseline = (partial(heavy_tailed, rate=rate) for rate in rates)
    studies = words_of_studies(arms, contrasts, seeds, baseline=baseline)
    directions = [{word.finding for word in words} & {"better", "worse"} for words in studies]
    assert np.mean([bool(each) for each in directions]) == pytest.approx(share, abs=0.04)
    if len(set(rates)) > 1:  # the arm looks better as long as few of its spikes are drawn
        assert np.mean(["better" in each for each in directions if each]) > 0.9


def verdicts(draws: Floats) -> list[Verdict]:
    """The verdict of each row, as the only contrast of a study."""
    bounds = np.stack(intervals(draws, 0.95), axis=1).tolist()
    return [verdict_of(Interval(*row), MARGIN, higher_is_better=True) for row in bounds]


def test_level_of_the_claim_over_all_arms() -> None:
    # The intersection-union test: far above two arms, and no different from the third. Its error is
    # that of the one test on one side: 2.5 %, whatever the number of arms.
    studies = 6_000
    centres = np.array([1.0, 1.0, 0.0])[None, :, None]
    draws = generator(4).normal(centres, UNPAIRED, (studies, 3, 8))
    rows = np.reshape(verdicts(draws.reshape(-1, 8)), (studies, 3)).tolist()
    answers = [
        answer_of([outcome_of(Verdict(word), Prediction.better) for word in row]) for row in rows
    ]
    holds = np.mean([answer is Answer.yes for answer in answers])
    assert holds == pytest.approx(0.025, abs=four_errors(0.025, studies))


@pytest.mark.parametrize(
    ("centre", "false"),
    [(MARGIN, WITHIN_MARGIN), (-MARGIN, WITHIN_MARGIN), (MARGIN, {Verdict.better})],
)
def test_rate_of_a_false_word_at_the_margin(centre: float, false: set[Verdict]) -> None:
    draws = generator(5).normal(centre, 0.04, (STUDIES, 12))
    claimed = np.mean([verdict in false for verdict in verdicts(draws)])
    assert claimed == pytest.approx(0.025, abs=four_errors(0.025))


def test_seeds_needed_for_a_tenth_of_a_point() -> None:
    # The design's table: 0.10 points with a spread of 0.065 over seeds.
    seeds, power = 9, 0.80
    assert seeds_needed(UNPAIRED, MARGIN) == seeds
    draws = generator(7).normal(MARGIN, UNPAIRED, (STUDIES, seeds))
    found = (p_values(draws) < 0.05).mean()
    assert found >= power - four_errors(power)
    assert found == pytest.approx(paired_t_power(seeds, MARGIN / UNPAIRED), abs=four_errors(power))
    fewer = generator(8).normal(MARGIN, UNPAIRED, (STUDIES, seeds - 1))
    assert (p_values(fewer) < 0.05).mean() < power


@pytest.mark.parametrize(
    ("searched", "correlation", "documented"),
    [(0, 0.9, 0.025), (2, 0.5, 0.047), (2, 0.9, 0.069), (6, 0.9, 0.142)],
)
def test_a_tuned_arm_looks_better_on_seeds_that_were_searched(
    searched: int, correlation: float, documented: float
) -> None:
    # The best of 20 equal settings on validation images, against the first of them on test images;
    # docs/sweeps.md has the shares. Correlated is what a seed does to both accuracies.
    studies, trials, seeds, random = 40_000, 20, 6, generator(searched)
    test = random.normal(size=(studies, trials, seeds))
    rest = math.sqrt(1 - correlation**2) * random.normal(size=(studies, trials, searched or 1))
    if searched:
        best = (correlation * test[:, :, :searched] + rest).mean(axis=2).argmax(axis=1)
    else:
        best = random.integers(0, trials, studies)
    differences = (test[np.arange(studies), best] - test[:, 0])[best > 0]
    false = (p_values(differences) < 0.05) & (differences.mean(axis=1) > 0)
    assert false.mean() == pytest.approx(documented, abs=four_errors(documented, studies))


def test_level_of_mcnemar() -> None:
    # Two networks, equally good: each of the images they disagree on falls to either side.
    only_ours = generator(9).binomial(40, 0.5, STUDIES)
    p_of = {count: mcnemar_p(int(count), 40 - int(count)) for count in np.unique(only_ours)}
    rejected = np.mean([p_of[count] < 0.05 for count in only_ours])
    # Discreteness costs it some: of 40 images 14 to 26 pass, which leaves 0.0385.
    exact = 1 - (stats.binom.cdf(26, 40, 0.5) - stats.binom.cdf(13, 40, 0.5))
    assert exact < 0.05
    assert rejected == pytest.approx(exact, abs=four_errors(exact))


@pytest.mark.parametrize("of_images", [0.02, 1.0])
@pytest.mark.parametrize(
    ("seeds", "images"), [(3, 500), (4, 500), (6, 10_000), (10, 500), (30, 500)]
)
def test_coverage_of_the_interval_for_new_images(seeds: int, images: int, of_images: float) -> None:
    # Correct minus correct of two arms: each image has a side that it falls to, each seed moves all
    # of them. Seed-dominated where images hardly differ, image-dominated where they do.
    random, studies, covered = generator(seeds), 600, 0
    for _ in range(studies):
        side = 0.5 + of_images * random.uniform(-0.5, 0.5, images)
        side = np.clip(side + random.normal(0, 0.1, (seeds, 1)), 0, 1)
        differs = random.random((seeds, images)) < 0.1
        sign = np.where(random.random((seeds, images)) < side, 1, -1)
        interval = new_images_interval((differs * sign).astype(np.int8))
        assert interval is not None
        covered += interval.low <= 0 <= interval.high
    assert covered / studies >= 0.95 - four_errors(0.95, studies)
