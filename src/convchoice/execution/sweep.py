"""The Hydra application: one run, or a sweep of runs, trained, measured and told to MLflow.

Each job is one run. It leaves `<run_root>/<arm>/seed-<n>`; a run that is there already, with the
same configuration, data and code, is kept.
"""

import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig

from convchoice.errors import ConfigurationError, RunFolderError, UserError, exit_codes
from convchoice.execution.measurement import measure_runs
from convchoice.execution.seeds import missing_runs, train_missing
from convchoice.execution.tracking import open_tracking
from convchoice.images.sources import ensure
from convchoice.records.run_folder import Run, read_run, run_path
from convchoice.records.turns import in_turn
from convchoice.settings.configuration import (
    CONF_DIR,
    check_name,
    config_from_mapping,
    flattened,
    nearest,
    numeric_identity,
)
from convchoice.settings.schema import Config, EvaluationConfig
from convchoice.studies.arm import arm_from_mapping
from convchoice.studies.composition import HYDRA_VERSION_BASE, options, plain, register_schema

WORK_FOLDER = ".trained"
SWEPT = "CONVCHOICE_SWEPT"
SILENT_VALUES = ("true", "false", "null", "none")  # they say nothing without their key
# Keys that say where and how a run is made, not what it is.
UNNAMED = (
    "arm", "seed", "run_root", "tracking", "evaluation", "trainer.workers", "data.root",
    "data.fallback",
)  # fmt: skip


def _names_a_place(override: str) -> bool:
    key = override.lstrip("+~").partition("=")[0]
    return any(key == name or key.startswith(f"{name}.") for name in UNNAMED)


