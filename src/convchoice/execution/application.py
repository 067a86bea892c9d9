"""Hydra's command line: single runs and sweeps.

Hydra parses the command line and composes the configurations. What is to be run is only collected
while Hydra is active, and runs after it has returned, so that Hydra reports none of its errors.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from convchoice.config.composition import (
    HYDRA_VERSION_BASE,
    composition_errors,
    given_values,
    options,
    parsed,
    plain,
)
from convchoice.config.legal_values import check_name
from convchoice.config.paths import CONF_DIR
from convchoice.config.schema import Config, TrackingConfig
from convchoice.errors import ConfigurationError, JobError, UserError, did_you_mean, nearest
from convchoice.execution.launch import executor_of, register_configuration
from convchoice.execution.naming import is_named, run_config, sweep_name
from convchoice.execution.runner import update_runs
from convchoice.execution.sweep import Sweep
from convchoice.execution.sweep_jobs import checked_jobs, own_overrides
from convchoice.runs.run import read_run

Publish = Callable[[Path, TrackingConfig], object]
PublishStudies = Callable[[Path, Sequence[str], TrackingConfig], object]


@dataclass
class Application:
    """What Hydra calls: the task function of a single run, and of the sweeper.

    Attributes:
        publish: logs a complete run folder to the tracking store of a configuration.
        action: what is to be run, once Hydra has returned.
    """

    publish: Publish
    action: Callable[[], None] = field(default=lambda: None)

    def __call__(self, composed: DictConfig) -> None:
        """Collect a single run."""
        settings = HydraConfig.get()
        os.environ.update({key: str(value) for key, value in settings.job.env_set.items()})
        overrides = list(settings.overrides.task)
        self.action = partial(self._run, plain(composed), overrides, settings)

    def sweep(
        self,
        config: DictConfig,
        loader: ConfigLoader,
        overrides: Sequence[Override],
        batch: Sequence[Sequence[str]],
        options: Mapping[str, Any],
        publish_studies: PublishStudies,
    ) -> None:
        """Collect a sweep.

        Args:
            config: of the multirun, Hydra's part included.
            loader: composes a job.
            overrides: of the command line and of `hydra.sweeper.params`, parsed.
            batch: the overrides of each job.
            options: `only` and `baseline` of the sweeper.
            publish_studies: logs a report's studies to the tracking store of a configuration.
        """
        os.environ.update({key: str(value) for key, value in config.hydra.job.env_set.items()})
        swept = [str(item.key_or_group) for item in overrides if item.is_sweep_override()]

        def compose(job: Sequence[str]) -> dict[str, Any]:
            with composition_errors("sweep", [own_overrides(job, swept)]):
                composed = loader.load_sweep_config(config, list(job))
            keys = [str(key) for key in composed if key != "hydra"]
            return plain(OmegaConf.masked_copy(composed, keys))

        jobs = checked_jobs(batch, swept, compose)
        sweep = Sweep(sweep_name(swept), jobs, ["convchoice", "train", *sys.argv[1:]], **options)
        executor, first = executor_of(config.hydra, sweep.folder), jobs[0].config

        def on_report(reports: Path, studies: Sequence[str]) -> None:
            publish_studies(reports, studies, first.tracking)

        on_complete, multirun = partial(self._complete, first), OmegaConf.to_yaml(config)
        self.action = partial(sweep.run, executor, multirun, on_complete, on_report)

    def _run(self, values: dict[str, Any], overrides: Sequence[str], settings: Any) -> None:
        config = run_config(values, overrides)
        name = f"{config.arm}/seed-{config.seed}"
        executor = executor_of(settings, Path(config.run_root).resolve() / "sweeps" / "single")
        failures = update_runs([config], executor, partial(self._complete, config), name)
        if failures:
            raise JobError(f"{name}: {failures[0].failure}")

    def _complete(self, config: Config, folder: Path) -> None:
        """Print the result of a run and publish it."""
        if folder.is_dir():
            run = read_run(folder)
            of = run.metrics
            print(
                f"{run.arm} seed {run.seed}: test accuracy {of['test/accuracy']:.4f},"
                f" negative log-likelihood {of['test/nll']:.4f},"
                f" {of['cost/parameters']:,.0f} parameters, {of['cost/macs']:,.0f} MACs,"
                f" {of['cost/train_seconds']:.1f} s → {run.path}",
                flush=True,
            )
        self.publish(folder, config.tracking)


def offer_new_names(arguments: Sequence[str]) -> None:
    """Let `arm=NAME` name a configuration of the user's own.

    A name that `conf/arm` does not have becomes an overlay that only sets the name, if something
    else is set too and the name is not a misspelling of a known one.

    Raises:
        ConfigurationError: for an unknown name alone, or one that is close to a known one.
    """
    known = options("arm")
    own_settings = any("=" in part and is_named(part) for part in arguments)
    chosen = [each for each in parsed(arguments, "command line") if each.key_or_group == "arm"]
    for name in (str(value) for each in chosen for value in given_values(each) if value):
        if name in known:
            continue
        variant = any(name.startswith((f"{arm}_", f"{arm}-")) for arm in known)
        misspelt = did_you_mean(name, known) and not variant
        if not own_settings or misspelt:
            fix = "Or give a configuration of your own a new name: downsample=average arm=mine"
            rule = f"there is no such arm. {nearest(name, known)}"
            raise ConfigurationError("arm", name, rule, fix)
        check_name("arm", name)
        ConfigStore.instance().store(group="arm", name=name, node={"arm": name}, package="_global_")


def _refuse(message: str) -> NoReturn:
    raise UserError(f"{message}. See `convchoice train --help`.")


def _in_home(override: str) -> str:
    """An override with `~/` at the start of its value expanded, as some shells do."""
    key, sign, value = override.partition("=")
    return f"{key}={Path(value).expanduser()}" if sign and value.startswith("~/") else override


def run_application(arguments: Sequence[str], publish: Publish) -> None:
    """Run Hydra on command-line arguments, then what they ask for.

    Args:
        arguments: overrides in Hydra's syntax, and Hydra's flags, in any order.
        publish: see `Application`.

    Raises:
        UserError: for an illegal configuration.
        JobError: if a run failed.
    """
    register_configuration()
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign] # argparse would print passwords of URLs
    overrides = parser.parse_intermixed_args(list(arguments)).overrides
    flags = list(arguments)
    for override in overrides:
        flags.remove(override)
    overrides = [_in_home(override) for override in overrides]
    sys.argv[1:] = [*overrides, *flags]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing
    application = Application(publish)
    main = hydra.main(str(CONF_DIR), "config", HYDRA_VERSION_BASE)(application)
    with composition_errors("command line", overrides):
        offer_new_names(overrides)
        main()
    application.action()
