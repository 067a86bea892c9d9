"""Runs at work with somebody who keeps the books: tracking told, ends noted, failures said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from convchoice.execution.tracking import Group, Tracking
from convchoice.execution.workers import Carrier, Job
from convchoice.runs.events import Ended, Event


@dataclass
class Parent:
    """The parent run under which runs are told: none, or one that somebody else began and ends.

    Attributes:
        run_id: the store's name for it.
    """

    run_id: str | None = None

    def begin(self, tracking: Tracking) -> str | None:  # noqa: ARG002 - `OwnParent` needs it
        """A run begins under it; returns the store's name for the parent."""
        return self.run_id

    def wait(self, tracking: Tracking, failure: str, *, killed: bool) -> None:
        """All that was to be trained is; with a failure, not all of it."""

    def end(self, tracking: Tracking, failure: str, *, killed: bool) -> None:
        """All that was to be measured is; with a failure, not all of it."""


@dataclass
class OwnParent(Parent):
    """A parent run that begins with the first of its runs and ends with the last.

    Attributes:
        group: what it stands for; None for no parent at all.
        files: its artifacts.
    """

    group: Group | None = None
    files: tuple[Path, ...] = ()
    begun: bool = False

    def begin(self, tracking: Tracking) -> str | None:
        """The first time, find it or make it."""
        if not self.begun and self.group is not None:
            self.run_id = tracking.open_group(self.group)
            self.begun = True
        return self.run_id

    def wait(self, tracking: Tracking, failure: str, *, killed: bool) -> None:
        """Leave it waiting for the evaluation, or end it badly."""
        if failure:
            self.end(tracking, failure, killed=killed)
        else:
            tracking.group_waits(self.run_id)

    def end(self, tracking: Tracking, failure: str, *, killed: bool) -> None:
        """End it, well or badly."""
        tracking.close_group(self.run_id, self.files, failure, killed=killed)


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
    carrier: Carrier,
    open_store: Callable[[], Tracking],
) -> None:
    """Do all jobs and keep the books; the tracking store opens while the first workers start.

    Args:
        jobs: what to do.
        keeper: hears every event.
        carrier: has the work done.
        open_store: opens the tracking store.
    """

    def open_now() -> None:
        keeper.tracking = open_store()

    try:
        carrier(jobs, keeper.hear, open_now)
    finally:
        keeper.close()


def said_failures(failures: Sequence[Ended], runs: int, what: str) -> str:
    """The failures as a message: how many of the runs, then each with its reason."""
    listed = "\n".join(f"  {event.arm} seed {event.seed}: {event.failure}" for event in failures)
    return f"{len(failures)} of {runs} runs {what}:\n{listed}"


def failed_seeds(failures: Sequence[Ended]) -> str:
    """The failures in one short line, for a parent run; nothing if there are none."""
    return ", ".join(f"{event.arm}/seed-{event.seed} failed" for event in failures)
