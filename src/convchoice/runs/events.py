"""What a training tells whoever listens: the display and the tracking, in any process.

Plain values only, so that an event can travel between processes.
"""

from collections.abc import Callable
from dataclasses import dataclass

RunKey = tuple[str, int]
"""A run's arm and seed."""


@dataclass(frozen=True)
class Event:
    """Something that happened to the run of `arm` with `seed`."""

    arm: str
    seed: int

    @property
    def key(self) -> RunKey:
        """Which run it happened to."""
        return (self.arm, self.seed)


@dataclass(frozen=True)
class Started(Event):
    """A training begins, or goes on after `epochs_done` epochs."""

    epochs: int
    epochs_done: int


@dataclass(frozen=True)
class Advanced(Event):
    """A training moved on within an epoch.

    Attributes:
        epoch: the epoch in progress, from 1.
        epochs: epochs of the whole run.
        fraction: share of the run's batches that is done, 0 … 1.
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
    """An epoch is over.

    Attributes:
        row: the row that `history.csv` gets.
        epochs: epochs of the whole run.
        seconds_left: estimate from the speed so far.
    """

    row: dict[str, float]
    epochs: int
    seconds_left: float


@dataclass(frozen=True)
class Ended(Event):
    """A run is whole under its final name, or failed.

    Attributes:
        failure: empty when all is well, else what went wrong in one line.
        details: the traceback of a fault of this program, for the log.
        lost: whether the failure is the training's own result (its loss is no longer finite), which
            would come out the same again.
        killed: whether it was ended from outside, by whoever cancelled it or with its machine.
    """

    failure: str = ""
    details: str = ""
    lost: bool = False
    killed: bool = False


Listener = Callable[[Event], None]
