"""Download a data set, check it, and store it; or store the fallback.

Sources are asked in order: the data set's environment variable (`MNIST_MIRROR`,
`FASHION_MNIST_MIRROR`, `KMNIST_MIRROR`, `CIFAR10_MIRROR`: a folder or a URL), then its public
mirrors. torchvision downloads into a temporary folder. Files are copied to `<root>/<name>` once all
of them have the published SHA-256s. Files that convchoice did not write are never replaced or
removed: a data folder may hold files of its user.
"""

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock, Timeout

from convchoice.config.datasets import DIGITS, MNIST, SPECS, DatasetSpec
from convchoice.config.schema import Dataset, Fallback
from convchoice.data.dataset import (
    PROVENANCE,
    RETRY,
    FailedSource,
    Provenance,
    StoredDataset,
    combined_digest,
    download_command,
    expand_user,
    load,
    read_provenance,
    sha256_of,
)
from convchoice.data.digits import digits_files
from convchoice.data.mirrors import Mirror, fetch_file, mirrors
from convchoice.errors import (
    StorageError,
    UserError,
    storing_in,
    without_password,
)

ALREADY_STORED = "files that were already stored"


def ensure(
    root: Path, dataset: Dataset, fallback: Fallback | None, *, retry: bool = False
) -> StoredDataset:
    """Make sure that a verified data set is stored in a folder, downloading it if necessary.

    Several processes may call this at once: one downloads, the others wait.

    Args:
        root: the data set's folder; it need not exist.
        dataset: the requested data set.
        fallback: what to store if no source provides the data set; None raises instead.
        retry: also download if only the fallback is stored, or a stored file is damaged.

    Returns:
        The stored data set, or its fallback.

    Raises:
        UserError: if no source provides the data set and there is no fallback, a stored file is
            damaged, or a file that convchoice did not write is in the way.
        StorageError: if the files cannot be written.
    """
    root = expand_user(root)
    if stored := _current(root, dataset, fallback, retry):
        return stored
    with storing_in(root):
        root.mkdir(parents=True, exist_ok=True)
        with _lock(root):  # another process may have downloaded it while this one waited
            return _current(root, dataset, fallback, retry) or _download(root, dataset, fallback)


def _current(
    root: Path, dataset: Dataset, fallback: Fallback | None, retry: bool
) -> StoredDataset | None:
    """The stored data set if it needs no download."""
    if not os.path.lexists(root / PROVENANCE):
        return None
    stored = load(root, dataset)
    if stored.name != dataset.name and (retry or fallback is None):
        return None
    if not all(stored.path(name).exists() for name in stored.spec.files):
        return None
    try:
        stored.verify()
    except UserError:
        if not retry:
            raise
        return None
    return stored


