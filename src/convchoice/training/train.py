"""Training of one run, or of several seeds of an arm together, in one process.

The files are written to the partial folder of each run. After each epoch a checkpoint is written to
the first of them; a later start of the same runs resumes from it.
"""

import io
import logging
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file

from convchoice.config.own_code import code_files
from convchoice.config.schema import Config
from convchoice.config.validation import config_to_mapping
from convchoice.data.dataset import RETRY, StoredDataset, load
from convchoice.errors import UserError, storing_in
from convchoice.networks.plan import Plan
from convchoice.networks.stacked_networks import kernels_of
from convchoice.runs.events import Listener, RunEnded
from convchoice.runs.output_files import replace_files
from convchoice.runs.ownership import mark_of, start_partial
from convchoice.runs.run import RunSpecification
from convchoice.runs.run_folder import (
    CHECKPOINT,
    ENVIRONMENT,
    METRICS,
    WEIGHTS,
    partial_path,
    write_config,
    write_history,
    write_json,
)
from convchoice.training.batches import Batches, training_batches
from convchoice.training.callbacks import DivergedError, Recorder
from convchoice.training.device import (
    device_name,
    device_of,
    in_memory,
    keep_freed_memory,
    peak_memory_bytes,
    use_precision,
)
from convchoice.training.environment_variables import use_instructions
from convchoice.training.lightning_import import TorchCheckpointIO, Trainer
from convchoice.training.lightning_module import Classifier, can_stack


def train(runs: Sequence[RunSpecification], listener: Listener) -> None:
    """Train runs that differ only in their seeds, and write their partial folders.

    Raises:
        UserError: for missing or altered data, an unavailable device or precision, or a full or
            read-only disk. A run whose loss is not finite is reported to the listener as `RunEnded`
            with ``diverged=True``, and its folder stays incomplete.
    """
    _silence_lightning()
    keep_freed_memory()
    config = runs[0].config
    device = device_of(config.trainer.accelerator)
    used = use_instructions(config.trainer.instructions) if device.type == "cpu" else None
    torch.set_num_threads(config.trainer.threads)
    size = config.trainer.seeds_together or len(runs)
    if len(runs) > 1 and not can_stack(config):
        size = 1
    work = partial(_train, device=device, instructions=used, listener=listener)
    with storing_in(partial_path(runs[0].folder)):
        for first in range(0, len(runs), size):
            in_memory(work, runs[first : first + size])


def _train(
    runs: Sequence[RunSpecification],
    device: torch.device,
    instructions: str | None,
    listener: Listener,
) -> None:
    config = runs[0].config
    torch.manual_seed(config.seed)
    environment: dict[str, Any] = {"started": _now()}
    checkpoint = _prepare_folders(runs)
    stored = load(runs[0].data_root, config.data.name)
    if runs[0].data_digest not in ("", stored.digest):
        raise UserError(f"{stored.root}: the data set changed after the start. Start again.")
    images, validation = training_batches(stored, config.data, [run.seed for run in runs], device)
    classifier = Classifier([run.config for run in runs])
    if config.trainer.precision == "64-true":
        classifier.double()  # Lightning converts it only after it has loaded a checkpoint
    recorder = Recorder(runs, classifier, listener)
    trainer = _trainer(config, device, partial_path(runs[0].folder), recorder)
    try:
        trainer.fit(classifier, images, validation, ckpt_path=checkpoint, weights_only=True)
    except DivergedError as error:
        for place in recorder.alive:
            listener(RunEnded(*runs[place].key, str(error), diverged=True))
        return
    environment |= _environment(config, stored, images, validation)
    environment |= {"instructions": instructions, "seeds_together": len(runs)}
    if device.type == "cuda":
        made_by = kernels_of(device) if len(runs) > 1 else None
        environment |= {"cuda": torch.version.cuda, "kernels": made_by}
    if files := code_files(config):
        environment["code"] = files
    cost = _cost(config, classifier.network.plan, device, len(runs))
    states = classifier.states()
    for place in recorder.alive:
        _write(runs[place], recorder.rows[place], states[place], cost, environment)


