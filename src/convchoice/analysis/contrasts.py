"""Paired differences over common seeds: estimate, intervals, tests, verdict, seeds needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convchoice.analysis.measure import Measure
from convchoice.analysis.result_contrast import Contrast, Difference, LeftOutSeeds
from convchoice.analysis.sentences import seed_notes
from convchoice.analysis.statistics import (
    holm,
    mean_interval,
    mean_of,
    paired_t_p,
    seeds_needed,
    sign_flip_p,
    standard_deviation,
)
from convchoice.analysis.verdict import verdict_of
from convchoice.config.study import Study
from convchoice.errors import UserError

ANALYSIS_SEED = 2019
"""Seed of all resampling: equal inputs give equal results."""


@dataclass(frozen=True)
class Pairing:
    """An arm, its reference, and the seeds over which they are compared."""

    arm: str
    reference: str
    seeds: list[int]
    left_out: LeftOutSeeds


def pairing(study: Study, arm: str, seeds: Mapping[str, Sequence[int]]) -> Pairing:
    """Pair an arm with its reference.

    Args:
        study: the question.
        arm: one of its arms.
        seeds: of every arm.

    Raises:
        UserError: if the two have no seed in common.
    """
    reference = study.reference(arm)
    ours, theirs = set(seeds[arm]), set(seeds[reference])
    if not ours & theirs:
        raise UserError(
            f"study {study.name}: {arm} (seeds {sorted(ours)}) and {reference} (seeds"
            f" {sorted(theirs)}) have no seed in common, so they cannot be paired."
        )
    left_out = LeftOutSeeds(arm=sorted(ours - theirs), reference=sorted(theirs - ours))
    return Pairing(arm, reference, sorted(ours & theirs), left_out)


def difference(ours: Sequence[float], theirs: Sequence[float], measure: Measure) -> Difference:
    """Arm minus reference with the same seed; `with_holm` adds `p_holm`."""
    # Subtracting two decimals adds digits; without them equal differences are equal.
    values = np.round((np.asarray(ours) - np.asarray(theirs)) * measure.scale, 12)
    return Difference(
        unit=measure.unit,
        mean=mean_of(values),
        standard_deviation=standard_deviation(values),
        interval_95=mean_interval(values, 0.95),
        interval_90=mean_interval(values, 0.90),
        values=values.tolist(),
        p_t=paired_t_p(values),
        p_sign_flip=sign_flip_p(values, np.random.default_rng(ANALYSIS_SEED)),
        p_holm=None,
    )


def with_holm(differences: Sequence[Difference]) -> list[Difference]:
    """The differences of one metric over a study's contrasts, with `p_holm`."""
    adjusted = holm([each.p_t for each in differences])
    return [
        each.model_copy(update={"p_holm": p}) for each, p in zip(differences, adjusted, strict=True)
    ]


def contrast(
    pair: Pairing, found: Difference, measure: Measure, margin: float, **details: Any
) -> Contrast:
    """A contrast with its verdict.

    Args:
        pair: who is compared.
        found: differences of the study's metric.
        measure: of that metric.
        margin: δ.
        details: further fields of `Contrast`.
    """
    verdict = verdict_of(
        found.interval_95, found.interval_90, margin, higher_is_better=measure.higher_is_better
    )
    deviation = found.standard_deviation
    needed = None if deviation is None else seeds_needed(deviation, margin)
    return Contrast(
        arm=pair.arm,
        reference=pair.reference,
        seeds=pair.seeds,
        left_out_seeds=pair.left_out,
        difference=found,
        verdict=verdict,
        seeds_needed=needed,
        seed_notes=seed_notes(len(pair.seeds), needed, verdict),
        **details,
    )
