"""Fashion-MNIST, KMNIST and CIFAR-10: fetched, checked, trained on, measured and compared.

In small, in the true formats, from folders and from a web server on loopback.
"""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from convchoice import compare, download
from convchoice.config.known_datasets import CIFAR_FILES, SPECS
from convchoice.config.schema import Dataset, Fallback
from convchoice.config.validation import config_from_mapping
from convchoice.data import dataset as datasets
from convchoice.data import preparation, sources
from convchoice.data.dataset import PROVENANCE
from convchoice.data.preparation import training_images
from convchoice.errors import ConfigurationError, UserError
from convchoice.evaluation.evaluate import evaluate_run, load_network
from convchoice.runs.checksums import seal
from convchoice.runs.run import Run, read_run
from convchoice.runs.run_folder import WEIGHTS, run_path
from convchoice.runs.specification import RunSpecification
from convchoice.training.batches import Batches, scaled
from convchoice.training.data_module import ImageDataModule
from convchoice.training.train import train
from small_data import store_digits
from tiny_datasets import pass_for

OTHERS = ["fashion_mnist", "kmnist", "cifar10"]


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and keeps the terminal for the program under test."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def no_public_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {})
    for dataset in Dataset:
        monkeypatch.delenv(SPECS[dataset.name].mirror_variable, raising=False)
    monkeypatch.delenv(download.FALLBACK_VARIABLE, raising=False)


