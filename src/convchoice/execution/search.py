"""A search for better settings of some arms, by Optuna, on validation data alone.

Every arm has the same budget, and its own recipe is its first trial, so that what is found is never
worse on the validation images than what was there. Nothing here measures on the test set: trials
are trained and no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import optuna
from optuna.trial import TrialState

from convchoice.config.arm import arm_from_mapping
from convchoice.config.composition import compose_values
from convchoice.config.mapping import flattened
from convchoice.config.schema import Config
from convchoice.data.download import ensure
from convchoice.errors import ConfigurationError, UserError, require
from convchoice.execution.dealing import default_workers
from convchoice.execution.search_space import SearchSpace, contains, ends
from convchoice.execution.seeds import missing_runs, train_missing
from convchoice.networks.suggestions import fitting_plan
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path

METRICS: dict[str, Literal["maximize", "minimize"]] = {
    "val/accuracy": "maximize",
    "val/loss": "minimize",
}


@dataclass(frozen=True)
class Trial:
    """One setting of one arm, tried.

    Attributes:
        number: from 0, which is the arm's own recipe.
        settings: the searched keys' values.
        values: the metric, one a seed; none where a seed failed.
    """

    number: int
    settings: Mapping[str, Any]
    values: tuple[float, ...] = ()

    @property
    def mean(self) -> float | None:
        """Of the metric over the seeds; None where a seed failed."""
        return fmean(self.values) if self.values else None


@dataclass
class Search:
    """The search for some arms, trial after trial in all of them.

    Attributes:
        space: arms, seeds, what is searched.
        budget: trials an arm.
        metric: that is judged by: a key of `METRICS`.
        root: folder of the trials' run folders; what is there is not trained again.
        sampler_seed: of Optuna's sampler, the same for every arm.
        trials: an arm's trials so far, in order.
    """

    space: SearchSpace
    budget: int
    metric: str
    root: Path
    sampler_seed: int = 0
    trials: dict[str, list[Trial]] = field(default_factory=dict)

    def check(self) -> None:
        """Compose every arm at its recipe and at the ends of what is searched; have the data.

        Raises:
            ConfigurationError: for anything illegal, an arm without a validation split, or one
                whose own recipe lies outside of what is searched.
            GeometryError: if a layer does not fit its input.
            UserError: if there is no data.
        """
        for arm in self.space.arms:
            recipe = self.recipe(arm)
            for key, distribution in self.space.searched.items():
                require(
                    contains(distribution, recipe[key]), key, recipe[key],
                    f"arm {arm}'s own value must lie within what is searched: it is the first"
                    " trial, beside which the others are judged.",
                )  # fmt: skip
                for value in ends(distribution):
                    self.config(arm, 0, {key: value})
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
            ConfigurationError: for a key that there is not.
        """
        values = flattened(compose_values([f"arm={arm}", *self.space.fixed], f"arm {arm}"))
        for key in self.space.searched:
            if key not in values:
                raise ConfigurationError(key, None, "there is no such key to search.")
        return {key: values[key] for key in self.space.searched}

    def config(self, arm: str, number: int, settings: Mapping[str, Any]) -> Config:
        """The checked configuration of a trial, its seed aside."""
        overrides = [f"arm={arm}", *self.space.fixed, *overrides_of(settings)]
        values = compose_values(overrides, f"arm {arm}, trial {number}")
        config = arm_from_mapping({**values, "arm": f"{arm}-trial-{number}"}, f"arm {arm}").config
        fitting_plan(config)
        return config

    def carry_out(self) -> None:
        """Try, in turns, one setting of every arm; the trials of a turn are trained side by side.

        The same command asks for the same trials again, so an interrupted search goes on with the
        trials that it finds in its folder.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        studies = {arm: self._study(arm) for arm in self.space.arms}
        self.trials = {arm: [] for arm in self.space.arms}
        for number in range(self.budget):
            asked = {arm: study.ask(dict(self.space.searched)) for arm, study in studies.items()}
            configs = {
                arm: self._configs(arm, number, trial.params) for arm, trial in asked.items()
            }
            self._train([config for ours in configs.values() for config in ours])
            for arm, trial in asked.items():
                tried = Trial(number, dict(trial.params), self._values(configs[arm]))
                self.trials[arm].append(tried)
                if tried.mean is None:  # counts as worse than all others, and in the budget
                    studies[arm].tell(trial, state=TrialState.PRUNED)
                else:
                    studies[arm].tell(trial, tried.mean)
                print(self._line(arm, tried), flush=True)

    def _study(self, arm: str) -> optuna.Study:
        sampler = optuna.samplers.TPESampler(seed=self.sampler_seed)
        study = optuna.create_study(direction=METRICS[self.metric], sampler=sampler)
        study.enqueue_trial(self.recipe(arm))
        return study

    def _configs(self, arm: str, number: int, settings: Mapping[str, Any]) -> list[Config]:
        """A trial's configurations, one a seed; none for values that do not go together."""
        try:
            config = self.config(arm, number, settings)
        except UserError as error:
            print(f"{arm}, trial {number}: {error}", flush=True)
            return []
        return [replace(config, seed=seed) for seed in self.space.seeds]

    def _train(self, configs: Sequence[Config]) -> None:
        missing = missing_runs(configs, self.root)
        if missing:
            workers = min(default_workers(configs[0]), len(missing))
            train_missing(missing, workers=workers)

    def _values(self, configs: Sequence[Config]) -> tuple[float, ...]:
        """The metric of a trial's seeds; none if one of them failed."""
        try:
            runs = [read_run(run_path(self.root, str(one.arm), one.seed)) for one in configs]
        except UserError:
            return ()
        return tuple(run.metrics[self.metric] for run in runs)

    def _line(self, arm: str, trial: Trial) -> str:
        found = "failed" if trial.mean is None else f"{self.metric} {trial.mean:.4f}"
        best = self.best(arm)
        so_far = "" if best is None else f"; best so far: trial {best.number}"
        settings = " ".join(overrides_of(trial.settings))
        count = f"{trial.number + 1} of {self.budget}"
        return f"{arm}, trial {trial.number} ({count}): {settings}: {found}{so_far}"

    def best(self, arm: str) -> Trial | None:
        """The arm's best trial, the earliest among equals; None where all failed."""
        whole = [trial for trial in self.trials[arm] if trial.mean is not None]
        sign = 1 if METRICS[self.metric] == "maximize" else -1
        return max(whole, key=lambda trial: sign * (trial.mean or 0.0), default=None)


def overrides_of(settings: Mapping[str, Any]) -> list[str]:
    """Settings in Hydra's syntax, floats to every digit."""
    return [
        f"{key}={'null' if value is None else repr(value) if isinstance(value, float) else value}"
        for key, value in settings.items()
    ]
