"""Stored data sets: every byte checked when read, the test set closed until asked for."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convchoice.config.known_datasets import (
    CIFAR_FILES,
    CLASSES,
    DIGITS,
    FILE_NAMES,
    MNIST,
    SPECS,
    TEST_IMAGES,
    TRAIN_LABELS,
)
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import dataset as datasets
from convchoice.data import sources
from convchoice.data.dataset import PROVENANCE
from convchoice.data.digits import bilinear_weights, digits_files, enlarge, is_test
from convchoice.data.idx import decode_idx, encode_idx
from convchoice.errors import UserError


@pytest.fixture(scope="module")
def stored_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stored") / "raw"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "PUBLIC_MIRRORS", {})
        patch.delenv(sources.MIRROR_VARIABLE, raising=False)
        sources.ensure(root, Dataset.mnist, Fallback.digits)
    return root


@pytest.fixture
def root(stored_root: Path, tmp_path: Path) -> Path:
    """A data set (the fallback) of one's own, to be damaged."""
    return Path(shutil.copytree(stored_root, tmp_path / "raw"))


def edit_provenance(root: Path, **values: Any) -> None:
    path = root / PROVENANCE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_every_data_set_of_the_configuration_has_a_specification() -> None:
    assert set(SPECS) == set(Dataset.__members__) | set(Fallback.__members__)
    for name, spec in SPECS.items():
        assert spec.name == name
        assert len(spec.class_names) == len(set(spec.class_names)) == CLASSES
        assert spec.file_names == (CIFAR_FILES if name == "cifar10" else FILE_NAMES)
        assert all(file.sha256 and file.size_bytes for file in spec.fetched) == (name != "digits")


def test_validation_is_one_image_in_twelve() -> None:
    assert (MNIST.train_size, MNIST.test_size, MNIST.validation_size) == (60_000, 10_000, 5_000)
    assert (DIGITS.train_size, DIGITS.test_size, DIGITS.validation_size) == (1_297, 500, 108)
    assert DIGITS.validation_size == round(DIGITS.train_size / 12)


def test_load_opens_no_image_file(root: Path) -> None:
    shutil.rmtree(root / "digits")
    stored = datasets.load(root)
    assert stored.name == "digits"
    assert stored.title == "scikit-learn's digits (1,797 handwritten digits)"
    assert re.fullmatch("[0-9a-f]{64}", stored.digest)


def test_train_does_not_open_the_test_set(root: Path) -> None:
    for name in FILE_NAMES:
        if name.startswith("t10k"):
            (root / "digits" / name).unlink()
    images, labels = datasets.load(root).train()
    assert (images.shape, labels.shape) == ((1_297, 28, 28), (1_297,))
    assert images.dtype == labels.dtype == np.uint8


def test_a_fallback_says_what_its_numbers_are_not(root: Path) -> None:
    assert datasets.load(root).fallback_note == (
        "No source of MNIST answered: these numbers are of scikit-learn's digits (1,797"
        " handwritten digits), not of MNIST. To try MNIST again: MNIST_MIRROR=<folder or URL> make"
        " download, then make repro."
    )


def test_the_digest_depends_on_every_file_and_on_their_order() -> None:
    files = {name: str(number) * 64 for number, name in enumerate(FILE_NAMES)}
    digest = datasets.combined_digest(DIGITS, files)
    assert digest == datasets.combined_digest(DIGITS, dict(reversed(files.items())))
    for name in FILE_NAMES:
        assert datasets.combined_digest(DIGITS, files | {name: "9" * 64}) != digest
    swapped = files | {FILE_NAMES[0]: "1" * 64, FILE_NAMES[1]: "0" * 64}
    assert datasets.combined_digest(DIGITS, swapped) != digest


def test_an_altered_byte_is_refused_each_time_it_is_read(root: Path) -> None:
    stored = datasets.load(root)
    stored.test()
    path = root / "digits" / TEST_IMAGES
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    stored.train()
    for read in (stored.test, stored.verify):
        with pytest.raises(UserError) as caught:
            read()
        assert str(caught.value).startswith(
            f"{path}: is damaged or was altered: its SHA-256 is {datasets.sha256_of(content)},"
        )
        assert f"python -m convchoice.download --root {root}" in str(caught.value)


def test_a_missing_file_is_named_with_the_mend(root: Path) -> None:
    path = root / "digits" / TRAIN_LABELS
    path.unlink()
    message = f"{path}: is missing. Fetch it again: python -m convchoice.download --root {root}"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        datasets.load(root).train()


