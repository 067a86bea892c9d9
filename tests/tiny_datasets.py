"""Small data sets in the true formats of the large ones, which pass for them in a test."""

import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from convchoice.config import known_datasets
from convchoice.config.known_datasets import FILE_NAMES, DatasetSpec, FileSpec, Layout
from convchoice.data.cifar_binary import FOLDER
from convchoice.data.dataset import sha256_of
from convchoice.data.idx import encode_idx

TRAIN_IMAGES, TEST_IMAGES = 100, 20


def _parts(spec: DatasetSpec) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, C, H, W) and labels (N,): a bright stripe whose place is the class."""
    count = TRAIN_IMAGES + TEST_IMAGES
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = np.random.default_rng(0).integers(0, 60, (count, *spec.image_shape), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label + 2 : 2 * label + 4] = 255
    return images, labels


def _idx_files(images: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    cut = TRAIN_IMAGES
    arrays = (images[:cut, 0], labels[:cut], images[cut:, 0], labels[cut:])
    return {name: encode_idx(part) for name, part in zip(FILE_NAMES, arrays, strict=True)}


def _cifar_archive(spec: DatasetSpec, images: np.ndarray, labels: np.ndarray) -> bytes:
    """As the real one: a folder, a list of names, the batches in no order."""
    records = np.concatenate([labels[:, None], images.reshape(len(images), -1)], axis=1)
    parts = [*np.split(records[:TRAIN_IMAGES], 5), records[TRAIN_IMAGES:]]
    contents = dict(zip(spec.file_names, (part.tobytes() for part in parts), strict=True))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        folder = tarfile.TarInfo(FOLDER)
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name in ("batches.meta.txt", *reversed(spec.file_names)):
            content = contents.get(name, b"airplane\n")
            header = tarfile.TarInfo(f"{FOLDER}/{name}")
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def pass_for(name: str, patch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Let a small data set pass for the one of that name; returns what sources give of it."""
    real = known_datasets.SPECS[name]
    images, labels = _parts(real)
    if real.layout is Layout.idx:
        given = _idx_files(images, labels)
    else:
        assert real.archive is not None
        given = {real.archive.name: _cifar_archive(real, images, labels)}
    specs = tuple(FileSpec(file, sha256_of(part), len(part)) for file, part in given.items())
    tiny = replace(real, train_size=TRAIN_IMAGES, test_size=TEST_IMAGES, validation_size=20)
    tiny = (
        replace(tiny, archive=specs[0]) if real.archive is not None else replace(tiny, files=specs)
    )
    patch.setitem(known_datasets.SPECS, name, tiny)  # type: ignore[arg-type]
    return given
