"""Evaluation of trained runs on the test set: the only code that opens it.

The evaluated run folder holds the files of the training, the predictions, the test metrics, the
curves, some images with wrong predictions, and the introspection of the network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from convchoice.config.field_types import plain_values
from convchoice.config.schema import Config, EvaluationConfig
from convchoice.config.validation import config_from_mapping
from convchoice.data.dataset import StoredDataset, load
from convchoice.data.preparation import on_canvas, test_images
from convchoice.errors import RunFolderError, UserError, storing_in
from convchoice.evaluation.introspection import chosen_images, introspect
from convchoice.networks.network import Network
from convchoice.networks.own_network import network_of
from convchoice.networks.stacked_networks import together
from convchoice.runs import run_folder
from convchoice.runs.evaluation_files import (
    COMPACT,
    CurvePoint,
    summary_metrics,
    write_curves,
    write_introspection,
    write_pictures,
    write_predictions,
)
from convchoice.runs.events import Listener, RunEnded, RunStarted
from convchoice.runs.fingerprint import EVALUATION_CODE
from convchoice.runs.ownership import written
from convchoice.runs.run import Run, RunSpecification, read_run, reading
from convchoice.runs.run_folder import FIX
from convchoice.training.batches import EVALUATION_BATCH, Batches
from convchoice.training.device import (
    device_of,
    in_memory,
    keep_freed_memory,
    use_precision,
)
from convchoice.training.environment_variables import use_instructions

COPIED = (run_folder.HISTORY, run_folder.WEIGHTS)


@dataclass(frozen=True)
class TrainedRun:
    """A trained run that can be evaluated.

    Attributes:
        specification: what to evaluate, and where to write it.
        run: its training.
        config: of its training.
        stored: the data set.
        network: in evaluation mode, on the configuration's device.
    """

    specification: RunSpecification
    run: Run
    config: Config
    stored: StoredDataset
    network: Network

    @property
    def arm(self) -> tuple[Config, EvaluationConfig]:
        """What runs have in common that differ in their seeds alone."""
        return replace(self.config, seed=0), self.specification.config.evaluation


def evaluate(runs: Sequence[RunSpecification], listener: Listener) -> None:
    """Evaluate trained runs and write their final folders.

    On a GPU, the seeds of an arm are evaluated in one pass, or as many as `trainer.seeds_together`
    says; on the CPU one after another. A run that cannot be evaluated ends with a failure; the
    others are evaluated nevertheless.
    """
    keep_freed_memory()
    size = _seeds_together(runs)
    for first in range(0, len(runs), size):
        trained = []
        for run in runs[first : first + size]:
            listener(RunStarted(*run.key, epochs=0, epochs_done=0))
            try:
                trained.append(read_trained(run))
            except UserError as error:
                listener(RunEnded(*run.key, str(error)))
        for _, group in groupby(trained, key=lambda each: each.arm):
            evaluate_together(list(group), listener)


def _seeds_together(runs: Sequence[RunSpecification]) -> int:
    """How many runs are evaluated in one pass: the CPU's digits are those of each alone."""
    if not runs:
        return 1
    config = runs[0].config
    stacks = device_of(config.trainer.accelerator).type == "cuda" and not config.network
    return config.trainer.seeds_together or len(runs) if stacks else 1


def read_trained(specification: RunSpecification) -> TrainedRun:
    """Read a trained run and its network; this process computes as the run's configuration says.

    Raises:
        UserError: if its folder is missing, damaged or another one, or the data set is not the one
            that it was trained on.
    """
    run = read_run(specification.trained or specification.folder)
    config = config_from_mapping(run.config)
    stored = load(specification.data_root, config.data.name)
    trained_on = run.environment["dataset"]["digest"]
    if stored.digest != trained_on:
        raise UserError(
            f"{run.path}: was trained on a data set with digest {trained_on[:12]}…, but"
            f" {stored.root} holds {stored.spec.title}, {stored.digest[:12]}…. Train it again."
        )
    device = device_of(config.trainer.accelerator)
    if device.type == "cpu":
        use_instructions(config.trainer.instructions)
    use_precision("32-true", device)
    torch.set_num_threads(config.trainer.threads)
    return TrainedRun(specification, run, config, stored, load_network(run).to(device))


