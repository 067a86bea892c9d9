"""Log complete and failed runs to MLflow, each once.

Nothing is ever read back from MLflow for a result, and a problem with MLflow is one warning that
never fails a run.
"""

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Thread

from convchoice.config.schema import Store, TrackingConfig
from convchoice.errors import without_password
from convchoice.tracking.mlflow_entry import ARM, Entry, entry_of
from convchoice.tracking.mlflow_store import MlflowStore

MLFLOW = "mlflow.store.tracking.sqlalchemy_store"  # imports MLflow, and what its database needs


def import_mlflow(settings: TrackingConfig) -> None:
    """Import MLflow, if it is used, in a thread of its own while other processes compute."""
    if settings.store is not Store.none:
        Thread(target=import_module, args=(MLFLOW,), daemon=True).start()


def one_line(error: Exception) -> str:
    """An error in one line, without credentials."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return without_password(line).rstrip(".")


# Stores that failed in this process: a server that is down is tried, and reported, once.
_unavailable: set[tuple[str | None, str | None]] = set()


def publish(run_folder: Path, settings: TrackingConfig) -> str | None:
    """Log a complete or failed run, unless MLflow has it already, and update its arm.

    Returns:
        The run's id in MLflow; None without tracking, for a run that is not evaluated yet, or after
        a problem with MLflow, which is printed as one warning.
    """
    return publish_entry(lambda: entry_of(run_folder)[0], settings)


def publish_entry(make: Callable[[], Entry | None], settings: TrackingConfig) -> str | None:
    """Log what `make` returns, which may be None, in the way of `publish`."""
    key = (settings.uri, settings.experiment)
    if settings.store is Store.none or key in _unavailable:
        return None
    try:
        store, entry = _store(*key), make()
        run_id = store.log(entry)[0] if entry else None
        if entry and ARM in entry.tags:
            store.update_arm(entry.tags[ARM])
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a lock raises
        _unavailable.add(key)
        fix = "Run `convchoice publish` to log the missing runs."
        print(f"warning: MLflow logging failed: {one_line(error)}. {fix}", file=sys.stderr)
        return None
    return run_id


@cache
def _store(uri: str | None, experiment: str | None) -> MlflowStore:
    return MlflowStore(TrackingConfig(uri=uri, experiment=experiment))
