"""A study's result, from run folders to one plain mapping: `reports/<study>/comparison.json`.

Every figure, table and sentence of the report is made from this mapping and from nothing else.
Never imports torch. The mapping (schema version 1):

    schema_version   1
    study            the study's own words, as its YAML has them
    measure          metric, label, unit, short_unit, higher_is_better, decimals
    arms.<arm>       n, seeds, partner (None for a baseline), configuration (flattened),
                     differs_from_partner.<key>.{arm, partner},
                     test/accuracy, test/nll (and the study's metric): {mean, interval_95, values},
                     in the metric's own unit: accuracies are fractions,
                     costs.{parameters, macs, pooling_operations, activation_bytes,
                            train_seconds_mean, peak_memory_bytes_mean}, None where not recorded,
                     learning_curves.{epoch, train/loss, …}: None or {mean, low, high},
                     errors_by_digit.{images, errors_mean}: ten values each, one a class
                     (a digit in MNIST; made.dataset.class_names says what each means),
                     curves[]: series, see `curve_result`; empty where none was measured, absent
                     from files that were written before there were curves
    contrasts[]      arm, partner, n, seeds (common ones), left_out_seeds.{arm, partner},
                     difference_U, standard_deviation_U, interval_95_U, interval_90_U,
                     differences_U (one a seed), with U the unit: percentage_points for accuracies,
                     p_t, p_sign_flip, p_holm (of p_t), verdict, seeds_needed, seeds_sentences,
                     nll.{difference_nats, interval_95_nats, interval_90_nats, p_t, p_sign_flip},
                     new_digits.interval_95_percentage_points: both seeds and images drawn again,
                     price.{parameters, macs, train_seconds, …}_ratio: arm over partner,
                     curves[]: series of paired differences; empty or absent likewise
    claim            None or arm, pairs[].{arm, opponent, verdict}, verdict, sentence
    printed          None or see `printed_table`
    partial          is_partial, missing_seeds.<arm>
    made             see `provenance`
    cautions[]       kind, text
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convchoice import arm_result, provenance
from convchoice.curve_result import (
    MeasuredCurves,
    arm_series,
    measured_curves,
    paired_series,
)
from convchoice.errors import UserError
from convchoice.measure import Direction, Measure, measure_of
from convchoice.printed_table import printed_beside_ours
from convchoice.run_folder import Run
from convchoice.statistics import (
    Interval,
    holm,
    paired_comparison,
    seeds_needed,
    sign_flip_p,
    two_way_bootstrap_interval,
)
from convchoice.study import Study
from convchoice.verdict import (
    Verdict,
    claim_sentence,
    claim_verdict_of,
    seeds_sentences,
    verdict_of,
)

SCHEMA_VERSION = 1
ANALYSIS_SEED = 2019
"""Seed of the resampling, so that the same run folders always give the same bytes."""
SCORES = ("test/accuracy", "test/nll")
RATIOS = ("parameters", "macs", "activation_bytes", "train_seconds_mean", "peak_memory_bytes_mean")


def _pair(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _differences(
    ours: Mapping[int, Run], theirs: Mapping[int, Run], seeds: Sequence[int], measure: Measure
) -> NDArray[np.float64]:
    """Arm minus partner with the same seed, (n,), in the measure's unit."""
    arm = arm_result.sample([ours[seed] for seed in seeds], measure.metric)
    partner = arm_result.sample([theirs[seed] for seed in seeds], measure.metric)
    # Rounding takes off what subtracting two decimals adds, so that equal differences are equal.
    differences: NDArray[np.float64] = (np.asarray(arm) - np.asarray(partner)) * measure.scale
    return differences.round(12)


def _difference_block(differences: NDArray[np.float64], measure: Measure) -> dict[str, Any]:
    paired = paired_comparison(differences)
    return {
        measure.key("difference"): paired.mean,
        measure.key("standard_deviation"): paired.standard_deviation,
        measure.key("interval_95"): _pair(paired.interval_95),
        measure.key("interval_90"): _pair(paired.interval_90),
        measure.key("differences"): differences.tolist(),
        "p_t": paired.p_t,
        "p_sign_flip": sign_flip_p(differences, np.random.default_rng(ANALYSIS_SEED)),
    }


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or not theirs else ours / theirs


