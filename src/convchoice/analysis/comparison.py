"""A study's result from run folders.

Reads run folders through `runs.run`; `table_comparison` is the same for a table of values.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from convchoice.analysis import arms, contrasts, predictions, provenance
from convchoice.analysis.claim import claim_of
from convchoice.analysis.curves import (
    RecordedCurves,
    arm_curves,
    curve_differences,
    recorded_curves,
)
from convchoice.analysis.introspection import arm_introspection, check_one_image
from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.predictions import Predictions
from convchoice.analysis.published import published_results
from convchoice.analysis.result import Comparison, StudyDefinition
from convchoice.analysis.result_arm import ArmResult
from convchoice.analysis.result_contrast import Contrast, CostRatio, Difference
from convchoice.config.mapping import plain_values
from convchoice.config.study import Study
from convchoice.errors import UserError
from convchoice.runs.run import Run

SCORES = ("test/accuracy", "test/nll")
RATIOS = ("parameters", "macs", "activation_bytes", "train_seconds", "peak_memory_bytes")
DIGITS = 10
"""Significant digits of every number: more than a result means, fewer than two machines' arithmetic
agrees on."""


@dataclass(frozen=True)
class _Arm:
    """One arm's runs by seed, and what is read from their folders once."""

    runs: Mapping[int, Run]
    predictions: Predictions
    curves: RecordedCurves

    def of(self, seeds: Sequence[int]) -> list[Run]:
        return [self.runs[seed] for seed in seeds]


def _read(arm: str, runs: Sequence[Run]) -> _Arm:
    ordered = sorted(runs, key=lambda run: run.seed)
    return _Arm(
        {run.seed: run for run in ordered},
        predictions.read_predictions(ordered),
        recorded_curves(arm, ordered),
    )


def _cost_ratio(pair: contrasts.Pairing, ours: Sequence[Run], theirs: Sequence[Run]) -> CostRatio:
    costs = arms.costs(pair.arm, ours), arms.costs(pair.reference, theirs)
    ratios = {}
    for name in RATIOS:
        field = f"{name}_mean" if name in arms.MEASURED_COSTS else name
        a, b = (getattr(each, field) for each in costs)
        ratios[name] = None if a is None or not b else a / b
    return CostRatio(**ratios)


def _contrast(study: Study, arm: str, read: Mapping[str, _Arm]) -> Contrast:
    pair = contrasts.pairing(study, arm, {name: list(item.runs) for name, item in read.items()})
    items = read[pair.arm], read[pair.reference]
    ours, theirs = (item.of(pair.seeds) for item in items)
    predicted = (items[0].predictions.of(pair.seeds), items[1].predictions.of(pair.seeds))

    def difference(measure: Measure) -> Difference:
        a, b = (arms.values_of(runs, measure.metric) for runs in (ours, theirs))
        return contrasts.difference(a, b, measure)

    measure = measure_of(study.metric)
    generator = np.random.default_rng(contrasts.ANALYSIS_SEED)
    return contrasts.contrast(
        pair,
        difference(measure),
        measure,
        study.margin,
        nll=difference(measure_of("test/nll")),
        new_images_interval_95=predictions.new_images_interval(*predicted, generator),
        mcnemar=predictions.mcnemar(*predicted),
        class_errors=predictions.class_error_differences(*predicted),
        confusion_difference=predictions.confusion_difference(*predicted),
        flips=predictions.flips(*predicted),
        cost_ratio=_cost_ratio(pair, ours, theirs),
        curves=curve_differences(*(item.curves for item in items)),
    )


def _arm(study: Study, arm: str, read: Mapping[str, _Arm]) -> ArmResult:
    item = read[arm]
    runs = list(item.runs.values())
    reference = study.reference(arm) if arm in study.arms else None
    return ArmResult(
        seeds=list(item.runs),
        reference=reference,
        configuration=arms.effective_configuration(runs[0]),
        differs_from_reference=(
            {}
            if reference is None
            else arms.changes(runs[0], next(iter(read[reference].runs.values())))
        ),
        scores={
            metric: arms.sample(arms.values_of(runs, metric))
            for metric in dict.fromkeys([*SCORES, study.metric])
        },
        costs=arms.costs(arm, runs),
        learning_curves=arms.learning_curves(runs),
        class_errors=predictions.class_errors(item.predictions),
        confusion=predictions.confusion(item.predictions),
        curves=arm_curves(item.curves),
        introspection=arm_introspection(runs),
    )


