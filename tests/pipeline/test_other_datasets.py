"""Fashion-MNIST, KMNIST and CIFAR-10, in small: trained on, evaluated and compared."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from convchoice import compare
from convchoice.config.datasets import SPECS
from convchoice.config.schema import Dataset
from convchoice.config.validation import config_from_mapping
from convchoice.data import dataset as datasets
from convchoice.data import preparation
from convchoice.data.download import ensure
from convchoice.data.preparation import training_images
from convchoice.evaluation.evaluate import evaluate_run, load_network
from convchoice.runs.ownership import finalise
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import WEIGHTS, run_path
from convchoice.runs.specification import RunSpecification
from convchoice.training.batches import Batches, scaled
from convchoice.training.data_module import ImageDataModule
from convchoice.training.train import train
from tiny_datasets import replace_by_tiny


def train_and_evaluate(name: str, data_root: Path, folder: Path, arm: str, **values: Any) -> Run:
    data = {"name": name, "fallback": None, "batch_size": 16, **values.pop("data", {})}
    small = {
        "arm": arm,
        "data": data,
        "model": {"filters": [4, 4], "hidden_units": 8},
        "trainer": {"max_epochs": 1, "accelerator": "cpu"},
    }
    config = config_from_mapping(small | values)
    trained, final = run_path(folder / "trained", arm, 0), run_path(folder / "runs", arm, 0)
    train([RunSpecification(config, data_root, trained, "f", {"versions": {}})], lambda event: None)
    finalise(trained)
    evaluate_run(RunSpecification(config, data_root, final, trained=trained))
    return read_run(final)


def check_preparation(run: Run, stored: datasets.StoredDataset) -> None:
    """Check that a run's images are those that `preparation` returns."""
    config = config_from_mapping(run.config)
    module = ImageDataModule(config.data, [0], stored)
    images = torch.from_numpy(stored.train()[0])
    batches = module.val_dataloader()
    assert isinstance(batches, Batches)
    validation = torch.from_numpy(module.split.validation)
    assert torch.equal(batches.images, training_images(images, validation, config.data))
    training = torch.from_numpy(module.split.training)
    fed = module.train_dataloader().images
    assert torch.equal(fed, training_images(images, training, config.data))
    tested = scaled(preparation.test_images(torch.from_numpy(stored.test()[0]), config.data))
    with torch.inference_mode():
        logits = load_network(run)(tested)
    np.testing.assert_allclose(run.predictions()[0], logits.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist", "cifar10"])
def test_training_evaluation_and_comparison(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for file, content in replace_by_tiny(name, monkeypatch).items():
        (tmp_path / file).write_bytes(content)
    monkeypatch.setenv(f"{name.upper()}_MIRROR", str(tmp_path))
    root = tmp_path / "raw"
    ensure(root, Dataset[name], None)
    plain = train_and_evaluate(name, root, tmp_path, "plain")
    options = {"canvas": 40, "rotated": True, "permutation_seed": 5}
    changed = train_and_evaluate(name, root, tmp_path, "changed", data=options)
    dataset = plain.environment["dataset"]
    assert (dataset["name"], dataset["title"]) == (name, SPECS[name].title)
    assert dataset["class_names"] == list(SPECS[name].class_names)
    assert (dataset["train_images"], dataset["validation_images"]) == (80, 20)
    channels = SPECS[name].image_shape[0]
    weights = load_file(plain.path / WEIGHTS)
    assert weights["block1_convolution.weight"].shape[1] == channels
    assert changed.metrics["cost/macs"] > plain.metrics["cost/macs"]
    assert np.array_equal(plain.predictions()[1], changed.predictions()[1])
    for run in (plain, changed):
        check_preparation(run, datasets.load(root, Dataset[name]))
    output = tmp_path / "reports" / "other"
    compare.main(["--baseline", "plain", "--runs", str(tmp_path / "runs"), "--output", str(output)])
    assert f"Data: {SPECS[name].title}" in capsys.readouterr().out