def _price(arm: Mapping[str, Any], partner: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{name.removesuffix('_mean')}_ratio": _ratio(arm[name], partner[name]) for name in RATIOS
    }


def _contrast(
    study: Study,
    arm: str,
    runs: Mapping[str, Sequence[Run]],
    curves: Mapping[str, MeasuredCurves],
) -> dict[str, Any]:
    partner = study.partner(arm)
    ours = {run.seed: run for run in runs[arm]}
    theirs = {run.seed: run for run in runs[partner]}
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise UserError(
            f"study {study.name}: {arm} (seeds {sorted(ours)}) and {partner} (seeds"
            f" {sorted(theirs)}) have no seed in common, so they cannot be paired."
        )
    measure = measure_of(study.metric)
    paired = paired_comparison(_differences(ours, theirs, seeds, measure))
    verdict = verdict_of(paired.interval_95, paired.interval_90, study.margin, measure.direction)
    needed = (
        None
        if paired.standard_deviation is None
        else seeds_needed(paired.standard_deviation, study.margin)
    )
    nll = measure_of("test/nll")
    our_right, _ = arm_result.correct_predictions([ours[seed] for seed in seeds])
    their_right, _ = arm_result.correct_predictions([theirs[seed] for seed in seeds])
    new_digits = two_way_bootstrap_interval(
        our_right.astype(np.int8) - their_right.astype(np.int8),
        np.random.default_rng(ANALYSIS_SEED),
    )
    return {
        "arm": arm,
        "partner": partner,
        "n": len(seeds),
        "seeds": seeds,
        "left_out_seeds": {
            "arm": sorted(ours.keys() - theirs.keys()),
            "partner": sorted(theirs.keys() - ours.keys()),
        },
        "metric": study.metric,
        **_difference_block(_differences(ours, theirs, seeds, measure), measure),
        "p_holm": None,
        "verdict": verdict.value,
        "seeds_needed": needed,
        "seeds_sentences": seeds_sentences(len(seeds), needed, verdict),
        "nll": _difference_block(_differences(ours, theirs, seeds, nll), nll),
        "new_digits": {
            "interval_95_percentage_points": new_digits
            and [100 * new_digits.low, 100 * new_digits.high]
        },
        "price": _price(
            arm_result.costs(arm, [ours[seed] for seed in seeds]),
            arm_result.costs(partner, [theirs[seed] for seed in seeds]),
        ),
        "curves": paired_series(curves[arm], curves[partner]),
    }


def _arm(
    study: Study, arm: str, runs: Mapping[str, Sequence[Run]], curves: MeasuredCurves
) -> dict[str, Any]:
    ours = runs[arm]
    partner = study.partner(arm) if arm in study.arms else None
    right, labels = arm_result.correct_predictions(ours)
    return {
        "n": len(ours),
        "seeds": [run.seed for run in ours],
        "partner": partner,
        "configuration": arm_result.effective_configuration(ours[0]),
        "differs_from_partner": (
            {}
            if partner is None
            else arm_result.differences_in_configuration(ours[0], runs[partner][0])
        ),
        **{
            metric: arm_result.spread(arm_result.sample(ours, metric))
            for metric in dict.fromkeys([*SCORES, study.metric])
        },
        "costs": arm_result.costs(arm, ours),
        "learning_curves": arm_result.learning_curves(ours),
        "errors_by_digit": arm_result.errors_by_digit(right, labels),
        "curves": arm_series(curves),
    }


def claim_pairs(study: Study) -> list[tuple[str, str]]:
    """Which arm the claim says is better than which, as (better, opponent).

    The claim's arm meets each arm that is compared with it. Where some arms have another
    like-for-like partner (`study.against`), that partner stands for the claim's arm: with
    ``average_4x4`` against ``max_4x4``, "max is better" is put to the test within the 4×4 window,
    and ``max_4x4``, being max itself, is no opponent of max. Controls are no opponents either.
    """
    partners = {study.partner(arm) for arm in study.arms}
    pairs = []
    for arm in study.arms:
        if arm == study.claim_arm:
            pairs.append((arm, study.partner(arm)))
        elif study.claim_arm in partners and arm not in {*partners, *study.controls}:
            pairs.append((study.partner(arm), arm))
    return pairs