def evaluate_together(runs: Sequence[TrainedRun], listener: Listener) -> None:
    """Evaluate runs that differ in their seeds alone, in one pass; write their final folders.

    Each run ends with an event.
    """
    left = {run.specification.key for run in runs}

    def end(run: TrainedRun, failure: str) -> None:
        left.remove(run.specification.key)
        listener(RunEnded(*run.specification.key, failure))

    try:
        in_memory(partial(_evaluate_together, end=end), runs)
    except UserError as error:
        for run in [run for run in runs if run.specification.key in left]:
            end(run, str(error))


def _evaluate_together(runs: Sequence[TrainedRun], end: Callable[[TrainedRun, str], None]) -> None:
    images, classes = runs[0].stored.test()
    pixels, labels = torch.from_numpy(images), torch.from_numpy(classes.astype(np.int64))
    logits, points = _measured(runs, pixels, labels)
    for each, predicted, measured in zip(runs, logits, points, strict=True):
        failure = ""
        try:
            with storing_in(run_folder.partial_path(each.specification.folder)):
                _write(each, predicted, measured, pixels, labels)
        except UserError as error:
            failure = str(error)
        end(each, failure)


def _measured(
    runs: Sequence[TrainedRun], images: Tensor, labels: Tensor
) -> tuple[Tensor, list[list[CurvePoint]]]:
    """The logits (runs, N, classes) and the points of the curves, by run.

    Images are uint8 (N, H, W) or (N, C, H, W), labels int64 (N,), on the CPU.
    """
    config, evaluation = runs[0].arm
    networks = [each.network for each in runs]
    network, device = together(networks), device_of(config.trainer.accelerator)
    batches = Batches(
        test_images(images.to(device), config.data), labels.to(device), EVALUATION_BATCH
    )
    with torch.inference_mode():
        logits = torch.cat([network(batch).float() for batch, _ in batches], dim=-2).cpu()
    points = test_curves(networks, config, evaluation, images, labels)
    return logits.reshape(len(runs), *logits.shape[-2:]), points


def _write(
    trained: TrainedRun, logits: Tensor, points: list[CurvePoint], images: Tensor, labels: Tensor
) -> None:
    """Introspect a network and write the evaluated run's folder."""
    specification, run, config = trained.specification, trained.run, trained.config
    own = bool(config.network)  # its layers are unknown
    inside = None if own else introspect(trained.network, config, images, labels)
    kept = {key: value for key, value in run.metrics.items() if not key.startswith("test/")}
    metrics = {**kept, **test_metrics(logits, labels), **summary_metrics(points)}
    predictions, classes = logits.numpy(), labels.numpy()
    classes = classes.astype(np.min_scalar_type(predictions.shape[1] - 1))
    files = {name: (run.path / name).read_bytes() for name in COPIED}
    with written(specification.folder) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        # The run may have been trained with another evaluation in its configuration.
        evaluation = plain_values(specification.config.evaluation)
        run_folder.write_config(folder, {**run.config, "evaluation": evaluation})
        environment = {**run.environment, EVALUATION_CODE: specification.evaluation_code}
        run_folder.write_json(folder / run_folder.ENVIRONMENT, environment)
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
        if not weights:
            raise RunFolderError(f"{path}: {COMPACT}") from error
        raise RunFolderError(
            f"{path}: does not hold the weights of the network in {run_folder.CONFIG}. {FIX}"
        ) from error
    return network.eval()


def test_curves(
    networks: Sequence[Network],
    config: Config,
    evaluation: EvaluationConfig,
    images: Tensor,
    labels: Tensor,
) -> list[list[CurvePoint]]:
    """The points of the curves of an evaluation, on some images of the test set, by network."""
    if not evaluation.curves:
        return [[] for _ in networks]
    # torchvision takes a second to import
    from convchoice.evaluation.robustness_curves import measure_curves  # noqa: PLC0415

    device = next(networks[0].parameters()).device
    chosen = torch.from_numpy(chosen_images(labels.numpy(), evaluation.images))
    canvas = on_canvas(images[chosen].to(device), config.data.canvas)
    return measure_curves(networks, config, evaluation.curves, canvas, labels[chosen].to(device))


def test_metrics(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The `test/*` metrics of logits (N, classes) and labels (N,).

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
