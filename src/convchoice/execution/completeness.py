"""Which runs are complete: their folders hold the results of this configuration, data and code."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from convchoice.config.arm import read_arm
from convchoice.config.identity import numeric_identity
from convchoice.config.mapping import flattened
from convchoice.config.schema import Config, Dataset
from convchoice.config.validation import config_from_mapping
from convchoice.data.dataset import RETRY, StoredDataset, load
from convchoice.errors import RunFolderError, UserError, require
from convchoice.runs import environment
from convchoice.runs.fingerprint import arm_fingerprint, code_digest, fingerprint
from convchoice.runs.ownership import finalise
from convchoice.runs.run import read_partial, read_run
from convchoice.runs.run_folder import MEASURED_FILES, read_failure, run_path
from convchoice.runs.specification import RunSpecification


def specify(configs: Iterable[Config], root: Path | None = None) -> list[RunSpecification]:
    """The specifications of runs to train.

    Args:
        configs: one for each run.
        root: parent of the arms' folders; None takes each configuration's `run_root`.

    Raises:
        UserError: if the data set is missing, or is a stand-in that the configuration forbids.
    """
    stored = cache(_stored)
    code, described = code_digest(), environment.describe()
    specifications = []
    for config in configs:
        data = config.data
        digest = stored(data.root, data.name, data.fallback is not None).digest
        folder = run_path(root or Path(config.run_root), str(config.arm), config.seed)
        identity = fingerprint(config, digest, code)
        made = {**described, "arm_fingerprint": arm_fingerprint(config, digest, code)}
        found = RunSpecification(config, Path(data.root), folder, identity, made)
        specifications.append(found)
    return specifications


def specify_evaluation(
    configs: Iterable[Config], trained: Path, output: Path
) -> list[RunSpecification]:
    """The specifications of trained runs to evaluate.

    Args:
        configs: one for each run.
        trained: folder of the trained arms.
        output: folder of the evaluated arms.
    """
    return [
        RunSpecification(
            config,
            Path(config.data.root),
            folder=run_path(output, str(config.arm), config.seed),
            trained=run_path(trained, str(config.arm), config.seed),
        )
        for config in configs
    ]


def _stored(root: str, name: Dataset, fallback: bool) -> StoredDataset:
    stored = load(Path(root), name)
    if stored.is_fallback and not fallback:
        raise UserError(
            f"data.fallback = None: {root} holds {stored.spec.title}, not {name.name}."
            f" Download it: {RETRY}. Or allow the stand-in: data.fallback=digits."
        )
    return stored


def is_trained(run: RunSpecification) -> bool:
    """Whether the run folder is complete and up to date. Logs why an existing one is rejected."""
    if not run.folder.exists():
        return False
    try:
        found = read_run(run.folder)
        found.weights_file()
    except RunFolderError as error:
        print(f"not kept: {error}", flush=True)
        return False
    return found.environment.get("fingerprint") == run.fingerprint


def complete_training(run: RunSpecification) -> bool:
    """Whether the run is trained. Finalises a folder that was written before its process died."""
    if is_trained(run):
        return True
    try:
        found = read_partial(run.folder)
    except RunFolderError:
        return False
    if found.environment.get("fingerprint") != run.fingerprint:
        return False
    finalise(run.folder)
    print(f"{run.folder}: training was complete; finalised", flush=True)
    return True


def is_evaluated(run: RunSpecification) -> bool:
    """Whether a trained run has its test results, and the robustness curves if any are wanted."""
    found = read_run(run.folder)
    if not found.evaluated:
        return False
    wanted = run.config.evaluation
    try:
        for name in MEASURED_FILES:
            found.checksums.verify(name)
        if not wanted.curves:
            return True
        found.curves()
    except RunFolderError as error:
        print(f"evaluated again: {error}", flush=True)
        return False
    present = config_from_mapping(found.config).evaluation
    return set(wanted.curves) <= set(present.curves) and wanted.images == present.images


def recorded_failure(run: RunSpecification) -> str | None:
    """Why the training of this very run failed, if its loss became infinite or NaN before."""
    failure = read_failure(run.folder)
    if failure is None or failure["fingerprint"] != run.fingerprint:
        return None
    return str(failure["reason"])


def refuse_to_replace(run: RunSpecification) -> None:
    """Refuse a run whose folder holds, or will hold, a run of another configuration.

    Raises:
        ConfigurationError: naming the folder and the keys that differ.
    """
    try:
        present = config_from_mapping(read_run(run.folder).config)
    except UserError:
        present = None  # nothing, or nothing that could be kept
    _refuse_other(run.config, present, f"{run.folder} holds a run that")
    composed = run.folder.parents[2] / "configs" / f"{run.config.arm}.yaml"
    if run.folder.parents[1].name == "runs" and composed.is_file():
        try:
            pipeline = replace(read_arm(composed).config, seed=run.seed)
        except UserError:
            return
        _refuse_other(run.config, pipeline, f"{run.folder.parent} is the pipeline's, whose arm")


def _refuse_other(config: Config, other: Config | None, what: str) -> None:
    if other is None:
        return
    old, new = (flattened(numeric_identity(each)) for each in (other, config))
    differing = [
        f"{key} ({old.get(key)} there, {new.get(key)} here)"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    rule = f"{what} differs in {', '.join(differing)}."
    fix = "Choose another run_root, or give this configuration a name of its own: arm=NAME"
    require(not differing, "run_root", config.run_root, rule, fix)
