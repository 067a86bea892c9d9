"""Small stored data sets: scikit-learn's digits, and tiny ones in the formats of the large."""

import hashlib
import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convchoice.config import datasets
from convchoice.config.datasets import CIFAR_ARCHIVE, IDX_FILES
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import download
from convchoice.data.dataset import StoredDataset, encode_idx


def store_digits(root: Path) -> StoredDataset:
    """Store the digits under `root` without asking any mirror."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(download, "mirrors", lambda _spec: iter(()))
        return download.ensure(root, Dataset.mnist, Fallback.digits)


TRAIN_IMAGES, TEST_IMAGES = 100, 20


def arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, C, H, W) and labels (N,): a bright stripe whose row depends on the class."""
    count = TRAIN_IMAGES + TEST_IMAGES
    labels = (np.arange(count) % 10).astype(np.uint8)
    shape = (count, *datasets.SPECS[name].image_shape)
    images = np.random.default_rng(0).integers(0, 60, shape, dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label + 2 : 2 * label + 4] = 255
    return images, labels


def _idx_files(images: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    cut = TRAIN_IMAGES
    parts = (images[:cut, 0], labels[:cut], images[cut:, 0], labels[cut:])
    return {name: encode_idx(part) for name, part in zip(IDX_FILES, parts, strict=True)}


def _cifar_archive(images: np.ndarray, labels: np.ndarray, patch: pytest.MonkeyPatch) -> bytes:
    """The archive of pickles; torchvision's MD5s become those of the small ones."""
    from torchvision.datasets import CIFAR10  # noqa: PLC0415 - seconds

    rows = images.reshape(len(images), -1)
    cuts = [*range(20, TRAIN_IMAGES + 1, 20)]
    batches = zip(np.split(rows, cuts), np.split(labels, cuts), strict=True)
    names = [name for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list)]
    contents = {
        name: pickle.dumps({"data": data, "labels": part.tolist()})
        for name, (data, part) in zip(names, batches, strict=True)
    }
    contents["batches.meta"] = pickle.dumps({"label_names": ["airplane"]})
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}  # noqa: S324
    patch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in names[:-1]])
    patch.setattr(CIFAR10, "test_list", [[names[-1], md5[names[-1]]]])
    patch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5["batches.meta"]})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in contents.items():
            header = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def replace_by_tiny(name: str, patch: pytest.MonkeyPatch, mirror: Path) -> None:
    """Replace a data set by a small one; its mirror becomes a folder, which is made."""
    real = datasets.SPECS[name]
    if CIFAR_ARCHIVE in real.files:
        files = {CIFAR_ARCHIVE: _cifar_archive(*arrays(name), patch)}
    else:
        files = _idx_files(*arrays(name))
    mirror.mkdir(exist_ok=True)
    for file, content in files.items():
        (mirror / file).write_bytes(content)
    patch.setenv(real.mirror_variable, str(mirror))
    sha256s = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    tiny = replace(
        real, files=sha256s, train_size=TRAIN_IMAGES, test_size=TEST_IMAGES, validation_size=20
    )
    patch.setitem(datasets.SPECS, name, tiny)
