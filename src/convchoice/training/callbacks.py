"""What is kept and told of a training while it goes on: history, progress, losses that are lost."""

import math
import time
from collections.abc import Sequence
from typing import Any, cast

from pytorch_lightning import Callback, LightningModule, Trainer

from convchoice.errors import UserError
from convchoice.runs.events import EpochEnded, EpochProgress, Listener, RunEnded, RunStarted
from convchoice.runs.specification import RunSpecification
from convchoice.training.device import finished_time
from convchoice.training.lightning_module import RunsInTraining

TICK_SECONDS = 0.5


class TrainingError(UserError):
    """A training that cannot go on, such as one whose loss is no longer finite."""


class Recorder(Callback):
    """Keeps each run's history, and tells the listener how the training goes.

    Args:
        jobs: the runs that are trained together, in the order in which they are stacked.
        listener: hears every run's events.
    """

    def __init__(self, jobs: Sequence[RunSpecification], listener: Listener) -> None:
        """Start with empty histories."""
        self.jobs = jobs
        self.listener = listener
        self.rows: list[list[dict[str, float]]] = [[] for _ in jobs]
        self.failures: dict[int, str] = {}
        self.epochs = jobs[0].config.trainer.max_epochs
        self.started = self.epoch_started = time.perf_counter()
        self.training_ended: float | None = None
        self.next_tick = 0.0
        self.epochs_before = 0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to hold so that the histories go on."""
        return {"rows": self.rows, "failures": self.failures}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.rows = [list(rows) for rows in state_dict["rows"]]
        self.failures = dict(state_dict["failures"])

    @property
    def alive(self) -> list[int]:
        """Places of the runs whose losses are finite so far."""
        return [place for place in range(len(self.jobs)) if place not in self.failures]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Tell that the runs begin, or go on."""
        # Not `on_train_start`, which Lightning leaves out when all epochs were done before.
        self.epochs_before = max(len(rows) for rows in self.rows)
        self.started = time.perf_counter()
        for place, job in enumerate(self.jobs):
            self.listener(RunStarted(job.arm, job.seed, self.epochs, self.epochs_before))
            if place in self.failures:
                self.listener(RunEnded(job.arm, job.seed, self.failures[place], diverged=True))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Start the epoch's clock."""
        self.epoch_started = time.perf_counter()
        self.training_ended = None
        self.next_tick = self.epoch_started + TICK_SECONDS

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop the epoch's clock: validation is not training."""
        self.training_ended = finished_time(pl_module.device)

    def _seconds_left(self, fraction: float) -> float:
        """Time for the rest of the runs, at the speed since this start."""
        done = fraction - self.epochs_before / self.epochs
        return (time.perf_counter() - self.started) * (1 - fraction) / done if done > 0 else 0.0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ARG002 - Lightning's signature
        batch: Any,  # noqa: ARG002
        batch_idx: int,
    ) -> None:
        """Twice a second, look at the losses and tell how far it is."""
        if time.perf_counter() < self.next_tick:
            return
        self.next_tick = time.perf_counter() + TICK_SECONDS
        within = (batch_idx + 1) / trainer.num_training_batches
        fraction = (trainer.current_epoch + within) / self.epochs
        classifier = _classifier(pl_module)
        self._check(classifier.last_losses.tolist(), trainer)
        losses = classifier.training_means.losses
        for place in self.alive:
            job = self.jobs[place]
            self.listener(
                EpochProgress(
                    job.arm,
                    job.seed,
                    epoch=trainer.current_epoch + 1,
                    epochs=self.epochs,
                    fraction=fraction,
                    loss=losses[place],
                    seconds_left=self._seconds_left(fraction),
                )
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row to each run's history; its seconds are the run's share of the epoch."""
        classifier = _classifier(pl_module)
        ended = self.training_ended or finished_time(pl_module.device)
        training = classifier.training_means.take()
        empty = classifier.validation_means.empty
        validation = [] if empty else classifier.validation_means.take()
        self._check([loss for loss, _ in training], trainer)
        for place in self.alive:
            loss, accuracy = training[place]
            row = {
                "epoch": float(trainer.current_epoch + 1),
                "train/loss": loss,
                "train/accuracy": accuracy,
            }
            if validation:
                row["val/loss"], row["val/accuracy"] = validation[place]
            row["seconds"] = (ended - self.epoch_started) / len(self.jobs)
            self.rows[place].append(row)
            left = self._seconds_left(row["epoch"] / self.epochs)
            job = self.jobs[place]
            self.listener(EpochEnded(job.arm, job.seed, row, self.epochs, left))

    def _check(self, losses: Sequence[float], trainer: Trainer) -> None:
        """End the runs whose loss is lost; the others go on.

        Raises:
            TrainingError: if no run is left.
        """
        for place in self.alive:
            if math.isfinite(losses[place]):
                continue
            job = self.jobs[place]
            failure = (
                f"the loss is {losses[place]} at step {trainer.global_step}, in epoch"
                f" {trainer.current_epoch + 1}; the last complete epoch is {len(self.rows[place])}."
                " Use a smaller optimizer.learning_rate than"
                f" {job.config.optimizer.learning_rate:g}."
            )
            if self.alive == [place]:
                raise TrainingError(failure)
            self.failures[place] = failure
            self.listener(RunEnded(job.arm, job.seed, failure, diverged=True))


def _classifier(module: LightningModule) -> RunsInTraining:
    return cast("RunsInTraining", module)
