"""A study's result, from run folders or from a table of values.

Both give values by arm, metric and seed, and so the same differences, verdicts and claim; what only
run folders record is added to it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from convchoice.analysis import claims, predictions
from convchoice.analysis.arm import (
    ArmResult,
    changes,
    check_runs,
    cost_ratio,
    costs,
    effective_configuration,
    outlying_seeds,
    values_of,
)
from convchoice.analysis.cautions import cautions
from convchoice.analysis.contrast import Contrast, Scores, contrasts_of, difference
from convchoice.analysis.curves import arm_curves, learning_curves
from convchoice.analysis.introspection import arm_introspection, check_one_image
from convchoice.analysis.measure import Measure, measure_of, sample
from convchoice.analysis.predictions import Predictions
from convchoice.analysis.provenance import Dataset, Provenance, Table, provenance_of_runs
from convchoice.analysis.published_results import published_results
from convchoice.analysis.result import Comparison, DefinitionHistory, StudyDefinition
from convchoice.analysis.results_table import ResultsTable
from convchoice.config.field_types import plain_values
from convchoice.config.study import Study
from convchoice.errors import UserError, require
from convchoice.runs.run import Run

SCORES = ("test/accuracy", "test/nll")
DIGITS = 10
"""Significant digits of every number: more than a result means, fewer than two machines' arithmetic
agrees on."""


def missing_seeds(
    seeds: Mapping[str, Iterable[int]], expected_seeds: Mapping[str, int] | None = None
) -> dict[str, list[int]]:
    """Seeds without a run, by arm: of those expected, or of those that any arm has."""
    have = {arm: set(found) for arm, found in seeds.items()}
    anywhere = set().union(*have.values())
    expected = {arm: set(range(count)) for arm, count in (expected_seeds or {}).items()}
    missing = {arm: sorted(expected.get(arm, anywhere) - found) for arm, found in have.items()}
    return {arm: found for arm, found in missing.items() if found}


def rounded(value: Any) -> Any:
    """Floats to `DIGITS` significant digits, inside lists and mappings too."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _result(
    study: Study,
    found: Sequence[Contrast],
    own: Mapping[int, Sequence[Contrast]] | None = None,
    **fields: Any,
) -> Comparison:
    """The result with claims and cautions, its numbers rounded.

    Args:
        study: as it was asked, with arms that failed.
        found: its contrasts.
        own: contrasts in the metrics of claims that have one of their own, by the claim's index.
        fields: the other fields of `Comparison`.
    """
    definition = plain_values(study)
    definition["published"] = definition.pop("printed")
    comparison = Comparison(
        study=StudyDefinition.model_validate(definition),
        contrasts=list(found),
        **fields,
    )
    comparison = comparison.model_copy(
        update={
            "claims": claims.claims_of(study, comparison, own or {}),
            "cautions": cautions(comparison),
        }
    )
    return Comparison.model_validate(rounded(comparison.model_dump()))


def _arm(study: Study, arm: str, measure: Measure, scores: Scores, **recorded: Any) -> ArmResult:
    seeds = sorted(scores[study.metric])
    values = [scores[study.metric][seed] for seed in seeds]
    return ArmResult(
        seeds=seeds,
        outlying_seeds=outlying_seeds(seeds, values, measure),
        reference=study.references(arm)[0] if arm in study.arms else None,
        scores={
            metric: sample([values[seed] for seed in sorted(values)], metric)
            for metric, values in scores.items()
        },
        **recorded,
    )


# Run folders


@dataclass(frozen=True)
class _RecordedArm:
    """One arm's runs by seed, and what is read from their folders once."""

    runs: dict[int, Run]
    predictions: Predictions | None


def _read(arm: str, runs: Sequence[Run]) -> _RecordedArm:
    check_runs(arm, runs)
    ordered = sorted(runs, key=lambda run: run.seed)
    predicted = predictions.read_predictions(ordered)
    return _RecordedArm({run.seed: run for run in ordered}, predicted)


def _recorded_of_arm(
    arm: str, item: _RecordedArm, reference: _RecordedArm | None
) -> dict[str, Any]:
    runs = list(item.runs.values())
    other = next(iter(reference.runs.values())) if reference else runs[0]
    return {
        "configuration": effective_configuration(runs[0]),
        "differs_from_reference": changes(runs[0], other),
        "costs": costs(arm, runs),
        "learning_curves": learning_curves(runs),
        **predictions.recorded_of_arm(item.predictions),
        "curves": arm_curves(arm, runs),
        "introspection": arm_introspection(runs),
    }


def _recorded_of_contrast(item: Contrast, read: Mapping[str, _RecordedArm]) -> dict[str, Any]:
    both = read[item.arm], read[item.reference]
    ours, theirs = ([each.runs[seed] for seed in item.seeds] for each in both)
    nll = [values_of(runs, "test/nll") for runs in (ours, theirs)]
    return {
        "nll": difference(nll[0], nll[1], measure_of("test/nll")),
        **predictions.recorded_of_contrast(both[0].predictions, both[1].predictions, item.seeds),
        "cost_ratio": cost_ratio(costs(item.arm, ours), costs(item.reference, theirs)),
    }


