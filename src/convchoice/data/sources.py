"""Getting a data set, and what happens when nobody gives it.

Sources are asked in order: the data set's own variable (`MNIST_MIRROR`, `FASHION_MNIST_MIRROR`,
`KMNIST_MIRROR`, `CIFAR10_MIRROR`: a folder or an http(s) address), then its public mirrors. Each
file is taken from the first source whose bytes have the right SHA-256. Files are gathered in
`<root>/.<name>.partial`, which takes the data set's name once it is whole: neither half a file nor
half a folder ever has a final name. How one source is read is in `mirrors`.

scikit-learn's digits may stand in for MNIST, which they resemble. Nothing stands in for another
data set: whoever asks for clothes or photographs is not answered with digits.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from convchoice.config.known_datasets import DIGITS, MNIST, SPECS, DatasetSpec, FileSpec
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import dataset as datasets
from convchoice.data.cifar_binary import members_of
from convchoice.data.dataset import (
    HOW_TO_RETRY,
    PROVENANCE,
    FailedSource,
    OtherDatasetError,
    Provenance,
    StoredDataset,
    combined_digest,
    replace_file,
    sha256_of,
)
from convchoice.data.digits import digits_files
from convchoice.data.mirrors import Source, SourceError, UnreachableError, say, source_of
from convchoice.data.missing_data import notify_of_digits, refusal
from convchoice.errors import UserError

PUBLIC_MIRRORS: Mapping[str, tuple[str, ...]] = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    "kmnist": ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    "cifar10": ("https://www.cs.toronto.edu/~kriz/",),
}
"""Where each data set is published; over plain http too, because every byte is checked."""
ALREADY_THERE = "files that were already there"


MIRROR_VARIABLE = MNIST.mirror_variable


def sources(dataset: Dataset) -> list[Source]:
    """The sources of a data set in the order in which they are asked."""
    own = os.environ.get(SPECS[dataset.name].mirror_variable, "").strip()
    public = PUBLIC_MIRRORS.get(dataset.name, ())
    return [source_of(place) for place in ((own,) if own else ()) + public]


def ensure(
    root: Path, dataset: Dataset, fallback: Fallback | None, *, retry: bool = False
) -> StoredDataset:
    """Have a whole, verified data set under `root`.

    Does nothing when it is there already, or when a fallback is there, is allowed and `retry` is
    not asked for. Several processes may call it at once: one fetches, the others wait.

    Args:
        root: folder that holds, or shall hold, the data set.
        dataset: which one.
        fallback: what to use when no source gives it; None stops with an error instead.
        retry: whether to ask again for the data set where only a fallback is there.

    Returns:
        The data set that is there now.

    Raises:
        UserError: if no source gives the data set and no fallback is allowed, `root` holds another
            data set, or it cannot be written.
    """
    stored = _usable(root, dataset, fallback, retry=retry)
    if stored is not None and not _leftovers(root, dataset, stored.name):
        return stored
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(root):
            stored = _usable(root, dataset, fallback, retry=retry)
            if stored is None:
                stored = _fetch(root, dataset, fallback)
            for leftover in _leftovers(root, dataset, stored.name):
                shutil.rmtree(leftover)
            return stored
    except OSError as error:
        raise UserError(
            f"{root}: the data set cannot be written here ({error}). Mend that, or choose another"
            " folder: data.root=<folder>, or --root <folder> of convchoice.download."
        ) from error


def _usable(
    root: Path, dataset: Dataset, fallback: Fallback | None, *, retry: bool
) -> StoredDataset | None:
    """The verified data set under `root` if the caller can be content with it.

    Raises:
        OtherDatasetError: if another one lies there, which must not be overwritten.
    """
    try:
        stored = datasets.load(root, dataset)
        if stored.name != dataset.name and (retry or fallback is None):
            return None
        stored.verify()
    except OtherDatasetError:
        raise
    except UserError:
        return None
    return stored


def _staging(root: Path, name: str) -> Path:
    return root / f".{name}.partial"


def _leftovers(root: Path, dataset: Dataset, used: str) -> list[Path]:
    """Folders that have no place beside the data set in use."""
    standing_in = SPECS[dataset.name].fallback
    names = [dataset.name, *([standing_in.name] if standing_in else [])]
    folders = [_staging(root, name) for name in names]
    folders += [root / name for name in names if name != used]
    return [folder for folder in folders if folder.exists()]


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the lock of the data set under `root`.

    It lies beside the folder, which DVC takes as it is; inside only where beside is not writable.
    """
    whole = root.resolve()
    parent = whole.parent if os.access(whole.parent, os.W_OK) else whole
    lock = FileLock(parent / f".{whole.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another process that is fetching into {root}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@dataclass
class _Gathering:
    """A data set's files as far as they were had, and what went wrong on the way."""

    spec: DatasetSpec
    folder: Path
    missing: list[FileSpec]
    givers: list[str] = field(default_factory=list)
    failed: list[FailedSource] = field(default_factory=list)

    def keep(self, file: FileSpec, content: bytes, giver: str) -> None:
        """Keep a file whose content was checked."""
        replace_file(self.folder / file.name, content)
        self.missing.remove(file)
        if giver not in self.givers:
            self.givers.append(giver)

    def unpack(self) -> None:
        """Put the archive's files in its place, where sources give an archive."""
        if self.spec.archive is None:
            return
        packed = self.folder / self.spec.archive.name
        files = members_of(packed.read_bytes(), self.spec.file_names, str(packed))
        for name, content in files.items():
            replace_file(self.folder / name, content)
        packed.unlink()


def _fetch(root: Path, dataset: Dataset, fallback: Fallback | None) -> StoredDataset:
    spec = SPECS[dataset.name]
    gathering = _gather(root, dataset)
    if not gathering.missing:
        gathering.unpack()
        return _publish(root, dataset, spec, " and ".join(gathering.givers), gathering.failed)
    if fallback is None or spec.fallback is None:
        if len(gathering.missing) == len(spec.fetched):
            gathering.folder.rmdir()
        raise UserError(refusal(spec, root, len(gathering.missing), gathering.failed))
    if not _has_digits(root, dataset):
        staging = _staging(root, DIGITS.name)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        for name, content in digits_files().items():
            replace_file(staging / name, content)
    stored = _publish(root, dataset, DIGITS, "scikit-learn's load_digits", gathering.failed)
    notify_of_digits(gathering.failed)
    return stored


def _has_digits(root: Path, dataset: Dataset) -> bool:
    """Whether the fallback is there already, whole and verified."""
    stored = _usable(root, dataset, Fallback.digits, retry=False)
    return stored is not None and stored.name == DIGITS.name


def _gather(root: Path, dataset: Dataset) -> _Gathering:
    """Bring a data set's files together in its staging folder, as many as can be had."""
    spec = SPECS[dataset.name]
    gathering = _Gathering(spec, _staging(root, dataset.name), list(spec.fetched))
    gathering.folder.mkdir(exist_ok=True)
    for entry in gathering.folder.iterdir():
        if entry.name not in {file.name for file in spec.fetched}:
            entry.unlink()
    for folder in (gathering.folder, root / dataset.name):
        for file in list(gathering.missing):
            path = folder / file.name
            if path.is_file() and sha256_of(content := path.read_bytes()) == file.sha256:
                gathering.keep(file, content, ALREADY_THERE)
    for source in sources(dataset):
        _ask(source, gathering)
    return gathering


def _ask(source: Source, gathering: _Gathering) -> None:
    """Take from one source what is missing, and note why it gave less."""
    reasons: dict[str, list[str]] = {}
    for file in list(gathering.missing):
        say(f"fetching {file.name} ({file.size_bytes:,} bytes) from {source.name}")
        try:
            content = source.read(file)
            _check(content, file)
        except UnreachableError as error:
            say(f"  failed: {error}")
            reasons.setdefault(str(error), [])
            break
        except SourceError as error:
            say(f"  refused: {error}")
            reasons.setdefault(str(error), []).append(file.name)
        else:
            gathering.keep(file, content, source.name)
    if reasons:
        texts = [
            f"{', '.join(names)}: {reason}" if names else reason
            for reason, names in reasons.items()
        ]
        gathering.failed.append(FailedSource(source.name, "; ".join(texts)))


def _check(content: bytes, file: FileSpec) -> None:
    """Raise `SourceError` unless these are the file's bytes."""
    found = sha256_of(content)
    if found == file.sha256:
        return
    if content.lstrip()[:1] == b"<":
        raise SourceError(f"gave a web page of {len(content):,} bytes instead of the file")
    if len(content) != file.size_bytes:
        raise SourceError(f"gave {len(content):,} bytes instead of {file.size_bytes:,}")
    raise SourceError(f"gave altered bytes: their SHA-256 is {found}, not {file.sha256}")


def _publish(
    root: Path, dataset: Dataset, spec: DatasetSpec, source: str, failed: Sequence[FailedSource]
) -> StoredDataset:
    """Give the staged folder its final name, if there is one, and write the provenance."""
    staging, final = _staging(root, spec.name), root / spec.name
    if staging.exists():
        if final.exists():
            shutil.rmtree(final)
        staging.rename(final)
    files = {name: sha256_of((final / name).read_bytes()) for name in spec.file_names}
    provenance = Provenance(
        requested=dataset.name,
        used=spec.name,
        title=spec.title,
        source=source,
        digest=combined_digest(spec, files),
        files=files,
        failed_sources=tuple(failed),
        retry=None if spec.name == dataset.name else HOW_TO_RETRY,
    )
    replace_file(root / PROVENANCE, provenance.to_json().encode("utf-8"))
    return datasets.load(root, dataset)
