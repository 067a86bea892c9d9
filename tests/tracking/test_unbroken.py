"""What becomes of a signal that stops the process while the store is being told something."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import Engine, event

from convchoice.execution.tracking import open_mlflow
from convchoice.tracking.labels import Kind
from convchoice.tracking.unbroken import unbroken
from mlflows_warnings import MLFLOWS_WARNINGS

pytestmark = MLFLOWS_WARNINGS


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


@pytest.fixture(autouse=True)
def _a_stage_of_ours() -> Iterator[None]:
    before = {stop: signal.getsignal(stop) for stop in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for stop, handler in before.items():
        signal.signal(stop, handler)


def test_a_run_stopped_in_the_middle_of_a_transaction_is_told_as_killed(tmp_path: Path) -> None:
    tracking = open_mlflow(f"sqlite:///{tmp_path}/mlflow.db", "convchoice", tmp_path, machine=False)
    run_id = tracking.store.create("max/seed-0", Kind.run, {}, {})

    stopped = []

    def stop(*of_the_statement: Any) -> None:
        if of_the_statement[2].startswith("INSERT INTO metrics"):
            stopped.append(of_the_statement[2])
            signal.raise_signal(signal.SIGTERM)

    event.listen(Engine, "after_cursor_execute", stop)
    try:
        tracking.epoch(run_id, {"epoch": 1, "train/loss": 0.5})
    except SystemExit:
        # Within `except`, as a stage's `finally` is: the traceback holds the transaction.
        tracking.ended_badly(run_id, "stopped before its end", killed=True)
    else:
        pytest.fail("the signal was not obeyed")
    finally:
        event.remove(Engine, "after_cursor_execute", stop)
    assert len(stopped) == 1
    run = tracking.store.run(run_id)
    assert run is not None
    assert (run.info.status, run.data.metrics) == ("KILLED", {"train/loss": 0.5})


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_is_obeyed_after_what_it_came_into(
    number: signal.Signals, raised: type[BaseException]
) -> None:
    done = []
    with pytest.raises(raised):  # noqa: PT012 - what is done before it is the point
        with unbroken(), unbroken():
            signal.raise_signal(number)
            done.append("inner")
        done.append("outer")
    assert done == ["inner"]
    assert signal.getsignal(signal.SIGTERM) is _terminate
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_is_obeyed_at_once() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), unbroken():  # noqa: PT012 - as above
        signal.raise_signal(signal.SIGTERM)
        done.append("the first waits")
        signal.raise_signal(signal.SIGINT)
        done.append("the second does not")
    assert done == ["the first waits"]
    assert signal.getsignal(signal.SIGTERM) is _terminate


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with unbroken():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_leave_the_signals_alone() -> None:
    seen = []

    def work() -> None:
        with unbroken():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [_terminate]
