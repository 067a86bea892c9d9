"""What whoever does the work tells a tracking store, and how the store of a configuration opens.

MLflow is a sink: every run is told to it, and nothing is read back for a result. What becomes of
the telling is `sink`'s.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from convchoice.config.schema import Config, Store, TrackingConfig
from convchoice.config.validation import PROJECT_ROOT
from convchoice.runs.run import Run
from convchoice.tracking.labels import KIND_TAG, Group, Kind, parameters_of
from convchoice.tracking.life import MlflowTracking
from convchoice.tracking.new_database import make_database
from convchoice.tracking.patience import first_line
from convchoice.tracking.store import MlflowStore
from convchoice.tracking.unbroken import unbroken

__all__ = [
    "KIND_TAG", "Group", "Kind", "MlflowTracking", "NoTracking", "Tracking", "default_uri",
    "open_mlflow", "open_tracking", "parameters_of",
]  # fmt: skip

DATABASE = "mlflow.db"
LOCK_SECONDS = 300
URI = "MLFLOW_TRACKING_URI"


class Tracking(Protocol):
    """What a tracking store is told."""

    def begin(
        self, config: Config, studies: Iterable[str], known: str | None, parent: str | None = None
    ) -> str | None:
        """A training begins, or goes on; returns the store's name for the run.

        Args:
            config: the run's configuration.
            studies: names of the studies that the arm belongs to.
            known: the store's name for the interrupted run that goes on, if it is one.
            parent: the store's name for the group that the run belongs to.
        """

    def epoch(self, run_id: str | None, row: Mapping[str, float]) -> None:
        """An epoch is over; `row` is its row of the history."""

    def trained(self, run_id: str | None) -> None:
        """The training is over and the evaluation is still to come."""

    def evaluating(self, run_id: str | None) -> None:
        """The evaluation begins."""

    def evaluated(self, run: Run, parent: str | None = None) -> None:
        """A run is whole: its final metrics and files. One that is not known is made now."""

    def ended_badly(self, run_id: str | None, reason: str, *, killed: bool) -> None:
        """A run failed, or was killed."""

    def open_group(self, group: Group) -> str | None:
        """Runs of one arm or sweep begin, or go on; returns the store's name for their parent."""

    def group_waits(self, run_id: str | None) -> None:
        """A group's runs are trained and the evaluation is still to come."""

    def close_group(
        self,
        run_id: str | None,
        files: Sequence[Path] = (),
        reason: str = "",
        *,
        killed: bool = False,
        numbers: Mapping[str, float] | None = None,
    ) -> None:
        """A group is whole; with a reason, it failed or was killed. Numbers: a sweep's."""

    def study(
        self,
        name: str,
        dataset: str,
        numbers: Mapping[str, float],
        files: Iterable[Path],
        note: str = "",
    ) -> None:
        """A study was compared: its data set's title, numbers, files, and its answer in words."""


class NoTracking:
    """Tells nobody."""

    def begin(
        self, config: Config, studies: Iterable[str], known: str | None, parent: str | None = None
    ) -> str | None:
        """Nothing to tell."""

    def epoch(self, run_id: str | None, row: Mapping[str, float]) -> None:
        """Nothing to tell."""

    def trained(self, run_id: str | None) -> None:
        """Nothing to tell."""

    def evaluating(self, run_id: str | None) -> None:
        """Nothing to tell."""

    def evaluated(self, run: Run, parent: str | None = None) -> None:
        """Nothing to tell."""

    def ended_badly(self, run_id: str | None, reason: str, *, killed: bool) -> None:
        """Nothing to tell."""

    def open_group(self, group: Group) -> str | None:
        """Nothing to tell."""

    def group_waits(self, run_id: str | None) -> None:
        """Nothing to tell."""

    def close_group(
        self,
        run_id: str | None,
        files: Sequence[Path] = (),
        reason: str = "",
        *,
        killed: bool = False,
        numbers: Mapping[str, float] | None = None,
    ) -> None:
        """Nothing to tell."""

    def study(
        self,
        name: str,
        dataset: str,
        numbers: Mapping[str, float],
        files: Iterable[Path],
        note: str = "",
    ) -> None:
        """Nothing to tell."""


def default_uri(root: Path = PROJECT_ROOT) -> str:
    """The SQLite store at the project's root."""
    return f"sqlite:///{root / DATABASE}"


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


def open_tracking(
    config: TrackingConfig, root: Path = PROJECT_ROOT, *, machine: bool = True
) -> Tracking:
    """The store that a configuration names.

    One that cannot be opened is said in one line, and the runs go on untold.

    Args:
        config: names it.
        root: of the project.
        machine: whether the runs are trained on this machine, which is then sampled meanwhile.
    """
    if config.store is Store.none:
        return NoTracking()
    uri = config.uri or os.environ.get(URI) or default_uri(root)
    try:
        return open_mlflow(uri, config.experiment, root, machine=machine)
    except Exception as error:  # noqa: BLE001 - whatever a server, a disk or a lock may come up with
        print(f"warning: MLflow at {uri} is not told: {first_line(error)}", file=sys.stderr)
        return NoTracking()
