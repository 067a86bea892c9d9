"""The callback that records a training: history, checkpoints, events, and losses that diverge."""

import math
import time
from collections.abc import Sequence
from typing import Any

from convchoice.errors import UserError
from convchoice.runs.events import EpochEnded, EpochProgress, Listener, RunEnded, RunStarted
from convchoice.runs.run import RunSpecification
from convchoice.runs.run_folder import CHECKPOINT, partial_path
from convchoice.training.device import finished_time
from convchoice.training.lightning_import import Callback, Trainer
from convchoice.training.lightning_module import Classifier

TICK_SECONDS = 0.5
CHECKPOINT_SHARE = 0.05
"""Of the time that checkpoints may take on a GPU, whose epochs may be shorter than one of them."""


class DivergedError(UserError):
    """The loss of every run is not finite."""


class Recorder(Callback):
    """Records the history of runs that are trained together, and reports their events."""

    def __init__(
        self, runs: Sequence[RunSpecification], classifier: Classifier, listener: Listener
    ) -> None:
        """Start with empty histories."""
        self.runs = runs
        self.classifier = classifier
        self.listener = listener
        self.rows: list[list[dict[str, float]]] = [[] for _ in runs]
        self.failures: dict[int, str] = {}
        self.epochs = runs[0].config.trainer.max_epochs
        self.epochs_before = 0
        self.started = self.epoch_started = time.perf_counter()
        self.training_ended: float | None = None
        self.next_tick = self.next_checkpoint = 0.0

    def state_dict(self) -> dict[str, Any]:
        """The content of a checkpoint."""
        return {"rows": self.rows, "failures": self.failures}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a checkpoint."""
        self.rows = [list(rows) for rows in state_dict["rows"]]
        self.failures = dict(state_dict["failures"])

    @property
    def alive(self) -> list[int]:
        """Indices of the runs whose losses are finite so far."""
        return [place for place in range(len(self.runs)) if place not in self.failures]

    def on_fit_start(self, *_: object) -> None:
        """Report that the runs start or resume."""
        # Not `on_train_start`, which Lightning skips if the checkpoint is of the last epoch.
        self.epochs_before = max(len(rows) for rows in self.rows)
        self.started = time.perf_counter()
        for place, run in enumerate(self.runs):
            self.listener(RunStarted(*run.key, self.epochs, self.epochs_before))
            if place in self.failures:
                self.listener(RunEnded(*run.key, self.failures[place], diverged=True))

    def on_train_epoch_start(self, *_: object) -> None:
        """Start the clock of the epoch."""
        self.epoch_started = time.perf_counter()
        self.training_ended = None
        self.next_tick = self.epoch_started + TICK_SECONDS

    def on_validation_start(self, *_: object) -> None:
        """Stop the clock of the epoch: validation is not training."""
        self.training_ended = finished_time(self.classifier.device)

    def _seconds_left(self, fraction: float) -> float:
        # From the speed since this start.
        done = fraction - self.epochs_before / self.epochs
        return (time.perf_counter() - self.started) * (1 - fraction) / done if done > 0 else 0.0

    def _steps(self, trainer: Trainer) -> tuple[int, int]:
        """Optimiser steps so far, and of an epoch. Lightning counts blocks of them."""
        batches: Any = trainer.train_dataloader
        size = self.runs[0].config.data.batch_size
        an_epoch = math.ceil(len(batches.labels) / size)
        this_epoch = math.ceil(self.classifier.training_means.images / size)
        return trainer.current_epoch * an_epoch + this_epoch, an_epoch

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """After a block, if `TICK_SECONDS` have passed: check the losses, report the progress."""
        if time.perf_counter() < self.next_tick:
            return
        self.next_tick = time.perf_counter() + TICK_SECONDS
        self._check(self.classifier.last_losses.tolist(), trainer)
        steps, steps_an_epoch = self._steps(trainer)
        fraction = steps / (self.epochs * steps_an_epoch)
        means, epoch = self.classifier.training_means.values(), trainer.current_epoch + 1
        for place in self.alive:
            key, loss = self.runs[place].key, means[place][0]
            self.listener(EpochProgress(*key, epoch, self.epochs, fraction, loss))

    def on_train_epoch_end(self, trainer: Trainer, *_: object) -> None:
        """Add a row to the history of each run and write the checkpoint.

        The row's seconds are the run's share of the epoch.
        """
        ended = self.training_ended or finished_time(self.classifier.device)
        training, validation = self.classifier.training_means, self.classifier.validation_means
        self._check([loss for loss, _ in training.values()], trainer)
        for place in self.alive:
            row = {"epoch": float(trainer.current_epoch + 1)}
            row["train/loss"], row["train/accuracy"] = training.values()[place]
            if validation.images:
                row["val/loss"], row["val/accuracy"] = validation.values()[place]
            row["seconds"] = (ended - self.epoch_started) / len(self.runs)
            self.rows[place].append(row)
            left = self._seconds_left(row["epoch"] / self.epochs)
            self.listener(EpochEnded(*self.runs[place].key, row, self.epochs, left))
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        """Write the checkpoint; on a GPU not after each epoch, if that would take long."""
        started = time.perf_counter()
        if started < self.next_checkpoint:
            return
        trainer.save_checkpoint(partial_path(self.runs[0].folder) / CHECKPOINT)
        if self.classifier.device.type == "cuda":
            seconds = time.perf_counter() - started
            self.next_checkpoint = started + seconds / CHECKPOINT_SHARE

    def _check(self, losses: Sequence[float], trainer: Trainer) -> None:
        """End the runs whose loss is not finite; the others continue.

        Raises:
            DivergedError: if no run is left.
        """
        for place in self.alive:
            if math.isfinite(losses[place]):
                continue
            run = self.runs[place]
            optimizer = run.config.optimizer
            rate = f"optimizer.learning_rate than {optimizer.learning_rate:g}"
            failure = (
                f"the loss is {losses[place]} at step {self._steps(trainer)[0]}, in epoch"
                f" {trainer.current_epoch + 1}; the last complete epoch is {len(self.rows[place])}."
                f" Use a smaller {'learning rate in optimizer.own' if optimizer.own else rate}."
            )
            if self.alive == [place]:
                raise DivergedError(failure)
            self.failures[place] = failure
            self.listener(RunEnded(*run.key, failure, diverged=True))
