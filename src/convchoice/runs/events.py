"""Events of a training or an evaluation, passed from worker processes to the process that waits.

Plain picklable values, and durations as people read them in progress, reports and tables.
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
    """A training starts, or resumes after `epochs_done` epochs; an evaluation has no epochs."""

    epochs: int
    epochs_done: int


@dataclass(frozen=True)
class EpochProgress(Event):
    """Progress within an epoch."""

    epoch: int  # the current one, from 1
    epochs: int
    fraction: float  # completed share of the run's batches, 0 … 1
    loss: float  # mean training loss of the epoch so far


@dataclass(frozen=True)
class EpochEnded(Event):
    """An epoch is complete; `row` is its row of `history.csv`."""

    row: dict[str, float]
    epochs: int
    seconds_left: float


@dataclass(frozen=True)
class RunEnded(Event):
    """A run is complete or has failed."""

    failure: str = ""  # empty on success, else the reason in one line
    details: str = ""  # traceback of a bug, for the log
    diverged: bool = False  # the loss is not finite; the same training would fail again


Listener = Callable[[Event], None]


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 seed``, ``2,000 seeds``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """A duration in words: ``8.3 s``, ``4 min 10 s``, ``2 h 05 min``."""
    if round(seconds, 1) < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min"
