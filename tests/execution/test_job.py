"""A job: its faults stay within it, and it changes nothing but its own folders."""

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
from convchoice.runs.run import read_run
from convchoice.runs.specification import RunSpecification

Configs = Callable[..., list[Config]]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (UserError("the field is wrong"), "the field is wrong"),
        (ZeroDivisionError("no"), "ZeroDivisionError: no"),
    ],
)
def test_a_fault_ends_every_remaining_run_of_the_job_once(
    tmp_path: Path, configs: Configs, monkeypatch: pytest.MonkeyPatch,
    error: Exception, failure: str,
) -> None:  # fmt: skip
    def fail(_job: Job, left: dict[RunKey, RunSpecification], listener: Listener) -> None:
        listener(RunEnded("tiny", 1, "the loss is nan", diverged=True))
        raise error

    monkeypatch.setattr(Job, "_work", fail)
    events: list[Event] = []
    Job(tuple(specify(configs(3), tmp_path))).work(events.append)
    ended = [event for event in events if isinstance(event, RunEnded)]
    found = [(event.seed, event.failure, "Traceback" in event.details) for event in ended]
    own = not isinstance(error, UserError)
    assert found == [(1, "the loss is nan", False), (0, failure, own), (2, failure, own)]


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
