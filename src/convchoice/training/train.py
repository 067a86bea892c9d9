"""One run, or several seeds of an arm together, trained by Lightning: a process's whole work.

Writes into the runs' partial folders and leaves a checkpoint in the first after every epoch, from
which a later start of the same runs goes on. `seeds` gives the folders their final names.
"""

import io
import logging
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins import TorchCheckpointIO
from safetensors.torch import save_file

from convchoice.config.schema import Config
from convchoice.config.validation import config_to_mapping
from convchoice.data.dataset import StoredDataset, load
from convchoice.errors import ConfigurationError, storing_in
from convchoice.networks.plan import Plan
from convchoice.runs import run_folder
from convchoice.runs.atomic_write import replace_files
from convchoice.runs.events import Listener, RunEnded
from convchoice.runs.ownership import mark_of, start_partial
from convchoice.runs.specification import RunSpecification
from convchoice.training.callbacks import Recorder, TrainingError
from convchoice.training.data_module import ImageDataModule
from convchoice.training.device import device_name, device_of, peak_memory_bytes
from convchoice.training.lightning_module import Classifier
from convchoice.training.memory import keep_freed_memory
from convchoice.training.stacked_seeds import StackedClassifier


def _quiet() -> None:
    """Leave the terminal to this project's own progress display."""
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")


def resumable_checkpoint(folder: Path, mark: str) -> Path | None:
    """The checkpoint of an interrupted start of the same runs, if it can be read.

    Nothing in the file is executed. A damaged checkpoint costs its epochs, not the run.

    Args:
        folder: final folder of the first run.
        mark: fingerprints of the runs.
    """
    checkpoint = run_folder.partial_path(folder) / run_folder.CHECKPOINT
    if mark_of(folder) != mark or not checkpoint.is_file():
        return None
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises many types for a damaged file
        # Not torch's own text: it suggests to load the file with weights_only=False.
        print(
            f"{checkpoint}: damaged ({type(error).__name__}); the run restarts from epoch 1.",
            flush=True,
        )
        return None
    return checkpoint


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint in one step, beside its final name.

    Lightning writes it to the system's temporary folder and moves it, which is not atomic between
    file systems.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any = None,  # noqa: ARG002 - Lightning's signature
    ) -> None:
        """Write the file."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        replace_files(Path(path).parent, {Path(path).name: buffer.getvalue()})


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
                filename=Path(run_folder.CHECKPOINT).stem,
                every_n_epochs=1,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            ),
        ],
        plugins=[AtomicCheckpoints()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def train(jobs: Sequence[RunSpecification], listener: Listener) -> None:
    """Train one run, or several that differ in their seed alone, and fill their partial folders.

    Raises:
        UserError: for missing or altered data, an unavailable device or precision, or a full or
            read-only disk. A run whose loss is not finite is reported to the listener as `RunEnded`
            with ``diverged=True``, and its folder stays incomplete.
    """
    with storing_in(run_folder.partial_path(jobs[0].folder)):
        recorder = Recorder(jobs, listener)
        try:
            _train(jobs, recorder)
        except TrainingError as error:
            for place in recorder.alive:
                listener(RunEnded(*jobs[place].key, str(error), diverged=True))


def _train(jobs: Sequence[RunSpecification], recorder: Recorder) -> None:
    _quiet()
    keep_freed_memory()
    config = jobs[0].config
    torch.set_num_threads(config.trainer.threads)
    torch.manual_seed(config.seed)
    started = datetime.now(UTC)
    checkpoint = _prepared(jobs)
    stored = load(jobs[0].data_root, config.data.name)
    images = ImageDataModule(config.data, [job.seed for job in jobs], stored)
    classifier = (
        Classifier(config) if len(jobs) == 1 else StackedClassifier([job.config for job in jobs])
    )
    if config.trainer.precision == "64-true":
        classifier.double()  # before Lightning does: it loads a checkpoint into the module as it is
    trainer = trainer_of(config, run_folder.partial_path(jobs[0].folder), recorder)
    trainer.fit(classifier, datamodule=images, ckpt_path=checkpoint, weights_only=True)
    states = classifier.states()
    shared = _environment(jobs, images, stored, trainer, started)
    for place in recorder.alive:
        cost = _cost(config, classifier.plan, recorder.rows[place], trainer, len(jobs))
        _write(jobs[place], recorder.rows[place], states[place], cost, shared)


def _prepared(jobs: Sequence[RunSpecification]) -> Path | None:
    """Prepare the partial folders; returns the checkpoint to resume from, if there is one."""
    mark = "\n".join(job.fingerprint for job in jobs)
    checkpoint = resumable_checkpoint(jobs[0].folder, mark)
    if checkpoint is None:
        for job in jobs:
            start_partial(job.folder, mark)
    return checkpoint


def _cost(
    config: Config, plan: Plan, rows: list[dict[str, float]], trainer: Trainer, runs: int
) -> dict[str, float]:
    """What a run cost; of runs trained together, each one's share of seconds and memory."""
    cost = {
        "cost/parameters": plan.parameters,
        "cost/macs": plan.macs,
        "cost/pooling_operations": plan.pooling_operations,
        "cost/activation_bytes": plan.activation_bytes(config.data.batch_size),
        "cost/train_seconds": sum(row["seconds"] for row in rows),
    }
    peak = peak_memory_bytes(trainer.strategy.root_device)
    if peak is not None:
        cost["cost/peak_memory_bytes"] = peak // runs
    return cost


def _environment(
    jobs: Sequence[RunSpecification],
    images: ImageDataModule,
    stored: StoredDataset,
    trainer: Trainer,
    started: datetime,
) -> dict[str, Any]:
    """Where and on what the runs were trained, all but each one's fingerprint."""
    config = jobs[0].config
    device = trainer.strategy.root_device
    return {
        **jobs[0].environment,
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "precision": config.trainer.precision,
        "deterministic": config.trainer.deterministic or device.type == "cpu",
        "seeds_together": len(jobs),
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
        "started": started.isoformat(timespec="seconds"),
    }


def _write(
    job: RunSpecification,
    rows: list[dict[str, float]],
    weights: dict[str, torch.Tensor],
    cost: dict[str, float],
    environment: dict[str, Any],
) -> None:
    """Write the files of a run."""
    partial = run_folder.partial_path(job.folder)
    last = {key: value for key, value in rows[-1].items() if "/" in key}
    save_file(
        {name: weight.detach().cpu().contiguous() for name, weight in weights.items()},
        partial / run_folder.WEIGHTS,
    )
    run_folder.write_config(partial, config_to_mapping(job.config))
    run_folder.write_history(partial, rows)
    run_folder.write_json(partial / run_folder.METRICS, {**last, **cost})
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    run_folder.write_json(
        partial / run_folder.ENVIRONMENT,
        {**environment, "fingerprint": job.fingerprint, "finished": finished},
    )
