"""A study's arms over a grid of settings: the runs of `convchoice survive` and `variance`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from convchoice import CONF_DIR
from convchoice.config.composition import ArmComposer
from convchoice.config.schema import Config, TrackingConfig
from convchoice.config.study import Study
from convchoice.data.conversion import with_contents
from convchoice.errors import JobError, UserError
from convchoice.execution.executors import LocalExecutor
from convchoice.execution.job_names import derived_name
from convchoice.execution.runner import failure_text, update_runs
from convchoice.networks.geometry_suggestions import fitting_plan
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import run_path

Setting = Mapping[str, Any]
"""One value of each key of a grid."""


def settings_of(grid: Mapping[str, Sequence[Any]]) -> list[Setting]:
    """Every combination of the values of a grid's keys; the last key varies fastest."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


@dataclass(frozen=True)
class Grid:
    """The runs of a study's arms with every setting of a grid.

    Attributes:
        study: names the arms.
        settings: of the grid.
        seeds: of every arm and setting: 0, 1, ….
        scale: an option of `conf/scale`.
        root: parent of the run folders.
        conf: folder of the configuration files.
    """

    study: Study
    settings: Sequence[Setting]
    seeds: int
    scale: str
    root: Path
    conf: Path = CONF_DIR

    def name(self, arm: str, setting: Setting) -> str:
        """The name of an arm with a setting, which is that of its run folders."""
        return f"{arm}-{derived_name([f'{key}={value}' for key, value in setting.items()])}"

    def configs(self) -> list[Config]:
        """The configuration of every run, checked.

        Raises:
            ConfigurationError: for a setting that an arm cannot have.
            GeometryError: if a layer does not fit its input.
        """
        composer, origin = ArmComposer(self.scale, self.conf), f"study {self.study.name}"
        made = []
        for arm, setting in product(self.study.all_arms(), self.settings):
            overrides = [f"{key}={value}" for key, value in setting.items()]
            if arm in self.study.new_arms:
                new = [*self.study.new_arms[arm], *overrides]
                config = composer.new_arm(arm, new, origin)
            else:
                config = composer.arm(arm, overrides)
            config = with_contents(config)
            fitting_plan(config)
            named = replace(
                config,
                arm=self.name(arm, setting),
                run_root=str(self.root / self.study.name),
                tracking=TrackingConfig(),
            )
            made += [replace(named, seed=seed) for seed in range(self.seeds)]
        return made

    def run(self, command: str) -> None:
        """Train and evaluate what is missing.

        Raises:
            JobError: if a run failed other than by a loss that became infinite or NaN, after the
                others are complete.
        """
        configs = self.configs()
        name = f"study {self.study.name}, {len(self.settings)} settings"
        failures = update_runs(configs, LocalExecutor(), lambda _folder: None, name)
        broken = [event for event in failures if not event.diverged]
        if broken:
            failed = failure_text(broken, len(configs), "failed")
            raise JobError(f"{failed}\nTo continue: {command}")

    def runs(self, arm: str, setting: Setting) -> list[Run]:
        """The complete runs of an arm with a setting, by seed; runs that diverged are missing.

        Raises:
            RunFolderError: if a run folder is damaged.
        """
        folders = (
            run_path(self.root / self.study.name, self.name(arm, setting), seed)
            for seed in range(self.seeds)
        )
        return [read_run(folder) for folder in folders if folder.exists()]


def narrowed(study: Study, arms: Sequence[str] | None) -> Study:
    """The study with some of its compared arms and their references alone; None takes all.

    Raises:
        UserError: for a name that is no compared arm of the study.
    """
    if arms is None:
        return study
    for arm in arms:
        if arm not in study.arms:
            legal = ", ".join(study.arms)
            raise UserError(f"--arms {arm}: study {study.name} compares no such arm, but {legal}.")
    references = {reference for arm in arms for reference in study.references(arm)}
    kept = [arm for arm in study.arms if arm in {*arms, *references}]
    against = {arm: each for arm, each in study.against.items() if arm in kept}
    new = {arm: each for arm, each in study.new_arms.items() if arm in {study.baseline, *kept}}
    return replace(study, arms=kept, against=against, new_arms=new)
