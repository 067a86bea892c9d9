"""A study's result, from run folders or from a table of values.

Both give values by arm, metric and seed, and so the same differences, verdicts and claim; what only
run folders record is added to it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

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
from convchoice.analysis.input_table import ResultsTable
from convchoice.analysis.introspection import arm_introspection, check_one_image
from convchoice.analysis.literature_values import published_results
from convchoice.analysis.measure import Measure, measure_of, sample
from convchoice.analysis.predictions import Predictions
from convchoice.analysis.provenance import Dataset, Provenance, Table, provenance_of_runs
from convchoice.analysis.result import Comparison, DefinitionHistory, StudyDefinition
from convchoice.analysis.result_types import Model
from convchoice.config.field_types import plain_values
from convchoice.config.study import Study
from convchoice.errors import UserError, require
from convchoice.runs.run import Run, reading

SCORES = ("test/accuracy", "test/nll")
DIGITS = 10
"""Significant digits of every number: more than a result means, fewer than two machines' arithmetic
agrees on."""
AnyModel = TypeVar("AnyModel", bound=Model)


def missing_seeds(
    arms: Mapping[str, ArmResult],
    failed: Mapping[str, Iterable[int]],
    expected_seeds: Mapping[str, int] | None = None,
) -> dict[str, list[int]]:
    """Seeds without a run, by arm: of those expected, or of those that any arm has."""
    have = {name: {*arm.seeds, *failed.get(name, ())} for name, arm in arms.items()}
    anywhere = set().union(*have.values())
    expected = {arm: set(range(count)) for arm, count in (expected_seeds or {}).items()}
    missing = {arm: sorted(expected.get(arm, anywhere) - found) for arm, found in have.items()}
    return {arm: found for arm, found in missing.items() if found}


def _rounded(model: AnyModel) -> AnyModel:
    """A part of a result, every number with `DIGITS` significant digits."""
    text = json.dumps(model.model_dump(mode="json"))
    content = json.loads(text, parse_float=lambda number: float(f"{float(number):.{DIGITS}g}"))
    return type(model).model_validate(content)


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
    asked = StudyDefinition.model_validate(definition)
    # Rounded before sentences are made of it: a sentence and a table show the same digits.
    comparison = _rounded(Comparison(study=asked, contrasts=list(found), **fields))
    by_claim = {index: [_rounded(each) for each in some] for index, some in (own or {}).items()}
    answered = claims.claims_of(study, comparison, by_claim)
    return comparison.model_copy(update={"claims": answered, "cautions": cautions(comparison)})


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


def _recorded_of_contrast(
    item: Contrast,
    arms: Mapping[str, ArmResult],
    scores: Mapping[str, Scores],
    predicted: Mapping[str, Predictions],
) -> dict[str, Any]:
    """The fields of a contrast that runs have and a table has not."""
    arm, reference = item.arm, item.reference
    ours, theirs = (
        [scores[each]["test/nll"][seed] for seed in item.seeds] for each in (arm, reference)
    )
    return {
        "nll": difference(ours, theirs, measure_of("test/nll")),
        **predictions.recorded_of_contrast(predicted[arm], predicted[reference], item.seeds),
        "cost_ratio": cost_ratio(arms[arm].costs, arms[reference].costs),
    }


def without_arms(study: Study, without: Iterable[str]) -> Study:
    """The study without the arms that have no run: all of them failed in training, or none is due.

    An arm without its reference cannot be compared and is left out, too.

    Raises:
        UserError: if the baseline or every other arm is gone.
    """
    gone = set(without)
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
        expected_seeds: planned seeds (0 … n − 1) by arm, 0 of one that is left out; without it the
            study counts as partial if one arm lacks a seed that another has.
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
    left_out = [arm for arm in study.all_arms() if (expected_seeds or {}).get(arm) == 0]
    gone = [arm for arm in failed if not runs.get(arm)] + left_out
    question, study = study, without_arms(study, gone)
    by_seed = {arm: check_runs(arm, runs.get(arm, [])) for arm in study.all_arms()}
    ordered = {arm: list(found.values()) for arm, found in by_seed.items()}
    every_run = list(chain.from_iterable(ordered.values()))
    made = provenance_of_runs(every_run)
    predicted = {arm: predictions.read_predictions(each) for arm, each in ordered.items()}
    predictions.check_same_images(predicted)
    results, scores = {}, dict[str, Scores]()
    for arm, each in ordered.items():
        scores[arm] = {
            metric: dict(zip(by_seed[arm], values_of(each, metric), strict=True))
            for metric in dict.fromkeys([*SCORES, study.metric])
        }
        reference = study.references(arm)[0] if arm in study.arms else arm
        with reading(each[0].path.parent, "the runs of an arm", keep=UserError):
            results[arm] = _arm(
                study,
                arm,
                measure,
                scores[arm],
                configuration=effective_configuration(each[0]),
                differs_from_reference=changes(each[0], ordered[reference][0]),
                costs=costs(arm, each),
                learning_curves=learning_curves(each),
                **predictions.recorded_of_arm(predicted[arm]),
                curves=arm_curves(arm, each),
                introspection=arm_introspection(each),
            )
    check_one_image({arm: each.introspection for arm, each in results.items()})
    earlier_looks = definition.earlier_looks if definition else []
    contrasts, family = contrasts_of(study, measure, scores, earlier_looks)
    found = [
        each.model_copy(update=_recorded_of_contrast(each, results, scores, predicted))
        for each in contrasts
    ]
    flips = [item for each in found if each.flips for item in each.flips.gained + each.flips.lost]
    return _result(
        question,
        found,
        claims.own_contrasts(question, by_seed),
        family=family,
        definition=definition,
        measure=measure,
        arms=results,
        pictures=predictions.pictures_of([item.image for item in flips], every_run),
        published=published_results(study, ordered[study.baseline], made.dataset),
        failed=failed,
        left_out=left_out,
        missing_seeds=missing_seeds(results, failed, expected_seeds),
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
    question, study = study, without_arms(study, (arm for arm in failed if not table.values[arm]))
    scores = {arm: {study.metric: table.values[arm]} for arm in study.all_arms()}
    arms = {arm: _arm(study, arm, measure, each) for arm, each in scores.items()}
    found, family = contrasts_of(study, measure, scores)
    return _result(
        question,
        found,
        family=family,
        measure=measure,
        arms=arms,
        failed=failed,
        missing_seeds=missing_seeds(arms, failed),
        provenance=Provenance(
            runs=sum(arm.n for arm in arms.values()),
            dataset=Dataset(title=table.title),
            table=Table(files=list(table.sources), digest=table.digest),
        ),
    )