@pytest.fixture(params=OTHERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds what a source gives of the data set."""
    made = tmp_path / "mirror"
    made.mkdir()
    for file, content in pass_for(name, monkeypatch).items():
        (made / file).write_bytes(content)
    return made


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """A web address under which they lie."""
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_each_data_set_has_its_own_variable() -> None:
    assert [SPECS[dataset.name].mirror_variable for dataset in Dataset] == [
        "MNIST_MIRROR", "FASHION_MNIST_MIRROR", "KMNIST_MIRROR", "CIFAR10_MIRROR",
    ]  # fmt: skip


def test_the_stage_fetches_from_a_folder_and_says_what_is_there(
    name: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{name.upper()}_MIRROR", str(folder))
    download.main(["--data", name])
    root = Path("data") / name
    stored = datasets.load(root, Dataset[name])
    assert capsys.readouterr().out == (
        f"{SPECS[name].title}: 100 training and 20 test images,"
        f" SHA-256 {stored.digest[:12]}…, in {root / name}\n"
    )
    assert sorted(path.name for path in root.iterdir()) == [name, PROVENANCE]
    assert {path.name for path in (root / name).iterdir()} == set(SPECS[name].file_names)
    for part, count in ((stored.train(), 100), (stored.test(), 20)):
        images, labels = part
        channels, *sides = SPECS[name].image_shape
        assert images.shape == ((count, *sides) if channels == 1 else (count, channels, *sides))
        assert np.bincount(labels).tolist() == [count // 10] * 10
        for image, label in zip(images, labels, strict=True):
            assert (image[..., 2 * label + 2, :] == 255).all(), "the class's own stripe"


def test_a_web_server_gives_it_and_it_is_then_left_alone(
    name: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {name: (address,)})
    stored = sources.ensure(tmp_path / "raw", Dataset[name], None)
    assert stored.provenance.source == address
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {})
    assert sources.ensure(tmp_path / "raw", Dataset[name], None).digest == stored.digest


def test_altered_bytes_are_refused_and_nothing_stands_in(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SPECS[name].fetched[0].name
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    monkeypatch.setenv(f"{name.upper()}_MIRROR", str(folder))
    root = tmp_path / "raw"
    with pytest.raises(UserError) as caught:
        sources.ensure(root, Dataset[name], Fallback.digits)
    text = str(caught.value)
    assert f"no source gave {SPECS[name].title}; 1 of " in text
    assert f"{file}: gave altered bytes: their SHA-256 is" in text
    assert f"To have it, set {name.upper()}_MIRROR to a folder or an http(s) address" in text
    assert f"then: python -m convchoice.download --data {name} --root {root}" in text
    assert text.endswith(f"Nothing stands in for {SPECS[name].short_title}.")
    assert not (root / name).exists()


def test_a_damaged_file_is_refused_when_read_and_mended(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{name.upper()}_MIRROR", str(folder))
    root = tmp_path / "raw"
    stored = sources.ensure(root, Dataset[name], None)
    for path in (stored.path(file) for file in SPECS[name].file_names):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(UserError, match=rf"damaged or was altered.*--data {name} --root"):
            stored.verify()
        sources.ensure(root, Dataset[name], None).verify()
        assert path.read_bytes() == whole


def test_training_never_opens_the_test_files(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{name.upper()}_MIRROR", str(folder))
    stored = sources.ensure(tmp_path / "raw", Dataset[name], None)
    for file in SPECS[name].file_names:
        if file.startswith(("t10k", "test")):
            stored.path(file).unlink()
    assert len(stored.train()[0]) == 100
    with pytest.raises(UserError, match="is missing"):
        stored.test()


def test_a_folder_with_another_data_set_is_never_overwritten(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    store_digits(root)
    before = sorted(root.rglob("*"))
    for attempt in (
        lambda: sources.ensure(root, Dataset.kmnist, None),
        lambda: datasets.load(root, Dataset.kmnist),
    ):
        with pytest.raises(UserError, match=r"holds scikit-learn's digits .* not KMNIST .*data=km"):
            attempt()
    assert sorted(root.rglob("*")) == before


def test_a_missing_data_set_names_the_command_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"convchoice\.download --data kmnist --root"):
        datasets.load(tmp_path, Dataset.kmnist)


def test_a_stand_in_for_another_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--fallback digits: .* not for KMNIST"):
        download.main(["--data", "kmnist", "--root", str(tmp_path), "--fallback", "digits"])
    with pytest.raises(ConfigurationError, match=r"data\.fallback = 'digits': .*data=cifar10"):
        config_from_mapping({"data": {"name": "cifar10"}})
    with pytest.raises(UserError, match="each data set has a folder of its own"):
        download.main(["--data", "mnist", "kmnist", "--root", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


def test_the_variable_that_forbids_a_stand_in_does_not_ask_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(download.FALLBACK_VARIABLE, "digits")
    assert download.default_fallback(dataset=Dataset.kmnist) == "none"


def trained_and_measured(name: str, data_root: Path, folder: Path, arm: str, **values: Any) -> Run:
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
    seal(trained)
    evaluate_run(RunSpecification(config, data_root, final, trained=trained), lambda event: None)
    return read_run(final)


def prepared_alike(run: Run, stored: datasets.StoredDataset) -> None:
    """Training, validation and test images of a run are what `preparation` makes of them."""
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


def test_it_goes_through_training_evaluation_and_comparison(
    name: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"{name.upper()}_MIRROR", str(folder))
    root = tmp_path / "raw"
    sources.ensure(root, Dataset[name], None)
    plain = trained_and_measured(name, root, tmp_path, "plain")
    options = {"canvas": 40, "rotated": True, "permutation_seed": 5}
    changed = trained_and_measured(name, root, tmp_path, "changed", data=options)
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
        prepared_alike(run, datasets.load(root, Dataset[name]))
    output = tmp_path / "reports" / "other"
    compare.main(["--baseline", "plain", "--runs", str(tmp_path / "runs"), "--output", str(output)])
    assert f"Data: {SPECS[name].title}" in capsys.readouterr().out


def test_cifar10s_files_are_the_archives_and_their_digests_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file, content in pass_for("cifar10", monkeypatch).items():
        (tmp_path / file).write_bytes(content)
    monkeypatch.setenv("CIFAR10_MIRROR", str(tmp_path))
    stored = sources.ensure(tmp_path / "raw", Dataset.cifar10, None)
    assert tuple(stored.provenance.files) == CIFAR_FILES
    for file, digest in stored.provenance.files.items():
        content = stored.path(file).read_bytes()
        assert len(content) == 20 * 3073
        assert datasets.sha256_of(content) == digest
