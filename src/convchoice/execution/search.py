"""A search for better settings of some arms, by Optuna, on validation data alone.

Every arm has the same number of trials, and its own recipe is its first trial, so the result is
never worse on the validation images than the recipe. Trials are trained and never evaluated: the
test set stays closed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState

from convchoice.config.arm import arm_from_mapping
from convchoice.config.composition import compose_values
from convchoice.config.mapping import flattened
from convchoice.config.schema import Config
from convchoice.data.download import ensure
from convchoice.errors import ConfigurationError, UserError, require
from convchoice.execution.completeness import specify
from convchoice.execution.local_processes import LocalExecutor
from convchoice.execution.runner import missing_runs, run
from convchoice.execution.search_space import SearchSpace
from convchoice.networks.suggestions import fitting_plan
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path

METRICS: dict[str, Literal["maximize", "minimize"]] = {
    "val/accuracy": "maximize",
    "val/loss": "minimize",
}


@dataclass(frozen=True)
class Trial:
    """One setting of one arm.

    Attributes:
        number: from 0, which is the arm's own recipe.
        settings: values of the searched keys.
        values: the metric for each seed; empty if a seed failed.
    """

    number: int
    settings: Mapping[str, Any]
    values: tuple[float, ...] = ()

    @property
    def overrides(self) -> list[str]:
        """The settings in Hydra's syntax."""
        return overrides_of(self.settings)

    @property
    def mean(self) -> float | None:
        """Mean of the metric over the seeds; None if a seed failed."""
        return fmean(self.values) if self.values else None


@dataclass
class Search:
    """The search for some arms, one trial after another in all of them.

    Attributes:
        space: arms, seeds and searched keys.
        budget: trials of each arm.
        metric: a key of `METRICS`.
        root: folder of the trials' run folders; complete ones are not trained again.
        sampler_seed: of Optuna's sampler, the same for every arm.
        trials: the trials of each arm so far, in order.
    """

    space: SearchSpace
    budget: int
    metric: str
    root: Path
    sampler_seed: int = 0
    trials: dict[str, list[Trial]] = field(default_factory=dict)

    def check(self) -> None:
        """Compose every arm at its recipe and at the limits of the search; prepare the data.

        Raises:
            ConfigurationError: for an illegal value, an arm without a validation split, or an arm
                whose own recipe lies outside the search space.
            GeometryError: if a layer does not fit its input.
            UserError: if there is no data.
        """
        for arm in self.space.arms:
            recipe = self.recipe(arm)
            for key, distribution in self.space.searched.items():
                limits = _limits(distribution)
                categorical = isinstance(distribution, CategoricalDistribution)
                value = recipe[key]
                require(
                    value in limits if categorical else limits[0] <= value <= limits[1], key, value,
                    f"arm {arm}'s own value must lie within the search space: it is the first"
                    " trial, with which the others are compared.",
                )  # fmt: skip
                for limit in limits:
                    self.config(arm, 0, {key: limit})
            data = self.config(arm, 0, {}).data
            require(
                data.validation_size != 0, "data.validation_size", data.validation_size,
                f"arm {arm} holds out no validation images, and nothing is chosen on the test set.",
                "Set one for the search: data.validation_size=5000",
            )  # fmt: skip
            ensure(Path(data.root), data.name, data.fallback)

    def recipe(self, arm: str) -> dict[str, Any]:
        """The arm's own values of the searched keys.

        Raises:
            ConfigurationError: for a key that does not exist.
        """
        values = flattened(compose_values([f"arm={arm}", *self.space.fixed], f"arm {arm}"))
        for key in self.space.searched:
            if key not in values:
                raise ConfigurationError(key, None, "there is no such key to search.")
        return {key: values[key] for key in self.space.searched}

    def config(self, arm: str, number: int, settings: Mapping[str, Any]) -> Config:
        """The checked configuration of a trial, without its seed."""
        overrides = [f"arm={arm}", *self.space.fixed, *overrides_of(settings)]
        values = compose_values(overrides, f"arm {arm}, trial {number}")
        config = arm_from_mapping({**values, "arm": f"{arm}-trial-{number}"}, f"arm {arm}").config
        fitting_plan(config)
        return config

    def run(self) -> None:
        """Try one setting of every arm at a time; these trials are trained side by side.

        The same command asks for the same trials, so an interrupted search continues with the
        trials that are complete.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        studies = {arm: self._study(arm) for arm in self.space.arms}
        self.trials = {arm: [] for arm in self.space.arms}
        for number in range(self.budget):
            asked = {arm: study.ask(dict(self.space.searched)) for arm, study in studies.items()}
            configs = {
                arm: self._configs(arm, number, trial.params) for arm, trial in asked.items()
            }
            runs = specify([one for group in configs.values() for one in group], self.root)
            run(missing_runs(runs, evaluates=False), LocalExecutor(), evaluates=False)
            for arm, trial in asked.items():
                found = Trial(number, dict(trial.params), self._values(configs[arm]))
                self.trials[arm].append(found)
                state = None if found.mean is not None else TrialState.PRUNED  # counts as the worst
                studies[arm].tell(trial, found.mean, state=state)
                print(self._line(arm, found), flush=True)

    def _study(self, arm: str) -> optuna.Study:
        sampler = optuna.samplers.TPESampler(seed=self.sampler_seed)
        study = optuna.create_study(direction=METRICS[self.metric], sampler=sampler)
        study.enqueue_trial(self.recipe(arm))
        return study

    def _configs(self, arm: str, number: int, settings: Mapping[str, Any]) -> list[Config]:
        """The configurations of a trial, one for each seed; none if its values do not fit."""
        try:
            config = self.config(arm, number, settings)
        except UserError as error:
            print(f"{arm}, trial {number}: {error}", flush=True)
            return []
        return [replace(config, seed=seed) for seed in self.space.seeds]

    def _values(self, configs: Sequence[Config]) -> tuple[float, ...]:
        """The metric for each seed of a trial; empty if one of them failed."""
        try:
            runs = [read_run(run_path(self.root, str(one.arm), one.seed)) for one in configs]
        except UserError:
            return ()
        return tuple(run.metrics[self.metric] for run in runs)

    def _line(self, arm: str, trial: Trial) -> str:
        found = "failed" if trial.mean is None else f"{self.metric} {trial.mean:.4f}"
        best = self.best(arm)
        so_far = "" if best is None else f"; best so far: trial {best.number}"
        settings = " ".join(trial.overrides)
        count = f"{trial.number + 1} of {self.budget}"
        return f"{arm}, trial {trial.number} ({count}): {settings}: {found}{so_far}"

    def best(self, arm: str) -> Trial | None:
        """The arm's best trial, the earliest among equals; None if all failed."""
        complete = [trial for trial in self.trials[arm] if trial.mean is not None]
        sign = 1 if METRICS[self.metric] == "maximize" else -1
        return max(complete, key=lambda trial: sign * (trial.mean or 0.0), default=None)


def _limits(distribution: BaseDistribution) -> list[Any]:
    """The values at the limits of a distribution; all of a categorical one."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    return [distribution.low, distribution.high]  # type: ignore[attr-defined]


def overrides_of(settings: Mapping[str, Any]) -> list[str]:
    """Settings in Hydra's syntax, floats with every digit."""
    return [
        f"{key}={'null' if value is None else repr(value) if isinstance(value, float) else value}"
        for key, value in settings.items()
    ]
