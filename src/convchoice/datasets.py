"""What a stored data set is, and the only way to read one.

    <root>/provenance.json        what was wanted, what is there, who gave it, each file's SHA-256
    <root>/<name>/                mnist or digits: four gzipped IDX files
        train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz
        t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz

Every byte is checked against its SHA-256 each time it is read, and the test files are opened by
`StoredDataset.test` alone. Fetching is `sources`' task. Imports neither torch nor scikit-learn.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convchoice.errors import UserError
from convchoice.idx import decode_idx

PROVENANCE = "provenance.json"
TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"
FILE_NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

IMAGE_SIDE = 28
"""Height and width of every image, in pixels."""
CLASSES = 10

HOW_TO_RETRY = "MNIST_MIRROR=<folder or URL> make download, then make repro"


@dataclass(frozen=True)
class FileSpec:
    """One of a data set's four files."""

    name: str
    sha256: str | None = None
    """None for a file that is made here."""
    size_bytes: int | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a data set before any of it is there."""

    name: str
    title: str
    files: tuple[FileSpec, ...]
    train_size: int
    test_size: int
    validation_size: int
    """Training images that are held out for validation unless a configuration says otherwise."""


MNIST = DatasetSpec(
    name="mnist",
    title="MNIST (70,000 handwritten digits)",
    files=(
        FileSpec(
            TRAIN_IMAGES,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9_912_422,
        ),
        FileSpec(
            TRAIN_LABELS,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28_881,
        ),
        FileSpec(
            TEST_IMAGES,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1_648_877,
        ),
        FileSpec(
            TEST_LABELS,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4_542,
        ),
    ),
    train_size=60_000,
    test_size=10_000,
    validation_size=5_000,
)

DIGITS = DatasetSpec(
    name="digits",
    title="scikit-learn's digits (1,797 handwritten digits)",
    files=tuple(FileSpec(name) for name in FILE_NAMES),
    train_size=1_297,
    test_size=500,
    validation_size=108,  # one in twelve, as of MNIST
)

SPECS: Mapping[str, DatasetSpec] = {spec.name: spec for spec in (MNIST, DIGITS)}


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
    """One SHA-256 over the four files' SHA-256s."""
    files: dict[str, str]
    """SHA-256 by file name."""
    failed_sources: tuple[FailedSource, ...]
    retry: str | None
    """How to try again for what was requested; None when it is there."""

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n"


def combined_digest(files: Mapping[str, str]) -> str:
    """One SHA-256 (hexadecimal) over the SHA-256s of the four files, in `FILE_NAMES`' order."""
    return hashlib.sha256("".join(files[name] for name in FILE_NAMES).encode("ascii")).hexdigest()


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


def _mend(root: Path) -> str:
    return f"Fetch it again: python -m convchoice.download --root {root}"


def read_provenance(root: Path) -> Provenance:
    """What `<root>/provenance.json` says.

    Raises:
        UserError: if there is none, or it is not what `sources.ensure` writes.
    """
    path = root / PROVENANCE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        provenance = _provenance(values)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{root}: holds no data set (there is no {PROVENANCE})."
            f" Fetch one: python -m convchoice.download --root {root}"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: is damaged ({error!r}). {_mend(root)}") from error
    spec = SPECS[provenance.used]
    if provenance.digest != combined_digest(provenance.files) or any(
        file.sha256 not in {None, provenance.files[file.name]} for file in spec.files
    ):
        raise UserError(
            f"{path}: was altered: its SHA-256s are not those of {spec.title}. {_mend(root)}"
        )
    return provenance


def _provenance(values: Any) -> Provenance:
    """The typed form of the file's values; ValueError, TypeError or KeyError for anything else."""
    failed = tuple(
        FailedSource(str(item["source"]), str(item["reason"])) for item in values["failed_sources"]
    )
    files = {name: str(values["files"][name]) for name in FILE_NAMES}
    texts = {key: str(values[key]) for key in ("requested", "used", "title", "source", "digest")}
    if texts["used"] not in SPECS:
        raise ValueError(f"used = {texts['used']!r} is neither of {', '.join(SPECS)}")
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
        """`mnist` or `digits`."""
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
        """Where one of the four files lies."""
        return self.root / self.name / name

    def train(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Training images (N, 28, 28), 0 to 255, and labels (N,), 0 to 9.

        Raises:
            UserError: if a file is missing, or is not byte for byte what was fetched.
        """
        return self._read(TRAIN_IMAGES, TRAIN_LABELS, self.spec.train_size)

    def test(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Test images (N, 28, 28), 0 to 255, and labels (N,), 0 to 9: for `evaluate` alone.

        Raises:
            UserError: if a file is missing, or is not byte for byte what was fetched.
        """
        return self._read(TEST_IMAGES, TEST_LABELS, self.spec.test_size)

    def verify(self) -> None:
        """Check all four files' SHA-256s, without unpacking any.

        Raises:
            UserError: naming the first file that is missing or altered.
        """
        for name in FILE_NAMES:
            self._verified_bytes(name)

    def _verified_bytes(self, name: str) -> bytes:
        path = self.path(name)
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"{path}: is missing. {_mend(self.root)}") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}.") from error
        found, expected = sha256_of(content), self.provenance.files[name]
        if found != expected:
            raise UserError(
                f"{path}: is damaged or was altered: its SHA-256 is {found}, and {PROVENANCE}"
                f" says {expected}. {_mend(self.root)}"
            )
        return content

    def _read(
        self, images_name: str, labels_name: str, size: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        images = decode_idx(self._verified_bytes(images_name), str(self.path(images_name)))
        labels = decode_idx(self._verified_bytes(labels_name), str(self.path(labels_name)))
        expected = ((size, IMAGE_SIDE, IMAGE_SIDE), (size,))
        if (images.shape, labels.shape) != expected or labels.max() >= CLASSES:
            raise UserError(
                f"{self.path(images_name)} and {labels_name}: hold images {images.shape} and labels"
                f" {labels.shape}; {self.title} has {expected[0]} and {expected[1]}, labels 0 to"
                f" {CLASSES - 1}. {_mend(self.root)}"
            )
        return images, labels


def load(root: Path) -> StoredDataset:
    """The data set under `root`; opens `provenance.json` alone.

    Raises:
        UserError: if there is none, or `provenance.json` is damaged or altered.
    """
    provenance = read_provenance(root)
    return StoredDataset(root=root, spec=SPECS[provenance.used], provenance=provenance)