def _claim(study: Study, contrasts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    found = {(item["arm"], item["partner"]): Verdict(item["verdict"]) for item in contrasts}
    found |= {(partner, arm): verdict.mirrored for (arm, partner), verdict in found.items()}
    verdicts = {pair: found[pair] for pair in claim_pairs(study)}
    if not verdicts:
        return None
    return {
        "arm": study.claim_arm,
        "pairs": [
            {"arm": arm, "opponent": opponent, "verdict": verdict.value}
            for (arm, opponent), verdict in verdicts.items()
        ],
        "verdict": claim_verdict_of(list(verdicts.values())).value,
        "sentence": claim_sentence(verdicts),
    }


def _missing_seeds(
    study: Study, runs: Mapping[str, Sequence[Run]], expected_seeds: Mapping[str, int] | None
) -> dict[str, list[int]]:
    """Seeds without a run, by arm: of those expected, or of those that any arm has."""
    have = {arm: {run.seed for run in runs[arm]} for arm in study.all_arms()}
    anywhere = set().union(*have.values())
    missing = {}
    for arm, seeds in have.items():
        if expected_seeds is not None and arm in expected_seeds:
            wanted = set(range(expected_seeds[arm]))
        else:
            wanted = anywhere
        if wanted - seeds:
            missing[arm] = sorted(wanted - seeds)
    return missing


def compare(
    study: Study,
    runs: Mapping[str, Sequence[Run]],
    expected_seeds: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """A study's result as plain values ready for JSON, in the module's schema.

    Args:
        study: the question.
        runs: evaluated runs of each arm of the study.
        expected_seeds: planned seeds (0 … n − 1) by arm; without it the study counts as partial
            where one arm lacks a seed that another has.

    Raises:
        UserError: for an arm without runs, runs without test results, runs of one arm with
            different configurations, arms on different data, curves that do not belong together,
            or a contrast without common seeds.
    """
    for arm in study.all_arms():
        arm_result.check_runs(arm, runs.get(arm, []))
    ordered = {arm: sorted(runs[arm], key=lambda run: run.seed) for arm in study.all_arms()}
    every_run = [run for arm_runs in ordered.values() for run in arm_runs]
    made = provenance.how_made(every_run)
    curves = {arm: measured_curves(arm, arm_runs) for arm, arm_runs in ordered.items()}
    arms = {arm: _arm(study, arm, ordered, curves[arm]) for arm in ordered}
    contrasts = [_contrast(study, arm, ordered, curves) for arm in study.arms]
    for contrast, adjusted in zip(
        contrasts, holm([contrast["p_t"] for contrast in contrasts]), strict=True
    ):
        contrast["p_holm"] = adjusted
    measure = measure_of(study.metric)
    missing = _missing_seeds(study, ordered, expected_seeds)
    result = {
        "schema_version": SCHEMA_VERSION,
        "study": dataclasses.asdict(study),
        "measure": {
            "metric": measure.metric,
            "label": measure.label,
            "unit": measure.unit,
            "short_unit": measure.short_unit,
            "higher_is_better": measure.direction is Direction.higher,
            "decimals": measure.decimals,
        },
        "arms": arms,
        "contrasts": contrasts,
        "claim": _claim(study, contrasts),
        "printed": (
            printed_beside_ours(study, ordered[study.baseline], made["dataset"])
            if study.printed
            else None
        ),
        "partial": {"is_partial": bool(missing), "missing_seeds": missing},
        "made": made,
        "cautions": provenance.cautions(
            made,
            {arm: item["n"] for arm, item in arms.items()},
            missing,
            [item["configuration"] for item in arms.values()],
        ),
    }
    plain: dict[str, Any] = arm_result.rounded(result)
    return plain
