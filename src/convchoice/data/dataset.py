"""Stored data sets: their files, their provenance, and their images as arrays.

    <root>/provenance.json        requested and used data set, source, SHA-256 of each file
    <root>/<name>/                the files as published
        mnist, fashion_mnist, kmnist, digits: four gzipped IDX files
        cifar10: the archive of the Python version

Every file is checked against its SHA-256 each time it is read, then unpacked into a temporary
folder and parsed by `torchvision.datasets`. `StoredDataset.test` alone reads test images. Importing
this module imports neither torch nor scikit-learn. Downloading is the task of `data.download`.
"""

import gzip
import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from convchoice.config.datasets import (
    CIFAR_ARCHIVE,
    MNIST,
    SPECS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetSpec,
)
from convchoice.config.schema import Dataset
from convchoice.errors import ConfigurationError, UserError

PROVENANCE = "provenance.json"
RETRY = "MNIST_MIRROR=<folder or URL> make download, then make repro"

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FailedSource(_Strict):
    """A source that was asked and did not provide all files."""

    source: str
    reason: str


class Provenance(_Strict):
    """The content of `provenance.json`."""

    requested: str
    used: str
    title: str
    source: str
    digest: str
    """SHA-256 over the files' SHA-256s."""
    files: dict[str, str]
    """SHA-256 by file name."""
    failed_sources: tuple[FailedSource, ...]
    retry: str | None
    """How to retry the download of the requested data set; None if it is the one in use."""

    @field_validator("requested", "used")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in SPECS:
            raise ValueError(f"{name!r} is not one of {', '.join(SPECS)}")
        return name

    @field_validator("files")
    @classmethod
    def _has_plain_names(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            if name in {"", ".", ".."} or "/" in name or "\\" in name:
                raise ValueError(f"{name!r} is not a file name")
        return files


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def combined_digest(sha256s: Iterable[str]) -> str:
    """One SHA-256 over the SHA-256s of a data set's files, in the order of `DatasetSpec.files`."""
    return hashlib.sha256("".join(sha256s).encode()).hexdigest()


def download_command(root: Path, name: str) -> str:
    """The command that downloads a data set into a folder."""
    option = "" if name == MNIST.name else f" --data {name}"
    return f"convchoice download{option} --root {root}"


def expand_user(path: Path, field: str = "data.root") -> Path:
    """A path with `~` expanded; `field` names it in the message.

    Raises:
        ConfigurationError: if the home folder is unknown.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ConfigurationError(field, str(path), f"{error}") from error


def read_provenance(root: Path, wanted: Dataset) -> Provenance:
    """The provenance of the data set in a folder.

    Raises:
        UserError: if there is none, convchoice did not write it, it was changed, or it describes
            another data set than `wanted` and its fallback.
    """
    path, command = root / PROVENANCE, download_command(root, wanted.name)
    try:
        provenance = Provenance.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{root}: holds no data set (there is no {PROVENANCE}). Fetch one: {command}"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        fault = error.errors()[0]
        raise UserError(
            f"{path}: was not written by convchoice, or is damaged"
            f" ({'.'.join(map(str, fault['loc'])) or 'content'}: {fault['msg'][:100]})."
            f" Move or delete it, then run: {command}"
        ) from None
    if provenance.requested != wanted.name:
        raise UserError(
            f"{root}: holds {SPECS[provenance.used].title}, not {SPECS[wanted.name].title}. Each"
            f" data set needs a folder of its own. Choose the data set by its option"
            f" (data={wanted.name}), or another folder (data.root=<folder>, or --root <folder>)."
        )
    spec, files, fallback = SPECS[provenance.used], provenance.files, SPECS[wanted.name].fallback
    if (
        spec.name not in {wanted.name, fallback and fallback.name}
        or provenance.digest != combined_digest(files.values())
        or any(sha256 and files.get(name, sha256) != sha256 for name, sha256 in spec.files.items())
    ):
        raise UserError(
            f"{path}: was changed: it is not the provenance of {spec.title}."
            f" Delete it, then run: {command}"
        )
    return provenance


@dataclass(frozen=True)
class StoredDataset:
    """A data set on disk. Files are read by `train`, `test` and `verify` only."""

    root: Path
    spec: DatasetSpec
    provenance: Provenance

    @property
    def name(self) -> str:
        """Its name in a configuration, or `digits` for the fallback."""
        return self.spec.name

    @property
    def title(self) -> str:
        """The name for people, with the number of images."""
        return self.spec.title

    @property
    def digest(self) -> str:
        """One SHA-256 for the data set, known without reading its files."""
        return self.provenance.digest

    @property
    def fallback_note(self) -> str | None:
        """The caution for numbers from the fallback; None for the requested data set."""
        if self.provenance.used == self.provenance.requested:
            return None
        return (
            f"No source of MNIST answered: these numbers are of {self.title}, not of MNIST."
            f" To try MNIST again: {self.provenance.retry}."
        )

    def path(self, name: str) -> Path:
        """The path of one of its files."""
        return self.root / self.name / name

    def train(self) -> Arrays:
        """Training images, 0 to 255, and labels (N,), 0 to 9.

        Images are (N, H, W) if they have one channel, else (N, C, H, W).

        Raises:
            UserError: if a file is missing or has another SHA-256 than at its download.
        """
        return self._arrays(train=True)

    def test(self) -> Arrays:
        """Test images and labels, in the form of `train`. Only `evaluate` calls this.

        Raises:
            UserError: if a file is missing or has another SHA-256 than at its download.
        """
        return self._arrays(train=False)

    def verify(self) -> None:
        """Check the SHA-256 of every file.

        Raises:
            UserError: naming the first file that is missing or changed.
        """
        for name in self.spec.files:
            self.verified_path(name)

    def verified_path(self, name: str) -> Path:
        """The path of a file, after the check of its SHA-256."""
        path = self.path(name)
        fix = f"Fetch it again: {download_command(self.root, self.provenance.requested)}"
        try:
            found = sha256_of(path)
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"{path}: is missing. {fix}") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
        expected = self.provenance.files.get(name)
        if found != expected:
            raise UserError(
                f"{path}: is damaged or was changed: its SHA-256 is {found}, and {PROVENANCE}"
                f" has {expected}. {fix}"
            )
        return path

    def _arrays(self, *, train: bool) -> Arrays:
        read = _read_cifar if CIFAR_ARCHIVE in self.spec.files else _read_idx
        return read(self, train)


def _read_idx(stored: StoredDataset, train: bool) -> Arrays:
    # Here and below: importing torchvision takes seconds, and commands that only check data run
    # without it.
    from torchvision.datasets import mnist  # noqa: PLC0415

    names = (TRAIN_IMAGES, TRAIN_LABELS) if train else (TEST_IMAGES, TEST_LABELS)
    with tempfile.TemporaryDirectory(prefix="convchoice-") as folder:
        images, labels = (Path(folder, name) for name in names)
        for path in (images, labels):
            path.write_bytes(gzip.decompress(stored.verified_path(path.name).read_bytes()))
        pixels = mnist.read_image_file(str(images))
        return pixels.numpy(), mnist.read_label_file(str(labels)).numpy().astype(np.uint8)


def _read_cifar(stored: StoredDataset, train: bool) -> Arrays:
    from torchvision.datasets import CIFAR10  # noqa: PLC0415

    archive = stored.verified_path(CIFAR_ARCHIVE)
    with tempfile.TemporaryDirectory(prefix="convchoice-") as folder:
        # Its batches are pickles: CIFAR10 checks their MD5s, and the archive's SHA-256 is known.
        shutil.unpack_archive(archive, folder, filter="data")
        batches = CIFAR10(folder, train=train)
    images = np.ascontiguousarray(batches.data.transpose(0, 3, 1, 2))
    return images, np.array(batches.targets, dtype=np.uint8)


def load(root: Path, wanted: Dataset = Dataset.mnist) -> StoredDataset:
    """The data set in a folder, or its fallback; reads `provenance.json` only.

    Raises:
        UserError: see `read_provenance`.
    """
    root = expand_user(root)
    provenance = read_provenance(root, wanted)
    return StoredDataset(root=root, spec=SPECS[provenance.used], provenance=provenance)
