"""A search for better settings of some arms, by Optuna, on validation data alone.

The search space is a command line in Hydra's grammar:

    arm=max,average                                            arms, each searched separately
    seed=1000,1001                                             seeds of every trial
    'optimizer.learning_rate=tag(log, interval(1e-4, 1e-2))'   a searched key
    data.batch_size=32,64,128                                  another searched key
    scale=quick                                                set in every trial

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
from hydra.core.override_parser.types import IntervalSweep, Override
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from convchoice.config.arm_keys import is_numeric
from convchoice.config.composition import compose_values, given_values, parsed, value_text
from convchoice.config.datasets import spec_of
from convchoice.config.field_types import flattened, within
from convchoice.config.options import check_option
from convchoice.config.schema import Config
from convchoice.config.validation import arm_from_mapping
from convchoice.data.conversion import prepare, with_contents
from convchoice.errors import NO_VALUE, ConfigurationError, UserError, did_you_mean, require
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.runner import run
from convchoice.execution.specification import missing_runs, specify
from convchoice.networks.geometry_suggestions import fitting_plan
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path

Distribution = CategoricalDistribution | IntDistribution | FloatDistribution
DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {
    "val/accuracy": "maximize",
    "val/loss": "minimize",
}
USUAL_SEED = 1000
"""The seed of every trial if none is given: not one of a study, whose seeds count from 0."""


@dataclass(frozen=True)
class SearchSpace:
    """What is searched, and for which arms.

    Attributes:
        arms: names in `conf/arm`.
        seeds: of every trial.
        searched: the keys, and the values that each may take.
        fixed: overrides of every trial.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    searched: Mapping[str, Distribution]
    fixed: tuple[str, ...]


def read_space(arguments: Sequence[str]) -> SearchSpace:
    """The search space of a command line.

    Raises:
        ConfigurationError: for an invalid override, an unknown arm, a key that must not be
            searched, an empty range, or if nothing is searched.
    """
    by_key = {str(each.key_or_group): each for each in parsed(arguments, "command line")}
    arms = _values(by_key.pop("arm", None))
    require(bool(arms), "arm", None, "name the arms to tune.", "arm=max,average")
    for arm in arms:
        check_option("arm", str(arm))
    seeds = _values(by_key.pop("seed", None)) or [USUAL_SEED]
    legal = all(isinstance(seed, int) and seed >= 0 for seed in seeds)
    require(legal, "seed", seeds, "must be whole numbers of at least 0.")
    swept = {key: each for key, each in by_key.items() if each.is_sweep_override()}
    fix = "Give a key several values: 'optimizer.learning_rate=tag(log,interval(1e-4,1e-2))'"
    require(bool(swept), "command line", " ".join(arguments), "nothing is searched.", fix)
    searched = {key: _distribution(key, each) for key, each in swept.items()}
    fixed = tuple(str(each.input_line) for key, each in by_key.items() if key not in swept)
    return SearchSpace(tuple(map(str, arms)), tuple(seeds), searched, fixed)


def _values(override: Override | None) -> list[Any]:
    return [] if override is None else given_values(override)


def _distribution(key: str, override: Override) -> Distribution:
    given, value = value_text(override), override.value()
    decides = key == "data.batch_size" or (is_numeric(key) and not within(key, ("data",)))
    rule = "cannot be tuned: it chooses the images, or where and how a run is made."
    require(decides, key, given, rule)
    rule = "is a group of keys. Arms that differ in a group are tuned separately."
    require("." in key, key, given, rule, "Name one key of the group, or the arms: arm=…")
    if not isinstance(value, IntervalSweep):
        return CategoricalDistribution(_values(override))
    low: Any = value.start
    high: Any = value.end
    whole = isinstance(low, int) and isinstance(high, int)
    try:
        return (IntDistribution if whole else FloatDistribution)(low, high, log="log" in value.tags)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(key, given, f"cannot be searched: {error}") from error


def overrides_of(settings: Mapping[str, Any]) -> list[str]:
    """Settings in Hydra's syntax, floats with every digit."""
    return [f"{key}={'null' if value is None else value}" for key, value in settings.items()]


