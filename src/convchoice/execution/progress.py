"""Progress of runs: bars on a terminal, a line for each epoch elsewhere."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from convchoice.errors import without_password
from convchoice.runs.events import (
    EpochEnded,
    EpochProgress,
    Event,
    RunEnded,
    RunKey,
    RunStarted,
    duration,
)

MOST_BARS = 8
"""Most runs that have a bar of their own at a time."""
SPEED_SECONDS = 3600.0


class Display(Progress):
    """Shows the events of runs, within a `with` block.

    Args:
        work: what each run takes, in any unit, for the estimate of the time left.
        console: where to write.
        lines: write lines even on a terminal, which other processes may share.
    """

    def __init__(
        self,
        work: Mapping[RunKey, float],
        console: Console | None = None,
        *,
        lines: bool = False,
    ) -> None:
        """Nothing is shown before the `with` block."""
        console = console or Console(highlight=False, soft_wrap=True)
        self.lines = lines or not console.is_terminal
        self.work = work
        self.ended: list[RunEnded] = []
        self.bars: dict[RunKey, TaskID] = {}
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=self.lines,
            speed_estimate_period=SPEED_SECONDS,
        )
        self.add_task("all runs", total=sum(work.values()), note="")
        (self.total,) = self.tasks

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, RunStarted):
            if event.epochs_done:
                self._print(event, f"resumed after epoch {event.epochs_done}")
            note = "starting" if event.epochs else "evaluating"
            if event.key in self.bars:
                self.update(self.bars[event.key], note=note)
            else:
                self.bars[event.key] = self.add_task(
                    f"{event.arm} seed {event.seed}", total=1.0, note=note,
                    visible=len(self.bars) < MOST_BARS,
                )  # fmt: skip
        elif isinstance(event, EpochProgress):
            note = f"epoch {event.epoch}/{event.epochs}, loss {event.loss:.4f}"
            self._advance(event, event.fraction, note)
        elif isinstance(event, EpochEnded):
            epoch, accuracy = event.row["epoch"], event.row.get("val/accuracy")
            note = f"epoch {epoch:.0f}/{event.epochs}, loss {event.row['train/loss']:.4f}"
            note += "" if accuracy is None else f", validation accuracy {accuracy:.4f}"
            self._advance(event, epoch / event.epochs, note)
            if self.lines:
                self._print(event, f"{note}, {duration(event.seconds_left)} left in this run")
        elif isinstance(event, RunEnded):
            self._end(event)

    def _advance(self, event: Event, fraction: float, note: str) -> None:
        if event.key in self.bars:
            self.update(self.bars[event.key], note=note)
            self._complete(event.key, fraction)

    def _complete(self, key: RunKey, fraction: float) -> None:
        """Set how much of a run is done; the sum of all runs moves with it."""
        with self._lock:
            bar = self._tasks[self.bars[key]]
            self.update(self.total.id, advance=self.work[key] * (fraction - bar.completed))
            self.update(bar.id, completed=fraction)

    def _end(self, event: RunEnded) -> None:
        printed = {each.details for each in self.ended}
        self.ended.append(event)
        if event.key in self.bars:
            self._complete(event.key, 1.0)
            self.remove_task(self.bars.pop(event.key))
        else:
            self.update(self.total.id, advance=self.work[event.key])
        if event.failure:
            self._print(event, f"FAILED: {event.failure}")
            if event.details and event.details not in printed:  # seeds often fail alike
                self.console.print(without_password(event.details), markup=False)
        else:
            done, elapsed = self.total.percentage / 100, self.total.elapsed or 0.0
            left = elapsed * (1 - done) / done
            last = len(self.ended) == len(self.work)
            estimate = "" if last else f", about {duration(left)} left"
            self._print(event, f"done ({len(self.ended)} of {len(self.work)}{estimate})")

    def _print(self, event: Event, text: str) -> None:
        self.console.print(without_password(f"{event.arm} seed {event.seed}: {text}"), markup=False)