def missing_seeds(
    seeds: Mapping[str, Iterable[int]], expected_seeds: Mapping[str, int] | None = None
) -> dict[str, list[int]]:
    """Seeds without a run, by arm: of those expected, or of those that any arm has."""
    have = {arm: set(found) for arm, found in seeds.items()}
    anywhere = set().union(*have.values())
    expected = {arm: set(range(count)) for arm, count in (expected_seeds or {}).items()}
    missing = {arm: sorted(expected.get(arm, anywhere) - found) for arm, found in have.items()}
    return {arm: found for arm, found in missing.items() if found}


def without_failed(study: Study, failed: Iterable[str]) -> Study:
    """The study without the arms that have no run because all of them failed in training.

    An arm without its reference cannot be compared and is left out, too.

    Raises:
        UserError: if the baseline or every other arm is gone.
    """
    gone = set(failed)
    left = [arm for arm in study.arms if not {arm, study.reference(arm)} & gone]
    if study.baseline in gone or (study.arms and not left):
        raise UserError(
            f"study {study.name}: every run of {', '.join(sorted(gone))} failed in training, so"
            " nothing is left to compare. The reasons are in runs/<arm>/seed-<n>.failed."
        )
    return replace(study, arms=left)


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """Floats to so many significant digits, inside lists and mappings too."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return value


def result_of(study: Study, found: Sequence[Contrast], **fields: Any) -> Comparison:
    """The result of a study: p adjusted over its contrasts, its claim, numbers rounded.

    Args:
        study: the question.
        found: its contrasts.
        fields: the other fields of `Comparison`.
    """
    adjusted = contrasts.with_holm([each.difference for each in found])
    nll = iter(contrasts.with_holm([each.nll for each in found if each.nll is not None]))
    definition = plain_values(study)
    definition["published"] = definition.pop("printed")
    comparison = Comparison(
        study=StudyDefinition.model_validate(definition),
        contrasts=[
            each.model_copy(update={"difference": difference, "nll": each.nll and next(nll)})
            for each, difference in zip(found, adjusted, strict=True)
        ],
        claim=claim_of(study, found),
        **fields,
    )
    return Comparison.model_validate(rounded(comparison.model_dump()))


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
            if one arm lacks a seed that another has.
        failed: why runs failed in training, by arm and seed. An arm of which every run failed has
            no results.

    Raises:
        UserError: for an arm without runs, runs without test results, runs of one arm with
            different configurations, arms on different data, curves, pictures or introspections
            that do not match, or a contrast without common seeds.
    """
    question, failed = study, failed or {}
    study = without_failed(study, (arm for arm in failed if not runs.get(arm)))
    for arm in study.all_arms():
        arms.check_runs(arm, runs.get(arm, []))
    every_run = [run for arm in study.all_arms() for run in runs[arm]]
    made = provenance.provenance_of_runs(every_run)
    read = {arm: _read(arm, runs[arm]) for arm in study.all_arms()}
    predictions.check_same_images({arm: item.predictions for arm, item in read.items()})
    results = {arm: _arm(study, arm, read) for arm in read}
    check_one_image({arm: each.introspection for arm, each in results.items()})
    found = [_contrast(study, arm, read) for arm in study.arms]
    flips = [each.flips for each in found if each.flips is not None]
    missing = missing_seeds(
        {arm: [*item.runs, *failed.get(arm, {})] for arm, item in read.items()}, expected_seeds
    )
    baseline = list(read[study.baseline].runs.values())
    return result_of(
        question,
        found,
        measure=measure_of(study.metric),
        arms=results,
        pictures=predictions.pictures_of(
            [item.image for each in flips for item in [*each.gained, *each.lost]], every_run
        ),
        published=published_results(study, baseline, made.dataset) if study.printed else None,
        failed=failed,
        missing_seeds=missing,
        provenance=made,
        cautions=provenance.failed_cautions(question.all_arms(), list(results), failed)
        + provenance.cautions(
            made,
            [each.n for each in results.values()],
            missing,
            subset=any(
                each.configuration.get("data.train_size") is not None for each in results.values()
            ),
        ),
    )
