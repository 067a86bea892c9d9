"""The Hydra application: one run, or a sweep of runs, trained, measured and told to MLflow.

Each job is one run. It leaves `<run_root>/<arm>/seed-<n>`; a run that is there already, with the
same configuration, data and code, is kept.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from convchoice.arm import arm_from_mapping
from convchoice.composition import HYDRA_VERSION_BASE, options, plain, register_schema
from convchoice.configuration import CONF_DIR, check_name, nearest
from convchoice.errors import ConfigurationError, UserError, exit_codes
from convchoice.measurement import measure_runs
from convchoice.run_folder import Run, read_run, run_path
from convchoice.schema import Config
from convchoice.seeds import missing_runs, train_missing
from convchoice.sources import ensure
from convchoice.tracking import open_tracking

WORK_FOLDER = ".trained"
# Keys that say where and how a run is made, not what it is.
UNNAMED = ("arm", "seed", "seeds", "run_root", "scale", "tracking", "trainer.workers", "data.root")


def derived_name(overrides: list[str]) -> str:
    """A name for a configuration that has none: its overrides' values, the numbers with their key.

    ``downsample=average conv.padding=same conv.kernel_size=5`` gives
    ``average-same-kernel_size=5``; no override at all gives ``default``.
    """
    parts = []
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if any(key == name or key.startswith(f"{name}.") for name in UNNAMED):
            continue
        leaf = key.rpartition(".")[2]
        parts.append(value if value.isidentifier() else f"{leaf}={value}")
    name = "-".join(parts) or "default"
    return "".join(letter if letter.isalnum() or letter in "_.=-" else "-" for letter in name)


def offer_new_names(arguments: list[str]) -> None:
    """Let `arm=NAME` name a configuration of one's own.

    A name that `conf/arm` does not have becomes an overlay that only sets the name, provided that
    something else is set beside it and the name is not a slip of the pen for one that is there.

    Raises:
        ConfigurationError: for an unknown name that stands alone or is close to a known one.
    """
    known = options("arm")
    chosen = [argument.partition("=")[2] for argument in arguments if argument.startswith("arm=")]
    others = [argument.partition("=")[0] for argument in arguments if "=" in argument]
    own_settings = any(
        not any(key == name or key.startswith(f"{name}.") for name in UNNAMED) for key in others
    )
    for name in [name for value in chosen for name in value.split(",")]:
        if name in known or name == "null":
            continue
        suggestion = nearest(name, known)
        if not own_settings or suggestion.startswith("Did you mean"):
            raise ConfigurationError(
                "arm", name, "there is no such arm.",
                f"{suggestion} Or give a configuration of your own a new name:"
                f" downsample=average arm=mine",
            )  # fmt: skip
        check_name("arm", name)
        ConfigStore.instance().store(group="arm", name=name, node={"arm": name}, package="_global_")


def run_config(composed: Mapping[str, Any], overrides: list[str]) -> Config:
    """The checked configuration of one job.

    Raises:
        ConfigurationError: for an illegal value or combination.
        GeometryError: if a layer does not fit its input.
    """
    values = dict(composed)
    if values.get("arm") is None:
        values["arm"] = derived_name(overrides)
    return arm_from_mapping(values, "configuration").config


def train_and_measure(config: Config) -> Run:
    """Have the run folder of this configuration, training and measuring it if it is not there.

    Raises:
        UserError: if there is no data, or the training or the measuring failed.
    """
    ensure(Path(config.data.root), config.data.fallback)
    root = Path(config.run_root)
    folder = run_path(root, str(config.arm), config.seed)
    missing = missing_runs([config], root)
    if not missing and read_run(folder).evaluated:
        print(f"kept {folder}: same configuration, data and code")
        return read_run(folder)
    work = root / WORK_FOLDER
    tracking = open_tracking(config.tracking)
    missing = missing_runs([config], work)
    failures = train_missing(missing, workers=0, open_store=lambda: tracking)
    if not failures:
        failures = measure_runs([config], work, root, workers=0, open_store=lambda: tracking)
    if failures:
        raise UserError(f"{config.arm} seed {config.seed}: {failures[0].failure}")
    shutil.rmtree(run_path(work, str(config.arm), config.seed))
    return read_run(folder)


def say_result(run: Run) -> None:
    """One line with what a person wants to know, and where the rest is."""
    metrics = run.metrics
    print(
        f"{run.arm} seed {run.seed}: test accuracy {metrics['test/accuracy']:.4f},"
        f" negative log-likelihood {metrics['test/nll']:.4f},"
        f" {metrics['cost/parameters']:,.0f} parameters, {metrics['cost/macs']:,.0f} MACs,"
        f" {metrics['cost/train_seconds']:.1f} s → {run.path}"
    )


def _job(composed: DictConfig) -> float:
    overrides = list(HydraConfig.get().overrides.task)
    with exit_codes():  # inside the job: Hydra would dress a refusal up as a crash
        run = train_and_measure(run_config(plain(composed), overrides))
    say_result(run)
    # What a sweeper may optimise: never the test set.
    return run.metrics.get("val/accuracy", run.metrics["train/accuracy"])


def application() -> None:
    """Run Hydra on the command line's arguments.

    Raises:
        UserError: for an illegal configuration, or a run that failed.
    """
    register_schema()
    offer_new_names(sys.argv[1:])
    main = hydra.main(
        version_base=HYDRA_VERSION_BASE, config_path=str(CONF_DIR), config_name="config"
    )(_job)
    main()
