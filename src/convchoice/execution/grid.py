"""A study's arms over a grid of settings: the runs of `convchoice survive` and `variance`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

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


def run_grid(
    study: Study, settings: Sequence[Setting], seeds: int, scale: str, root: Path, command: str
) -> dict[str, list[list[Run]]]:
    """Train and evaluate what is missing of a study's arms with every setting.

    Args:
        study: names the arms.
        settings: of the grid.
        seeds: of every arm and setting: 0, 1, ….
        scale: an option of `conf/scale`.
        root: parent of the studies' folders of runs.
        command: what starts this again, for a message.

    Returns:
        For each arm and setting the complete runs by seed; runs that diverged are missing.

    Raises:
        ConfigurationError: for a setting that an arm cannot have.
        GeometryError: if a layer does not fit its input.
        JobError: if a run failed other than by a loss that became infinite or NaN, after the
            others are complete.
        RunFolderError: if a run folder is damaged.
    """
    root, composer = root / study.name, ArmComposer(scale)
    configs = {
        arm: [_config(composer, study, arm, setting, root) for setting in settings]
        for arm in study.all_arms()
    }
    every = [
        replace(each, seed=seed) for of in configs.values() for each in of for seed in range(seeds)
    ]
    name = f"study {study.name}, {len(settings)} settings"
    failures = update_runs(every, LocalExecutor(), lambda _folder: None, name)
    if broken := [event for event in failures if not event.diverged]:
        raise JobError(f"{failure_text(broken, len(every), 'failed')}\nTo continue: {command}")

    def complete(config: Config) -> list[Run]:
        folders = (run_path(root, str(config.arm), seed) for seed in range(seeds))
        return [read_run(folder) for folder in folders if folder.exists()]

    return {arm: [complete(each) for each in of] for arm, of in configs.items()}


def _config(composer: ArmComposer, study: Study, arm: str, setting: Setting, root: Path) -> Config:
    """The checked configuration of an arm with a setting, without its seed."""
    overrides = [f"{key}={value}" for key, value in setting.items()]
    if arm in study.new_arms:
        new = [*study.new_arms[arm], *overrides]
        config = composer.new_arm(arm, new, f"study {study.name}")
    else:
        config = composer.arm(arm, overrides)
    config = with_contents(config)
    fitting_plan(config)
    name = f"{arm}-{derived_name(overrides)}"
    return replace(config, arm=name, run_root=str(root), tracking=TrackingConfig())


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
