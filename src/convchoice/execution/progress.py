"""What a person sees while runs are at work: bars on a terminal, lines in a log."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from convchoice.runs.events import Advanced, Ended, EpochEnded, Event, Started


def duration(seconds: float) -> str:
    """A time for people: ``8 s``, ``2 min 05 s``, ``1 h 12 min``."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


MOST_BARS = 8
"""Runs with a bar of their own; of more that go on together the rest move as these do."""


class Display:
    """Shows the events of runs. On a terminal a bar a run and one for all; else a line an epoch.

    Args:
        verb: what is being done, such as ``training``.
        runs: number of runs that are to be done.
        console: where to write.
    """

    def __init__(self, verb: str, runs: int, console: Console | None = None) -> None:
        """Nothing is shown before the `with` block."""
        self.verb = verb
        self.runs = runs
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.began = time.perf_counter()
        self.ended = 0
        self.explained: set[str] = set()
        self.share: dict[tuple[str, int], float] = {}
        self.head_start = 0.0
        self.tasks: dict[tuple[str, int], TaskID] = {}
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        """Begin to show."""
        self.began = time.perf_counter()
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bars away."""
        self.progress.stop()

    def hear(self, event: Event) -> None:
        """Show one event."""
        key = event.key
        if isinstance(event, Started):
            self.share[key] = event.epochs_done / event.epochs
            self.head_start += self.share[key]
            if key in self.tasks:  # its machine was lost, or its time was up: it begins once more
                self.progress.remove_task(self.tasks.pop(key))
            self.tasks[key] = self.progress.add_task(
                self._name(event),
                total=1.0,
                note="starting",
                visible=len(self.tasks) < MOST_BARS,
            )
            if event.epochs_done:
                self._line(event, f"goes on after epoch {event.epochs_done}")
        elif isinstance(event, Advanced):
            self.share[key] = event.fraction
            note = (
                f"epoch {event.epoch}/{event.epochs}  loss {event.loss:.4f}"
                f"  {duration(event.seconds_left)} left"
            )
            self._update(key, note)
        elif isinstance(event, EpochEnded):
            self.share[key] = event.row["epoch"] / event.epochs
            note = self._epoch(event)
            self._update(key, note)
            if not self.console.is_terminal:
                self._line(event, note)
        elif isinstance(event, Ended):
            self._end(event)

    def _end(self, event: Ended) -> None:
        key = event.key
        self.ended += 1
        self.share[key] = 1.0
        task = self.tasks.pop(key, None)
        if task is not None:
            self.progress.remove_task(task)
        if event.failure:
            self._line(event, f"FAILED: {event.failure}")
            if event.details and event.failure not in self.explained:
                self.explained.add(event.failure)  # eight seeds fail with one traceback
                self.console.print(event.details, markup=False)
        else:
            self._line(event, f"done ({self.ended} of {self.runs}{self._rest()})")

    def _rest(self) -> str:
        """An estimate for all the runs that are still to come, from the share that is done."""
        done = sum(self.share.values())
        if self.ended == self.runs or done <= self.head_start:
            return ""
        pace = (time.perf_counter() - self.began) / (done - self.head_start)
        left = pace * (self.runs - done)
        return f", {duration(left)} left for all"

    def _update(self, key: tuple[str, int], note: str) -> None:
        if key in self.tasks:
            self.progress.update(self.tasks[key], completed=self.share[key], note=note)

    @staticmethod
    def _epoch(event: EpochEnded) -> str:
        row = event.row
        text = f"epoch {row['epoch']:.0f}/{event.epochs}  loss {row['train/loss']:.4f}"
        if "val/accuracy" in row:
            text += f"  validation accuracy {row['val/accuracy']:.4f}"
        return f"{text}  {duration(event.seconds_left)} left in this run"

    @staticmethod
    def _name(event: Event) -> str:
        return f"{event.arm} seed {event.seed}"

    def _line(self, event: Event, text: str) -> None:
        self.console.print(f"{self.verb} {self._name(event)}: {text}", markup=False)
