"""A study's contrasts over a grid of settings: does the answer survive other choices?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, JsonValue

from convchoice.analysis.contrast import Family, contrasts_of
from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.provenance import Provenance, provenance_of_runs
from convchoice.analysis.result_types import Count, Interval, Model, Name
from convchoice.analysis.verdict import Verdict
from convchoice.config.study import Study
from convchoice.runs.run import Run

SURVIVAL = "survival.json"
"""The result's file, in the folder `survival` of a study's report."""
VALIDATION = "val/accuracy"
Setting = Mapping[str, Any]
Scores = Mapping[int, float]
"""Values by seed."""


class Cell(Model):
    """One contrast with one setting; without a common seed there is no mean."""

    arm_setting: Count = Field(description="The arm's setting, as index of `settings`.")
    reference_setting: Count = Field(description="The reference's, another one only if tuned.")
    seeds: list[Count] = Field(default=[], description="Common seeds.")
    mean: float | None = Field(
        default=None, description="Mean paired difference, in the measure's unit."
    )
    interval: Interval | None = Field(
        default=None, description="It holds for all cells together, that of a tuned cell alone."
    )
    margin: float | None = Field(default=None, description="The smallest difference that matters.")
    verdict: Verdict = Field(
        default=Verdict.inconclusive, description="The word that follows from the interval."
    )


class SurvivingContrast(Model):
    """One contrast over all settings."""

    arm: Name = Field(description="The arm.")
    reference: Name = Field(description="The arm that is subtracted.")
    cells: list[Cell] = Field(description="One a setting, in their order.")
    family: Family = Field(description="What the intervals of the cells hold for, and looks.")
    tuned: Cell | None = Field(
        description="Each arm with its setting of the best validation accuracy; null without one."
    )


class Survival(Model):
    """A study's contrasts over a grid of settings: the content of `survival.json`."""

    schema_version: Literal[2] = 2
    study: Name = Field(description="The study's name.")
    measure: Measure = Field(description="How differences are counted.")
    margin: float | str = Field(description="The study's margin.")
    seeds: Count = Field(description="Planned seeds of every arm and setting.")
    grid: dict[str, list[JsonValue]] = Field(description="The values of each key.")
    settings: list[dict[str, JsonValue]] = Field(description="Every combination of them.")
    values: dict[Name, list[dict[Count, float]]] = Field(
        default={}, description="The metric of each run, by arm, setting and seed, as measured."
    )
    validation: dict[Name, list[dict[Count, float]]] = Field(
        default={}, description="The validation accuracy of each run, likewise."
    )
    contrasts: list[SurvivingContrast] = Field(description="In the study's order.")
    provenance: Provenance = Field(description="How the values were made.")


def _cells(
    study: Study,
    places: Sequence[tuple[int, int]],
    scores: Sequence[tuple[Scores, Scores]],
    earlier: Sequence[int],
) -> tuple[list[Cell], Family]:
    """The cells of a contrast, whose intervals hold together: each is a contrast of a study."""
    names = {f"arm-{n}": f"reference-{n}" for n, (a, b) in enumerate(scores) if a.keys() & b.keys()}
    values = {name: {study.metric: each} for n, both in enumerate(scores)
              for name, each in zip((f"arm-{n}", f"reference-{n}"), both, strict=True)}  # fmt: skip
    grid = replace(study, arms=list(names), controls=[], looks=[],
                   against={arm: [reference] for arm, reference in names.items()})  # fmt: skip
    found, family = contrasts_of(grid, measure_of(study.metric), values, earlier)
    cells = [Cell(arm_setting=ours, reference_setting=theirs) for ours, theirs in places]
    for each in found:
        index = int(each.arm.removeprefix("arm-"))
        cells[index] = Cell(
            arm_setting=places[index][0],
            reference_setting=places[index][1],
            seeds=each.seeds,
            mean=each.difference.mean,
            interval=each.interval,
            margin=each.margin,
            verdict=each.verdict,
        )
    return cells, family


def _by_seed(runs: Mapping[str, Sequence[Sequence[Run]]], metric: str) -> dict[str, list[Scores]]:
    return {
        arm: [{run.seed: run.metrics[metric] for run in each if metric in run.metrics}
              for each in by_setting]
        for arm, by_setting in runs.items()
    }  # fmt: skip


def _tuned_setting(validation: Sequence[Scores], seeds: int) -> int | None:
    """The index of the setting with the best mean validation accuracy; None without one.

    A setting with which a seed diverged is not chosen: the mean of the others would favour it.
    """
    means = [
        float(np.mean(list(each.values()))) if len(each) == seeds else np.nan for each in validation
    ]
    return None if np.isnan(means).all() else int(np.nanargmax(means))


def survival(
    study: Study,
    settings: Sequence[Setting],
    runs: Mapping[str, Sequence[Sequence[Run]]],
    seeds: int,
    earlier: Survival | None = None,
) -> Survival:
    """A study's contrasts over every setting of its grid `survive`.

    Intervals hold together over the settings of one contrast, and are adjusted for looks at fewer
    seeds of the same settings. The tuned cell gives each arm the setting with its best validation
    accuracy: every arm has had the same number of trials. Source: Sivaprasad et al. (2020),
    Optimizer benchmarking needs to account for hyperparameter tuning, ICML.

    Args:
        study: with its contrasts and its grid.
        settings: every combination.
        runs: complete runs by arm and setting.
        seeds: that were planned.
        earlier: the result so far.

    Raises:
        UserError: if runs were made on different data.
    """
    measure = measure_of(study.metric)
    scores, validation = _by_seed(runs, study.metric), _by_seed(runs, VALIDATION)
    past = earlier.contrasts if earlier and earlier.settings == list(settings) else []
    looks = {(each.arm, each.reference): each.family.looks for each in past}
    found = []
    for arm, reference in study.pairs():
        places = [(index, index) for index in range(len(settings))]
        both = list(zip(scores[arm], scores[reference], strict=True))
        cells, family = _cells(study, places, both, looks.get((arm, reference), []))
        tuned, best = None, [_tuned_setting(validation[each], seeds) for each in (arm, reference)]
        if best[0] is not None and best[1] is not None:
            pair = (scores[arm][best[0]], scores[reference][best[1]])
            [tuned], _ = _cells(study, [(best[0], best[1])], [pair], [])
        found.append(
            SurvivingContrast(arm=arm, reference=reference, cells=cells, family=family, tuned=tuned)
        )
    every = [run for by_setting in runs.values() for each in by_setting for run in each]
    return Survival(
        study=study.name,
        measure=measure,
        margin=study.margin,
        seeds=seeds,
        grid={key: list(values) for key, values in study.survive.items()},
        settings=[dict(setting) for setting in settings],
        values={arm: [dict(each) for each in of] for arm, of in scores.items()},
        validation={arm: [dict(each) for each in of] for arm, of in validation.items()},
        contrasts=found,
        provenance=provenance_of_runs(every),
    )
