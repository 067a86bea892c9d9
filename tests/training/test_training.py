"""One run: its folder, its determinism, and resuming after an interruption."""

import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from convchoice.config.schema import Config, OptimizerConfig
from convchoice.config.validation import config_from_mapping
from convchoice.errors import ConfigurationError, UserError
from convchoice.runs import run_folder
from convchoice.runs.events import EpochProgress, RunEnded, RunStarted
from convchoice.runs.ownership import finalise, start_partial
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import CHECKPOINT, SUMS, partial_path
from convchoice.training import batches
from convchoice.training.callbacks import Recorder
from convchoice.training.device import use_precision
from convchoice.training.lightning_module import (
    Classifier,
    RunningMeans,
    can_stack,
    optimizer_of,
)
from convchoice.training.train import AtomicCheckpoints, train
from small_runs import SMALL, events_of, small_run, train_until, trained
from stages import numbers


def test_a_run_folder_is_complete_and_records_its_environment(tmp_path, data_root):
    run = trained(small_run(tmp_path, data_root, optimizer={"learning_rate": 0.01}))
    assert {path.name for path in run.path.iterdir()} == {*run_folder.TRAINED_FILES, SUMS}
    assert [row["epoch"] for row in run.history] == [1, 2, 3]
    assert run.history[-1]["train/loss"] < 0.7 * run.history[0]["train/loss"]
    columns = {"epoch", "train/loss", "train/accuracy", "val/loss", "val/accuracy", "seconds"}
    assert set(run.history[0]) == columns
    assert run.metrics["val/accuracy"] == run.history[-1]["val/accuracy"]
    seconds = sum(row["seconds"] for row in run.history)
    assert run.metrics["cost/train_seconds"] == pytest.approx(seconds)
    assert not any(key.startswith("test/") for key in run.metrics)
    dataset = run.environment["dataset"]
    assert (dataset["name"], dataset["train_images"]) == ("digits", 300)
    assert (dataset["validation_images"], dataset["test_images"]) == (108, 500)
    assert "not of MNIST" in dataset["fallback_note"]
    assert (run.environment["device"], run.environment["threads"]) == ("cpu", 1)
    plain = trained(
        small_run(tmp_path, data_root, data={"train_size": 300, "validation_size": 0}, seed=1)
    )
    assert set(plain.history[0]) == {"epoch", "train/loss", "train/accuracy", "seconds"}


def test_an_interrupted_run_resumes_to_the_last_bit(tmp_path, data_root, monkeypatch):
    """After the first, the second and the last epoch; unless the work is another."""
    whole = numbers(trained(small_run(tmp_path / "whole", data_root)))
    for done in (1, 2, 3):
        work = small_run(tmp_path / str(done), data_root)
        if done < 3:
            train_until([work], done + 1)
        else:
            with monkeypatch.context() as patched:
                patched.setattr("convchoice.training.train._write", lambda *_: 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    train([work], lambda event: None)
        assert not work.folder.exists()
        assert (partial_path(work.folder) / CHECKPOINT).is_file()
        assert events_of([work])[0] == RunStarted("tiny", 0, epochs=3, epochs_done=done)
        finalise(work.folder)
        assert numbers(read_run(work.folder)) == whole
    train_until([work], 2)
    events = events_of([replace(work, fingerprint="another")])
    assert events[0] == RunStarted("tiny", 0, epochs=3, epochs_done=0)


@pytest.mark.parametrize("planted", [True, False])
def test_a_damaged_checkpoint_restarts_the_run_and_executes_nothing(
    tmp_path, data_root, capsys, planted
):
    class Planted:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "executed",))

    work = small_run(tmp_path, data_root)
    checkpoint = start_partial(work.folder, "fingerprint") / CHECKPOINT
    if planted:
        torch.save({"state_dict": Planted()}, checkpoint)
    else:
        train_until([work], 2)
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert events_of([work])[0] == RunStarted("tiny", 0, epochs=3, epochs_done=0)
    assert re.search(r"resume\.ckpt: damaged \(.*the run restarts", capsys.readouterr().out)
    assert not (tmp_path / "executed").exists()


