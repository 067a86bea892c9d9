"""What a stored data set is, and the only way to read one.

    <root>/provenance.json        what was wanted, what is there, who gave it, each file's SHA-256
    <root>/<name>/                mnist, fashion_mnist, kmnist or digits: four gzipped IDX files
        train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz
        t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz
    <root>/cifar10/               six files of records, each a label and an image
        data_batch_1.bin … data_batch_5.bin, test_batch.bin

Every byte is checked against its SHA-256 each time it is read, and the test files are opened by
`StoredDataset.test` alone. Nothing in a file can be executed. Which data sets there are is in
`known_datasets`; fetching is `sources`' task. Imports neither torch nor scikit-learn.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convchoice.config.known_datasets import (
    CIFAR_TEST,
    CIFAR_TRAIN,
    CLASSES,
    MNIST,
    SPECS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetSpec,
    Layout,
)
from convchoice.config.schema import Dataset
from convchoice.data.cifar_binary import decode_records
from convchoice.data.idx import decode_idx
from convchoice.errors import UserError

PROVENANCE = "provenance.json"
HOW_TO_RETRY = "MNIST_MIRROR=<folder or URL> make download, then make repro"


@dataclass(frozen=True)
class FailedSource:
    """A source that did not give what was asked of it."""

    source: str
    reason: str


@dataclass(frozen=True)
class Provenance:
    """What `provenance.json` holds."""

    requested: str
    used: str
    title: str
    source: str
    """Who gave the files."""
    digest: str
    """One SHA-256 over the files' SHA-256s."""
    files: dict[str, str]
    """SHA-256 by file name."""
    failed_sources: tuple[FailedSource, ...]
    retry: str | None
    """How to try again for what was requested; None when it is there."""

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"


def combined_digest(spec: DatasetSpec, files: Mapping[str, str]) -> str:
    """One SHA-256 (hexadecimal) over the SHA-256s of a data set's files, in its own order."""
    joined = "".join(files[name] for name in spec.file_names)
    return hashlib.sha256(joined.encode("ascii")).hexdigest()


def sha256_of(content: bytes) -> str:
    """A file's SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that it appears under its name whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def download_command(root: Path, name: str) -> str:
    """The command that fetches a data set into a folder."""
    option = "" if name == MNIST.name else f" --data {name}"
    return f"python -m convchoice.download{option} --root {root}"


def _mend(root: Path, name: str) -> str:
    return f"Fetch it again: {download_command(root, name)}"


def read_provenance(root: Path, wanted: Dataset) -> Provenance:
    """What `<root>/provenance.json` says.

    Raises:
        UserError: if there is none, it is not what `sources.ensure` writes, or it tells of another
            data set than the wanted one (or what stands in for it).
    """
    path, mend = root / PROVENANCE, _mend(root, wanted.name)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        provenance = _provenance(values)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{root}: holds no data set (there is no {PROVENANCE})."
            f" Fetch one: {download_command(root, wanted.name)}"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: is damaged ({error!r}). {mend}") from error
    if provenance.requested != wanted.name:
        raise OtherDatasetError(
            f"{root}: holds {SPECS[provenance.used].title}, not {SPECS[wanted.name].title}. Each"
            " data set has a folder of its own: choose the data set by its option"
            f" (data={wanted.name}), or another folder (data.root=<folder>, or --root <folder> of"
            " convchoice.download)."
        )
    spec = SPECS[provenance.used]
    if provenance.digest != combined_digest(spec, provenance.files) or any(
        file.sha256 not in {None, provenance.files[file.name]} for file in spec.files
    ):
        raise UserError(f"{path}: was altered: its SHA-256s are not those of {spec.title}. {mend}")
    return provenance


class OtherDatasetError(UserError):
    """A folder that holds another data set than the one that is asked for."""


def _provenance(values: Any) -> Provenance:
    """The typed form of the file's values; ValueError, TypeError or KeyError for anything else."""
    failed = tuple(
        FailedSource(str(item["source"]), str(item["reason"])) for item in values["failed_sources"]
    )
    texts = {key: str(values[key]) for key in ("requested", "used", "title", "source", "digest")}
    for key in ("requested", "used"):
        if texts[key] not in SPECS:
            raise ValueError(f"{key} = {texts[key]!r} is none of {', '.join(SPECS)}")
    files = {name: str(values["files"][name]) for name in SPECS[texts["used"]].file_names}
    retry = None if values["retry"] is None else str(values["retry"])
    return Provenance(files=files, failed_sources=failed, retry=retry, **texts)


