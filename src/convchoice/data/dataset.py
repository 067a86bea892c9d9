"""Stored data sets: their files, and their images as arrays.

    <root>/provenance.json        requested and used data set, SHA-256 of each file
    <root>/<name>/                the files as published
        mnist, fashion_mnist, kmnist, digits: four gzipped IDX files
        cifar10: the archive of the Python version
        any other, as `data.conversion` made them: arrays in NumPy's format

Every file is checked against its SHA-256 each time it is read. `StoredDataset.test` alone reads
test images. `data.download` stores the files.
"""

import gzip
import hashlib
import io
import json
import shutil
import struct
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from convchoice.config.datasets import (
    ARRAY_FILES,
    CIFAR_ARCHIVE,
    IDX_FILES,
    SPECS,
    DatasetSpec,
    converted_spec,
)
from convchoice.config.schema import Contents, Dataset
from convchoice.errors import UserError

PROVENANCE = "provenance.json"
RETRY = "MNIST_MIRROR=<folder or URL> make download, then make repro"

Labels = NDArray[np.unsignedinteger[Any]]
"""Of 8 bits, or of 16 where there are more than 256 classes."""
Arrays = tuple[NDArray[np.uint8], Labels]


class Conversion(BaseModel):
    """How a folder of images, or a data set of torchvision, became arrays."""

    model_config = ConfigDict(frozen=True)

    source: str
    """The folder, or the name in torchvision."""
    signature: str
    """Of the files that were converted, and of how."""
    class_names: list[str]
    images: list[int]
    """Training images of each class, without those of `val/`."""
    contents: Contents
    shared_images: dict[str, int] = {}
    """Images of `val` that are in `train`, and of `test` that are in `train` or `val`."""


class Provenance(BaseModel):
    """The content of `provenance.json`; keys of earlier versions are ignored."""

    model_config = ConfigDict(frozen=True)

    requested: str
    used: str
    files: dict[str, str]
    """SHA-256 by file name."""
    conversion: Conversion | None = None

    @model_validator(mode="after")
    def _describes_a_known_dataset(self) -> Self:
        if self.conversion is not None:
            if self.requested in SPECS or set(self.files) != set(ARRAY_FILES):
                raise ValueError("its files are not those of a conversion")
            return self
        requested, used = SPECS.get(self.requested), SPECS.get(self.used)
        fallback = requested and requested.fallback and SPECS[requested.fallback.name]
        if not used or used not in (requested, fallback):
            raise ValueError("it names no known data set")
        if self.files != {
            name: known or self.files.get(name) for name, known in used.files.items()
        }:
            raise ValueError(f"its files are not those of {used.title}")
        return self


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download_command(root: Path, name: str) -> str:
    """The command that downloads a data set into a folder."""
    return f"convchoice download --data {name} --root {root}"


