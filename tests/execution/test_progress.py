"""Progress of runs, in a log and on a terminal."""

import io
import re

from rich.console import Console

from convchoice.execution.progress import Display
from convchoice.runs.events import EpochEnded, EpochProgress, RunEnded, RunStarted


def shown(*, terminal: bool) -> str:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100, highlight=False)
    with Display({("max", seed): 1.0 for seed in range(3)}, console) as display:
        display.show(RunStarted("max", 0, epochs=2, epochs_done=0))
        display.show(EpochProgress("max", 0, 1, 2, fraction=0.25, loss=0.7))
        row = {"epoch": 1.0, "train/loss": 0.51234, "val/accuracy": 0.95, "seconds": 3.0}
        display.show(EpochEnded("max", 0, row, 2, seconds_left=8.0))
        display.refresh()
        display.show(RunStarted("max", 0, epochs=0, epochs_done=0))
        display.refresh()
        display.show(RunEnded("max", 0))
        display.show(RunStarted("max", 1, epochs=2, epochs_done=1))
        for seed in (1, 2):  # seeds that fail alike have one traceback
            failure = "[bold] no markup, http://user:secret@host"
            display.show(RunEnded("max", seed, failure, "Traceback: once"))
    return written.getvalue()


def test_a_log_gets_a_line_for_each_epoch_and_no_control_characters():
    lines = shown(terminal=False).splitlines()
    assert [re.sub(r", about .* left", "", line) for line in lines] == [
        "max seed 0: epoch 1/2, loss 0.5123, validation accuracy 0.9500, 8.0 s left in this run",
        "max seed 0: done (1 of 3)",
        "max seed 1: resumed after epoch 1",
        "max seed 1: FAILED: [bold] no markup, http://***@host",
        "Traceback: once",
        "max seed 2: FAILED: [bold] no markup, http://***@host",
    ]  # fmt: skip


def test_a_terminal_gets_bars():
    text = shown(terminal=True)
    assert "max seed 0" in text
    assert "all runs" in text
    assert "epoch 1/2, loss 0.5123" in text
    assert "evaluating" in text


def test_the_time_left_counts_the_runs_that_are_under_way():
    """Two runs side by side, 10 s each: half of the second is done when the first ends."""
    now = 0.0
    console = Console(file=(written := io.StringIO()), width=100, get_time=lambda: now)
    with Display({("max", seed): 1000.0 for seed in range(2)}, console) as display:
        for seed in range(2):
            display.show(RunStarted("max", seed, epochs=2, epochs_done=0))
        display.show(EpochProgress("max", 1, 1, 2, fraction=0.25, loss=0.7))
        display.show(EpochProgress("max", 1, 1, 2, fraction=0.5, loss=0.6))
        now = 9.0
        display.show(RunEnded("max", 0))
        display.show(RunEnded("max", 1))
    assert written.getvalue().splitlines() == [
        "max seed 0: done (1 of 2, about 3.0 s left)",
        "max seed 1: done (2 of 2)",
    ]