@dataclass(frozen=True)
class StoredDataset:
    """A data set on disk. Nothing of it is read until `train` or `test` is called."""

    root: Path
    spec: DatasetSpec
    provenance: Provenance

    @property
    def name(self) -> str:
        """Its name in a configuration, or `digits` where they stand in."""
        return self.spec.name

    @property
    def title(self) -> str:
        """The name for people, with the number of images."""
        return self.spec.title

    @property
    def digest(self) -> str:
        """One SHA-256 for the whole data set; known without opening any of its files."""
        return self.provenance.digest

    @property
    def fallback_note(self) -> str | None:
        """What to say beside every number when this stands in for MNIST; None for MNIST itself."""
        if self.provenance.retry is None:
            return None
        return (
            f"No source of MNIST answered: these numbers are of {self.title}, not of MNIST."
            f" To try MNIST again: {self.provenance.retry}."
        )

    def path(self, name: str) -> Path:
        """Where one of its files lies."""
        return self.root / self.name / name

    def train(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Training images, 0 to 255, and labels (N,), 0 to 9.

        Images are (N, H, W) where they have one channel, (N, C, H, W) otherwise.

        Raises:
            UserError: if a file is missing, or is not byte for byte what was fetched.
        """
        if self.spec.layout is Layout.idx:
            return self._idx(TRAIN_IMAGES, TRAIN_LABELS, self.spec.train_size)
        return self._records(CIFAR_TRAIN, self.spec.train_size)

    def test(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Test images, as `train` gives them, and labels (N,), 0 to 9: for `evaluate` alone.

        Raises:
            UserError: if a file is missing, or is not byte for byte what was fetched.
        """
        if self.spec.layout is Layout.idx:
            return self._idx(TEST_IMAGES, TEST_LABELS, self.spec.test_size)
        return self._records(CIFAR_TEST, self.spec.test_size)

    def verify(self) -> None:
        """Check all files' SHA-256s, without unpacking any.

        Raises:
            UserError: naming the first file that is missing or altered.
        """
        for name in self.spec.file_names:
            self._verified_bytes(name)

    def _verified_bytes(self, name: str) -> bytes:
        path = self.path(name)
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{path}: is missing. {_mend(self.root, self.provenance.requested)}"
            ) from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
        found, expected = sha256_of(content), self.provenance.files[name]
        if found != expected:
            raise UserError(
                f"{path}: is damaged or was altered: its SHA-256 is {found}, and {PROVENANCE}"
                f" says {expected}. {_mend(self.root, self.provenance.requested)}"
            )
        return content

    def _idx(
        self, images_name: str, labels_name: str, size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        images = decode_idx(self._verified_bytes(images_name), str(self.path(images_name)))
        labels = decode_idx(self._verified_bytes(labels_name), str(self.path(labels_name)))
        _, *sides = self.spec.image_shape
        self._check(images, labels, (size, *sides), f"{self.path(images_name)} and {labels_name}")
        return images, labels

    def _records(
        self, names: Sequence[str], size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        shape = self.spec.image_shape
        parts = [
            decode_records(self._verified_bytes(name), shape, str(self.path(name)))
            for name in names
        ]
        images = np.concatenate([images for images, _ in parts])
        labels = np.concatenate([labels for _, labels in parts])
        self._check(images, labels, (size, *shape), f"{self.root / self.name}: {', '.join(names)}")
        return images, labels

    def _check(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        shape: tuple[int, ...],
        origin: str,
    ) -> None:
        """Refuse what is not so many images of this shape with so many labels of ten classes."""
        expected = (shape, shape[:1])
        if (images.shape, labels.shape) != expected or labels.max() >= CLASSES:
            raise UserError(
                f"{origin}: hold images {images.shape} and labels"
                f" {labels.shape}; {self.title} has {expected[0]} and {expected[1]}, labels 0 to"
                f" {CLASSES - 1}. {_mend(self.root, self.provenance.requested)}"
            )


def load(root: Path, wanted: Dataset = Dataset.mnist) -> StoredDataset:
    """The data set under `root`, or what stands in for it; opens `provenance.json` alone.

    Raises:
        UserError: if there is none, it is another one than `wanted`, or `provenance.json` is
            damaged or altered.
    """
    provenance = read_provenance(root, wanted)
    return StoredDataset(root=root, spec=SPECS[provenance.used], provenance=provenance)
