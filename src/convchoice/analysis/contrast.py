"""Paired differences over common seeds: estimate, intervals, tests, verdicts."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from convchoice.analysis import multiplicity, statistics
from convchoice.analysis.measure import Measure
from convchoice.analysis.predictions import ClassErrors, Flips, McNemar
from convchoice.analysis.result_types import Count, Interval, Model, Name, Probability
from convchoice.analysis.verdict import Verdict, verdict_of
from convchoice.config.margin import SMALLEST_MARGIN, margin_points
from convchoice.config.study import Study
from convchoice.errors import UserError

ANALYSIS_SEED = 2019
"""Seed of all resampling: equal inputs give equal results."""
Scores = Mapping[str, Mapping[int, float]]
"""Values of one arm by metric and seed."""


class Difference(Model):
    """Paired differences of one metric over common seeds: arm minus reference.

    With a single seed there is no deviation. With one, or with fewer than 6 equal differences,
    there is no interval and no t test.
    """

    unit: str = Field(description="`percentage points`, `nats`, or empty.")
    mean: float = Field(description="Mean difference.")
    standard_deviation: float | None = Field(description="Of the differences (n − 1).")
    interval_95: Interval | None = Field(description="Paired t interval of this mean alone.")
    values: list[float] = Field(min_length=1, description="One difference a common seed.")
    p_t: Probability | None = Field(description="Two-sided paired t test.")
    p_sign_flip: Probability = Field(description="Two-sided sign-flip permutation test.")


class LeftOutSeeds(Model):
    """Seeds that only one of two arms has."""

    arm: list[Count] = Field(default=[], description="Seeds of the arm alone.")
    reference: list[Count] = Field(default=[], description="Seeds of the reference alone.")


class RobustDifference(Model):
    """The 20 % trimmed mean of the paired differences, which a few far runs do not move."""

    mean: float = Field(description="Trimmed mean.")
    interval: Interval | None = Field(description="Yuen's, at the level of the contrast's own.")
    verdict: Verdict = Field(description="The word that would follow from it.")


class SeedsNeeded(Model):
    """Seeds that find a difference of the margin with 80 % power, at the last look's level."""

    estimate: int | None = Field(description="With the observed spread; null above a million.")
    low: int | None = Field(description="At the lower end of the spread's 95 % interval.")
    high: int | None = Field(description="At its upper end; null above a million.")


class Family(Model):
    """The contrasts whose intervals hold together, and the looks at their results."""

    contrasts: Count = Field(description="Contrasts of the study without its controls.")
    method: Literal["sign flips", "Bonferroni", "single"] = Field(
        description="Joint sign flips (max-T), Bonferroni's t, or one contrast alone."
    )
    level: float = Field(gt=0, le=1, description="Chance that any interval misses, at this look.")
    looks: list[Count] = Field(default=[], description="Seeds at the looks so far, this one last.")
    last_look: Count | None = Field(default=None, description="Seeds of the last planned look.")
    extended: bool = Field(default=False, description="Whether a look was not planned.")


class Contrast(Model):
    """One arm against its reference, over the seeds that both have."""

    arm: Name = Field(description="The arm.")
    reference: Name = Field(description="The arm that is subtracted.")
    seeds: list[Count] = Field(min_length=1, description="Common seeds.")
    left_out_seeds: LeftOutSeeds = Field(
        default=LeftOutSeeds(), description="Seeds that only one of the two has."
    )
    difference: Difference = Field(description="Differences of the study's metric.")
    interval: Interval | None = Field(
        description="Simultaneous interval over the study's family, from which the verdict"
        " follows, at the family's `level` (95 % for one look); of a control, of this contrast"
        " alone."
    )
    p: Probability | None = Field(
        description="Two-sided t test, adjusted over the family and not over looks: at most the"
        " family's `level` just where the interval excludes 0."
    )
    in_family: bool = Field(description="False for a control.")
    margin: float = Field(gt=0, description="The smallest difference that matters, in its unit.")
    verdict: Verdict = Field(description="The verdict; see `docs/decisions/statistics.md`.")
    robust: RobustDifference = Field(description="The same question to the trimmed mean.")
    seeds_needed: SeedsNeeded | None = Field(
        description="Null unless the verdict is inconclusive and more seeds are needed."
    )
    nll: Difference | None = Field(default=None, description="Differences of `test/nll`.")
    new_images_interval_95: Interval | None = Field(
        default=None,
        description="Of the accuracy difference, pp, for new seeds and new test images.",
    )
    mcnemar: McNemar | None = Field(default=None, description="Test of one pair of runs.")
    class_errors: ClassErrors | None = Field(default=None, description="Differences by class.")
    flips: Flips | None = Field(default=None, description="Images correct in one arm alone.")
    cost_ratio: dict[str, float | None] = Field(default={}, description="Arm's over reference's.")

    @property
    def n(self) -> int:
        """Number of common seeds."""
        return len(self.seeds)

    @property
    def robust_disagrees(self) -> bool:
        """Whether a difference is far from the others and the trimmed mean has another finding.

        Where none is far, the finding differs because the trimmed mean leaves out seeds.
        """
        differs = self.verdict.finding != self.robust.verdict.finding
        return differs and bool(statistics.outlying(self.difference.values).any())


