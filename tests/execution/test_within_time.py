"""Arms within a given time: real small trainings in the two worker processes."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convchoice.config.schema import Contents, Dataset
from convchoice.config.validation import config_from_mapping
from convchoice.execution import within_time
from convchoice.execution.within_time import Arm, Estimate, run_within, work_of_seed
from convchoice.networks.plan import plan
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import read_failure
from small_runs import SMALL, small_run, train_until, trained


def arm(root: Path, data_root: Path, name: str, **changes: Any) -> Arm:
    values = {"trainer": {"max_epochs": 1, "accelerator": "cpu"}} | changes
    return Arm(
        name,
        tuple(small_run(root, data_root, arm=name, seed=seed, **values) for seed in range(2)),
    )


def test_the_work_of_a_seed_by_hand():
    config = config_from_mapping({**SMALL, "data": {"train_size": 100, "batch_size": 32}})
    layers = plan(config)
    # Four steps an epoch, three epochs; activations are counted for whole batches.
    images = 7 * layers.activation_bytes(32) + int(0.9 * layers.macs * 32)
    assert work_of_seed(config) == 12 * (images + 60 * layers.parameters)
    most = config_from_mapping({"data": {"train_size": 60_000}, "trainer": {"max_epochs": 1}})
    without = replace(most, data=replace(most.data, validation_size=0))
    assert work_of_seed(without) / work_of_seed(most) == 938 / 860  # 60,000 and 55,000 images
    contents = Contents(10, 1, 28, train_images=640, validation_images=64, test_images=10)
    data = replace(most.data, name=Dataset.folder, train_size=None, contents=contents)
    for size in (None, 0):  # those of val/ never train
        assert work_of_seed(replace(most, data=replace(data, validation_size=size))) == (
            10 * work_of_seed(replace(most, data=replace(most.data, train_size=64)))
        )


def test_estimates_follow_the_arms_that_are_done(tmp_path, data_root):
    one, estimate = arm(tmp_path, data_root, "one"), Estimate()
    assert estimate.training(one) < 1
    estimate.add(one, 7.0, "trained")
    estimate.add(one, 3.0, "evaluated")
    estimate.add(one, 9.0, "trained")
    assert estimate.training(one) == pytest.approx(8)
    assert estimate.evaluation() == 3


def test_only_arms_that_begin_here_count_for_the_estimate(tmp_path, data_root, monkeypatch, capfd):
    """One was trained in part, one has a checkpoint: the rest of them says nothing of the speed."""
    added: list[str] = []
    add = Estimate.add

    def noting(estimate: Estimate, done: Arm, *rest: Any) -> None:
        added.append(done.name)
        add(estimate, done, *rest)

    monkeypatch.setattr(Estimate, "add", noting)
    longer = {"trainer": {"max_epochs": 2, "accelerator": "cpu"}}
    arms = [
        arm(tmp_path, data_root, "in_part"),
        arm(tmp_path, data_root, "resumed", **longer),
        arm(tmp_path, data_root, "new"),
    ]
    trained(arms[0].runs[0])
    train_until(list(arms[1].runs), 2)
    assert run_within(arms, time.monotonic() + 300, lambda _: None) == []
    assert added == ["new", "new"]


def test_arms_are_complete_and_one_that_fails_or_diverges_stops_no_other(
    tmp_path, data_root, capfd
):
    diverging = {"name": "sgd", "learning_rate": 1e3, "weight_decay": 1e3}
    arms = [
        arm(tmp_path, data_root, "first"),
        arm(tmp_path, tmp_path / "nothing", "without_data"),
        arm(tmp_path, data_root, "diverges", optimizer=diverging),
        arm(tmp_path, data_root, "last"),
    ]
    complete: list[str] = []
    failures = run_within(arms, time.monotonic() + 300, complete.append)
    assert sorted(complete) == ["diverges", "first", "last"]
    assert [each.key for each in failures] == [("without_data", 0), ("without_data", 1)]
    for done in (arms[0], arms[3]):
        for run in done.runs:
            found = read_run(run.folder)
            assert found.evaluated
            assert found.environment["seeds_together"] == 2
    assert all(read_failure(run.folder) for run in arms[2].runs)
    said = capfd.readouterr().out
    assert "holds no data set" in said
    assert "no time was left" not in said
    # Trained runs that are not evaluated are not trained again.
    assert run_within([arms[0]], time.monotonic() + 300, complete.append) == []
    assert "trained" not in capfd.readouterr().out


def test_no_arm_is_started_that_will_not_fit_and_one_that_does_not_end_is_stopped(
    tmp_path, data_root, capfd, monkeypatch
):
    monkeypatch.setattr(within_time, "FIRST_EVALUATION", 1.0)
    long = arm(tmp_path, data_root, "long", trainer={"max_epochs": 3_000, "accelerator": "cpu"})
    complete: list[str] = []
    estimated = Estimate().training(long) + Estimate().evaluation()
    assert run_within([long], time.monotonic() + estimated / 2, complete.append) == []
    assert capfd.readouterr().out == "no time was left for long\n"
    assert run_within([long], time.monotonic() + estimated + 2, complete.append) == []
    said = capfd.readouterr().out
    assert said.startswith("long: training takes about")
    assert said.endswith("no time was left for long\n")
    assert complete == []
    assert not long.runs[0].folder.exists()


def test_arms_that_wait_for_their_evaluation_take_time_too(tmp_path, data_root):
    one = arm(tmp_path, data_root, "one")
    lanes = within_time._Lanes([one], time.monotonic() + 1025)
    try:
        lanes.estimate.evaluations.append(500.0)
        assert lanes._fitting() == one
        lanes.trained.extend([one, one])  # 1,000 s, and 500 s for the arm itself
        assert lanes._fitting() is None
    finally:
        lanes.training.worker.stop()
        lanes.evaluation.worker.stop()
