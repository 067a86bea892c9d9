"""Runs at work with somebody who keeps the books: tracking told, ends noted, failures said."""

from collections.abc import Callable, Sequence
from typing import Protocol

from convchoice.execution.tracking import Tracking
from convchoice.execution.workers import Job, run_jobs
from convchoice.records.events import Ended, Event


class Keeper(Protocol):
    """Who hears the events and keeps the books."""

    tracking: Tracking

    def hear(self, event: Event) -> None:
        """Act on one event."""

    def close(self) -> None:
        """Close the books of what is still under way."""


def carry_out(
    jobs: Sequence[Job],
    keeper: Keeper,
    workers: int,
    preload: str,
    open_store: Callable[[], Tracking],
) -> None:
    """Do all jobs and keep the books; the tracking store opens while the first workers start.

    Args:
        jobs: what to do.
        keeper: hears every event.
        workers: processes side by side.
        preload: the module that the workers need.
        open_store: opens the tracking store.
    """

    def open_now() -> None:
        keeper.tracking = open_store()

    try:
        run_jobs(jobs, workers, keeper.hear, [preload], open_now)
    finally:
        keeper.close()


def said_failures(failures: Sequence[Ended], runs: int, what: str) -> str:
    """The failures as a message: how many of the runs, then each with its reason."""
    listed = "\n".join(f"  {event.arm} seed {event.seed}: {event.failure}" for event in failures)
    return f"{len(failures)} of {runs} runs {what}:\n{listed}"
