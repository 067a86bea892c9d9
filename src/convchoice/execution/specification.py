"""The specifications of runs: where each is, what identifies it, and which are missing."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from convchoice.config.arm_keys import numeric_identity
from convchoice.config.datasets import data_folder, spec_of
from convchoice.config.field_types import flattened
from convchoice.config.schema import Config, Dataset
from convchoice.config.validation import config_from_mapping, read_arm
from convchoice.data.dataset import RETRY, StoredDataset, load
from convchoice.errors import RunFolderError, UserError, require
from convchoice.execution.job import is_evaluated, is_trained
from convchoice.runs.fingerprint import EVALUATION_MODULES, code_digest, environment, fingerprint
from convchoice.runs.ownership import check_replaceable
from convchoice.runs.run import RunSpecification, read_run
from convchoice.runs.run_folder import run_path


def specify(configs: Iterable[Config], root: Path | None = None) -> list[RunSpecification]:
    """The specifications of runs to train.

    Args:
        configs: one for each run.
        root: parent of the arms' folders; None takes each configuration's `run_root`.

    Raises:
        UserError: if the data set is missing, or is a stand-in that the configuration forbids.
    """
    stored = cache(_stored)
    code, described = code_digest(), environment()
    evaluation = code_digest(EVALUATION_MODULES)
    specifications = []
    for config in configs:
        data = config.data
        found = stored(data_folder(data), data.name, data.fallback is not None)
        made = found.provenance.conversion
        if made is not None and made.contents != data.contents:
            raise UserError(
                f"{found.root}: holds {found.spec.title}, and arm {config.arm} was composed for"
                f" {spec_of(data).title}. The images changed since: compose it again."
            )
        digest = found.digest
        folder = run_path(root or Path(config.run_root), str(config.arm), config.seed)
        identity = fingerprint(config, digest, code)
        own = {**described, "arm_fingerprint": fingerprint(config, digest, code, of_arm=True)}
        specifications.append(
            RunSpecification(
                config, found.root, folder, identity, own, digest, evaluation_code=evaluation
            )
        )
    return specifications


def specify_evaluation(
    configs: Iterable[Config], trained: Path, output: Path
) -> list[RunSpecification]:
    """The specifications of runs in the folder `trained` to evaluate into the folder `output`."""
    code, specifications = code_digest(EVALUATION_MODULES), []
    for config in configs:
        folder = run_path(trained, str(config.arm), config.seed)
        made: dict[str, Any] = {}
        with suppress(RunFolderError):  # the evaluation will report that
            made = read_run(folder).environment
        specifications.append(
            RunSpecification(
                config,
                data_folder(config.data),
                run_path(output, str(config.arm), config.seed),
                str(made.get("fingerprint", "")),
                made,
                trained=folder,
                evaluation_code=code,
            )
        )
    return specifications


def _stored(root: Path, name: Dataset, fallback: bool) -> StoredDataset:
    stored = load(root, name)
    if stored.is_fallback and not fallback:
        raise UserError(
            f"data.fallback = None: {root} holds {stored.spec.title}, not {name.name}."
            f" Download it: {RETRY}. Or allow the stand-in: data.fallback=digits."
        )
    return stored


def missing_runs(
    runs: Sequence[RunSpecification], *, evaluates: bool = True
) -> list[RunSpecification]:
    """The runs that are not complete, or were made with another configuration, data or code.

    Raises:
        RunFolderError: if a folder that a run would replace was not written by convchoice.
    """
    missing = []
    for item in runs:
        if not (is_trained(item) and (not evaluates or is_evaluated(item))):
            check_replaceable(item.folder)
            missing.append(item)
    return missing


def refuse_to_replace(run: RunSpecification) -> None:
    """Refuse a run whose folder holds, or will hold, a run of another configuration or images.

    Raises:
        ConfigurationError: naming the folder and the keys that differ.
    """
    arms = run.folder.parents[1]
    composed = arms.with_name("configs") / "arms" / f"{run.arm}.yaml"

    def decides(config: Config, digest: str) -> dict[str, Any]:
        images = {"the images": f"SHA-256 {digest[:8]}…"}
        return flattened(numeric_identity(config)) | images

    def of_run() -> dict[str, Any]:
        found = read_run(run.folder)
        return decides(config_from_mapping(found.config), found.environment["dataset"]["digest"])

    others = {f"{run.folder} holds a run that": of_run}
    if arms.name == "runs" and composed.is_file():
        what = f"{run.folder.parent} is the pipeline's, whose arm"
        others[what] = lambda: decides(replace(read_arm(composed), seed=run.seed), run.data_digest)
    new = decides(run.config, run.data_digest)
    for what, read in others.items():
        try:
            old = read()
        except UserError:
            continue  # nothing, or nothing that could be kept
        differing = [
            f"{key} ({old.get(key)} there, {new.get(key)} here)"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        ]
        rule = f"{what} differs in {', '.join(differing)}."
        fix = "Choose another run_root, or give this configuration a name of its own: arm=NAME"
        require(not differing, "run_root", run.config.run_root, rule, fix)
