"""A study's result, from run folders to one plain mapping: `reports/<study>/comparison.json`.

Every figure, table and sentence of the report is made from this mapping and from nothing else. What
each key holds is written down in `docs/comparison.md`, and a test holds that page to what is made
here. Never imports torch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convchoice.analysis import arm_result, provenance
from convchoice.analysis import prediction_result as answer_result
from convchoice.analysis.curve_result import (
    MeasuredCurves,
    arm_series,
    measured_curves,
    paired_series,
)
from convchoice.analysis.introspection_result import check_one_image, inside_of_arm
from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.paired_result import (
    ANALYSIS_SEED,
    adjust,
    difference_block,
    differences_of,
    verdict_block,
)
from convchoice.analysis.prediction_result import Answers
from convchoice.analysis.published_results import printed_beside_ours
from convchoice.analysis.result import Comparison
from convchoice.analysis.sentences import claim_sentence
from convchoice.analysis.verdict import Verdict, claim_verdict_of
from convchoice.analysis.version_2 import from_version_2
from convchoice.config.mapping import plain_values
from convchoice.config.study import Study
from convchoice.errors import UserError
from convchoice.runs.run import Run

SCORES = ("test/accuracy", "test/nll")
RATIOS = ("parameters", "macs", "activation_bytes", "train_seconds_mean", "peak_memory_bytes_mean")


@dataclass(frozen=True)
class _Arm:
    """One arm's runs by seed, and what is read from their folders once."""

    runs: Mapping[int, Run]
    answers: Answers
    curves: MeasuredCurves

    def of(self, seeds: Sequence[int]) -> list[Run]:
        return [self.runs[seed] for seed in seeds]


def _read(arm: str, runs: Sequence[Run]) -> _Arm:
    ordered = sorted(runs, key=lambda run: run.seed)
    return _Arm(
        {run.seed: run for run in ordered},
        answer_result.read_answers(ordered),
        measured_curves(arm, ordered),
    )


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or not theirs else ours / theirs


def _price(arm: Mapping[str, Any], partner: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{name.removesuffix('_mean')}_ratio": _ratio(arm[name], partner[name]) for name in RATIOS
    }