def test_a_checkpoint_is_written_beside_its_final_name(tmp_path, monkeypatch):
    """Lightning writes it to the temporary folder first; a kill could leave half of it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "does not exist"))
    AtomicCheckpoints().save_checkpoint({"epoch": 3}, tmp_path / CHECKPOINT)
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True) == {"epoch": 3}


def test_a_data_set_that_changed_after_the_start_is_not_trained_on(tmp_path, data_root):
    run = replace(small_run(tmp_path / "runs", data_root), data_digest="0" * 64)
    with pytest.raises(UserError, match=r"the data set changed after the start\. Start again\."):
        train([run], lambda event: None)


@pytest.mark.parametrize("most", [2, 0])
def test_seeds_that_the_memory_does_not_hold_together_are_trained_in_parts(
    tmp_path, data_root, monkeypatch, capsys, most
):
    def classifier(configs: Sequence[Config]) -> Classifier:
        sizes.append(len(configs))
        if len(configs) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Classifier(configs)

    sizes: list[int] = []
    monkeypatch.setattr("convchoice.training.train.Classifier", classifier)
    runs = [small_run(tmp_path, data_root, seed=seed) for seed in range(3)]
    if not most:
        with pytest.raises(UserError, match=r"does not hold a single seed\. .*data\.batch_size"):
            train(runs, lambda event: None)
        return
    train(runs, lambda event: None)
    assert sizes == [3, 1, 2]
    for run, together in zip(runs, (1, 2, 2), strict=True):
        finalise(run.folder)
        assert read_run(run.folder).environment["seeds_together"] == together
    expected = "does not hold 3 seeds together: 2 are computed at a time."
    assert expected in capsys.readouterr().out


def test_no_more_seeds_go_together_than_the_configuration_says(tmp_path, data_root):
    trainer = SMALL["trainer"] | {"max_epochs": 1, "seeds_together": 2}
    runs = [small_run(tmp_path, data_root, seed=seed, trainer=trainer) for seed in range(3)]
    train(runs, lambda event: None)
    for run, together in zip(runs, (2, 2, 1), strict=True):
        finalise(run.folder)
        assert read_run(run.folder).environment["seeds_together"] == together


def test_in_float16_each_seed_is_trained_alone():
    assert can_stack(config_from_mapping(SMALL))
    assert not can_stack(config_from_mapping(SMALL | {"trainer": {"precision": "16-mixed"}}))


def test_a_checkpoint_of_a_gpu_resumes_on_the_cpu(tmp_path, data_root):
    """On a GPU the optimiser counts its steps there, which the checkpoint records."""
    run = small_run(tmp_path, data_root)
    train_until([run], 2)
    file = partial_path(run.folder) / CHECKPOINT
    checkpoint = torch.load(file, weights_only=True)
    [state] = checkpoint["optimizer_states"]
    [group] = state["param_groups"]
    assert group["capturable"] is False
    group["capturable"] = True
    torch.save(checkpoint, file)
    assert events_of([run])[0] == RunStarted("tiny", 0, epochs=3, epochs_done=1)
    finalise(run.folder)
    assert len(read_run(run.folder).history) == 3


@pytest.mark.parametrize("precision", ["16-mixed", "tf32"])
def test_a_precision_that_a_cpu_lacks_is_refused(tmp_path, data_root, precision):
    work = small_run(tmp_path, data_root, trainer=SMALL["trainer"] | {"precision": precision})
    with pytest.raises(ConfigurationError, match=r"TF32 need a GPU\. Use bf16-mixed or 32-true"):
        train([work], lambda event: None)


@pytest.mark.parametrize("precision", ["auto", "32-true", "tf32", "bf16-mixed"])
def test_tf32_is_allowed_only_where_it_is_asked_for(precision):
    used = use_precision(precision, torch.device("cuda"))
    assert used == {"auto": "32-true", "tf32": "32-true"}.get(precision, precision)
    allowed = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    assert allowed == (precision == "tf32",) * 2


def test_progress_is_reported_and_a_loss_that_is_not_finite_ends_the_run(
    tmp_path, data_root, monkeypatch
):
    monkeypatch.setattr("convchoice.training.callbacks.TICK_SECONDS", 0.0)
    events = events_of([small_run(tmp_path, data_root)])
    progress = [event for event in events if isinstance(event, EpochProgress)]
    shares = [event.fraction for event in progress]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert all(event.loss > 0 for event in progress)
    named = {"name": "sgd", "learning_rate": 1e3, "weight_decay": 1.0}
    own = {"own": {"_target_": "torch.optim.SGD", "lr": 1e3, "weight_decay": 1.0}}
    for optimizer, rate in (
        (named, r"optimizer\.learning_rate than 1000"),
        (own, r"learning rate in optimizer\.own"),
    ):
        work = small_run(tmp_path / "diverging", data_root, optimizer=optimizer)
        [ended] = [event for event in events_of([work]) if isinstance(event, RunEnded)]
        start = r"the loss is (nan|inf) at step \d+, in epoch 1; the .*"
        assert re.fullmatch(rf"{start} Use a smaller {rate}\.", ended.failure)
        assert ended.diverged
        assert not work.folder.exists()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_blocks_of_optimiser_steps_change_no_bit(tmp_path, data_root, monkeypatch, precision):
    """Ten batches an epoch, the last of 12 images, one by one, four and sixteen at a time."""
    trainer = SMALL["trainer"] | {"precision": precision}
    results = []
    for steps in (1, 4, 16):
        monkeypatch.setattr(batches, "BLOCK_IMAGES", 32 * steps)
        work = small_run(tmp_path / str(steps), data_root, trainer=trainer)
        train([work], lambda event: None)
        checkpoint = torch.load(partial_path(work.folder) / CHECKPOINT, weights_only=True)
        finalise(work.folder)
        results.append((numbers(read_run(work.folder)), checkpoint["optimizer_states"][0]["state"]))
    for run, state in results[1:]:
        assert run == results[0][0]
        torch.testing.assert_close(state, results[0][1], rtol=0, atol=0)


def test_rmsprop_by_hand():
    """Two steps by hand: v ← ρv + (1 − ρ)g², w ← w − lr·g/(√v + ε)."""
    weight = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimizer = optimizer_of(OptimizerConfig(), [weight])
    value, mean_square = 1.0, 0.0
    for gradient in (0.5, -0.2):
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        mean_square = 0.9 * mean_square + 0.1 * gradient**2
        value -= 1e-3 * gradient / (mean_square**0.5 + 1e-7)
    assert weight.item() == pytest.approx(value, rel=1e-12)


def test_running_means_weight_batches_by_their_size():
    means = RunningMeans(2)
    means.add(torch.tensor([1.0, 2.0]), torch.tensor([3, 0]), 3)
    means.add(torch.tensor([5.0, 2.0]), torch.tensor([0, 1]), 1)
    assert means.values() == [(2.0, 0.75), (2.0, 0.25)]


@pytest.mark.parametrize(("device", "saved"), [("cpu", [1, 2, 3, 4, 5, 6, 7, 8]), ("cuda", [1, 6])])
def test_checkpoints_take_a_twentieth_of_the_time_on_a_gpu(
    tmp_path, data_root, monkeypatch, device, saved
):
    """Epochs of 4 s, checkpoints of 1 s: after the first, the next one is due 20 s later."""
    clock, written = [0.0], list[int]()

    class Saving:
        current_epoch = 0

        def save_checkpoint(self, path: Path) -> None:
            clock[0] += 1
            written.append(self.current_epoch)

    classifier: Any = SimpleNamespace(device=torch.device(device))
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    recorder = Recorder([small_run(tmp_path, data_root)], classifier, lambda event: None)
    trainer: Any = Saving()
    for trainer.current_epoch in range(1, 9):
        clock[0] += 4
        recorder._save(trainer)
    assert written == saved
