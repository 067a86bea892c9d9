"""Runs at work: every event heard, ends noted, failures said."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from convchoice.execution.workers import Carrier, Job
from convchoice.runs.events import Ended, Event

OnComplete = Callable[[Path], object]
"""Called with the folder of each run that is complete."""


class Keeper(Protocol):
    """Who hears the events and keeps the books."""

    def hear(self, event: Event) -> None:
        """Act on one event."""


def carry_out(jobs: Sequence[Job], keeper: Keeper, carrier: Carrier) -> None:
    """Do all jobs and keep the books.

    Args:
        jobs: what to do.
        keeper: hears every event.
        carrier: has the work done.
    """
    carrier(jobs, keeper.hear, lambda: None)


def said_failures(failures: Sequence[Ended], runs: int, what: str) -> str:
    """The failures as a message: how many of the runs, then each with its reason."""
    listed = "\n".join(f"  {event.arm} seed {event.seed}: {event.failure}" for event in failures)
    return f"{len(failures)} of {runs} runs {what}:\n{listed}"
