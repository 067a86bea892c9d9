"""How the store of a configuration opens."""

import os
from pathlib import Path

from filelock import FileLock

from convchoice.config.schema import TrackingConfig
from convchoice.config.validation import PROJECT_ROOT
from convchoice.tracking.life import MlflowTracking
from convchoice.tracking.new_database import make_database
from convchoice.tracking.store import MlflowStore
from convchoice.tracking.unbroken import unbroken

DATABASE = "mlflow.db"
LOCK_SECONDS = 300
URI = "MLFLOW_TRACKING_URI"


def default_uri(root: Path = PROJECT_ROOT) -> str:
    """The SQLite store at the project's root."""
    return f"sqlite:///{root / DATABASE}"


def uri_of(settings: TrackingConfig) -> str:
    """The store that a configuration means."""
    return settings.uri or os.environ.get(URI) or default_uri()


def open_mlflow(
    uri: str, experiment: str, root: Path = PROJECT_ROOT, *, machine: bool = True
) -> MlflowTracking:
    """A store at an address, ready to be told, its experiment made.

    Processes that open a fresh SQLite store at once race in its migration, so they take turns.

    Raises:
        Exception: whatever a server, a disk or a lock may come up with.
    """
    with FileLock(root / f".{DATABASE}.lock", timeout=LOCK_SECONDS), unbroken():
        make_database(uri)
        return MlflowTracking(MlflowStore(uri, experiment, root), root, machine=machine)
