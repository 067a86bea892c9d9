"""A job: its faults stay within it, and it waits for another process on the same runs."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from convchoice.config.schema import Config
from convchoice.errors import UserError
from convchoice.execution import job as job_module
from convchoice.execution.job import Job
from convchoice.execution.runner import specify
from convchoice.runs.events import Event, Listener, RunEnded, RunKey, RunStarted
from convchoice.runs.locks import lock_runs
from convchoice.runs.run import read_run
from convchoice.runs.specification import RunSpecification

Configs = Callable[..., list[Config]]


@pytest.mark.parametrize(
    ("error", "failure", "traceback"),
    [
        (UserError("the field is wrong"), "the field is wrong", False),
        (ZeroDivisionError("no"), "ZeroDivisionError: no", True),
    ],
)
def test_a_fault_ends_every_remaining_run_of_the_job_once(
    tmp_path: Path, configs: Configs, monkeypatch: pytest.MonkeyPatch,
    error: Exception, failure: str, traceback: bool,
) -> None:  # fmt: skip
    def fail(_job: Job, left: dict[RunKey, RunSpecification], listener: Listener) -> None:
        listener(RunEnded("tiny", 1, "the loss is nan", diverged=True))
        raise error

    monkeypatch.setattr(Job, "_work", fail)
    events: list[Event] = []
    runs = tuple(specify(configs(3), tmp_path))
    Job(runs).work(events.append)
    ended = [event for event in events if isinstance(event, RunEnded)]
    assert [(event.seed, event.failure) for event in ended] == [
        (1, "the loss is nan"), (0, failure), (2, failure),
    ]  # fmt: skip
    assert ["Traceback" in event.details for event in ended] == [False, traceback, traceback]


def test_a_second_process_waits_and_keeps_what_the_first_has_done(
    tmp_path: Path, configs: Configs, capsys: pytest.CaptureFixture[str]
) -> None:
    (item,) = specify(configs(1), tmp_path)
    first: list[Event] = []
    Job((item,)).work(first.append)
    assert [type(event) for event in first].count(RunEnded) == 1
    before = read_run(item.folder)
    second: list[Event] = []
    with lock_runs(tmp_path, ["tiny/seed-0"], "training"):
        other = threading.Thread(target=Job((item,)).work, args=(second.append,))
        other.start()
        other.join(1)
        assert other.is_alive()
    other.join(60)
    assert second == [RunEnded("tiny", 0)]
    assert read_run(item.folder).environment == before.environment
    assert "waiting for another process" in capsys.readouterr().err


def test_the_machine_of_the_job_is_recorded_and_not_the_senders(
    tmp_path: Path, configs: Configs, monkeypatch: pytest.MonkeyPatch
) -> None:
    (item,) = specify(configs(1), tmp_path)
    monkeypatch.setattr(job_module, "environment", lambda: {"platform": "a node"})
    (moved,) = Job((item,)).on_this_machine().runs
    assert moved.environment == {**item.environment, "platform": "a node"}
    assert replace(moved, environment=item.environment) == item


def test_an_evaluation_alone_leaves_the_trained_folder_as_it_is(
    tmp_path: Path, configs: Configs
) -> None:
    (item,) = specify(configs(1), tmp_path / "trained")
    Job((item,), evaluates=False).work(lambda event: None)
    before = {path.name: path.read_bytes() for path in item.folder.iterdir()}
    folder = tmp_path / "runs" / "tiny" / "seed-0"
    events: list[Event] = []
    Job((replace(item, folder=folder, trained=item.folder),), trains=False).work(events.append)
    assert events == [RunStarted("tiny", 0, epochs=1, epochs_done=0), RunEnded("tiny", 0)]
    assert {path.name: path.read_bytes() for path in item.folder.iterdir()} == before
    assert read_run(folder).evaluated
