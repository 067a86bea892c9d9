"""Progress of runs: bars on a terminal, a line for each epoch elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from convchoice.errors import without_password
from convchoice.runs.duration import duration
from convchoice.runs.events import EpochEnded, EpochProgress, Event, RunEnded, RunKey, RunStarted

MOST_BARS = 8
"""Most runs that have a bar of their own at a time."""
SPEED_SECONDS = 3600.0


class Display:
    """Shows the events of runs.

    Args:
        runs: number of runs.
        console: where to write.
        lines: write lines even on a terminal, which other processes may share.
    """

    def __init__(self, runs: int, console: Console | None = None, *, lines: bool = False) -> None:
        """Nothing is shown before the `with` block."""
        self.runs = runs
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.lines = lines or not self.console.is_terminal
        self.ended = 0
        self.printed: set[str] = set()
        self.tasks: dict[RunKey, TaskID] = {}
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            transient=True,
            disable=self.lines,
            speed_estimate_period=SPEED_SECONDS,
        )
        self.total = self.progress.add_task("all runs", total=runs, note="")

    def __enter__(self) -> Self:
        """Start to show."""
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bars."""
        self.progress.stop()

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, EpochProgress):
            self._advance(event, event.fraction, f"epoch {event.epoch}, loss {event.loss:.4f}")
        elif isinstance(event, EpochEnded):
            note = _epoch(event)
            self._advance(event, event.row["epoch"] / event.epochs, note)
            if self.lines:
                self._print(event, f"{note}, {duration(event.seconds_left)} left in this run")
        elif isinstance(event, RunEnded):
            self._end(event)

    def _start(self, event: RunStarted) -> None:
        if event.epochs_done:
            self._print(event, f"resumed after epoch {event.epochs_done}")
        if event.key not in self.tasks:
            self.tasks[event.key] = self.progress.add_task(
                f"{event.arm} seed {event.seed}", total=1.0, note="starting",
                visible=len(self.tasks) < MOST_BARS,
            )  # fmt: skip

    def _advance(self, event: Event, fraction: float, note: str) -> None:
        if event.key in self.tasks:
            self.progress.update(self.tasks[event.key], completed=fraction, note=note)

    def _end(self, event: RunEnded) -> None:
        self.ended += 1
        self.progress.update(self.total, completed=self.ended)
        if event.key in self.tasks:
            self.progress.remove_task(self.tasks.pop(event.key))
        if event.failure:
            self._print(event, f"FAILED: {event.failure}")
            if event.details and event.details not in self.printed:  # seeds often fail alike
                self.printed.add(event.details)
                self.console.print(without_password(event.details), markup=False)
            return
        left = next(task for task in self.progress.tasks if task.id == self.total).time_remaining
        estimate = f", about {duration(left)} left" if left else ""
        self._print(event, f"done ({self.ended} of {self.runs}{estimate})")

    def _print(self, event: Event, text: str) -> None:
        self.console.print(without_password(f"{event.arm} seed {event.seed}: {text}"), markup=False)


def _epoch(event: EpochEnded) -> str:
    row = event.row
    text = f"epoch {row['epoch']:.0f}/{event.epochs}, loss {row['train/loss']:.4f}"
    accuracy = row.get("val/accuracy")
    return text if accuracy is None else f"{text}, validation accuracy {accuracy:.4f}"