@dataclass
class Search:
    """The search for some arms, one trial after another in all of them.

    Attributes:
        space: arms, seeds and searched keys.
        budget: trials of each arm.
        metric: a key of `DIRECTIONS`.
        root: folder of the trials' run folders; complete ones are not trained again.
        studies: Optuna's study of each arm, with its trials so far. Each trial's attribute
            ``values`` is the metric for each seed; empty if a seed failed.
    """

    space: SearchSpace
    budget: int
    metric: str
    root: Path
    studies: dict[str, optuna.Study] = field(default_factory=dict)

    def check(self) -> None:
        """Compose every arm at its recipe and at the limits of the search; prepare the data.

        Raises:
            ConfigurationError: for an illegal value, an arm without a validation split, or an arm
                whose own recipe lies outside the search space.
            UserError: for a limit that an arm cannot have; if there is no data.
        """
        for arm in self.space.arms:
            recipe = self.recipe(arm)
            for key, allowed in self.space.searched.items():
                value, legal = recipe[key], f"arm {arm}'s own value must lie within the search"
                rule = f"{legal} space: it is the first trial, with which the others are compared."
                if isinstance(allowed, CategoricalDistribution):
                    limits, inside = allowed.choices, value in allowed.choices
                else:
                    limits = (allowed.low, allowed.high)
                    inside = allowed.low <= value <= allowed.high
                require(inside, key, value, rule)
                for limit in limits:
                    try:
                        self.config(arm, 0, {key: limit})
                    except UserError as error:
                        raise UserError(f"arm {arm} with {key}={limit}: {error}") from error
            data = self.config(arm, 0, {}).data
            spec = spec_of(data)
            number = "null" if spec.own_validation else spec.validation_size
            require(
                data.validation_size != 0, "data.validation_size", data.validation_size,
                f"arm {arm} holds out no validation images, and nothing is chosen on the test set.",
                f"Set one for the search: data.validation_size={number}",
            )  # fmt: skip
            prepare(data)

    def recipe(self, arm: str) -> dict[str, Any]:
        """The arm's own values of the searched keys.

        Raises:
            ConfigurationError: for a key that does not exist.
        """
        values = flattened(compose_values([f"arm={arm}", *self.space.fixed], f"arm {arm}"))
        for key in self.space.searched:
            rule, fix = "there is no such key to search.", did_you_mean(key, list(values))
            require(key in values, key, NO_VALUE, rule, fix)
        return {key: values[key] for key in self.space.searched}

    def config(self, arm: str, number: int, settings: Mapping[str, Any]) -> Config:
        """The checked configuration of a trial, without its seed."""
        overrides = [f"arm={arm}", *self.space.fixed, *overrides_of(settings)]
        values = compose_values(overrides, f"arm {arm}, trial {number}")
        config = arm_from_mapping({**values, "arm": f"{arm}-trial-{number}"}, f"arm {arm}")
        config = with_contents(config)
        fitting_plan(config)
        return config

    def run(self) -> None:
        """Try one setting of every arm at a time; these trials are trained side by side.

        The same command asks for the same trials, so an interrupted search continues with the
        trials that are complete.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        for arm in self.space.arms:
            sampler = optuna.samplers.TPESampler(seed=0)
            study = optuna.create_study(direction=DIRECTIONS[self.metric], sampler=sampler)
            study.enqueue_trial(self.recipe(arm))
            self.studies[arm] = study
        for number in range(self.budget):
            asked = {arm: each.ask(dict(self.space.searched)) for arm, each in self.studies.items()}
            configs = {arm: self._configs(arm, number, each.params) for arm, each in asked.items()}
            runs = specify([one for group in configs.values() for one in group], self.root)
            run(missing_runs(runs, evaluates=False), LocalExecutor(), evaluates=False)
            for arm, trial in asked.items():
                values = self._values(configs[arm])
                trial.set_user_attr("values", values)
                mean = fmean(values) if values else None
                state = None if values else TrialState.PRUNED  # counts as the worst
                self.studies[arm].tell(trial, mean, state=state)
                found = f"{self.metric} {mean:.4f}" if values else "failed"
                best = self.best(arm)
                so_far = f"; best so far: trial {best.number}" if best else ""
                settings = " ".join(overrides_of(trial.params))
                title = f"{arm}, trial {number} ({number + 1} of {self.budget})"
                print(f"{title}: {settings}: {found}{so_far}", flush=True)

    def _configs(self, arm: str, number: int, settings: Mapping[str, Any]) -> list[Config]:
        """The configurations of a trial, one for each seed; none if its values do not fit."""
        try:
            config = self.config(arm, number, settings)
        except UserError as error:
            print(f"{arm}, trial {number}: {error}", flush=True)
            return []
        return [replace(config, seed=seed) for seed in self.space.seeds]

    def _values(self, configs: Sequence[Config]) -> list[float]:
        try:
            runs = [read_run(run_path(self.root, str(one.arm), one.seed)) for one in configs]
        except UserError:
            return []
        return [each.metrics[self.metric] for each in runs]

    def best(self, arm: str) -> FrozenTrial | None:
        """The arm's best trial, the earliest among equals; None if all failed."""
        study = self.studies[arm]
        return study.best_trial if study.get_trials(states=[TrialState.COMPLETE]) else None
