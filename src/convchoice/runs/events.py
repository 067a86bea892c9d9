"""Events of a training or an evaluation, passed from worker processes to the process that waits.

Plain picklable values.
"""

from collections.abc import Callable
from dataclasses import dataclass

RunKey = tuple[str, int]
"""Arm and seed of a run."""


@dataclass(frozen=True)
class Event:
    """Something that happened to the run of `arm` with `seed`."""

    arm: str
    seed: int

    @property
    def key(self) -> RunKey:
        """Arm and seed."""
        return (self.arm, self.seed)


@dataclass(frozen=True)
class RunStarted(Event):
    """A training starts, or resumes after `epochs_done` epochs; or an evaluation starts."""

    epochs: int
    epochs_done: int


@dataclass(frozen=True)
class EpochProgress(Event):
    """Progress within an epoch.

    Attributes:
        epoch: the current epoch, from 1.
        epochs: epochs of the run.
        fraction: completed share of the run's batches, 0 … 1.
        loss: mean training loss of the epoch so far.
        seconds_left: estimate from the speed so far.
    """

    epoch: int
    epochs: int
    fraction: float
    loss: float
    seconds_left: float


@dataclass(frozen=True)
class EpochEnded(Event):
    """An epoch is complete.

    Attributes:
        row: the row of `history.csv`.
        epochs: epochs of the run.
        seconds_left: estimate from the speed so far.
    """

    row: dict[str, float]
    epochs: int
    seconds_left: float


@dataclass(frozen=True)
class RunEnded(Event):
    """A run is complete or has failed.

    Attributes:
        failure: empty on success, else the reason in one line.
        details: traceback of a bug, for the log.
        diverged: the loss is not finite; the same training would fail again.
        killed: the process was ended from outside.
    """

    failure: str = ""
    details: str = ""
    diverged: bool = False
    killed: bool = False


Listener = Callable[[Event], None]