def without_failed(study: Study, failed: Iterable[str]) -> Study:
    """The study without the arms that have no run because all of them failed in training.

    An arm without its reference cannot be compared and is left out, too.

    Raises:
        UserError: if the baseline or every other arm is gone.
    """
    gone = set(failed)
    pairs = [(arm, other) for arm, other in study.pairs() if not {arm, other} & gone]
    left = list(dict.fromkeys(arm for arm, _ in pairs))
    if study.baseline in gone or (study.arms and not left):
        raise UserError(
            f"study {study.name}: every run of {', '.join(sorted(gone))} failed, so nothing is left"
            " to compare. Of a training, the reason is in runs/<arm>/seed-<n>.failed."
        )
    against = {arm: [other for each, other in pairs if each == arm] for arm in left}
    return replace(study, arms=left, against=against)


def compare(
    study: Study,
    runs: Mapping[str, Sequence[Run]],
    expected_seeds: Mapping[str, int] | None = None,
    failed: Mapping[str, Mapping[int, str]] | None = None,
    definition: DefinitionHistory | None = None,
) -> Comparison:
    """A study's result from run folders.

    Args:
        study: the question.
        runs: evaluated runs of each arm of the study.
        expected_seeds: planned seeds (0 … n − 1) by arm; without it the study counts as partial
            if one arm lacks a seed that another has.
        failed: why runs failed in training, by arm and seed. An arm of which every run failed has
            no results.
        definition: when the study was defined, and earlier looks at results of the same arms;
            None if that is not recorded.

    Raises:
        UserError: for an arm without runs, runs without test results, runs of one arm with
            different configurations, arms on different data, curves, pictures or introspections
            that do not match, or a contrast without common seeds.
    """
    failed, measure = failed or {}, measure_of(study.metric)
    question, study = study, without_failed(study, (arm for arm in failed if not runs.get(arm)))
    read = {arm: _read(arm, runs.get(arm, [])) for arm in study.all_arms()}
    every_run = [run for item in read.values() for run in item.runs.values()]
    made = provenance_of_runs(every_run)
    predictions.check_same_images({arm: item.predictions for arm, item in read.items()})
    scores: dict[str, Scores] = {
        arm: {
            metric: dict(zip(item.runs, values_of(list(item.runs.values()), metric), strict=True))
            for metric in dict.fromkeys([*SCORES, study.metric])
        }
        for arm, item in read.items()
    }
    results = {}
    for arm, item in read.items():
        reference = read[study.references(arm)[0]] if arm in study.arms else None
        recorded = _recorded_of_arm(arm, item, reference)
        results[arm] = _arm(study, arm, measure, scores[arm], **recorded)
    check_one_image({arm: each.introspection for arm, each in results.items()})
    earlier_looks = definition.earlier_looks if definition else []
    found, family = contrasts_of(study, measure, scores, earlier_looks)
    found = [each.model_copy(update=_recorded_of_contrast(each, read)) for each in found]
    flips = [item for each in found if each.flips for item in each.flips.gained + each.flips.lost]
    baseline = list(read[study.baseline].runs.values())
    seeds = {arm: [*item.runs, *failed.get(arm, {})] for arm, item in read.items()}
    return _result(
        question,
        found,
        claims.own_contrasts(question, {arm: item.runs for arm, item in read.items()}),
        family=family,
        definition=definition,
        measure=measure,
        arms=results,
        pictures=predictions.pictures_of([item.image for item in flips], every_run),
        published=published_results(study, baseline, made.dataset) if study.printed else None,
        failed=failed,
        missing_seeds=missing_seeds(seeds, expected_seeds),
        provenance=made,
    )


# A table


def compare_table(study: Study, table: ResultsTable, measure: Measure) -> Comparison:
    """A study's result from a table.

    Args:
        study: the question.
        table: the values of the study's metric.
        measure: how they are counted.

    Raises:
        UserError: for an arm that the table lacks, a fraction that is none, or a contrast without
            common seeds.
    """
    for arm in study.all_arms():
        if arm not in table.values:
            raise UserError(f"{table.title}: has no arm {arm}; it has {', '.join(table.values)}.")
        for seed, value in table.values[arm].items() if measure.shown_unit == "%" else ():
            rule = f"{study.metric} of a study is a fraction of 1: divide percentages by 100."
            require(0 <= value <= 1, f"{table.title}: arm {arm}, seed {seed}", value, rule)
    failed = {arm: table.failed[arm] for arm in study.all_arms() if arm in table.failed}
    question, study = study, without_failed(study, (arm for arm in failed if not table.values[arm]))
    scores = {arm: {study.metric: table.values[arm]} for arm in study.all_arms()}
    found, family = contrasts_of(study, measure, scores)
    return _result(
        question,
        found,
        family=family,
        measure=measure,
        arms={arm: _arm(study, arm, measure, scores[arm]) for arm in study.all_arms()},
        failed=failed,
        missing_seeds=missing_seeds(
            {arm: [*table.values[arm], *failed.get(arm, {})] for arm in study.all_arms()}
        ),
        provenance=Provenance(
            runs=sum(len(table.values[arm]) for arm in study.all_arms()),
            dataset=Dataset(title=table.title),
            table=Table(files=list(table.sources), digest=table.digest),
        ),
    )