def difference(ours: Sequence[float], theirs: Sequence[float], measure: Measure) -> Difference:
    """Arm minus reference with the same seed."""
    # Subtracting two decimals adds digits; without them equal differences are equal.
    values = np.round((np.asarray(ours) - np.asarray(theirs)) * measure.scale, 12)
    mean, deviation = statistics.mean_and_deviation(values)
    p_t = statistics.paired_t_p(values)
    alone = None if p_t is None else statistics.mean_interval(values, 0.95)
    return Difference(
        unit=measure.unit,
        mean=mean,
        standard_deviation=deviation,
        interval_95=measure.bounded(alone),
        values=values.tolist(),
        p_t=p_t,
        p_sign_flip=statistics.sign_flip_p(values, np.random.default_rng(ANALYSIS_SEED)),
    )


def family_of(study: Study, seeds: Sequence[Sequence[int]], earlier: Sequence[int] = ()) -> Family:
    """What the intervals of a study's contrasts hold for: how many contrasts, how many looks.

    Args:
        study: names the looks that were planned.
        seeds: common seeds of each contrast that is not a control.
        earlier: numbers of seeds at which results were looked at before.
    """
    n = min(map(len, seeds), default=0)
    planned = [look for look in study.looks if look < n]
    # With one seed there is no interval to look at.
    unplanned = [look for look in earlier if 1 < look < n and look not in planned]
    looks = [*sorted({*planned, *unplanned}), *([n] if n else [])]
    last = study.looks[-1] if study.looks else None
    extended = bool(unplanned) or (last is not None and n > last)
    if n < 2 or (len(looks) == 1 and last is None):  # noqa: PLR2004 - one seed has no interval
        level = statistics.SIGNIFICANCE
    elif extended:
        level = multiplicity.unplanned_level(tuple(looks))
    else:
        level = multiplicity.planned_levels(tuple(looks), last)[-1]
    flips = bool(seeds) and multiplicity.uses_flips(seeds, level)
    return Family(
        contrasts=len(seeds),
        method="sign flips" if flips else "Bonferroni" if len(seeds) > 1 else "single",
        level=level,
        looks=looks,
        last_look=last,
        extended=extended,
    )


def last_level(family: Family, looks: Sequence[int]) -> float:
    """The level of the last planned look, for which seeds are planned; that of this look without.

    Args:
        family: at this look.
        looks: that were planned.
    """
    planned = looks and not family.extended
    return multiplicity.planned_levels(tuple(looks))[-1] if planned else family.level


def _seeds_needed(differences: Difference, margin: float, level: float) -> SeedsNeeded | None:
    """The number of seeds that would decide, if it is larger than the present one."""
    n, deviation = len(differences.values), differences.standard_deviation
    if deviation is None:
        return None
    estimate = statistics.seeds_needed(deviation, margin, level)
    if estimate is not None and estimate <= n:
        return None
    low, high = statistics.seeds_needed_interval(deviation, n, margin, level)
    return SeedsNeeded(estimate=estimate, low=low, high=high)


def contrasts_of(
    study: Study,
    measure: Measure,
    scores: Mapping[str, Scores],
    earlier_looks: Sequence[int] = (),
) -> tuple[list[Contrast], Family]:
    """Each arm against its reference in the study's metric, over the seeds that both have.

    Intervals of the contrasts that are not controls hold together; a control is outside their
    family and has an interval of its own.

    Raises:
        UserError: if an arm and its reference have no seed in common.
    """
    values = {arm: found[study.metric] for arm, found in scores.items()}
    seeds, differences = {}, {}
    for arm, reference in study.pairs():
        ours, theirs = values[arm], values[reference]
        common = sorted(ours.keys() & theirs.keys())
        if not common:
            raise UserError(
                f"study {study.name}: {arm} (seeds {sorted(ours)}) and {reference} (seeds"
                f" {sorted(theirs)}) have no seed in common, so they cannot be paired."
            )
        seeds[arm, reference] = common
        differences[arm, reference] = difference(
            [ours[seed] for seed in common], [theirs[seed] for seed in common], measure
        )
    tested = [pair for pair in seeds if pair[0] not in study.controls]
    family = family_of(study, [seeds[pair] for pair in tested], earlier_looks)
    together = multiplicity.simultaneous(
        [differences[pair].values for pair in tested],
        flips=family.method == "sign flips",
        level=family.level,
    )
    inferred = dict(zip(tested, together, strict=True))
    at_last_look = last_level(family, study.looks) / family.level
    made = []
    for (arm, reference), common in seeds.items():
        found = differences[arm, reference]
        own = (
            inferred.get((arm, reference))
            or multiplicity.simultaneous([found.values], flips=False, level=family.level)[0]
        )
        points = margin_points(
            study.margin, float(np.mean([values[reference][seed] for seed in common]))
        )
        margin, higher = max(points, SMALLEST_MARGIN), measure.higher_is_better
        trimmed, trimmed_interval = statistics.trimmed_mean(found.values, own.level)
        interval, robust_interval = map(measure.bounded, (own.interval, trimmed_interval))
        if measure.is_exact and not found.standard_deviation:
            interval = robust_interval = Interval(found.mean, found.mean)
        verdict = verdict_of(interval, margin, higher_is_better=higher)
        undecided = verdict is Verdict.inconclusive
        made.append(
            Contrast(
                arm=arm,
                reference=reference,
                seeds=common,
                left_out_seeds=LeftOutSeeds(
                    arm=sorted(values[arm].keys() - common),
                    reference=sorted(values[reference].keys() - common),
                ),
                difference=found,
                interval=interval,
                p=own.p,
                in_family=(arm, reference) in inferred,
                margin=margin,
                verdict=verdict,
                robust=RobustDifference(
                    mean=trimmed,
                    interval=robust_interval,
                    verdict=verdict_of(robust_interval, margin, higher_is_better=higher),
                ),
                seeds_needed=(
                    _seeds_needed(found, margin, own.level * at_last_look) if undecided else None
                ),
            )
        )
    return made, family