@contextmanager
def _lock(root: Path) -> Iterator[None]:
    """One download into a folder at a time.

    The lock is beside the folder, whose content is an output of DVC, or in it if the parent folder
    is not writable.
    """
    folder = root.resolve()
    parent = folder.parent if os.access(folder.parent, os.W_OK) else folder
    lock = FileLock(parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log(f"waiting for another process that downloads into {root}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _download(root: Path, dataset: Dataset, fallback: Fallback | None) -> StoredDataset:
    spec = SPECS[dataset.name]
    found = os.path.lexists(root / PROVENANCE)
    previous = read_provenance(root, dataset) if found else None
    missing = _missing_files(root, spec.name, spec.files, previous)
    may_fall_back = fallback is not None and spec.fallback is not None
    if may_fall_back and os.path.lexists(root / DIGITS.name):
        generated = {name: _sha256(content) for name, content in digits_files().items()}
        _missing_files(root, DIGITS.name, generated, previous)
    with tempfile.TemporaryDirectory(prefix="convchoice-") as folder:
        new = Path(folder) / spec.name
        new.mkdir()
        used, failed = _fetch(mirrors(spec) if missing else [], missing, new)
        if missing and not may_fall_back:
            raise UserError(_refusal(spec, root, failed))
        if missing:
            spec, used, new = DIGITS, ["scikit-learn's load_digits"], Path(folder) / DIGITS.name
            new.mkdir()
            for name, content in digits_files().items():
                (new / name).write_bytes(content)
        source = " and ".join(used) or ALREADY_STORED
        provenance = _store(new, root, dataset, spec, source, failed)
    if previous:
        _remove_previous(root, previous, provenance)
    if missing:
        _log(_notice(failed))
    return StoredDataset(root, spec, provenance)


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _missing_files(
    root: Path, name: str, expected: Mapping[str, str | None], previous: Provenance | None
) -> dict[str, str | None]:
    """The files of a data set, with their SHA-256s, that are not stored or are damaged.

    Raises:
        UserError: if a path that convchoice did not write has the name of one of them.
    """
    folder = root / name
    written = previous.files if previous and previous.used == name else {}
    if os.path.lexists(folder) and not folder.is_dir():
        raise _not_ours(folder)
    missing = {}
    for file, sha256 in expected.items():
        path = folder / file
        if path.is_file() and sha256_of(path) == sha256:
            continue
        if os.path.lexists(path) and not (path.is_file() and file in written):
            raise _not_ours(path)
        missing[file] = sha256
    return missing


def _not_ours(path: Path) -> UserError:
    return UserError(
        f"{path}: was not written by convchoice. Move or delete it, or choose another folder"
        " (data.root=<folder>, or --root <folder>)."
    )


def _fetch(
    sources: Iterable[Mirror], missing: dict[str, str | None], folder: Path
) -> tuple[list[str], list[FailedSource]]:
    """Download missing files into a folder; those that are correct leave `missing`.

    Returns:
        Names of the mirrors that provided files, and the mirrors that failed.
    """
    used, failed = [], []
    for mirror in sources:
        try:
            for name, sha256 in list(missing.items()):
                _log(f"fetching {name} from {mirror.name}")
                fetch_file(mirror, folder / name, sha256)
                del missing[name]
                used.append(mirror.name)
        except (OSError, RuntimeError, HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                message = f"{folder}: {error.strerror}. Make room, or set TMPDIR."
                raise StorageError(message) from error
            reason = without_password(f"{name}: {getattr(error, 'reason', None) or error}")
            _log(f"  failed: {reason}")
            failed.append(FailedSource(source=mirror.name, reason=reason))
        if not missing:
            break
    return list(dict.fromkeys(used)), failed


def _store(
    new: Path,
    root: Path,
    dataset: Dataset,
    spec: DatasetSpec,
    source: str,
    failed: Sequence[FailedSource],
) -> Provenance:
    """Copy a folder's files, which were checked, to their places, and write the provenance."""
    folder = root / spec.name
    folder.mkdir(exist_ok=True)
    sources = {folder / path.name: path for path in new.iterdir()}
    files = {name: sha256_of(sources.get(folder / name, folder / name)) for name in spec.files}
    provenance = Provenance(
        requested=dataset.name,
        used=spec.name,
        title=spec.title,
        source=source,
        digest=combined_digest(files.values()),
        files=files,
        failed_sources=tuple(failed),
        retry=None if spec.name == dataset.name else RETRY,
    )
    text = new / PROVENANCE
    text.write_text(provenance.model_dump_json(indent=2) + "\n", encoding="utf-8")
    _copy(sources | {root / PROVENANCE: text})
    return provenance


def _copy(sources: Mapping[Path, Path]) -> None:
    """Copy files to the paths that are the keys, each of them completely or not at all.

    All are written beside their paths first, so that a full disk changes none.
    """
    partial = {path: path.with_name(f".{path.name}.{os.getpid()}.partial") for path in sources}
    try:
        for path, source in sources.items():
            shutil.copyfile(source, partial[path])
        for path in sources:
            partial[path].replace(path)
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)


def _remove_previous(root: Path, previous: Provenance, current: Provenance) -> None:
    """Remove the unchanged files of a previous download that the current one does not have."""
    folder = root / previous.used
    for name, sha256 in previous.files.items():
        path = folder / name
        kept = previous.used == current.used and name in current.files
        if not kept and path.is_file() and sha256_of(path) == sha256:
            path.unlink()
    with suppress(OSError):  # it holds other files
        folder.rmdir()


def _tried(failed: Sequence[FailedSource]) -> str:
    return "\n".join(f"  {each.source}\n    {each.reason}" for each in failed)


def _refusal(spec: DatasetSpec, root: Path, failed: Sequence[FailedSource]) -> str:
    place = f"set {spec.mirror_variable} to a folder or URL that holds {', '.join(spec.files)}"
    fix = (
        f"Either {place},\n"
        "or allow scikit-learn's digits as a fallback: data.fallback=digits (--fallback digits)."
        if spec.fallback
        else f"To get it, {place},\nthen run: {download_command(root, spec.name)}\n"
        f"There is no fallback for {spec.short_title}."
    )
    return f"no source provided {spec.title}. Tried:\n{_tried(failed)}\n{fix}"


def _notice(failed: Sequence[FailedSource]) -> str:
    rule = "=" * 78
    return (
        f"{rule}\nNOT MNIST: no source provided {MNIST.title}.\n\n"
        f"Tried, in this order:\n{_tried(failed)}\n\n"
        f"Used instead: {DIGITS.title}, enlarged from 8×8 to MNIST's\n28×28 pixels,"
        f" {DIGITS.train_size:,} for training and {DIGITS.test_size} for testing.\n"
        "Numbers from them are not numbers on MNIST.\n\n"
        "To try MNIST again:\n"
        f"  {MNIST.mirror_variable}=<folder or URL> make download\n"
        f"  make repro\n{rule}"
    )
