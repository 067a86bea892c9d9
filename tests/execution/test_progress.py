"""What a person sees in a log, where there is no terminal."""

import io

import pytest
from rich.console import Console

from convchoice.execution.progress import Display, duration
from convchoice.runs.events import Advanced, Ended, EpochEnded, Started


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59, "59 s"), (125, "2 min 05 s"), (4320, "1 h 12 min")],
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def shown(*, terminal: bool) -> str:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100, highlight=False)
    with Display("training", 2, console) as display:
        display.hear(Started("max", 0, epochs=2, epochs_done=0))
        display.hear(Advanced("max", 0, 1, 2, fraction=0.25, loss=0.7, seconds_left=12.0))
        row = {"epoch": 1.0, "train/loss": 0.51234, "val/accuracy": 0.95, "seconds": 3.0}
        display.hear(EpochEnded("max", 0, row, 2, seconds_left=8.0))
        display.progress.refresh()
        display.hear(Ended("max", 0))
        display.hear(Started("max", 1, epochs=2, epochs_done=1))
        display.hear(Ended("max", 1, "[bold] no markup", "Traceback: once"))
    return written.getvalue()


def test_a_log_gets_a_line_an_epoch_and_no_control_characters() -> None:
    assert shown(terminal=False).splitlines() == [
        (
            "training max seed 0: epoch 1/2  loss 0.5123  validation accuracy 0.9500"
            "  8 s left in this run"
        ),
        "training max seed 0: done (1 of 2, 0 s left for all)",
        "training max seed 1: goes on after epoch 1",
        "training max seed 1: FAILED: [bold] no markup",
        "Traceback: once",
    ]


def test_a_terminal_gets_bars_with_the_arm_the_seed_the_epoch_the_loss_and_the_time_left() -> None:
    text = shown(terminal=True)
    assert "max seed 0" in text
    assert "epoch 1/2  loss 0.5123" in text
    assert "8 s left" in text


def test_one_traceback_explains_all_seeds_that_fail_alike() -> None:
    written = io.StringIO()
    with Display("training", 2, Console(file=written, width=100)) as display:
        for seed in (0, 1):
            display.hear(Ended("max", seed, "ValueError: no", "Traceback: the same"))
    assert written.getvalue().count("Traceback: the same") == 1
    assert written.getvalue().count("FAILED: ValueError: no") == 2
