"""Small runs of scikit-learn's digits, trained in this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from convchoice.config.validation import config_from_mapping
from convchoice.errors import UserError
from convchoice.evaluation.evaluate import evaluate_together, read_trained
from convchoice.runs.events import EpochEnded, Event, RunEnded
from convchoice.runs.ownership import finalise
from convchoice.runs.run import Run, RunSpecification, read_run
from convchoice.runs.run_folder import run_path
from convchoice.training.train import train

SMALL: dict[str, Any] = {
    "arm": "tiny",
    "model": {"filters": [4, 4], "hidden_units": 8},
    "data": {"train_size": 300, "batch_size": 32},
    "trainer": {"max_epochs": 3, "accelerator": "cpu"},
    "tracking": {"store": "none"},
}
OVERRIDES = (
    "model.filters=[4,4]", "model.hidden_units=8", "data.train_size=100", "trainer.accelerator=cpu",
)  # fmt: skip


def small_run(root: Path, data_root: Path, **changes: Any) -> RunSpecification:
    """The run `root`/tiny/seed-0; `changes` replace values of `SMALL`."""
    config = config_from_mapping(SMALL | changes)
    folder = run_path(root, str(config.arm), config.seed)
    return RunSpecification(config, data_root, folder, "fingerprint", {"commit": "unknown"})


def trained(item: RunSpecification) -> Run:
    """Train a run and finalise its folder."""
    train([item], lambda event: None)
    finalise(item.folder)
    return read_run(item.folder)


def evaluate_run(item: RunSpecification) -> None:
    """Evaluate a trained run by itself; raises what makes it fail."""
    events: list[Event] = []
    evaluate_together([read_trained(item)], events.append)
    [ended] = [each for each in events if isinstance(each, RunEnded)]
    if ended.failure:
        raise UserError(ended.failure)


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
