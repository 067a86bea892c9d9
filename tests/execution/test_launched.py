"""An arm's seeds through a launcher: what it does here, it does there, to the last bit."""

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from convchoice.config.schema import Config
from convchoice.errors import StorageError
from convchoice.execution import seeds
from convchoice.execution.dealing import trained_together
from convchoice.execution.event_files import EventReader, EventWriter
from convchoice.execution.jobs import TrainingJobs
from convchoice.execution.launch import read_launch
from convchoice.execution.launched import Hearing, Launched, do
from convchoice.runs import run_folder
from convchoice.runs.events import Ended, Event, Started
from convchoice.runs.failures import failed_path
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import run_path
from convchoice.runs.specification import RunSpecification
from making import make_run
from stages import TINY, composed_arm, training
from test_interruption import numbers
from test_seeds import configs, written

__all__ = ["configs"]  # a fixture


def through(text: str, config: Config, root: Path) -> Launched:
    pytest.importorskip("joblib", reason="pip install -e '.[launchers]'")
    return Launched(read_launch(text), config, root)


def test_launchers_train_what_is_trained_here_and_keep_what_is_there(
    tmp_path: Path, configs: Callable[..., list[Config]], capsys: pytest.CaptureFixture[str]
) -> None:
    both = configs(2)
    assert seeds.train_seeds(both, tmp_path / "here") == []
    for name in ("basic", "joblib hydra.launcher.n_jobs=2"):
        root = tmp_path / name.partition(" ")[0]
        carrier = through(name, both[0], root)
        assert seeds.train_seeds(both, root, carrier) == []
        for seed in (0, 1):
            here, there = (
                read_run(run_path(folder, "tiny", seed)) for folder in (tmp_path / "here", root)
            )
            assert numbers(there) == numbers(here)
            assert there.environment["fingerprint"] == here.environment["fingerprint"]
            assert there.config == here.config
            assert sorted(path.name for path in there.path.iterdir()) == sorted(
                path.name for path in here.path.iterdir()
            )
        before = written(root)
        capsys.readouterr()
        assert seeds.train_seeds(both, root, carrier) == []
        assert written(root) == before
        assert "arm tiny: 2 seeds, 2 kept, 0 to train" in capsys.readouterr().out
        assert list(carrier.folder.glob("events*")) == []
    assert seeds.missing_runs(both, tmp_path / "basic") == []


def test_a_lost_loss_is_recorded_and_another_failure_is_the_stages(
    tmp_path: Path, configs: Callable[..., list[Config]]
) -> None:
    well, bad = configs(2)
    bad = replace(bad, optimizer=replace(bad.optimizer, learning_rate=1e30))
    gone = replace(well, seed=2, trainer=replace(well.trainer, precision="16-mixed"))
    missing = seeds.missing_runs([well, bad, gone], tmp_path)
    failures = seeds.train_missing(missing, workers=1, carrier=through("basic", well, tmp_path))
    assert [(event.seed, event.lost, event.killed) for event in failures] == [
        (1, True, False), (2, False, False),
    ]  # fmt: skip
    assert "float16 needs a GPU" in failures[1].failure
    assert set(written(tmp_path)) == {"seed-0"}
    assert seeds.train_seeds([bad], tmp_path, through("basic", bad, tmp_path)) == []
    assert failed_path(run_path(tmp_path, "tiny", 1)).exists()


def hearing(folder: Path, listener: Callable[[Event], None], *runs: int) -> Hearing:
    left = {("max", seed) for seed in runs}
    return Hearing(EventReader(folder), listener, left)


def test_a_run_that_has_ended_says_nothing_more(tmp_path: Path) -> None:
    """A job that is sent twice tells twice."""
    told: list[Event] = []
    writer = EventWriter(tmp_path / "0.jsonl")
    with hearing(tmp_path, told.append, 0, 1) as hears:
        for event in (Started("max", 0, 2, 0), Ended("max", 0), Started("max", 0, 2, 0)):
            writer.hear(event)
        writer.hear(Ended("max", 0, "it failed the second time"))
    assert told == [Started("max", 0, 2, 0), Ended("max", 0)]
    assert hears.left == {("max", 1)}


