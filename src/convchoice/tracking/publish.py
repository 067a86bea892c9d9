"""Log runs to MLflow once they are complete, each once.

Nothing is ever read back from MLflow for a result, and nothing in training or evaluation depends on
this package. A problem with MLflow is one warning and never fails a run.
"""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from convchoice.config.schema import Store, TrackingConfig
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import read_failure
from convchoice.tracking.entry import ARM, Entry, arm_entry, failure_entry, run_entry
from convchoice.tracking.store import MlflowStore, one_line

T = TypeVar("T")
_unavailable: set[tuple[str | None, str | None]] = set()
"""Stores that failed in this process: a server that is down is tried, and reported, once."""


def publish(run_folder: Path, settings: TrackingConfig) -> str | None:
    """Log a complete or failed run, unless MLflow has it already, and update its arm.

    Args:
        run_folder: ``<root>/<arm>/seed-<n>``; a failed run has ``seed-<n>.failed`` beside it.
        settings: the store.

    Returns:
        The run's id in MLflow; None without tracking, for a run that is not evaluated yet, or after
        a problem with MLflow, which is printed as one warning.
    """
    return _log_or_warn(settings, lambda store: log_run(store, run_folder))


def publish_entry(entry: Entry, settings: TrackingConfig) -> None:
    """Log a study; a problem with MLflow is one warning."""
    _log_or_warn(settings, lambda store: store.log(entry))


def _log_or_warn(settings: TrackingConfig, action: Callable[[MlflowStore], T]) -> T | None:
    key = (settings.uri, settings.experiment)
    if settings.store is Store.none or key in _unavailable:
        return None
    try:
        return action(_store(*key))
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a lock raises
        _unavailable.add(key)
        fix = "Run `convchoice publish` to log the missing runs."
        print(f"warning: MLflow logging failed: {one_line(error)}. {fix}", file=sys.stderr)
        return None


@cache
def _store(uri: str | None, experiment: str | None) -> MlflowStore:
    return MlflowStore(TrackingConfig(uri=uri, experiment=experiment))


def log_run(store: MlflowStore, run_folder: Path) -> str | None:
    """Log a run folder and update its arm; None for a run that is not evaluated yet.

    Raises:
        RunFolderError: if the folder cannot be read.
        Exception: whatever MLflow raises.
    """
    entry = entry_of(run_folder)
    if entry is None:
        return None
    run_id, _ = store.log(entry)
    update_arm(store, entry.tags[ARM])
    return run_id


def entry_of(run_folder: Path, run: Run | None = None) -> Entry | None:
    """The entry of a complete or failed run; None for one that is not evaluated yet.

    Raises:
        RunFolderError: if the folder cannot be read.
    """
    failure = read_failure(run_folder)
    if failure is not None:
        return failure_entry(run_folder, failure)
    run = run or read_run(run_folder)
    return run_entry(run) if run.evaluated else None


def update_arm(store: MlflowStore, arm_id: str) -> bool:
    """Log the means over an arm's runs, as MLflow has them, and nest the runs below the arm.

    Returns:
        Whether the means have changed.
    """
    with store.lock:
        runs = store.runs_of_arm(arm_id)
        parent, changed = store.log(arm_entry(arm_id, runs))
        store.nest(runs, parent)
    return changed
