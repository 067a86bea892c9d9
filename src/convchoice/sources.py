"""Getting MNIST, and what happens when nobody gives it.

Sources are asked in order: `MNIST_MIRROR` (a folder or an http(s) address), then the public
mirrors. Each file is taken from the first source whose bytes have the right SHA-256. Files are
gathered in `<root>/.mnist.partial`, which takes the name `mnist` once it is whole: neither half a
file nor half a folder ever has a final name. How one source is read is in `mirrors`.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from convchoice import datasets
from convchoice.datasets import (
    DIGITS,
    FILE_NAMES,
    HOW_TO_RETRY,
    MNIST,
    PROVENANCE,
    SPECS,
    DatasetSpec,
    FailedSource,
    FileSpec,
    Provenance,
    StoredDataset,
    combined_digest,
    replace_file,
    sha256_of,
)
from convchoice.digits import digits_files
from convchoice.errors import UserError
from convchoice.mirrors import Source, SourceError, UnreachableError, say, source_of
from convchoice.schema import Fallback

MIRROR_VARIABLE = "MNIST_MIRROR"
PUBLIC_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
ALREADY_THERE = "files that were already there"


def sources() -> list[Source]:
    """The sources in the order in which they are asked."""
    own = os.environ.get(MIRROR_VARIABLE, "").strip()
    return [source_of(place) for place in ((own,) if own else ()) + PUBLIC_MIRRORS]


def ensure(root: Path, fallback: Fallback | None, *, retry: bool = False) -> StoredDataset:
    """Have a whole, verified data set under `root`.

    Does nothing when MNIST is there already, or when a fallback is there, is allowed and `retry` is
    not asked for. Several processes may call it at once: one fetches, the others wait.

    Args:
        root: folder that holds, or shall hold, the data set.
        fallback: what to use when no source gives MNIST; None stops with an error instead.
        retry: whether to ask for MNIST again where only a fallback is there.

    Returns:
        The data set that is there now.

    Raises:
        UserError: if no source gives MNIST and no fallback is allowed, or `root` cannot be written.
    """
    stored = _usable(root, fallback, retry=retry)
    if stored is not None and not _leftovers(root, stored.name):
        return stored
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(root):
            stored = _usable(root, fallback, retry=retry)
            if stored is None:
                stored = _fetch(root, fallback)
            for leftover in _leftovers(root, stored.name):
                shutil.rmtree(leftover)
            return stored
    except OSError as error:
        raise UserError(
            f"{root}: the data set cannot be written here ({error}). Mend that, or choose another"
            " folder: data.root=<folder>, or --root <folder> of convchoice.download."
        ) from error


def _usable(root: Path, fallback: Fallback | None, *, retry: bool) -> StoredDataset | None:
    """The verified data set under `root` if the caller can be content with it."""
    try:
        stored = datasets.load(root)
        if stored.name != MNIST.name and (retry or fallback is None):
            return None
        stored.verify()
    except UserError:
        return None
    return stored


def _staging(root: Path, spec: DatasetSpec) -> Path:
    return root / f".{spec.name}.partial"


def _leftovers(root: Path, used: str) -> list[Path]:
    """Folders that have no place beside the data set in use."""
    folders = [_staging(root, spec) for spec in SPECS.values()]
    folders += [root / name for name in SPECS if name != used]
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
    """MNIST's files as far as they were had, and what went wrong on the way."""

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


def _fetch(root: Path, fallback: Fallback | None) -> StoredDataset:
    gathering = _gather(root)
    if not gathering.missing:
        return _publish(root, MNIST, " and ".join(gathering.givers), gathering.failed)
    if fallback is None:
        if len(gathering.missing) == len(MNIST.files):
            gathering.folder.rmdir()
        raise UserError(_refusal(gathering))
    if not _has_digits(root):
        staging = _staging(root, DIGITS)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        for name, content in digits_files().items():
            replace_file(staging / name, content)
    stored = _publish(root, DIGITS, "scikit-learn's load_digits", gathering.failed)
    _notice(gathering.failed)
    return stored


def _has_digits(root: Path) -> bool:
    """Whether the fallback is there already, whole and verified."""
    stored = _usable(root, Fallback.digits, retry=False)
    return stored is not None and stored.name == DIGITS.name


def _gather(root: Path) -> _Gathering:
    """Bring MNIST's files together in its staging folder, as many as can be had."""
    gathering = _Gathering(_staging(root, MNIST), list(MNIST.files))
    gathering.folder.mkdir(exist_ok=True)
    for entry in gathering.folder.iterdir():
        if entry.name not in FILE_NAMES:
            entry.unlink()
    for folder in (gathering.folder, root / MNIST.name):
        for file in list(gathering.missing):
            path = folder / file.name
            if path.is_file() and sha256_of(content := path.read_bytes()) == file.sha256:
                gathering.keep(file, content, ALREADY_THERE)
    for source in sources():
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
    root: Path, spec: DatasetSpec, source: str, failed: Sequence[FailedSource]
) -> StoredDataset:
    """Give the staged folder its final name, if there is one, and write the provenance."""
    staging, final = _staging(root, spec), root / spec.name
    if staging.exists():
        if final.exists():
            shutil.rmtree(final)
        staging.rename(final)
    files = {name: sha256_of((final / name).read_bytes()) for name in FILE_NAMES}
    provenance = Provenance(
        requested=MNIST.name,
        used=spec.name,
        title=spec.title,
        source=source,
        digest=combined_digest(files),
        files=files,
        failed_sources=tuple(failed),
        retry=None if spec is MNIST else HOW_TO_RETRY,
    )
    replace_file(root / PROVENANCE, provenance.to_json().encode("utf-8"))
    return datasets.load(root)


def _tried(failed: Sequence[FailedSource]) -> str:
    return "\n".join(f"  {item.source}\n    {item.reason}" for item in failed)


def _refusal(gathering: _Gathering) -> str:
    """The error when nobody gives MNIST and nothing may stand in for it."""
    return (
        f"no source gave {MNIST.title}; {len(gathering.missing)} of {len(MNIST.files)} files are"
        f" missing. Tried:\n{_tried(gathering.failed)}\n"
        f"Either set {MIRROR_VARIABLE} to a folder or an http(s) address that holds"
        f" {', '.join(FILE_NAMES)},\n"
        "or let scikit-learn's digits stand in: data.fallback=digits (--fallback digits)."
    )


def _notice(failed: Sequence[FailedSource]) -> None:
    """Say loudly that something else than MNIST is used."""
    text = Text(
        f"Tried, in this order:\n{_tried(failed)}\n\n"
        f"Used instead: {DIGITS.title}, enlarged from 8×8 to MNIST's 28×28 pixels,"
        f" {DIGITS.train_size:,} for training and {DIGITS.test_size} for testing.\n"
        "Numbers made from them are not numbers on MNIST.\n\n"
        "To try MNIST again:\n"
        f"  {MIRROR_VARIABLE}=<folder or URL> make download\n"
        "  make repro"
    )
    title = f"NOT MNIST: no source gave {MNIST.title}"
    console = Console(stderr=True, highlight=False)
    console.print(Panel(text, title=title, border_style="bold yellow", padding=(1, 2)))
