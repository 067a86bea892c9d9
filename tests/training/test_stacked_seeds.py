"""Seeds that are trained together have the numbers that they have alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from convchoice.runs import run_folder
from convchoice.runs.events import EpochEnded, RunEnded, RunStarted
from convchoice.runs.ownership import finalise
from convchoice.runs.run import Run, RunSpecification, read_run
from convchoice.runs.run_folder import CHECKPOINT, SUMS, WEIGHTS, partial_path
from convchoice.training.train import train
from small_runs import events_of, small_run, train_until, trained
from stages import numbers

SEEDS = (0, 3, 1)


SMALL: dict[str, Any] = {
    "model": {"filters": [4, 6], "hidden_units": 8},
    "data": {"train_size": 150, "batch_size": 32},
    "trainer": {"max_epochs": 2, "accelerator": "cpu", "precision": "64-true"},
}
"""Double precision, five steps an epoch, the last short."""


def jobs(root: Path, data_root: Path, **changes: Any) -> list[RunSpecification]:
    return [small_run(root, data_root, **SMALL | changes, seed=seed) for seed in SEEDS]


def finalised(job: RunSpecification) -> Run:
    finalise(job.folder)
    return read_run(job.folder)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"downsample": {"operator": "average"}},
        {"downsample": {"operator": "weighted", "window": 4, "padding": 1}},
        {"downsample": {"operator": "strided"}, "conv": {"padding": "same"}},
        {"downsample": {"operator": "all_conv"}, "optimizer": {"name": "adam"}},
        {"model": {"filters": [4], "downsample_after": [1], "head": "global_average",
                   "hidden_units": 0, "activation": "gelu", "initialisation": "pytorch"},
         "optimizer": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9}},
    ],
)  # fmt: skip
def test_stacked_seeds_agree_with_single_ones_and_are_recorded(tmp_path, data_root, changes):
    together = jobs(tmp_path / "together", data_root, **changes)
    events = events_of(together)
    assert [event.seed for event in events if isinstance(event, RunStarted)] == list(SEEDS)
    assert [event.seed for event in events if isinstance(event, EpochEnded)] == list(SEEDS) * 2
    for stacked, single in zip(
        together, jobs(tmp_path / "alone", data_root, **changes), strict=True
    ):
        run, alone = finalised(stacked), trained(single)
        assert {path.name for path in run.path.iterdir()} == {*run_folder.TRAINED_FILES, SUMS}
        assert run.environment["seeds_together"] == 3
        torch.testing.assert_close(
            load_file(run.path / WEIGHTS), load_file(alone.path / WEIGHTS), rtol=1e-9, atol=1e-9
        )
        for row, expected in zip(run.history, alone.history, strict=True):
            assert row == pytest.approx(expected | {"seconds": row["seconds"]}, rel=1e-9)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("operator", ["max", "average", "all_conv"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_a_gpu_has_the_numbers_of_the_cpu(tmp_path, data_root, capfd, operator, seeds):
    """Three steps are called, the fourth is captured, and the last of an epoch is called again."""
    changes = {"downsample": {"operator": operator}}
    trainer = SMALL["trainer"] | {"accelerator": "gpu"}
    replayed = jobs(tmp_path / "gpu", data_root, **changes, trainer=trainer)[:seeds]
    train(replayed, lambda event: None)
    assert "not captured" not in capfd.readouterr().err
    for found, alone in zip(replayed, jobs(tmp_path / "cpu", data_root, **changes), strict=False):
        run, expected = finalised(found), trained(alone)
        torch.testing.assert_close(
            load_file(run.path / WEIGHTS), load_file(expected.path / WEIGHTS), rtol=1e-9, atol=1e-9
        )


def test_interrupted_stacked_seeds_resume_to_the_last_bit(tmp_path, data_root):
    whole, parts = jobs(tmp_path / "whole", data_root), jobs(tmp_path / "parts", data_root)
    train(whole, lambda event: None)
    train_until(parts, 2)
    assert (partial_path(parts[0].folder) / CHECKPOINT).is_file()
    assert events_of(parts)[0] == RunStarted("tiny", 0, epochs=2, epochs_done=1)
    for job, expected in zip(parts, whole, strict=True):
        assert numbers(finalised(job)) == numbers(finalised(expected))
    # Other seeds do not resume from the checkpoint of a group.
    train_until(parts, 2)
    assert events_of(parts[:2])[0] == RunStarted("tiny", 0, epochs=2, epochs_done=0)


def test_a_diverged_seed_does_not_affect_the_others(tmp_path, data_root, monkeypatch):
    """The initial weights of one seed overflow; the others have the same bits as without it."""
    from convchoice.training import lightning_module  # noqa: PLC0415 - patched here

    built = lightning_module.network_of

    def spoiled(config: Any, *arguments: Any) -> Any:
        network = built(config, *arguments)
        if config.seed == SEEDS[1]:
            with torch.no_grad():
                network.head_output.weight.fill_(torch.inf)
        return network

    expected = jobs(tmp_path / "expected", data_root)
    train(expected, lambda event: None)
    monkeypatch.setattr(lightning_module, "network_of", spoiled)
    together = jobs(tmp_path / "together", data_root)
    [ended] = [event for event in events_of(together) if isinstance(event, RunEnded)]
    assert ended.seed == SEEDS[1]
    assert ended.failure.startswith(
        "the loss is nan at step 5, in epoch 1; the last complete epoch"
    )
    assert not (partial_path(together[1].folder) / WEIGHTS).exists()
    for place in (0, 2):
        assert numbers(finalised(together[place])) == numbers(finalised(expected[place]))
