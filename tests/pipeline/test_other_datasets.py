"""KMNIST and CIFAR-10, in small: trained on, evaluated and compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from convchoice.commands import compare
from convchoice.config.datasets import SPECS
from convchoice.config.schema import Dataset
from convchoice.config.validation import config_from_mapping
from convchoice.data import preparation
from convchoice.data.dataset import StoredDataset
from convchoice.data.download import ensure
from convchoice.data.split import split
from convchoice.evaluation.evaluate import load_network
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import WEIGHTS
from convchoice.training.batches import scaled, training_batches
from small_data import replace_by_tiny
from small_runs import evaluate_run, small_run, trained


def train_and_evaluate(stored: StoredDataset, folder: Path, arm: str, **data: Any) -> Run:
    small = {
        "data": {"name": stored.spec.name, "fallback": None, "batch_size": 16, **data},
        "trainer": {"max_epochs": 1, "accelerator": "cpu"},
    }
    first = small_run(folder / "trained", stored.root, arm=arm, **small)
    final = small_run(folder / "runs", stored.root, arm=arm, **small)
    evaluate_run(replace(final, trained=trained(first).path))
    return read_run(final.folder)


def check_preparation(run: Run, stored: StoredDataset) -> None:
    """Check that a run's images are those that `preparation` returns."""
    config = config_from_mapping(run.config)
    (pixels, labels), tested = stored.train(), torch.from_numpy(stored.test()[0])
    fed = training_batches(stored, config.data, [0], torch.device("cpu"))
    images, size = torch.from_numpy(pixels), stored.spec.validation_size
    for batches, chosen in zip(fed, split(labels, config.data, size), strict=True):
        expected = preparation.training_images(images, torch.from_numpy(chosen), config.data)
        assert torch.equal(batches.images, expected)
    with torch.inference_mode():
        logits = load_network(run)(scaled(preparation.test_images(tested, config.data)))
    np.testing.assert_allclose(run.predictions()[0], logits.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["kmnist", "cifar10"])
def test_training_evaluation_and_comparison(name, tmp_path, monkeypatch, capsys):
    replace_by_tiny(name, monkeypatch, tmp_path / "mirror")
    stored, spec = ensure(tmp_path / "raw", Dataset[name], None), SPECS[name]
    plain = train_and_evaluate(stored, tmp_path, "plain")
    options = {"canvas": 40, "rotated": True, "permutation_seed": 5}
    changed = train_and_evaluate(stored, tmp_path, "changed", **options)
    dataset = plain.environment["dataset"]
    assert (dataset["name"], dataset["title"]) == (name, spec.title)
    assert dataset["class_names"] == list(spec.class_names)
    assert (dataset["train_images"], dataset["validation_images"]) == (80, 20)
    weights = load_file(plain.path / WEIGHTS)
    assert weights["block1_convolution.weight"].shape[1] == spec.image_shape[0]
    assert changed.metrics["cost/macs"] > plain.metrics["cost/macs"]
    assert np.array_equal(plain.predictions()[1], changed.predictions()[1])
    check_preparation(plain, stored)
    check_preparation(changed, stored)
    runs, output = tmp_path / "runs", tmp_path / "reports" / "other"
    compare.main(["--baseline", "plain", "--runs", str(runs), "--output", str(output)])
    assert f"Data: {spec.title}" in capsys.readouterr().out
