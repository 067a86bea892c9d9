"""One trained run, measured on the test set: the only code that opens it.

The trained folder is copied under the run's final root with the predictions, the test metrics, the
chosen curves, pictures of some wrong answers and a look inside the network added, so that every
folder there is whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from convchoice.config.mapping import plain_values
from convchoice.config.schema import Config, EvaluationConfig
from convchoice.config.validation import config_from_mapping
from convchoice.data.dataset import load
from convchoice.data.preparation import on_canvas, test_images
from convchoice.errors import RunFolderError, UserError, storing_in
from convchoice.evaluation.image_subset import chosen_images
from convchoice.evaluation.introspection import look_inside
from convchoice.networks.network import Network
from convchoice.runs import run_folder
from convchoice.runs.checksums import FIX
from convchoice.runs.curve_points import CurvePoint, summary_metrics
from convchoice.runs.events import Listener, RunEnded, RunStarted
from convchoice.runs.ownership import written
from convchoice.runs.pictures import kept_pictures
from convchoice.runs.run import Run, read_run, reading
from convchoice.runs.specification import RunSpecification
from convchoice.training.batches import EVALUATION_BATCH, Batches
from convchoice.training.device import device_of
from convchoice.training.memory import keep_freed_memory

_FROM_TRAINING = (run_folder.HISTORY, run_folder.ENVIRONMENT, run_folder.WEIGHTS)


def evaluate(jobs: Sequence[RunSpecification], listener: Listener) -> None:
    """Measure trained runs, one after another, and write their final folders.

    A run that cannot be measured ends with its reason; the others are measured all the same.
    """
    keep_freed_memory()
    for job in jobs:
        try:
            with storing_in(run_folder.partial_path(job.folder)):
                evaluate_run(job, listener)
        except UserError as error:
            listener(RunEnded(job.arm, job.seed, str(error)))
        else:
            listener(RunEnded(job.arm, job.seed))


def evaluate_run(job: RunSpecification, listener: Listener) -> None:
    """Measure one trained run and write its final folder.

    Raises:
        UserError: for a trained folder or a data set that is missing, damaged or another one.
    """
    listener(RunStarted(job.arm, job.seed, epochs=1, epochs_done=0))
    trained_folder = job.trained or job.folder
    run = read_run(trained_folder)
    torch.set_num_threads(int(run.config["trainer"]["threads"]))
    network = load_network(run)
    test_set = open_test_set(run, job.data_root)
    logits = test_logits(network, test_set)
    points = test_curves(network, test_set, job.config.evaluation)
    inside = look_inside(network, test_set.config, test_set.images, test_set.labels)
    trained = {key: value for key, value in run.metrics.items() if not key.startswith("test/")}
    metrics = {**trained, **test_metrics(logits, test_set.labels), **summary_metrics(points)}
    # The training may have been planned with another evaluation: what was measured is recorded.
    config = {**run.config, "evaluation": plain_values(job.config.evaluation)}
    kept = {name: (trained_folder / name).read_bytes() for name in _FROM_TRAINING}
    with written(job.folder) as partial:
        for name, content in kept.items():
            (partial / name).write_bytes(content)
        run_folder.write_config(partial, config)
        run_folder.write_json(partial / run_folder.METRICS, metrics)
        answers, labels = logits.numpy(), test_set.labels.numpy().astype(np.uint8)
        run_folder.write_predictions(partial, answers, labels)
        run_folder.write_pictures(partial, kept_pictures(answers, labels, test_set.images.numpy()))
        run_folder.write_inside(partial, inside)
        run_folder.write_curves(partial, points)


def load_network(run: Run) -> Network:
    """The trained network of a run folder, ready to answer; nothing in the file is executed.

    Raises:
        RunFolderError: if the weights were altered, cannot be read, or are not this
            configuration's.
    """
    path = run.weights_file()
    network = Network(config_from_mapping(run.config, str(run.path / run_folder.CONFIG)))
    try:
        with reading(path, "weights"):
            weights = load_file(path)
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RunFolderError(
            f"{path}: does not hold the weights of the network in {run_folder.CONFIG}. {FIX}"
        ) from error
    return network.eval()


@dataclass(frozen=True)
class TestSet:
    """The test images of one run, on the CPU.

    Attributes:
        config: the run's configuration.
        images: uint8 (N, H, W) or (N, C, H, W), as the data set has them.
        labels: int64 (N,).
    """

    __test__ = False  # no test of pytest's, whatever its name

    config: Config
    images: Tensor
    labels: Tensor


def open_test_set(run: Run, data_root: Path) -> TestSet:
    """The test set that belongs to a run.

    Raises:
        UserError: if the data set is not the one that the run was trained on.
    """
    config = config_from_mapping(run.config)
    stored = load(data_root, config.data.name)
    trained_on = run.environment["dataset"]["digest"]
    if stored.digest != trained_on:
        raise UserError(
            f"{run.path}: was trained on a data set with digest {trained_on[:12]}…, but"
            f" {data_root} holds {stored.title} with digest {stored.digest[:12]}…. Train it again."
        )
    images, labels = stored.test()
    return TestSet(
        config,
        torch.from_numpy(images),
        torch.from_numpy(labels.astype(np.int64)),
    )


def test_logits(network: Network, test_set: TestSet) -> Tensor:
    """Logits (N, 10), float32, of the whole test set, on the CPU."""
    device = device_of(test_set.config.trainer.accelerator)
    pixels = test_images(test_set.images.to(device), test_set.config.data)
    answers = test_set.labels.to(device)
    network.to(device)
    with torch.inference_mode():
        batches = Batches(pixels, answers, EVALUATION_BATCH)
        return torch.cat([network(batch).float() for batch, _ in batches]).cpu()


def test_curves(
    network: Network, test_set: TestSet, evaluation: EvaluationConfig
) -> list[CurvePoint]:
    """The points of the curves that an evaluation asks for."""
    if not evaluation.curves:
        return []
    # A second of torchvision, where it is used.
    from convchoice.evaluation.curves import measure_curves  # noqa: PLC0415

    device = device_of(test_set.config.trainer.accelerator)
    chosen = torch.from_numpy(chosen_images(test_set.labels.numpy(), evaluation.images))
    return measure_curves(
        network.to(device),
        test_set.config,
        evaluation.curves,
        on_canvas(test_set.images[chosen].to(device), test_set.config.data.canvas),
        test_set.labels[chosen].to(device),
    )


def test_metrics(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """The final `test/*` metrics.

    Args:
        logits: (N, 10).
        labels: (N,).

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