def common_seeds(study: Study, arm: str, seeds: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Who is compared with whom over which seeds: the head of a contrast.

    Args:
        study: the question.
        arm: one of its arms.
        seeds: of each arm.

    Raises:
        UserError: if the arm and its partner have no seed in common.
    """
    partner = study.partner(arm)
    ours, theirs = set(seeds[arm]), set(seeds[partner])
    if not ours & theirs:
        raise UserError(
            f"study {study.name}: {arm} (seeds {sorted(ours)}) and {partner} (seeds"
            f" {sorted(theirs)}) have no seed in common, so they cannot be paired."
        )
    return {
        "arm": arm,
        "partner": partner,
        "n": len(ours & theirs),
        "seeds": sorted(ours & theirs),
        "left_out_seeds": {"arm": sorted(ours - theirs), "partner": sorted(theirs - ours)},
        "metric": study.metric,
    }


def _contrast(study: Study, arm: str, arms: Mapping[str, _Arm]) -> dict[str, Any]:
    head = common_seeds(study, arm, {name: list(item.runs) for name, item in arms.items()})
    seeds, partner = head["seeds"], head["partner"]
    ours, theirs = arms[arm].of(seeds), arms[partner].of(seeds)
    our_answers, their_answers = (arms[name].answers.of(seeds) for name in (arm, partner))

    def differences(measure: Measure) -> NDArray[np.float64]:
        arm_sample = arm_result.sample(ours, measure.metric)
        return differences_of(arm_sample, arm_result.sample(theirs, measure.metric), measure)

    measure, nll = measure_of(study.metric), measure_of("test/nll")
    return {
        **head,
        **verdict_block(differences(measure), measure, study.margin),
        "nll": difference_block(differences(nll), nll),
        "new_digits": answer_result.new_images(
            our_answers, their_answers, np.random.default_rng(ANALYSIS_SEED)
        ),
        "mcnemar": answer_result.one_pair(our_answers, their_answers),
        "errors_by_digit": answer_result.class_error_differences(our_answers, their_answers),
        "confusion_difference": answer_result.confusion_difference(our_answers, their_answers),
        "flips": answer_result.flipping_images(our_answers, their_answers),
        "price": _price(arm_result.costs(arm, ours), arm_result.costs(partner, theirs)),
        "curves": paired_series(arms[arm].curves, arms[partner].curves),
    }


def _arm(study: Study, arm: str, arms: Mapping[str, _Arm]) -> dict[str, Any]:
    item = arms[arm]
    runs = list(item.runs.values())
    partner = study.partner(arm) if arm in study.arms else None
    return {
        "n": len(runs),
        "seeds": list(item.runs),
        "partner": partner,
        "configuration": arm_result.effective_configuration(runs[0]),
        "differs_from_partner": (
            {}
            if partner is None
            else arm_result.differences_in_configuration(
                runs[0], next(iter(arms[partner].runs.values()))
            )
        ),
        **{
            metric: arm_result.spread(arm_result.sample(runs, metric))
            for metric in dict.fromkeys([*SCORES, study.metric])
        },
        "costs": arm_result.costs(arm, runs),
        "learning_curves": arm_result.learning_curves(runs),
        "errors_by_digit": answer_result.class_errors(item.answers),
        "confusion": answer_result.confusion(item.answers),
        "curves": arm_series(item.curves),
        "inside": inside_of_arm(runs),
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


def claim_block(study: Study, contrasts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What the study's claim comes to; None where it claims nothing of one arm."""
    found = {(item["arm"], item["partner"]): Verdict(item["verdict"]) for item in contrasts}
    found |= {(partner, arm): verdict.mirrored for (arm, partner), verdict in found.items()}
    # A pair that could not be compared, because an arm failed, shows nothing for the claim.
    verdicts = {pair: found.get(pair, Verdict.inconclusive) for pair in claim_pairs(study)}
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


def missing_seeds(
    seeds: Mapping[str, Sequence[int]], expected_seeds: Mapping[str, int] | None = None
) -> dict[str, list[int]]:
    """Seeds without a run, by arm: of those expected, or of those that any arm has."""
    have = {arm: set(found) for arm, found in seeds.items()}
    anywhere = set().union(*have.values())
    missing = {}
    for arm, there in have.items():
        if expected_seeds is not None and arm in expected_seeds:
            wanted = set(range(expected_seeds[arm]))
        else:
            wanted = anywhere
        if wanted - there:
            missing[arm] = sorted(wanted - there)
    return missing


def without_failed(study: Study, failed: Iterable[str]) -> Study:
    """The study without the arms that have no run because all of them failed in training.

    An arm whose like-for-like partner is gone has nobody to be compared with and goes too.

    Raises:
        UserError: if the baseline is gone, or every arm beside it.
    """
    gone = set(failed)
    arms = [arm for arm in study.arms if not {arm, study.partner(arm)} & gone]
    if study.baseline in gone or (study.arms and not arms):
        raise UserError(
            f"study {study.name}: every run of {', '.join(sorted(gone))} failed in training, so"
            " that nothing is left to compare. The reasons stand in runs/<arm>/seed-<n>.failed."
        )
    return replace(study, arms=arms)


def compare(
    study: Study,
    runs: Mapping[str, Sequence[Run]],
    expected_seeds: Mapping[str, int] | None = None,
    failed: Mapping[str, Mapping[int, str]] | None = None,
) -> Comparison:
    """A study's result from run folders.

    Args:
        study: the question.
        runs: evaluated runs of each arm of the study.
        expected_seeds: planned seeds (0 … n − 1) by arm; without it the study counts as partial
            where one arm lacks a seed that another has.
        failed: why runs failed in training, by arm and seed. An arm of which every run failed is
            told of and has no numbers.

    Raises:
        UserError: for an arm without runs, runs without test results, runs of one arm with
            different configurations, arms on different data, curves, pictures or insides that do
            not belong together, or a contrast without common seeds.
    """
    question, failed = study, failed or {}
    study = without_failed(study, (arm for arm in failed if not runs.get(arm)))
    for arm in study.all_arms():
        arm_result.check_runs(arm, runs.get(arm, []))
    every_run = [run for arm in study.all_arms() for run in runs[arm]]
    made = provenance.how_made(every_run)
    read = {arm: _read(arm, runs[arm]) for arm in study.all_arms()}
    arms = {arm: _arm(study, arm, read) for arm in read}
    check_one_image({arm: item["inside"] for arm, item in arms.items()})
    contrasts = [_contrast(study, arm, read) for arm in study.arms]
    adjust(contrasts)
    adjust([contrast["nll"] for contrast in contrasts])
    flipping = [
        item["image"]
        for contrast in contrasts
        for item in [*contrast["flips"]["gained"], *contrast["flips"]["lost"]]
    ]
    missing = missing_seeds(
        {arm: [*item.runs, *failed.get(arm, {})] for arm, item in read.items()}, expected_seeds
    )
    result = {
        "study": plain_values(question),
        "measure": measure_of(study.metric).model_dump(),
        "arms": arms,
        "contrasts": contrasts,
        "claim": claim_block(question, contrasts),
        "pictures": answer_result.pictures_of(flipping, every_run),
        "printed": (
            printed_beside_ours(study, list(read[study.baseline].runs.values()), made["dataset"])
            if study.printed
            else None
        ),
        "failed": {
            arm: {str(seed): reason for seed, reason in seeds.items()}
            for arm, seeds in failed.items()
        },
        "partial": {"is_partial": bool(missing), "missing_seeds": missing},
        "made": made,
        "cautions": provenance.failed_cautions(question.all_arms(), list(arms), failed)
        + provenance.cautions(
            made,
            {arm: item["n"] for arm, item in arms.items()},
            missing,
            [item["configuration"] for item in arms.values()],
        ),
    }
    return from_version_2(arm_result.rounded(result))