def test_a_folder_without_a_data_set_says_how_to_fetch_one(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        datasets.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: holds no data set (there is no provenance.json)."
        f" Fetch one: python -m convchoice.download --root {tmp_path}"
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"failed_sources": 3}', "\x00"])
def test_a_damaged_provenance_is_refused(root: Path, text: str) -> None:
    (root / PROVENANCE).write_text(text)
    with pytest.raises(UserError, match=r"provenance\.json: is damaged \(.*Fetch it again: "):
        datasets.load(root)


def test_an_unknown_data_set_is_refused(root: Path) -> None:
    edit_provenance(root, used="letters")
    with pytest.raises(UserError, match=r"used = 'letters' is none of mnist, .*, digits"):
        datasets.load(root)


def test_a_provenance_whose_digest_is_not_its_files_is_refused(root: Path) -> None:
    edit_provenance(root, digest="0" * 64)
    with pytest.raises(UserError, match=r"provenance\.json: was altered"):
        datasets.load(root)


def test_other_files_cannot_pass_for_mnist(root: Path) -> None:
    """Even with a consistent provenance: MNIST's four SHA-256s are known."""
    (root / "digits").rename(root / "mnist")
    edit_provenance(root, used="mnist", retry=None)
    with pytest.raises(UserError, match=r"was altered: its SHA-256s are not those of MNIST"):
        datasets.load(root)


def test_a_data_set_of_another_size_is_refused(root: Path) -> None:
    content = encode_idx(np.zeros(3, dtype=np.uint8))
    (root / "digits" / TRAIN_LABELS).write_bytes(content)
    files = json.loads((root / PROVENANCE).read_text())["files"]
    files[TRAIN_LABELS] = datasets.sha256_of(content)
    edit_provenance(root, files=files, digest=datasets.combined_digest(DIGITS, files))
    with pytest.raises(UserError, match=r"labels \(3,\); scikit-learn's digits .* has \(1297, 28"):
        datasets.load(root).train()


def test_the_fallback_is_stratified_and_in_mnist_s_form(root: Path) -> None:
    stored = datasets.load(root)
    train_images, train_labels = stored.train()
    test_images, test_labels = stored.test()
    assert train_images.shape == (1_297, 28, 28)
    assert test_images.shape == (500, 28, 28)
    for images in (train_images, test_images):
        assert (images.min(), images.max()) == (0, 255)
        assert images[:, 4:24, 4:24].sum() == images.sum(), "an empty border of 4 pixels"
    train_counts = np.bincount(train_labels, minlength=10)
    test_counts = np.bincount(test_labels, minlength=10)
    exact = (train_counts + test_counts) * 500 / 1_797
    assert np.abs(test_counts - exact).max() < 1


def test_the_fallback_has_the_same_bytes_each_time(root: Path) -> None:
    files = digits_files()
    assert list(files) == list(FILE_NAMES)
    assert {name: datasets.sha256_of(content) for name, content in files.items()} == (
        datasets.load(root).provenance.files
    )


def test_the_fallback_s_pixels_never_change() -> None:
    """The pixels' SHA-256s; the files' may differ where zlib compresses differently."""
    pixels = {
        name: datasets.sha256_of(decode_idx(content, name).tobytes())[:16]
        for name, content in digits_files().items()
    }
    assert list(pixels.values()) == [
        "54195aef95043ec8",
        "47a9e4a373a96222",
        "23f6ef3b96a98d35",
        "63d505eee4167db0",
    ]


def test_enlarging_is_bilinear_interpolation() -> None:
    weights = bilinear_weights()
    assert weights.shape == (20, 8)
    assert (weights.sum(axis=1) == 10).all()
    ramp = weights @ np.arange(8) / 10
    assert ramp == pytest.approx(np.clip((4 * np.arange(20) - 3) / 10, 0, 7))
    image = np.zeros((1, 8, 8), dtype=np.uint8)
    image[0, 0, 0] = 16
    corner = enlarge(image)[0, 4:9, 4:9]
    # Weights of the first source pixel along one side: 10, 9, 5, 1, 0 tenths; 255 · 0.9 = 229.5.
    assert corner[0].tolist() == [255, 255 * 9 // 10 + 1, 128, 26, 0]
    assert corner[1].tolist() == [230, 207, 115, 23, 0]


def test_test_digits_are_spread_over_the_data() -> None:
    labels = np.repeat(np.arange(10, dtype=np.uint8), 100)
    chosen = is_test(labels)
    assert chosen.sum() == 500
    assert chosen.reshape(10, 100).sum(axis=1).tolist() == [50] * 10
    assert chosen.reshape(-1, 20).sum(axis=1).tolist() == [10] * 50


def test_reading_data_imports_neither_torch_nor_scikit_learn() -> None:
    program = (
        "import sys, convchoice.data.dataset, convchoice.data.sources;"
        "print([name for name in ('torch', 'torchvision', 'sklearn') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