def test_what_the_listener_cannot_bear_stops_the_wait_for_the_jobs(tmp_path: Path) -> None:
    def full(event: Event) -> None:
        raise StorageError("no room")

    EventWriter(tmp_path / "0.jsonl").hear(Started("max", 0, 2, 0))
    with pytest.raises(StorageError, match="no room"), hearing(tmp_path, full, 0):
        time.sleep(60)  # a launcher at its wait


def test_a_job_that_is_sent_again_after_its_work_does_not_do_it_twice(
    tmp_path: Path, configs: Callable[..., list[Config]]
) -> None:
    """Seed 0 was whole but for its name, and seed 1 had it already."""
    both = [replace(config, arm="max") for config in configs(2)]
    folders = [make_run(tmp_path, "max", seed, evaluated=False) for seed in (0, 1)]
    partial = run_folder.partial_path(folders[0])
    folders[0].rename(partial)
    jobs = TrainingJobs(
        tuple(
            RunSpecification(config, Path("nowhere"), folder, "f" * 64)
            for config, folder in zip(both, folders, strict=True)
        )
    )
    writer = EventWriter(tmp_path / "0.jsonl")
    assert do(jobs, writer) == [Ended("max", 0), Ended("max", 1)]
    (tmp_path / "events").mkdir()
    writer.path.rename(tmp_path / "events" / "0.jsonl")
    assert list(EventReader(tmp_path / "events").news()) == [Ended("max", 0), Ended("max", 1)]


def test_seeds_are_jobs_of_their_own_unless_some_are_asked_to_go_together(
    configs: Callable[..., list[Config]],
) -> None:
    """Whatever this machine has: the one that trains is another."""
    for together, sizes in ((None, [1, 1, 1]), (2, [2, 1])):
        three = configs(3, trainer={"seeds_together": together, "accelerator": "auto"})
        dealt = trained_together(
            [RunSpecification(config, Path("raw"), Path("folder"), "f") for config in three],
            default=1,
        )
        assert [len(jobs.jobs) for jobs in dealt] == sizes


@pytest.mark.soak
@pytest.mark.parametrize("launcher", ["basic", "joblib hydra.launcher.n_jobs=2"])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_a_stage_that_is_stopped_stops_its_jobs_and_goes_on_to_the_last_bit(
    tmp_path: Path, data_root: Path, launcher: str, number: signal.Signals, status: int
) -> None:
    composed = composed_arm(
        tmp_path, data_root, seeds=2,
        trainer={**TINY["trainer"], "max_epochs": 150, "workers": None},
    )  # fmt: skip
    stage = training(composed, tmp_path / "trained", CONVCHOICE_LAUNCH=launcher)
    stage.wait_for("/150  loss")
    stage.send(number, group=number is signal.SIGINT)
    assert stage.end() == status, stage.output
    assert "Traceback" not in stage.output
    stage = training(composed, tmp_path / "trained", CONVCHOICE_LAUNCH=launcher)
    assert stage.end() == 0, stage.output
    assert "goes on after epoch" in stage.output
    here = training(composed, tmp_path / "here")
    assert here.end() == 0, here.output
    for seed in (0, 1):
        disturbed, alone = (
            read_run(run_path(tmp_path / name, "tiny", seed)) for name in ("trained", "here")
        )
        assert numbers(disturbed) == numbers(alone)


def test_a_launcher_that_is_not_there_is_refused_before_anything_is_trained(
    tmp_path: Path, data_root: Path
) -> None:
    composed = composed_arm(tmp_path, data_root)
    stage = training(composed, tmp_path / "trained", CONVCHOICE_LAUNCH="dask")
    assert stage.end() == 2
    assert "there is no such launcher. Legal: basic, joblib, ray, slurm." in stage.output
    assert not (tmp_path / "trained").exists()
