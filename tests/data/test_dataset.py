"""Stored data sets: every file is checked when it is read; the digits that stand in for MNIST."""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convchoice.config.datasets import IDX_FILES
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import download
from convchoice.data.dataset import PROVENANCE, load
from convchoice.data.fallback_digits import bilinear_weights, digits_files, enlarge, is_test
from convchoice.errors import UserError
from small_data import arrays, replace_by_tiny


@pytest.fixture
def root(data_root: Path, tmp_path: Path) -> Path:
    """A copy of the stored digits, to be damaged."""
    return Path(shutil.copytree(data_root, tmp_path / "raw"))


@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist", "cifar10"])
def test_arrays_of_every_format(name, tmp_path, monkeypatch):
    replace_by_tiny(name, monkeypatch, tmp_path)
    stored = download.ensure(tmp_path / "raw", Dataset[name], None)
    images, labels = arrays(name)
    images = images if name == "cifar10" else images[:, 0]
    for found, expected in ((stored.train(), slice(0, 100)), (stored.test(), slice(100, 120))):
        for array, whole in zip(found, (images, labels), strict=True):
            assert array.dtype == np.uint8
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert np.array_equal(array, whole[expected])


def test_a_data_set_stored_by_an_earlier_version(root, data_root):
    now = load(data_root)
    more = {"title": "", "source": "a", "digest": "", "failed_sources": [{}], "retry": "make"}
    (root / PROVENANCE).write_text(json.dumps(more | now.provenance.model_dump()))
    assert load(root).digest == now.digest
    before = (root / PROVENANCE).read_bytes()
    download.ensure(root, Dataset.mnist, Fallback.digits)
    assert (root / PROVENANCE).read_bytes() == before


def test_a_changed_byte_and_a_missing_file_are_found_at_every_reading(root):
    stored, again = load(root), f" Fetch it again: convchoice download --data mnist --root {root}"
    path = root / "digits" / IDX_FILES[2]
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    images, labels = stored.train()  # reads no file of the test set
    assert (images.shape, labels.shape) == ((1_297, 28, 28), (1_297,))
    for read in (stored.test, stored.verify):
        with pytest.raises(UserError, match="it is damaged or was changed") as caught:
            read()
        assert str(caught.value).startswith(f"{path}: its SHA-256 is ")
        assert str(caught.value).endswith(again)
    path = root / "digits" / IDX_FILES[1]
    path.unlink()
    with pytest.raises(UserError) as caught:
        load(root).train()
    assert str(caught.value) == f"{path}: No such file or directory.{again}"
    with pytest.raises(UserError, match=r"holds no data set. Fetch one: .* --data kmnist --root"):
        load(root / "empty", Dataset.kmnist)


OTHERS = ("", "[]", "{}", '{"failed_sources": 3}', "\x00", "[" * 100_000, '{"used": "letters"}')


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        *((text, "was not written by convchoice, or was changed (") for text in OTHERS),
        ({"used": "kmnist"}, "it names no known data set"),
        ({"requested": "letters"}, "it names no known data set"),
        ({"requested": "kmnist"}, "it names no known data set"),
        ({"used": "mnist"}, "its files are not those of MNIST"),
        ({"files": {"../a.txt": "0" * 64}}, "its files are not those of scikit-learn's digits"),
    ],
)  # fmt: skip
def test_a_damaged_provenance_is_refused(root, content, reason):
    path = root / PROVENANCE
    if isinstance(content, dict):
        content = json.dumps(json.loads(path.read_text()) | content)
    path.write_text(content)
    with pytest.raises(UserError, match=r"provenance\.json: .*Move or delete it, then") as caught:
        load(root)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_checking_a_stored_data_set_imports_neither_torch_nor_scikit_learn(root):
    program = (
        "import sys; from pathlib import Path; from convchoice.config.schema import *\n"
        "from convchoice.data.download import ensure\n"
        f"ensure(Path({str(root)!r}), Dataset.mnist, Fallback.digits)\n"
        "print([name for name in ('torch', 'torchvision', 'sklearn') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_pixels_and_labels_never_change():
    """SHA-256s of the arrays; the files differ if zlib compresses differently."""
    headers = (16, 8, 16, 8)
    files = digits_files()
    assert tuple(files) == IDX_FILES
    assert [
        hashlib.sha256(gzip.decompress(content)[header:]).hexdigest()[:16]
        for content, header in zip(files.values(), headers, strict=True)
    ] == ["54195aef95043ec8", "47a9e4a373a96222", "23f6ef3b96a98d35", "63d505eee4167db0"]
    assert files == digits_files()


def test_enlarging_is_bilinear_interpolation():
    weights = bilinear_weights()
    assert weights.shape == (20, 8)
    assert (weights.sum(axis=1) == 10).all()
    ramp = weights @ np.arange(8) / 10
    assert ramp == pytest.approx(np.clip((4 * np.arange(20) - 3) / 10, 0, 7))
    image = np.zeros((1, 8, 8), dtype=np.uint8)
    image[0, 0, 0] = 16
    corner = enlarge(image)[0, 4:9, 4:9]
    # Weights of the first source pixel along one side: 10, 9, 5, 1, 0 tenths; 255 · 0.9 = 229.5.
    assert corner[0].tolist() == [255, 230, 128, 26, 0]
    assert corner[1].tolist() == [230, 207, 115, 23, 0]


def test_test_images_are_stratified_and_evenly_spaced():
    chosen = is_test(np.repeat(np.arange(10, dtype=np.uint8), 100))
    assert chosen.reshape(10, 100).sum(axis=1).tolist() == [50] * 10
    assert chosen.reshape(-1, 20).sum(axis=1).tolist() == [10] * 50
