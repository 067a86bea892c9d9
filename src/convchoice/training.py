"""One run, trained by Lightning: the work that a run's own process does.

Writes into the run's partial folder and leaves a checkpoint there after every epoch, from which a
later start goes on. `seeds` gives the folder its final name.
"""

import logging
import math
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from safetensors.torch import save_file

from convchoice import run_folder
from convchoice.classifier import Classifier
from convchoice.configuration import config_to_mapping
from convchoice.data import ImageDataModule
from convchoice.datasets import StoredDataset, load
from convchoice.device import device_name, device_of, finished_time, peak_memory_bytes
from convchoice.errors import ConfigurationError, UserError
from convchoice.events import Advanced, EpochEnded, Listener, Started
from convchoice.memory import keep_freed_memory
from convchoice.schema import Config

if TYPE_CHECKING:
    from convchoice.jobs import TrainingJob

CHECKPOINT = "resume.ckpt"
FINGERPRINT = "fingerprint"
TICK_SECONDS = 0.5


class TrainingError(UserError):
    """A training that cannot go on, such as one whose loss is no longer finite."""


class _Recorder(Callback):
    """Keeps the history, and tells the listener how the training goes."""

    def __init__(self, job: "TrainingJob", listener: Listener) -> None:
        self.job = job
        self.listener = listener
        self.rows: list[dict[str, float]] = []
        self.started = self.epoch_started = time.perf_counter()
        self.training_ended: float | None = None
        self.next_tick = 0.0
        self.epochs_before = 0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        # Not `on_train_start`, which Lightning leaves out when all epochs were done before.
        self.epochs_before = len(self.rows)
        self.started = time.perf_counter()
        epochs = self.job.config.trainer.max_epochs
        self.listener(Started(self.job.arm, self.job.seed, epochs, self.epochs_before))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.epoch_started = time.perf_counter()
        self.training_ended = None
        self.next_tick = self.epoch_started + TICK_SECONDS

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.training_ended = finished_time(pl_module.device)

    def _seconds_left(self, fraction: float) -> float:
        """Time for the rest of the run, at the speed since this start."""
        epochs = self.job.config.trainer.max_epochs
        done = fraction - self.epochs_before / epochs
        return (time.perf_counter() - self.started) * (1 - fraction) / done if done > 0 else 0.0

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,  # noqa: ARG002 - Lightning's signature
        batch_idx: int,
    ) -> None:
        if time.perf_counter() < self.next_tick:
            return
        self.next_tick = time.perf_counter() + TICK_SECONDS
        epochs = self.job.config.trainer.max_epochs
        fraction = (trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches) / epochs
        loss = float(outputs["loss"])
        self._check(loss, trainer)
        self.listener(
            Advanced(
                self.job.arm,
                self.job.seed,
                epoch=trainer.current_epoch + 1,
                epochs=epochs,
                fraction=fraction,
                loss=_classifier(pl_module).training_mean.loss,
                seconds_left=self._seconds_left(fraction),
            )
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        classifier = _classifier(pl_module)
        ended = self.training_ended or finished_time(pl_module.device)
        loss, accuracy = classifier.training_mean.take()
        self._check(loss, trainer)
        row = {
            "epoch": float(trainer.current_epoch + 1),
            "train/loss": loss,
            "train/accuracy": accuracy,
        }
        if not classifier.validation_mean.empty:
            row["val/loss"], row["val/accuracy"] = classifier.validation_mean.take()
        row["seconds"] = ended - self.epoch_started
        self.rows.append(row)
        epochs = self.job.config.trainer.max_epochs
        left = self._seconds_left(len(self.rows) / epochs)
        self.listener(EpochEnded(self.job.arm, self.job.seed, row, epochs, left))

    def _check(self, loss: float, trainer: Trainer) -> None:
        if math.isfinite(loss):
            return
        raise TrainingError(
            f"the loss is {loss} at step {trainer.global_step}, in epoch"
            f" {trainer.current_epoch + 1}; the last good epoch is {len(self.rows)}."
            " Use a smaller optimizer.learning_rate than"
            f" {self.job.config.optimizer.learning_rate:g}."
        )


def _classifier(module: LightningModule) -> Classifier:
    return cast("Classifier", module)


def _quiet() -> None:
    """Leave the terminal to this project's own progress display."""
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")


def resumable_checkpoint(partial: Path, fingerprint: str) -> Path | None:
    """The checkpoint that an interrupted start of the very same run left, if it can be read.

    Nothing in the file is executed; a damaged one costs the epochs that it held, not the run.
    """
    mark, checkpoint = partial / FINGERPRINT, partial / CHECKPOINT
    if not (mark.is_file() and checkpoint.is_file()):
        return None
    if mark.read_text(encoding="utf-8") != fingerprint:
        return None
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises whatever its readers come upon
        reason = str(error).splitlines()[0]
        print(f"{checkpoint}: cannot be read, so the run starts afresh: {reason}", flush=True)
        return None
    return checkpoint


def _check_precision(config: Config, device: torch.device) -> None:
    """Lightning would quietly train in another precision than the one that is recorded."""
    if config.trainer.precision == "16-mixed" and device.type == "cpu":
        raise ConfigurationError(
            "trainer.precision", "16-mixed", "float16 needs a GPU.", "Use bf16-mixed on a CPU."
        )


def trainer_of(config: Config, folder: Path, *callbacks: Callback) -> Trainer:
    """Lightning's trainer for one run."""
    settings = config.trainer
    device = device_of(settings.accelerator)
    _check_precision(config, device)
    return Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        precision=cast("Any", settings.precision),  # one of PRECISIONS, checked in `configuration`
        max_epochs=settings.max_epochs,
        deterministic=settings.deterministic,
        default_root_dir=folder,
        callbacks=[
            *callbacks,
            ModelCheckpoint(
                dirpath=folder,
                filename=Path(CHECKPOINT).stem,
                every_n_epochs=1,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            ),
        ],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def train(job: "TrainingJob", listener: Listener) -> None:
    """Train one run and fill its partial folder.

    Raises:
        UserError: for data that is not there or altered, a device or precision that is not to be
            had, or a loss that is not finite.
    """
    _quiet()
    keep_freed_memory()
    config = job.config
    torch.set_num_threads(config.trainer.threads)
    torch.manual_seed(config.seed)
    started = datetime.now(UTC)
    partial = run_folder.partial_path(job.folder)
    checkpoint = resumable_checkpoint(partial, job.fingerprint)
    if checkpoint is None:
        told = run_folder.noted_tracking(partial)  # a run killed before its first epoch's end
        run_folder.clear(partial)
        run_folder.note_tracking(partial, told)
        (partial / FINGERPRINT).write_text(job.fingerprint, encoding="utf-8")
    stored = load(job.data_root, config.data.name)
    images = ImageDataModule(config.data, config.seed, stored)
    classifier = Classifier(config)
    recorder = _Recorder(job, listener)
    trainer = trainer_of(config, partial, recorder)
    trainer.fit(classifier, datamodule=images, ckpt_path=checkpoint, weights_only=True)
    _write(job, partial, classifier, recorder.rows, images, stored, trainer, started)


def _write(
    job: "TrainingJob",
    partial: Path,
    classifier: Classifier,
    rows: list[dict[str, float]],
    images: ImageDataModule,
    stored: StoredDataset,
    trainer: Trainer,
    started: datetime,
) -> None:
    """Fill the run folder, and take the traces of the work away."""
    config = job.config
    last = {key: value for key, value in rows[-1].items() if "/" in key}
    plan = classifier.network.plan
    cost = {
        "cost/parameters": plan.parameters,
        "cost/macs": plan.macs,
        "cost/pooling_operations": plan.pooling_operations,
        "cost/activation_bytes": plan.activation_bytes(config.data.batch_size),
        "cost/train_seconds": sum(row["seconds"] for row in rows),
    }
    device = trainer.strategy.root_device
    peak = peak_memory_bytes(device)
    if peak is not None:
        cost["cost/peak_memory_bytes"] = peak
    environment = {
        **job.environment,
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "precision": config.trainer.precision,
        "deterministic": config.trainer.deterministic or device.type == "cpu",
        "dataset": {
            "name": stored.name,
            "title": stored.title,
            "digest": stored.digest,
            "train_images": len(images.split.training),
            "validation_images": len(images.split.validation),
            "test_images": stored.spec.test_size,
            "class_names": list(stored.spec.class_names),
            "fallback_note": stored.fallback_note,
            "retry": stored.provenance.retry,
        },
        "fingerprint": job.fingerprint,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in classifier.network.state_dict().items()
    }
    save_file(weights, partial / run_folder.WEIGHTS)
    run_folder.write_config(partial, config_to_mapping(config))
    run_folder.write_history(partial, rows)
    run_folder.write_json(partial / run_folder.METRICS, {**last, **cost})
    run_folder.write_json(partial / run_folder.ENVIRONMENT, environment)
    for name in (CHECKPOINT, FINGERPRINT):
        (partial / name).unlink(missing_ok=True)