@dataclass(frozen=True)
class StoredDataset:
    """A data set on disk. Files are read by `train`, `test` and `verify` only."""

    root: Path
    provenance: Provenance

    @classmethod
    def store(cls, root: Path, provenance: Provenance, new: Path, names: Iterable[str]) -> Self:
        """Move files from the folder `new` to their places; what describes them is moved last."""
        (new / PROVENANCE).write_text(provenance.model_dump_json(indent=2), encoding="utf-8")
        (root / provenance.used).mkdir(exist_ok=True)
        for name in names:
            (new / name).replace(root / provenance.used / name)
        (new / PROVENANCE).replace(root / PROVENANCE)
        return cls(root, provenance)

    @property
    def spec(self) -> DatasetSpec:
        """What is known about the data set without its files."""
        made = self.provenance.conversion
        if made is None:
            return SPECS[self.provenance.used]
        return converted_spec(self.provenance.used, made.contents, made.class_names)

    @property
    def digest(self) -> str:
        """One SHA-256 over the files' SHA-256s, known without reading the files.

        That of a conversion is over the names of its classes, too, which its files do not hold.
        """
        found = [self.provenance.files[name] for name in self.spec.files]
        if self.provenance.conversion:
            found += [json.dumps(self.spec.class_names)]
        return hashlib.sha256("".join(found).encode()).hexdigest()

    @property
    def is_fallback(self) -> bool:
        """Whether this is the fallback for the requested data set."""
        return not self.provenance.conversion and self.provenance.used != self.provenance.requested

    @property
    def fallback_note(self) -> str | None:
        """The caution for numbers from the fallback; None for the requested data set."""
        if not self.is_fallback:
            return None
        return (
            f"No source of MNIST answered: these numbers are of {self.spec.title}, not of MNIST."
            f" To try MNIST again: {RETRY}."
        )

    def path(self, name: str) -> Path:
        """The path of one of its files."""
        return self.root / self.spec.name / name

    def train(self) -> Arrays:
        """Training images, 0 to 255, and labels (N,), from 0.

        Images are (N, H, W) if they have one channel, else (N, C, H, W). Those of `val/` are last.

        Raises:
            UserError: if a file is missing or has another SHA-256 than at its download.
        """
        return self._arrays(train=True)

    def test(self) -> Arrays:
        """Test images and labels, in the form of `train`. Only `evaluate` calls this."""
        return self._arrays(train=False)

    def verify(self) -> None:
        """Check the SHA-256 of every file.

        Raises:
            UserError: naming the first file that is missing or changed.
        """
        for name in self.spec.files:
            self._verified(name)

    def _verified(self, name: str) -> Path:
        path, expected = self.path(name), self.provenance.files[name]
        try:
            found = sha256_of(path)
            fault = f"its SHA-256 is {found}, not {expected}: it is damaged or was changed"
        except OSError as error:
            found, fault = "", f"{error.strerror}"
        if found != expected:
            fix = f"Fetch it again: {download_command(self.root, self.provenance.requested)}"
            if self.provenance.conversion:
                fix = f"Delete {self.root}, and repeat the command: it converts the images again."
            raise UserError(f"{path}: {fault}. {fix}")
        return path

    def _arrays(self, *, train: bool) -> Arrays:
        if CIFAR_ARCHIVE in self.spec.files:
            return _read_cifar(self._verified(CIFAR_ARCHIVE), train)
        names = ARRAY_FILES if self.provenance.conversion else IDX_FILES
        images, labels = names[:2] if train else names[2:]
        if self.provenance.conversion:
            return np.load(self._verified(images)), np.load(self._verified(labels))
        shape = (-1, *self.spec.image_shape[1:])
        pixels = _read_idx(self._verified(images), header=16).reshape(shape)
        return pixels, _read_idx(self._verified(labels), header=8)


def _read_idx(path: Path, header: int) -> NDArray[np.uint8]:
    content = bytearray(gzip.decompress(path.read_bytes()))  # writable, as torch wants it
    return np.frombuffer(content, np.uint8, offset=header)


def encode_idx(array: NDArray[np.uint8]) -> bytes:
    """A gzipped IDX file of images (N, H, W) or labels (N,), the same bytes at every call."""
    unsigned_byte = 0x08
    header = struct.pack(f">HBB{array.ndim}I", 0, unsigned_byte, array.ndim, *array.shape)
    buffer = io.BytesIO()
    # GzipFile, not gzip.compress, whose header differs between versions of Python.
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as file:
        file.write(header + array.tobytes())
    return buffer.getvalue()


def _read_cifar(archive: Path, train: bool) -> Arrays:
    # Importing torchvision takes seconds, and commands that only check data run without it.
    from torchvision.datasets import CIFAR10  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="convchoice-") as folder:
        # Its batches are pickles: CIFAR10 checks their MD5s, and the archive's SHA-256 is known.
        shutil.unpack_archive(archive, folder, filter="data")
        batches = CIFAR10(folder, train=train)
    images = np.ascontiguousarray(batches.data.transpose(0, 3, 1, 2))
    return images, np.array(batches.targets, dtype=np.uint8)


def load(root: Path, wanted: Dataset = Dataset.mnist) -> StoredDataset:
    """The data set in a folder, or its fallback; reads `provenance.json` only.

    Raises:
        UserError: if there is none, convchoice did not write `provenance.json`, it was changed, or
            it describes another data set than `wanted` and its fallback.
    """
    root = root.expanduser()
    path, command = root / PROVENANCE, download_command(root, wanted.name)
    if wanted.name not in SPECS:
        command = "make repro, or the command that composed this configuration"
    try:
        provenance = Provenance.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{root}: holds no data set. Fetch one: {command}") from None
    except ValidationError as error:
        raise UserError(
            f"{path}: was not written by convchoice, or was changed ({error.errors()[0]['msg']})."
            f" Move or delete it, then run: {command}"
        ) from None
    stored = StoredDataset(root, provenance)
    if provenance.requested != wanted.name:
        title = SPECS[wanted.name].title if wanted.name in SPECS else f"data={wanted.name}"
        raise UserError(
            f"{root}: holds {stored.spec.title}, not {title}. Choose the data"
            f" set (data={wanted.name}) or another folder (data.root=<folder>, or --root <folder>)."
        )
    return stored
