"""Does an answer survive other settings? A study's contrasts over a grid of nuisance choices."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, JsonValue

from convchoice.analysis import text
from convchoice.analysis.contrast import difference
from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.model import Count, Interval, Model, Name
from convchoice.analysis.multiplicity import simultaneous, uses_flips
from convchoice.analysis.provenance import Provenance
from convchoice.analysis.verdict import Verdict, verdict_of
from convchoice.config.margin import SMALLEST_MARGIN, margin_points
from convchoice.config.study import Study
from convchoice.runs.run import Run

SURVIVAL = "survival.json"
"""The result's file, in the folder `survival` of a study's report."""
VALIDATION = "val/accuracy"
FINDINGS = ("better", "worse", "equivalent", "inconclusive")
"""What a word says, without how large it is."""

RunsOf = Callable[[str, Mapping[str, Any]], Sequence[Run]]
"""The runs of an arm with a setting."""


class Cell(Model):
    """One contrast with one setting; without a common seed there is no mean."""

    arm_setting: Count = Field(description="The arm's setting, as index of `settings`.")
    reference_setting: Count = Field(description="The reference's, another one only if tuned.")
    seeds: list[Count] = Field(description="Common seeds.")
    mean: float | None = Field(description="Mean paired difference, in the measure's unit.")
    interval: Interval | None = Field(description="Simultaneous over the contrast's cells.")
    verdict: Verdict = Field(description="The word that follows from the interval.")

    @property
    def finding(self) -> str:
        """The word without how large the difference is."""
        return finding_of(self.verdict)


class SurvivingContrast(Model):
    """One contrast over all settings."""

    arm: Name = Field(description="The arm.")
    reference: Name = Field(description="The arm that is subtracted.")
    cells: list[Cell] = Field(description="One a setting, in their order.")
    tuned: Cell | None = Field(
        description="Each arm with the setting of its best validation accuracy; null without one."
    )
    sentence: str = Field(description="In how many settings which finding holds.")


class Survival(Model):
    """A study's contrasts over a grid of settings: the content of `survival.json`."""

    schema_version: Literal[1] = 1
    study: Name = Field(description="The study's name.")
    measure: Measure = Field(description="How differences are counted.")
    margin: float | str = Field(description="The study's margin.")
    grid: dict[str, list[JsonValue]] = Field(description="The values of each key.")
    settings: list[dict[str, JsonValue]] = Field(description="Every combination of them.")
    contrasts: list[SurvivingContrast] = Field(description="In the study's order.")
    provenance: Provenance = Field(description="How the values were made.")


def finding_of(verdict: Verdict) -> str:
    """A word without how large the difference is: one of `FINDINGS`."""
    return verdict.rsplit(maxsplit=1)[-1]


def where(grid: Mapping[str, Sequence[Any]], inside: Sequence[Mapping[str, Any]]) -> str:
    """What settings have in common that not all of the grid have: ``, all with key ≤ 4``.

    Empty if there is nothing, or only one setting and so nothing to generalise.
    """
    for key, values in grid.items():
        found = [setting[key] for setting in inside]
        distinct = [value for value in values if value in found]
        if len(found) < 2 or len(distinct) == len(values):  # noqa: PLR2004 - one is no rule
            continue
        if len(distinct) == 1:
            return f", all with {key} = {distinct[0]}"
        ordered = all(isinstance(value, int | float) for value in values)
        if ordered and max(distinct) < max(values) and min(distinct) == min(values):
            return f", all with {key} ≤ {max(distinct)}"
        if ordered and min(distinct) > min(values) and max(distinct) == max(values):
            return f", all with {key} ≥ {min(distinct)}"
    return ""


def sentence_of(
    arm: str,
    reference: str,
    findings: Sequence[str],
    grid: Mapping[str, Sequence[Any]],
    settings: Sequence[Mapping[str, Any]],
) -> str:
    """In how many settings which finding holds, and what those settings have in common."""
    parts = []
    for word in FINDINGS:
        inside = [s for s, each in zip(settings, findings, strict=True) if each == word]
        if inside:
            parts.append(f"{word} in {len(inside)}{where(grid, inside)}")
    of = text.count(len(settings), "setting")
    return f"{arm} against {reference}, {of}: {'; '.join(parts)}."


