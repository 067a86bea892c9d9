"""What `convchoice train` starts: Hydra's single runs and sweeps, and the executor of the jobs.

Hydra parses the command line and composes the configurations. What is to be run is only collected
while Hydra is active, and runs after it has returned, so that Hydra reports none of its errors.

The executor is that of Hydra's launcher, or in the pipeline that of `CONVCHOICE_LAUNCH`:

    CONVCHOICE_LAUNCH='slurm hydra.launcher.partition=cpu' dvc repro

The variable holds the name of a file in `conf/launch`, and settings of its launcher as on the
command line of a sweep. It is in no file: where a run is trained does not decide its numbers, so
neither DVC nor a fingerprint may depend on it.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn, cast

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Glob, Override
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from convchoice import CONF_DIR, IN_CLONE
from convchoice.config.composition import (
    HYDRA_VERSION_BASE,
    composition_errors,
    given_values,
    in_home,
    parsed,
    plain,
    register_schema,
)
from convchoice.config.field_types import check_name
from convchoice.config.options import options
from convchoice.config.schema import Config, TrackingConfig
from convchoice.errors import (
    ConfigurationError,
    JobError,
    UserError,
    did_you_mean,
    install_extra,
    nearest,
    require,
)
from convchoice.execution.executors import Executor, JoblibExecutor, LocalExecutor
from convchoice.execution.job_names import is_named, job_name, run_config, sweep_name
from convchoice.execution.runner import print_plan, print_result, update_runs
from convchoice.execution.sweep import Sweep, checked_configs

LAUNCH = "CONVCHOICE_LAUNCH"
SETTINGS = "hydra.launcher."
DRY_RUN = "--dry-run"
PACKAGES = {
    "basic": "convchoice", "joblib": "joblib", "slurm": "submitit", "submitit_slurm": "submitit",
    "submitit_local": "submitit", "ray": "ray",
}  # fmt: skip
"""The package that each launcher needs."""


def register_configuration() -> None:
    """Register what `conf/` needs, and keep plugins from replacing its launchers.

    hydra-joblib-launcher and hydra-submitit-launcher register schemas under the same names, where
    they are installed; the files in `conf/hydra/launcher` describe executors instead.
    """
    register_schema()
    Plugins.instance()  # loads the plugins
    registered = ConfigStore.instance().repo["hydra"]["launcher"]
    for name in options("hydra/launcher"):
        registered.pop(f"{name}.yaml", None)


def executor_of(hydra: Any, folder: Path) -> Executor:
    """The executor that Hydra's part of a configuration describes.

    Args:
        hydra: the node `hydra` of a composed configuration.
        folder: for the engine's logs; it identifies the jobs in a queue.

    Raises:
        ConfigurationError: for an unknown launcher, or one whose package is not installed.
    """
    launcher = hydra.runtime.choices["hydra/launcher"]
    rule = f"must be one of {', '.join(PACKAGES)}."
    require(launcher in PACKAGES, "hydra/launcher", launcher, rule)
    package = PACKAGES[launcher]
    rule = f"needs the package {package}, which is not installed."
    fix = install_extra("launchers")
    require(find_spec(package) is not None, "hydra/launcher", launcher, rule, fix)
    rule = "is a group of settings; the launcher itself is chosen by launch=NAME."
    require(isinstance(hydra.launcher, DictConfig), "hydra.launcher", hydra.launcher, rule)
    values = cast("dict[str, Any]", OmegaConf.to_container(hydra.launcher, resolve=True))
    if launcher == "basic":
        return LocalExecutor()
    if launcher == "joblib":
        return JoblibExecutor(values.pop("n_jobs"), values)
    if launcher == "ray":
        from convchoice.execution.ray_executor import RayExecutor  # noqa: PLC0415 - optional

        return RayExecutor(folder / "ray", **values)
    from convchoice.execution.slurm_executor import SubmititExecutor  # noqa: PLC0415 - optional

    cluster = "local" if launcher == "submitit_local" else "slurm"
    return SubmititExecutor(folder / cluster, cluster, values)


def pipeline_executor(text: str, config: Config, folder: Path) -> Executor:
    """The executor that `CONVCHOICE_LAUNCH` describes.

    Raises:
        ConfigurationError: for an unknown launcher or setting, or one that is not installed.
    """
    try:
        name, *settings = shlex.split(text) or [""]
    except ValueError as error:
        raise ConfigurationError(LAUNCH, text, f"cannot be read: {error}.") from error
    known = options("launch")
    require(name in known, LAUNCH, name, "there is no such launcher.", nearest(name, known))
    rule = f"only settings of the launcher may follow its name: {SETTINGS}KEY=VALUE."
    fix = "What is trained is chosen by params.yaml and conf/."
    for setting in settings:
        require(setting.lstrip("+~").startswith(SETTINGS), LAUNCH, setting, rule, fix)
    register_configuration()
    overrides = [f"launch={name}", *settings, f"trainer.threads={config.trainer.threads}"]
    with (
        hydra.initialize_config_dir(str(CONF_DIR), version_base=HYDRA_VERSION_BASE),
        composition_errors(LAUNCH, settings),
    ):
        composed = hydra.compose("config", overrides, return_hydra_config=True)
        return executor_of(composed.hydra, folder)


Publish = Callable[[Path, TrackingConfig], object]
Prepare = Callable[[TrackingConfig], object]


@dataclass
class Application:
    """What Hydra calls: the task function of a single run, and of the sweeper.

    Attributes:
        publish: logs a complete run folder to the tracking store of a configuration.
        prepare: called with that store's settings before the first run starts.
        dry: print what would be run, and run nothing.
        action: what is to be run, once Hydra has returned.
    """

    publish: Publish
    prepare: Prepare
    dry: bool = False
    action: Callable[[], None] = field(default=lambda: None)

    def __call__(self, composed: DictConfig) -> None:
        """Collect a single run."""
        settings = HydraConfig.get()
        overrides = list(settings.overrides.task)
        try:
            self.action = partial(self._run, plain(composed), overrides, settings)
        except UserError as error:  # Hydra would print the overrides, and passwords in them
            self.action = partial(_raise, error)

    def sweep(
        self,
        config: DictConfig,
        loader: ConfigLoader,
        overrides: Sequence[Override],
        batch: Sequence[Sequence[str]],
        options: Mapping[str, Any],
        publish_studies: Callable[[Path, Sequence[str], TrackingConfig], object],
    ) -> None:
        """Collect a sweep; `batch` has the overrides of each job, `overrides` are all, parsed."""
        _set_environment(config.hydra)
        swept = [str(item.key_or_group) for item in overrides if item.is_sweep_override()]

        typed = [str(item.input_line) for item in overrides]

        def compose(job: Sequence[str]) -> dict[str, Any]:
            with composition_errors("sweep", typed):
                composed = loader.load_sweep_config(config, list(job))
            keys = [str(key) for key in composed if key != "hydra"]
            return plain(OmegaConf.masked_copy(composed, keys))

        configs = checked_configs(batch, swept, compose)
        sweep = Sweep(sweep_name(swept), configs, ["convchoice", "train", *sys.argv[1:]], **options)
        if self.dry:
            self.action = partial(print_plan, sweep.chosen(), f"sweep {sweep.name}")
            return
        self.action = partial(
            sweep.run,
            executor_of(config.hydra, sweep.folder),
            OmegaConf.to_yaml(config),
            partial(self._complete, configs[0].tracking),
            lambda reports, studies: publish_studies(reports, studies, configs[0].tracking),
        )

    def _run(self, values: dict[str, Any], overrides: Sequence[str], settings: Any) -> None:
        _set_environment(settings)  # Hydra has undone its own setting
        config = run_config(values, overrides)
        if self.dry:
            print_plan([config], job_name(config))
            return
        self.prepare(config.tracking)
        executor = executor_of(settings, Path(config.run_root).resolve() / "sweeps" / "single")
        on_complete = partial(self._complete, config.tracking)
        failures = update_runs([config], executor, on_complete, job_name(config))
        if failures:
            raise JobError(f"{job_name(config)}: {failures[0].failure}")

    def _complete(self, settings: TrackingConfig, folder: Path) -> None:
        """Print the result of a run and publish it."""
        print_result(folder)
        self.publish(folder, settings)


def _raise(error: UserError) -> NoReturn:
    raise error


def _set_environment(hydra_settings: Any) -> None:
    os.environ.update({key: str(value) for key, value in hydra_settings.job.env_set.items()})


def offer_new_names(arguments: Sequence[str], more: Path | None = None) -> None:
    """Let `arm=NAME` name a configuration of the user's own.

    A name that neither `conf/arm` nor `arm` in the folder `more` has becomes an overlay that only
    sets the name, if something else is set too and the name is not a misspelling of a known one.

    Raises:
        ConfigurationError: for an unknown name alone, one that is close to a known one, or that of
            a file in a folder `conf` here that is not in use.
    """
    known = options("arm") + (options("arm", more) if more else [])
    own_settings = [part for part in arguments if "=" in part and is_named(part)]
    chosen = [each for each in parsed(arguments, "command line") if each.key_or_group == "arm"]
    listed = [each for each in chosen if not isinstance(each.value(), Glob)]
    named = (str(value) for each in listed for value in given_values(each) if value)
    new = [name for name in named if name not in known]
    for name in new:
        own = Path("conf", "arm", f"{name}.yaml")
        rule = f"{own.absolute()} is not in use: the arms are those in {CONF_DIR / 'arm'}."
        fix = "Add --config-dir conf"
        fix += ", or install convchoice without -e (README.md)." if IN_CLONE else "."
        require(not own.is_file(), "arm", name, rule, fix)
        variant = any(name.startswith((f"{arm}_", f"{arm}-")) for arm in known)
        misspelt = did_you_mean(name, known) and not variant
        if not own_settings or misspelt:
            fix = "Or give a configuration of your own a new name: downsample=average arm=mine"
            rule = f"there is no such arm. {nearest(name, known)}"
            raise ConfigurationError("arm", name, rule, fix)
        check_name("arm", name)
        ConfigStore.instance().store(group="arm", name=name, node={"arm": name}, package="_global_")
    if new:
        what = f"a new name for the default network with {' '.join(own_settings)}"
        print(f"{', '.join(new)}: {what}", file=sys.stderr, flush=True)


def _refuse(message: str) -> NoReturn:
    raise UserError(f"{message}. See `convchoice train --help`.")


def run_application(arguments: Sequence[str], publish: Publish, prepare: Prepare) -> None:
    """Run Hydra on command-line arguments, then what they ask for.

    Raises:
        UserError: for an illegal configuration.
        JobError: if a run failed.
    """
    register_configuration()
    parser = get_args_parser()
    parser.add_argument(DRY_RUN, action="store_true")
    parser.error = _refuse  # type: ignore[method-assign] # argparse would print passwords of URLs
    given = parser.parse_intermixed_args(list(arguments))
    overrides: list[str] = given.overrides
    flags = [argument for argument in arguments if argument != DRY_RUN]
    for override in overrides:
        flags.remove(override)
    overrides = [in_home(override) for override in overrides]
    sys.argv[1:] = [*overrides, *flags]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing
    application = Application(publish, prepare, given.dry_run)
    main = hydra.main(str(CONF_DIR), "config", HYDRA_VERSION_BASE)(application)
    with composition_errors("command line", overrides):
        offer_new_names(overrides, given.config_dir and Path(given.config_dir))
        main()
    application.action()
