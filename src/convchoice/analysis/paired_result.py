"""What one metric's paired differences say, as plain values for a comparison's JSON.

From differences over common seeds to estimate, intervals, p, verdict and seeds needed, whoever made
the numbers: run folders or a table.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convchoice.analysis.interval import Interval
from convchoice.analysis.measure import Measure
from convchoice.analysis.sentences import seed_notes
from convchoice.analysis.statistics import (
    holm,
    paired_comparison,
    seeds_needed,
    sign_flip_p,
)
from convchoice.analysis.verdict import verdict_of

ANALYSIS_SEED = 2019
"""Seed of the resampling, so that the same numbers always give the same bytes."""


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def differences_of(
    ours: Sequence[float], theirs: Sequence[float], measure: Measure
) -> NDArray[np.float64]:
    """Arm minus partner with the same seed, (n,), in the measure's unit."""
    # Rounding takes off what subtracting two decimals adds, so that equal differences are equal.
    differences: NDArray[np.float64] = (np.asarray(ours) - np.asarray(theirs)) * measure.scale
    return differences.round(12)


def difference_block(differences: NDArray[np.float64], measure: Measure) -> dict[str, Any]:
    """Mean, spread, intervals and tests; `p_holm` waits for the study's other contrasts."""
    paired = paired_comparison(differences)
    return {
        measure.key("difference"): paired.mean,
        measure.key("standard_deviation"): paired.standard_deviation,
        measure.key("interval_95"): _pair(paired.interval_95),
        measure.key("interval_90"): _pair(paired.interval_90),
        measure.key("differences"): differences.tolist(),
        "p_t": paired.p_t,
        "p_sign_flip": sign_flip_p(differences, np.random.default_rng(ANALYSIS_SEED)),
        "p_holm": None,
    }


def verdict_block(
    differences: NDArray[np.float64], measure: Measure, margin: float
) -> dict[str, Any]:
    """The difference block of a study's own metric, and what it comes to against the margin."""
    paired = paired_comparison(differences)
    verdict = verdict_of(
        paired.interval_95, paired.interval_90, margin, higher_is_better=measure.higher_is_better
    )
    deviation = paired.standard_deviation
    needed = None if deviation is None else seeds_needed(deviation, margin)
    return {
        **difference_block(differences, measure),
        "verdict": verdict.value,
        "seeds_needed": needed,
        "seeds_sentences": seed_notes(paired.n, needed, verdict),
    }


def adjust(blocks: Sequence[dict[str, Any]]) -> None:
    """Fill in `p_holm` of the blocks of one metric over a study's contrasts."""
    adjusted = holm([block["p_t"] for block in blocks])
    for block, p in zip(blocks, adjusted, strict=True):
        block["p_holm"] = p
