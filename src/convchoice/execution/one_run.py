"""One run by itself: its checked configuration, trained and measured unless it is there already.

Leaves `<run_root>/<arm>/seed-<n>`; a run that is there with the same configuration, data and code
is kept, one of another configuration is never replaced.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convchoice.config.arm import arm_from_mapping
from convchoice.config.identity import numeric_identity
from convchoice.config.mapping import flattened
from convchoice.config.schema import Config, EvaluationConfig, TrackingConfig
from convchoice.config.validation import config_from_mapping
from convchoice.data.download import ensure
from convchoice.errors import ConfigurationError, RunFolderError, UserError
from convchoice.execution.measurement import measure_runs
from convchoice.execution.naming import derived_name
from convchoice.execution.places import folder_of, pipelines_run, training_place
from convchoice.execution.seeds import failed_before, missing_runs, train_missing
from convchoice.networks.suggestions import fitting_plan
from convchoice.runs.locks import in_turn
from convchoice.runs.ownership import remove_run
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import MEASURED_FILES

Publish = Callable[[Path, TrackingConfig], object]
"""Called with the folder of each complete run and where it is to be tracked."""


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
    config = arm_from_mapping({**composed, "arm": name}, "configuration").config
    fitting_plan(config)
    return config


def refuse_to_replace(config: Config, folder: Path) -> None:
    """Refuse to put a run where one of another configuration lies, or will lie.

    Raises:
        ConfigurationError: naming the folder and the keys that differ.
    """
    _refuse_another(config, _there(folder), f"{folder} holds a run that")
    _refuse_another(
        config, pipelines_run(config), f"{folder.parent} is the pipeline's own, whose arm"
    )


def _there(folder: Path) -> Config | None:
    try:
        return config_from_mapping(read_run(folder).config)
    except UserError:
        return None  # nothing there, or nothing that could be kept


def _refuse_another(config: Config, other: Config | None, what: str) -> None:
    if other is None:
        return
    old, new = (flattened(numeric_identity(each)) for each in (other, config))
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if differing:
        shown = ", ".join(f"{key} ({old.get(key)} there, {new.get(key)} here)" for key in differing)
        raise ConfigurationError(
            "run_root", config.run_root, f"{what} differs in {shown}.",
            "Choose another run_root, or give this configuration a name of its own: arm=NAME",
        )  # fmt: skip


def measured_already(folder: Path, wanted: EvaluationConfig) -> bool:
    """Whether a run folder has the clean answers, and the curves that are wanted if any are.

    Curves that are there and not asked for this time are no reason to measure again; a measurement
    that was altered is.
    """
    run = read_run(folder)
    if not run.evaluated:
        return False
    try:
        for name in MEASURED_FILES:
            run.checksums.verify(name)
        if not wanted.curves:
            return True
        run.curves()
    except RunFolderError as error:
        print(f"not kept: {error}", flush=True)
        return False
    there = config_from_mapping(run.config).evaluation
    return set(wanted.curves) <= set(there.curves) and wanted.images == there.images


def train_and_measure(config: Config, publish: Publish) -> Run:
    """Have the run folder of this configuration, training and measuring it if it is not there.

    Args:
        config: of the run.
        publish: called with the run's folder when it is whole.

    Raises:
        UserError: if there is no data, or the training or the measuring failed.
    """
    ensure(Path(config.data.root), config.data.name, config.data.fallback)
    with in_turn(Path(config.run_root), [f"{config.arm}/seed-{config.seed}"], "making"):
        return _made(config, publish)


def _made(config: Config, publish: Publish) -> Run:
    """The run folder, while no other process is at work on it."""
    root, folder = Path(config.run_root), folder_of(config)
    missing = missing_runs([config], root)
    if not missing and measured_already(folder, config.evaluation):
        print(f"kept {folder}: same configuration, data and code")
        return read_run(folder)
    place = training_place(config)
    source, failures = root, []  # what is trained already is measured where it lies
    if missing:
        refuse_to_replace(config, folder)
        source = place.root
        with in_turn(source, [f"{config.arm}/seed-{config.seed}"], "training"):
            wanted = missing_runs([place.config], source)
            for item in wanted:
                failed_before(item)  # the record of what was another training goes
            failures = train_missing(wanted, workers=1)
    if not failures:
        failures = measure_runs(
            [config], source, root, workers=1,
            on_complete=lambda folder: publish(folder, config.tracking),
        )  # fmt: skip
    if failures:
        raise UserError(f"{config.arm} seed {config.seed}: {failures[0].failure}")
    if source != root and not place.pipelines:
        remove_run(place.folder)
    return read_run(folder)


def say_result(run: Run) -> None:
    """One line with what a person wants to know, and where the rest is."""
    metrics = run.metrics
    print(
        f"{run.arm} seed {run.seed}: test accuracy {metrics['test/accuracy']:.4f},"
        f" negative log-likelihood {metrics['test/nll']:.4f},"
        f" {metrics['cost/parameters']:,.0f} parameters, {metrics['cost/macs']:,.0f} MACs,"
        f" {metrics['cost/train_seconds']:.1f} s → {run.path}",
        flush=True,
    )


def to_optimise(run: Run) -> float:
    """What a search over runs may optimise: never the test set."""
    return run.metrics.get("val/accuracy", run.metrics["train/accuracy"])
