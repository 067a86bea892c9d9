"""The runner and its jobs: what is kept, trained, evaluated, recorded as failed, and grouped."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from convchoice.config.schema import Config
from convchoice.config.validation import arm_text
from convchoice.errors import ConfigurationError, UserError
from convchoice.execution import executors
from convchoice.execution.executors import JoblibExecutor, LocalExecutor, run_job
from convchoice.execution.job import Job
from convchoice.execution.runner import failure_text, run, update_runs
from convchoice.execution.specification import missing_runs, refuse_to_replace, specify
from convchoice.runs.events import Event, Listener, RunEnded, RunKey, RunStarted
from convchoice.runs.run import RunSpecification, read_run
from convchoice.runs.run_folder import (
    PREDICTIONS,
    WEIGHTS,
    failed_path,
    partial_path,
    read_failure,
)
from made_up_runs import make_run
from stages import numbers

Configs = Callable[..., list[Config]]


class Recording:
    """An executor that records its jobs and lets them succeed."""

    def __init__(self, *, stacks_seeds: bool) -> None:
        self.stacks_seeds = stacks_seeds
        self.jobs: list[Job] = []

    def run(self, jobs: Sequence[Job], listener: Listener) -> None:
        self.jobs += jobs
        for job in jobs:
            for key in job.keys:
                listener(RunEnded(*key, "not run"))


def test_complete_runs_are_kept_and_the_others_trained_and_evaluated(tmp_path, configs):
    two = [replace(config, run_root=str(tmp_path)) for config in configs(2)]
    complete = []
    assert update_runs(two, LocalExecutor(2), complete.append, "two") == []
    assert sorted(complete) == [tmp_path / "tiny" / f"seed-{seed}" for seed in (0, 1)]
    assert all((folder / PREDICTIONS).is_file() for folder in complete)
    three = specify([replace(two[0], seed=seed) for seed in (0, 1, 2)])
    assert [item.seed for item in missing_runs(three)] == [2]
    assert three[0].data_digest == read_run(complete[0]).environment["dataset"]["digest"]
    (complete[0] / PREDICTIONS).write_bytes(b"damaged")
    assert [item.folder for item in missing_runs(three)][:-1] == [complete[0]]
    weights = complete[0] / WEIGHTS
    before = weights.stat().st_mtime_ns, read_run(complete[0]).environment
    assert update_runs(two, LocalExecutor(), complete.append, "two") == []
    after = read_run(complete[0])  # evaluated again, not trained again
    assert after.environment == before[1]
    assert len(after.predictions()[1]) == after.environment["dataset"]["test_images"]
    other = [replace(two[0], conv=replace(two[0].conv, kernel_size=2))]
    with pytest.raises(ConfigurationError, match=r"conv\.kernel_size \(3 there, 2 here\)"):
        update_runs(other, LocalExecutor(), complete.append, "other")


def test_joblib_gives_the_same_numbers(tmp_path, configs):
    local, joblib = (specify(configs(2), tmp_path / name) for name in ("local", "joblib"))
    assert run(local, LocalExecutor(1), evaluates=False) == []
    assert run(joblib, JoblibExecutor(2, {"pre_dispatch": "n_jobs"}), evaluates=False) == []
    for one, other in zip(local, joblib, strict=True):
        assert numbers(read_run(one.folder)) == numbers(read_run(other.folder))


def test_a_divergence_is_recorded_once_and_leaves_the_other_runs_complete(tmp_path, configs):
    good, bad = configs(2)
    bad = replace(bad, optimizer=replace(bad.optimizer, learning_rate=1e30))
    runs = specify([good, bad], tmp_path)
    complete = []
    (failure,) = run(runs, LocalExecutor(2), evaluates=False, on_complete=complete.append)
    assert (failure.key, failure.diverged) == (("tiny", 1), True)
    assert "the loss is nan" in failure.failure
    assert sorted(complete) == [item.folder for item in runs]
    recorded = read_failure(runs[1].folder)
    assert recorded is not None
    assert recorded["fingerprint"] == runs[1].fingerprint
    executor = Recording(stacks_seeds=False)
    assert run([runs[1]], executor, evaluates=False) == [failure]
    assert executor.jobs == []
    again = replace(runs[1], fingerprint="another")
    run([again], executor, evaluates=False)
    assert [job.runs for job in executor.jobs] == [(again,)]


def test_a_failure_that_cannot_be_recorded_ends_its_run(tmp_path, configs, monkeypatch):
    (one,) = specify(configs(1), tmp_path)

    def diverge(_: object, listener: Listener) -> None:
        failed_path(one.folder).mkdir(parents=True)  # in the place of the record
        listener(RunEnded(*one.key, "the loss is nan", diverged=True))

    monkeypatch.setattr("convchoice.training.train.train", diverge)
    ended: list[Event] = []
    Job((one,)).work(ended.append)
    assert [event.key for event in ended] == [one.key]
    assert "seed-0.failed" in ended[0].failure  # type: ignore[attr-defined]


def test_failures_in_words():
    two = [RunEnded("max", seed, "no space") for seed in (0, 1)]
    lines = "runs failed:\n  max seed 0: no space"
    assert failure_text(two, 2, "failed") == f"2 of 2 {lines}\n  max seed 1: no space"
    assert failure_text(two[:1], 2, "failed") == f"1 of 2 {lines}\nThe other runs are complete."


def test_a_run_is_judged_by_its_folder(tmp_path, configs):
    class Silent(Recording):
        def run(self, jobs: Sequence[Job], listener: Listener) -> None:
            for job in jobs:
                listener(RunEnded(*job.keys[0]))

    items = specify(configs(1), tmp_path)
    (failure,) = run(items, Silent(stacks_seeds=False))
    assert "there is no such run folder" in failure.failure
    make_run(tmp_path, "tiny", 0, evaluated=False)
    (failure,) = run(items, Silent(stacks_seeds=False))
    assert failure.failure == f"{items[0].folder}: is not evaluated."


@pytest.mark.parametrize(
    ("stacks", "gpu", "trainer", "groups"),
    [
        (True, True, {}, [[0, 1, 2]]),
        (True, False, {}, [[0], [1], [2]]),
        (False, True, {}, [[0], [1], [2]]),
        (False, False, {"seeds_together": 2}, [[0, 1], [2]]),
        (True, True, {"precision": "16-mixed"}, [[0], [1], [2]]),
        (True, True, {"accelerator": "cpu"}, [[0], [1], [2]]),
    ],
)
def test_only_seeds_of_one_arm_are_stacked_and_on_a_gpu_of_this_machine(
    tmp_path, configs, monkeypatch, stacks, gpu, trainer, groups
):
    monkeypatch.setattr(executors, "gpu_is_usable", lambda: gpu)
    trainer = {"accelerator": "auto", **trainer}
    two_arms = [*configs(3, trainer=trainer), *configs(3, arm="other", trainer=trainer)]
    executor = Recording(stacks_seeds=stacks)
    run(specify(two_arms, tmp_path), executor, evaluates=False)
    assert [[seed for _, seed in job.keys] for job in executor.jobs] == groups * 2


@pytest.mark.parametrize(
    ("gpu", "groups"), [(True, [[0, 1, 2]]), (False, [[0], [1], [2]])], ids=["GPU", "CPU"]
)
def test_seeds_are_evaluated_in_one_process_on_a_gpu_however_they_were_trained(
    tmp_path, configs, monkeypatch, gpu, groups
):
    monkeypatch.setattr(executors, "gpu_is_usable", lambda: gpu)
    arm = configs(3, trainer={"accelerator": "auto", "seeds_together": 2})
    executor = Recording(stacks_seeds=True)
    run(specify(arm, tmp_path), executor, trains=False)
    assert [[seed for _, seed in job.keys] for job in executor.jobs] == groups


def test_a_training_whose_process_died_before_the_rename_is_finalised(tmp_path, configs):
    (item,) = specify(configs(1), tmp_path)
    assert run([item], LocalExecutor(1), evaluates=False) == []
    trained = numbers(read_run(item.folder))
    item.folder.rename(partial_path(item.folder))
    (partial_path(item.folder) / "resume.ckpt").write_bytes(b"left")
    (ended,) = run_job(Job((item,), evaluates=False))
    assert ended == RunEnded("tiny", 0)
    assert numbers(read_run(item.folder)) == trained
    assert not (item.folder / "resume.ckpt").exists()


def test_a_run_never_takes_the_place_of_the_pipelines_arm(tmp_path, configs):
    (config,) = configs(1, run_root=str(tmp_path / "runs"))
    composed = tmp_path / "configs/arms/tiny.yaml"
    composed.parent.mkdir(parents=True)
    composed.write_text(arm_text(config))
    (item,) = specify([config])
    refuse_to_replace(item)
    other = replace(config, conv=replace(config.conv, kernel_size=2))
    with pytest.raises(ConfigurationError, match=r"the pipeline's, whose arm differs in conv\."):
        refuse_to_replace(replace(item, config=other))


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (UserError("the field is wrong"), "the field is wrong"),
        (ZeroDivisionError("no"), "ZeroDivisionError: no"),
    ],
)
def test_a_fault_ends_every_remaining_run_of_the_job_once(
    tmp_path, configs, monkeypatch, error, failure
):
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


def test_the_machine_of_the_job_is_recorded_and_not_the_senders(tmp_path, configs, monkeypatch):
    (item,) = specify(configs(1), tmp_path)
    monkeypatch.setattr("convchoice.execution.job.environment", lambda: {"platform": "a node"})
    (moved,) = Job((item,)).on_this_machine().runs
    assert moved.environment == {**item.environment, "platform": "a node"}
    assert replace(moved, environment=item.environment) == item


def test_an_evaluation_alone_leaves_the_trained_folder_as_it_is(tmp_path, configs):
    (item,) = specify(configs(1), tmp_path / "trained")
    Job((item,), evaluates=False).work(lambda event: None)
    before = {path.name: path.read_bytes() for path in item.folder.iterdir()}
    folder = tmp_path / "runs" / "tiny" / "seed-0"
    events: list[Event] = []
    Job((replace(item, folder=folder, trained=item.folder),), trains=False).work(events.append)
    assert events == [RunStarted("tiny", 0, epochs=0, epochs_done=0), RunEnded("tiny", 0)]
    assert {path.name: path.read_bytes() for path in item.folder.iterdir()} == before
    assert read_run(folder).evaluated
