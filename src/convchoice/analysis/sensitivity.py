"""Does an answer depend on other choices: contrasts over a grid of settings, sources of variance.

A grid crosses the values of some configuration keys. `Survival` has a study's contrasts with every
setting, `VarianceSources` how much of the spread between runs comes from which seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, ValidationError

from convchoice.analysis.contrast import Family, contrasts_of
from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.model import Count, Interval, Model, Name
from convchoice.analysis.provenance import Provenance, provenance_of_runs
from convchoice.analysis.verdict import Verdict
from convchoice.config.study import Study
from convchoice.errors import RunFolderError
from convchoice.runs.run import Run

SURVIVAL = "survival.json"
VARIANCE = "variance.json"
"""Files of the results, in the folders `survival` and `variance` of a study's report."""
VALIDATION = "val/accuracy"
SOURCES = {
    "model.weights_seed": "initial weights",
    "data.order_seed": "order of images",
    "data.subset_seed": "training subset",
}
"""The keys that fix one source of randomness each, and its name."""
REST = "interactions"
Floats = NDArray[np.float64]
Setting = Mapping[str, Any]
Found = TypeVar("Found", bound=Model)
Scores = Mapping[int, float]
"""Values by seed."""


# Contrasts over settings


class Cell(Model):
    """One contrast with one setting; without a common seed there is no mean."""

    arm_setting: Count = Field(description="The arm's setting, as index of `settings`.")
    reference_setting: Count = Field(description="The reference's, another one only if tuned.")
    seeds: list[Count] = Field(default=[], description="Common seeds.")
    mean: float | None = Field(
        default=None, description="Mean paired difference, in the measure's unit."
    )
    interval: Interval | None = Field(default=None, description="It holds for all cells together.")
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
        description="Each arm with the setting of its best validation accuracy; null without one."
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


def _tuned_setting(runs: Sequence[Sequence[Run]]) -> int | None:
    """The index of the setting with the best mean validation accuracy; None without one."""
    means = [
        float(np.mean([run.metrics.get(VALIDATION, np.nan) for run in each])) if each else np.nan
        for each in runs
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

    Intervals hold together over the settings of one contrast, and over looks at fewer seeds of the
    same settings. The tuned cell gives each arm the setting with its best validation accuracy:
    every arm has had the same number of trials. Source: Sivaprasad et al. (2020), Optimizer
    benchmarking needs to account for hyperparameter tuning, ICML.

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
    scores = {
        arm: [{run.seed: run.metrics[study.metric] for run in each} for each in by_setting]
        for arm, by_setting in runs.items()
    }
    same = earlier is not None and earlier.settings == [dict(each) for each in settings]
    looks = {
        (each.arm, each.reference): each.family.looks
        for each in (earlier.contrasts if earlier and same else [])
    }
    found = []
    for arm, reference in study.pairs():
        places = [(index, index) for index in range(len(settings))]
        both = list(zip(scores[arm], scores[reference], strict=True))
        cells, family = _cells(study, places, both, looks.get((arm, reference), []))
        tuned, best = None, (_tuned_setting(runs[arm]), _tuned_setting(runs[reference]))
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
        contrasts=found,
        provenance=provenance_of_runs(every),
    )


# Sources of variance


class Decomposition(Model):
    """The variance of one arm's metric, or of a contrast's difference, by source."""

    arm: Name = Field(description="The arm.")
    reference: Name | None = Field(description="Null for the arm's own metric.")
    standard_deviation: float = Field(description="Over all runs, in the measure's unit.")
    components: dict[str, float] = Field(description="Variance by source, in the unit squared.")

    @property
    def shares(self) -> dict[str, float]:
        """Each source's share of the sum of the components; all 0 without any variance."""
        total = sum(self.components.values())
        return {name: value / total if total else 0.0 for name, value in self.components.items()}


class VarianceSources(Model):
    """The content of `variance.json`."""

    schema_version: Literal[1] = 1
    study: Name = Field(description="The study's name.")
    measure: Measure = Field(description="How values are counted.")
    levels: dict[str, Count] = Field(description="Number of seeds of each source.")
    decompositions: list[Decomposition] = Field(description="Of arms, then of contrasts.")
    provenance: Provenance = Field(description="How the values were made.")


def components(values: Floats, names: Sequence[str]) -> dict[str, float]:
    """Variance components of a balanced crossed design with one value a cell.

    Every axis is a random factor. Its component is (its mean square − that of the rest) divided by
    the number of values at each of its levels, at least 0; what the factors' sums do not explain
    is `REST`. For balanced data and positive components this is the REML estimate of the mixed
    model. Source: Searle, Casella and McCulloch (1992), Variance Components, chapter 4.

    Args:
        values: an axis of at least 2 levels a factor.
        names: of the factors.
    """
    mean = values.mean()
    squares, rest = {}, values - mean
    for axis, name in enumerate(names):
        others = tuple(other for other in range(values.ndim) if other != axis)
        effects = values.mean(axis=others, keepdims=True) - mean
        count = values.size // values.shape[axis]
        squares[name] = (count * float(np.square(effects).sum()) / (values.shape[axis] - 1), count)
        rest = rest - effects
    freedom = values.size - 1 - sum(size - 1 for size in values.shape)
    left = float(np.square(rest).sum()) / freedom
    found = {name: max(0.0, (square - left) / count) for name, (square, count) in squares.items()}
    return {**found, REST: left}


def decompositions(
    found: Mapping[str, Floats], pairs: Sequence[tuple[str, str]], names: Sequence[str]
) -> list[Decomposition]:
    """The decompositions of every arm, then of every contrast.

    Args:
        found: values by arm, (levels of each source), in the unit of the report.
        pairs: the study's contrasts.
        names: of the sources, in the order of the axes.
    """
    differences = {pair: found[pair[0]] - found[pair[1]] for pair in pairs}
    return [
        Decomposition(
            arm=arm,
            reference=reference,
            standard_deviation=float(values.std(ddof=1)),
            components=components(values, names),
        )
        for (arm, reference), values in [
            *(((arm, None), values) for arm, values in found.items()),
            *differences.items(),
        ]
    ]


def read_beside(path: Path, model: type[Found]) -> Found | None:
    """A result beside a study's comparison; None if there is none.

    Raises:
        RunFolderError: if it cannot be read.
    """
    if not path.exists():
        return None
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        verb = {SURVIVAL: "survive", VARIANCE: "variance"}.get(path.name, "compare")
        reason = str(error).splitlines()[0]
        raise RunFolderError(
            f"{path}: cannot be read: {reason}. Make it again: convchoice {verb}."
        ) from error