def _cells(
    study: Study,
    pairs: Sequence[tuple[int, int]],
    scores: Sequence[tuple[Mapping[int, float], Mapping[int, float]]],
    measure: Measure,
) -> list[Cell]:
    """The cells of a contrast, whose intervals hold together."""
    common = [sorted(ours.keys() & theirs.keys()) for ours, theirs in scores]
    paired = [
        difference([a[s] for s in seeds], [b[s] for s in seeds], measure) if seeds else None
        for (a, b), seeds in zip(scores, common, strict=True)
    ]
    known = [each.values for each in paired if each is not None]
    flips = len(known) == len(paired) and bool(known) and uses_flips(common)
    together = iter(simultaneous(known, flips=flips))
    cells = []
    for (ours, theirs), seeds, each, (_, b) in zip(pairs, common, paired, scores, strict=True):
        interval, verdict = None, Verdict.inconclusive
        if each is not None:
            interval = next(together).interval
            margin = margin_points(study.margin, float(np.mean([b[s] for s in seeds])))
            higher = measure.higher_is_better
            verdict = verdict_of(interval, max(margin, SMALLEST_MARGIN), higher_is_better=higher)
        cells.append(
            Cell(
                arm_setting=ours,
                reference_setting=theirs,
                seeds=seeds,
                mean=None if each is None else each.mean,
                interval=interval,
                verdict=verdict,
            )
        )
    return cells


def _tuned_setting(runs: Sequence[Sequence[Run]]) -> int | None:
    """The index of the setting with the best mean validation accuracy; None without one."""
    means = [
        float(np.mean([run.metrics.get(VALIDATION, np.nan) for run in each])) if each else np.nan
        for each in runs
    ]
    return None if np.isnan(means).all() else int(np.nanargmax(means))


def survival(
    study: Study,
    grid: Mapping[str, Sequence[Any]],
    settings: Sequence[Mapping[str, Any]],
    runs_of: RunsOf,
    provenance: Callable[[Sequence[Run]], Provenance],
) -> Survival:
    """A study's contrasts over every setting of a grid.

    Intervals hold together over the settings of one contrast. The tuned cell gives each arm the
    setting with its best validation accuracy: every arm has had the same number of trials.
    Source: Sivaprasad et al. (2020), Optimizer benchmarking needs to account for hyperparameter
    tuning, ICML.

    Args:
        study: with its contrasts.
        grid: the values of each key.
        settings: every combination.
        runs_of: the complete runs of an arm with a setting.
        provenance: how runs were made.

    Raises:
        UserError: if runs were made on different data.
    """
    measure = measure_of(study.metric)
    runs = {arm: [runs_of(arm, setting) for setting in settings] for arm in study.all_arms()}
    scores = {
        arm: [{run.seed: run.metrics[study.metric] for run in each} for each in by_setting]
        for arm, by_setting in runs.items()
    }
    tuned = {arm: _tuned_setting(by_setting) for arm, by_setting in runs.items()}
    every = [(index, index) for index in range(len(settings))]
    found = []
    for arm, reference in study.pairs():
        both = list(zip(scores[arm], scores[reference], strict=True))
        cells = _cells(study, every, both, measure)
        best = (tuned[arm], tuned[reference])
        chosen = None
        if best[0] is not None and best[1] is not None:
            pair = (scores[arm][best[0]], scores[reference][best[1]])
            [chosen] = _cells(study, [(best[0], best[1])], [pair], measure)
        findings = [cell.finding for cell in cells]
        words = sentence_of(arm, reference, findings, grid, settings)
        found.append(
            SurvivingContrast(
                arm=arm, reference=reference, cells=cells, tuned=chosen, sentence=words
            )
        )
    return Survival(
        study=study.name,
        measure=measure,
        margin=study.margin,
        grid={key: list(values) for key, values in grid.items()},
        settings=[dict(setting) for setting in settings],
        contrasts=found,
        provenance=provenance([run for each in runs.values() for some in each for run in some]),
    )