def _silence_lightning() -> None:
    """Leave the terminal to this project's own progress display."""
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
    # Of an optimiser whose steps will be captured, or are not for the last batch of an epoch.
    warnings.filterwarnings("ignore", message="This instance was constructed with capturable=True")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _prepare_folders(runs: Sequence[RunSpecification]) -> Path | None:
    """Create the partial folders, or return the checkpoint of an interrupted start of these runs.

    Nothing in a checkpoint is executed. A damaged one costs its epochs, not the run.
    """
    first, mark = runs[0].folder, "\n".join(run.fingerprint for run in runs)
    checkpoint = partial_path(first) / CHECKPOINT
    if mark_of(first) == mark and checkpoint.is_file():
        try:
            torch.load(checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:  # noqa: BLE001 - torch raises many types for a damaged file
            # Not torch's own text: it suggests to load the file with weights_only=False.
            reason = f"damaged ({type(error).__name__}); the run restarts from epoch 1"
            print(f"{checkpoint}: {reason}.", flush=True)
        else:
            return checkpoint
    for run in runs:
        start_partial(run.folder, mark)
    return None


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its final name and renames it.

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


def _trainer(config: Config, device: torch.device, folder: Path, recorder: Recorder) -> Trainer:
    """Lightning's trainer, whose recorder writes its checkpoints to `folder`.

    Raises:
        ConfigurationError: for a precision that the device does not have.
    """
    settings = config.trainer
    return Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        precision=cast("Any", use_precision(settings.precision, device)),
        max_epochs=settings.max_epochs,
        deterministic=settings.deterministic,
        default_root_dir=folder,
        callbacks=[recorder],
        plugins=[AtomicCheckpoints()],
        logger=False,
        enable_checkpointing=False,  # the recorder writes them
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _cost(config: Config, plan: Plan, device: torch.device, runs: int) -> dict[str, float]:
    """The costs of a run without its seconds; of runs trained together, its share of memory."""
    peak = peak_memory_bytes(device)
    return {
        "cost/parameters": plan.parameters,
        "cost/macs": plan.macs,
        "cost/pooling_operations": plan.pooling_operations,
        "cost/activation_bytes": plan.activation_bytes(config.data.batch_size),
        **({} if peak is None else {"cost/peak_memory_bytes": peak // runs}),
    }


def _environment(
    config: Config, stored: StoredDataset, images: Batches, validation: Batches
) -> dict[str, Any]:
    device, made = images.labels.device, stored.provenance.conversion
    # Whether a GPU may round some products of float32 numbers to TF32.
    tf32 = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    return {
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "tf32": tf32 if device.type == "cuda" else None,
        "precision": use_precision(config.trainer.precision, device),
        "deterministic": config.trainer.deterministic or device.type == "cpu",
        "dataset": {
            "name": stored.spec.name,
            "title": stored.spec.title,
            "digest": stored.digest,
            "train_images": len(images.labels),
            "validation_images": len(validation.labels),
            "test_images": stored.spec.test_size,
            "class_names": list(stored.spec.class_names),
            "fallback_note": stored.fallback_note,
            "retry": RETRY if stored.is_fallback else None,
            **({"shared_images": made.shared_images} if made else {}),
        },
    }


def _write(
    run: RunSpecification,
    rows: list[dict[str, float]],
    weights: dict[str, torch.Tensor],
    cost: dict[str, float],
    environment: dict[str, Any],
) -> None:
    """Write the files of a run; environment.json last, because it makes the folder complete."""
    folder = partial_path(run.folder)
    last = {key: value for key, value in rows[-1].items() if "/" in key}
    seconds = {"cost/train_seconds": sum(row["seconds"] for row in rows)}
    tensors = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
    save_file(tensors, folder / WEIGHTS)
    write_config(folder, config_to_mapping(run.config))
    write_history(folder, rows)
    write_json(folder / METRICS, {**last, **cost, **seconds})
    ended = {"fingerprint": run.fingerprint, "finished": _now()}
    write_json(folder / ENVIRONMENT, {**run.environment, **environment, **ended})
