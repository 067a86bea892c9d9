"""Evaluation of trained runs on the test set: the only code that opens it.

The evaluated run folder holds the files of the training, the predictions, the test metrics, the
curves, some images with wrong predictions, and the introspection of the network.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from convchoice.config.field_types import plain_values
from convchoice.config.schema import Config, EvaluationConfig
from convchoice.config.validation import config_from_mapping
from convchoice.data.dataset import load
from convchoice.data.preparation import on_canvas, test_images
from convchoice.errors import RunFolderError, UserError, storing_in
from convchoice.evaluation.introspection import chosen_images, introspect
from convchoice.networks.network import Network
from convchoice.networks.own_network import network_of
from convchoice.runs import run_folder
from convchoice.runs.evaluation_files import (
    CurvePoint,
    summary_metrics,
    write_curves,
    write_introspection,
    write_pictures,
    write_predictions,
)
from convchoice.runs.events import Listener, RunEnded, RunStarted
from convchoice.runs.ownership import written
from convchoice.runs.run import Run, RunSpecification, read_run, reading
from convchoice.runs.run_folder import FIX
from convchoice.training.batches import EVALUATION_BATCH, Batches
from convchoice.training.device import device_of, keep_freed_memory, use_precision
from convchoice.training.environment_variables import use_instructions

COPIED = (run_folder.HISTORY, run_folder.ENVIRONMENT, run_folder.WEIGHTS)


def evaluate(runs: Sequence[RunSpecification], listener: Listener) -> None:
    """Evaluate trained runs one after another, and write their final folders.

    A run that cannot be evaluated ends with a failure; the others are evaluated nevertheless.
    """
    keep_freed_memory()
    for run in runs:
        listener(RunStarted(*run.key, epochs=0, epochs_done=0))
        failure = ""
        try:
            with storing_in(run_folder.partial_path(run.folder)):
                evaluate_run(run)
        except UserError as error:
            failure = str(error)
        listener(RunEnded(*run.key, failure))


def evaluate_run(specification: RunSpecification) -> None:
    """Evaluate one trained run and write its final folder.

    Raises:
        UserError: if the trained folder or the data set is missing, damaged or another one.
    """
    run = read_run(specification.trained or specification.folder)
    config = config_from_mapping(run.config)
    trainer = config.trainer
    device = device_of(trainer.accelerator)
    if device.type == "cpu":
        use_instructions(trainer.instructions)
    use_precision("32-true", device)
    torch.set_num_threads(trainer.threads)
    network = load_network(run)
    images, labels = open_test_set(run, config, specification.data_root)
    network.to(device)
    batches = Batches(
        test_images(images.to(device), config.data), labels.to(device), EVALUATION_BATCH
    )
    with torch.inference_mode():
        logits = torch.cat([network(batch).float() for batch, _ in batches]).cpu()
    evaluation = specification.config.evaluation
    points = test_curves(network, config, evaluation, images, labels)
    own = bool(config.network)  # its layers are unknown
    inside = None if own else introspect(network, config, images, labels)
    trained = {key: value for key, value in run.metrics.items() if not key.startswith("test/")}
    metrics = {**trained, **test_metrics(logits, labels), **summary_metrics(points)}
    predictions, classes = logits.numpy(), labels.numpy().astype(np.uint8)
    files = {name: (run.path / name).read_bytes() for name in COPIED}
    with written(specification.folder) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        # The run may have been trained with another evaluation in its configuration.
        run_folder.write_config(folder, {**run.config, "evaluation": plain_values(evaluation)})
        run_folder.write_json(folder / run_folder.METRICS, metrics)
        write_predictions(folder, predictions, classes)
        write_pictures(folder, predictions, classes, images.numpy())
        if inside is not None:
            write_introspection(folder, inside)
        write_curves(folder, points)


def load_network(run: Run) -> Network:
    """The trained network of a run folder, in evaluation mode. Nothing in the file is executed.

    Raises:
        RunFolderError: if the weights are damaged or belong to another configuration.
    """
    path = run.verified(run_folder.WEIGHTS)
    network = network_of(config_from_mapping(run.config, str(run.path / run_folder.CONFIG)))
    with reading(path, "weights"):
        weights = load_file(path)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RunFolderError(
            f"{path}: does not hold the weights of the network in {run_folder.CONFIG}. {FIX}"
        ) from error
    return network.eval()


def open_test_set(run: Run, config: Config, data_root: Path) -> tuple[Tensor, Tensor]:
    """The test set: images uint8 (N, H, W) or (N, C, H, W) and labels int64 (N,), on the CPU.

    Raises:
        UserError: if the data set is not the one that the run was trained on.
    """
    stored = load(data_root, config.data.name)
    trained_on = run.environment["dataset"]["digest"]
    if stored.digest != trained_on:
        raise UserError(
            f"{run.path}: was trained on a data set with digest {trained_on[:12]}…, but"
            f" {data_root} holds {stored.spec.title}, {stored.digest[:12]}…. Train it again."
        )
    images, labels = stored.test()
    return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))


def test_curves(
    network: Network, config: Config, evaluation: EvaluationConfig, images: Tensor, labels: Tensor
) -> list[CurvePoint]:
    """The points of the curves of an evaluation, on some images of the test set."""
    if not evaluation.curves:
        return []
    # torchvision takes a second to import
    from convchoice.evaluation.curves import measure_curves  # noqa: PLC0415

    device = next(network.parameters()).device
    chosen = torch.from_numpy(chosen_images(labels.numpy(), evaluation.images))
    canvas = on_canvas(images[chosen].to(device), config.data.canvas)
    return measure_curves(network, config, evaluation.curves, canvas, labels[chosen].to(device))


def test_metrics(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The `test/*` metrics of logits (N, 10) and labels (N,).

    Returns:
        `test/accuracy` (a fraction of 1), `test/errors` (images), `test/nll` (mean negative
        log-likelihood, in nats).
    """
    errors = int((logits.argmax(1) != labels).sum())
    return {
        "test/accuracy": 1 - errors / len(labels),
        "test/errors": errors,
        "test/nll": functional.cross_entropy(logits.double(), labels).item(),
    }