def swept_keys(arguments: Sequence[str]) -> list[str]:
    """Keys that a multirun gives more than one value.

    Raises:
        ConfigurationError: if an argument is no override in Hydra's syntax.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        first_line = str(error).splitlines()[0]
        raise ConfigurationError("command line", " ".join(overrides), first_line) from error
    return [str(override.key_or_group) for override in parsed if override.is_sweep_override()]


def derived_name(overrides: Sequence[str], swept: Sequence[str] = ()) -> str:
    """A name for a configuration that was given none, from what was set.

    In a sweep what was swept makes the name, else all that was set: ``downsample=average
    conv.padding=same conv.kernel_size=5`` gives ``average-same-kernel_size=5``. Two configurations
    may come to the same name; `refuse_to_replace` then keeps them apart.
    """
    parts = []
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if _names_a_place(override) or (swept and key not in swept):
            continue
        speaks = value.isidentifier() and value.lower() not in SILENT_VALUES
        parts.append(value if speaks else f"{key.rpartition('.')[2]}={value}")
    return "".join(
        letter if letter.isalnum() or letter in "_.=-" else "-" for letter in "-".join(parts)
    )


def offer_new_names(arguments: list[str]) -> None:
    """Let `arm=NAME` name a configuration of one's own.

    A name that `conf/arm` does not have becomes an overlay that only sets the name, provided that
    something else is set beside it and the name is not a slip of the pen for one that is there.

    Raises:
        ConfigurationError: for an unknown name that stands alone or is close to a known one.
    """
    known = options("arm")
    chosen = [argument.partition("=")[2] for argument in arguments if argument.startswith("arm=")]
    own_settings = any("=" in part and not _names_a_place(part) for part in arguments)
    for name in [name for value in chosen for name in value.split(",")]:
        if name in known or name == "null":
            continue
        suggestion = nearest(name, known)
        variant = any(name.startswith((f"{arm}_", f"{arm}-")) for arm in known)
        slip = suggestion.startswith("Did you mean") and not variant
        if not own_settings or slip:
            raise ConfigurationError(
                "arm", name, "there is no such arm.",
                f"{suggestion} Or give a configuration of your own a new name:"
                f" downsample=average arm=mine",
            )  # fmt: skip
        check_name("arm", name)
        ConfigStore.instance().store(group="arm", name=name, node={"arm": name}, package="_global_")


def run_config(
    composed: Mapping[str, Any], overrides: Sequence[str], swept: Sequence[str] = ()
) -> Config:
    """The checked configuration of one job, under a name that tells it from its siblings.

    Args:
        composed: plain values of the composition.
        overrides: the job's own overrides.
        swept: keys that its sweep gives more than one value.

    Raises:
        ConfigurationError: for an illegal value or combination, or `seeds`, which one job has not.
        GeometryError: if a layer does not fit its input.
    """
    for override in overrides:
        if override.lstrip("+").startswith("seeds="):
            raise ConfigurationError(
                "seeds", override.partition("=")[2], "is the pipeline's number of seeds.",
                "Name the seeds of a sweep: -m seed=0,1,2",
            )  # fmt: skip
    arm = composed.get("arm")
    derived = derived_name(overrides, swept) if swept or arm is None else ""
    name = "-".join(part for part in (arm, derived) if part) or "default"
    return arm_from_mapping({**composed, "arm": name}, "configuration").config


def refuse_to_replace(config: Config, folder: Path) -> None:
    """Refuse to put a run where a run of another configuration lies.

    Raises:
        ConfigurationError: naming the folder and the keys that differ.
    """
    try:
        there = config_from_mapping(read_run(folder).config)
    except UserError:
        return  # nothing there, or nothing that could be kept
    old, new = (flattened(numeric_identity(each)) for each in (there, config))
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if differing:
        shown = ", ".join(f"{key} ({old.get(key)} there, {new.get(key)} here)" for key in differing)
        raise ConfigurationError(
            "run_root", config.run_root, f"{folder} holds a run that differs in {shown}.",
            "Choose another run_root, or give this configuration a name of its own: arm=NAME",
        )  # fmt: skip


def measured_already(folder: Path, wanted: EvaluationConfig) -> bool:
    """Whether a run folder has the clean answers, and the curves that are wanted if any are.

    Curves that are there and not asked for this time are no reason to measure again.
    """
    run = read_run(folder)
    if not run.evaluated or not wanted.curves:
        return run.evaluated
    try:
        run.curves()
    except RunFolderError:
        return False
    there = config_from_mapping(run.config).evaluation
    return set(wanted.curves) <= set(there.curves) and wanted.images == there.images


def train_and_measure(config: Config) -> Run:
    """Have the run folder of this configuration, training and measuring it if it is not there.

    Raises:
        UserError: if there is no data, or the training or the measuring failed.
    """
    ensure(Path(config.data.root), config.data.name, config.data.fallback)
    root = Path(config.run_root)
    folder = run_path(root, str(config.arm), config.seed)
    with in_turn(root, [f"{config.arm}/seed-{config.seed}"], "making"):
        return _made(config, root, folder)


def _made(config: Config, root: Path, folder: Path) -> Run:
    """The run folder, while no other process is at work on it."""
    tracking = cache(lambda: open_tracking(config.tracking))
    missing = missing_runs([config], root)
    if not missing and measured_already(folder, config.evaluation):
        print(f"kept {folder}: same configuration, data and code")
        return read_run(folder)
    source, failures = root, []  # what is trained already is measured where it lies
    if missing:
        refuse_to_replace(config, folder)
        source = root / WORK_FOLDER
        failures = train_missing(missing_runs([config], source), workers=1, open_store=tracking)
    if not failures:
        failures = measure_runs([config], source, root, workers=1, open_store=tracking)
    if failures:
        raise UserError(f"{config.arm} seed {config.seed}: {failures[0].failure}")
    if source != root:
        shutil.rmtree(run_path(source, str(config.arm), config.seed))
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
    settings = HydraConfig.get()
    overrides = list(settings.overrides.task)
    swept = str(settings.job.env_set.get(SWEPT, "")).split()
    with exit_codes():  # inside the job: Hydra would dress a refusal up as a crash
        run = train_and_measure(run_config(plain(composed), overrides, swept))
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
    swept = swept_keys(sys.argv[1:])
    if swept:  # a job sees its own values only, so it is told, by whatever launcher
        sys.argv.append(f"+hydra.job.env_set.{SWEPT}='{' '.join(swept)}'")
    main = hydra.main(
        version_base=HYDRA_VERSION_BASE, config_path=str(CONF_DIR), config_name="config"
    )(_job)
    main()
