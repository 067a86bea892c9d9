"""One trained run, measured on the test set: the only code that opens it.

The trained folder is copied under the run's final root with the predictions and the test metrics
added, so that every folder there is whole.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from convchoice import run_folder
from convchoice.batches import EVALUATION_BATCH, Batches
from convchoice.configuration import config_from_mapping
from convchoice.datasets import load
from convchoice.device import device_of
from convchoice.errors import RunFolderError, UserError
from convchoice.events import Ended, Listener, Started
from convchoice.memory import keep_freed_memory
from convchoice.network import Network
from convchoice.preparation import test_images
from convchoice.run_folder import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convchoice.jobs import EvaluationJob


def evaluate(jobs: "Sequence[EvaluationJob]", listener: Listener) -> None:
    """Measure trained runs, one after another, and write their final folders.

    A run that cannot be measured ends with its reason; the others are measured all the same.
    """
    keep_freed_memory()
    for job in jobs:
        try:
            evaluate_run(job, listener)
        except UserError as error:
            listener(Ended(job.arm, job.seed, str(error)))
        else:
            listener(Ended(job.arm, job.seed))


def evaluate_run(job: "EvaluationJob", listener: Listener) -> None:
    """Measure one trained run and write its final folder.

    Raises:
        UserError: for a trained folder or a data set that is missing, damaged or another one.
    """
    listener(Started(job.arm, job.seed, epochs=1, epochs_done=0))
    run = run_folder.read_run(job.trained)
    torch.set_num_threads(int(run.config["trainer"]["threads"]))
    logits, labels = test_logits(run, job.data_root)
    with run_folder.sealed(job.folder) as partial:
        shutil.copytree(job.trained, partial, dirs_exist_ok=True)
        metrics = {**run.metrics, **test_metrics(logits, labels)}
        run_folder.write_json(partial / run_folder.METRICS, metrics)
        run_folder.write_predictions(partial, logits.numpy(), labels.numpy().astype(np.uint8))


def load_network(run: Run) -> Network:
    """The trained network of a run folder, ready to answer; nothing in the file is executed.

    Raises:
        RunFolderError: if the weights cannot be read, or are not this configuration's.
    """
    network = Network(config_from_mapping(run.config, str(run.path / run_folder.CONFIG)))
    path = run.path / run_folder.WEIGHTS
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise RunFolderError(f"{path}: cannot be read as weights: {error}") from error
    except RuntimeError as error:
        raise RunFolderError(f"{path}: are not the weights of its config.yaml: {error}") from error
    return network.eval()


def test_logits(run: Run, data_root: Path) -> tuple[Tensor, Tensor]:
    """Logits (N, 10), float32, and labels (N,) of the test set, on the CPU.

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
    device = device_of(config.trainer.accelerator)
    network = load_network(run).to(device)
    pixels = test_images(torch.from_numpy(images).to(device), config.data)
    answers = torch.from_numpy(labels.astype(np.int64)).to(device)
    with torch.inference_mode():
        batches = Batches(pixels, answers, EVALUATION_BATCH)
        logits = torch.cat([network(batch).float() for batch, _ in batches])
    return logits.cpu(), answers.cpu()


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
