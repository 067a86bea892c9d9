"""Trainings that are stopped, for tests of their resumption."""

from collections.abc import Sequence

import pytest

from convchoice.runs.events import EpochEnded, Event
from convchoice.runs.specification import RunSpecification
from convchoice.training.train import train


class StoppedError(Exception):
    """Ends a training."""


def train_until(runs: Sequence[RunSpecification], epoch: int) -> None:
    """Train until an epoch ends, before its checkpoint is written."""

    def stop(event: Event) -> None:
        if isinstance(event, EpochEnded) and event.row["epoch"] == epoch:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(runs, stop)


def events_of(runs: Sequence[RunSpecification]) -> list[Event]:
    """Train, and return the events."""
    events: list[Event] = []
    train(runs, events.append)
    return events
