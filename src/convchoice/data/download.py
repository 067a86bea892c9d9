"""Download a data set, check it, and store it; or store the fallback.

Missing files are downloaded into a temporary folder, from the mirror in the data set's environment
variable (`MNIST_MIRROR`, `FASHION_MNIST_MIRROR`, `KMNIST_MIRROR`, `CIFAR10_MIRROR`) or else from
its public ones, and moved to `<root>/<name>` once all have the published SHA-256s. Files that
convchoice did not write are never replaced or removed: a data folder may hold files of its user.
"""

import errno
import os
import sys
import tempfile
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from convchoice.config.datasets import DIGITS, MNIST, SPECS, DatasetSpec
from convchoice.config.schema import Dataset, Fallback
from convchoice.data.dataset import (
    PROVENANCE,
    Provenance,
    StoredDataset,
    download_command,
    load,
    sha256_of,
)
from convchoice.data.digits import digits_files
from convchoice.data.mirrors import fetch_file, mirrors
from convchoice.errors import UserError, storing_in, without_password


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
    root = root.expanduser()
    if stored := _current(root, dataset, fallback, retry):
        return stored
    with storing_in(root):
        root.mkdir(parents=True, exist_ok=True)
        # The lock is beside the folder, whose content is an output of DVC, if that is writable.
        folder = root.resolve()
        place = folder.parent if os.access(folder.parent, os.W_OK) else folder
        with FileLock(place / f".{folder.name}.lock"):
            # Another process may have downloaded it while this one waited.
            return _current(root, dataset, fallback, retry) or _download(root, dataset, fallback)


def _current(
    root: Path, dataset: Dataset, fallback: Fallback | None, retry: bool
) -> StoredDataset | None:
    """The stored data set if it needs no download."""
    if not os.path.lexists(root / PROVENANCE):
        return None
    stored = load(root, dataset)
    if stored.is_fallback and (retry or fallback is None):
        return None
    try:
        stored.verify()
    except UserError:
        if retry or not all(stored.path(name).exists() for name in stored.spec.files):
            return None
        raise
    return stored


def _download(root: Path, dataset: Dataset, fallback: Fallback | None) -> StoredDataset:
    spec = SPECS[dataset.name]
    files = spec.files
    stored = load(root, dataset) if os.path.lexists(root / PROVENANCE) else None
    with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as temporary:
        new = Path(temporary)
        missing = _missing_files(root / spec.name, files, stored)
        failures = _fetch(spec, missing, new)
        if failures is not None:
            if fallback is None or spec.fallback is None:
                raise UserError(_refusal(spec, root, failures))
            _log(_notice(failures))
            spec = DIGITS
            for name, content in digits_files().items():
                (new / name).write_bytes(content)
            files = {name: sha256_of(new / name) for name in spec.files}
            missing = _missing_files(root / spec.name, files, stored)
        provenance = Provenance(requested=dataset.name, used=spec.name, files=dict(files))
        (new / PROVENANCE).write_text(provenance.model_dump_json(indent=2), encoding="utf-8")
        (root / spec.name).mkdir(exist_ok=True)
        for name in missing:
            (new / name).replace(root / spec.name / name)
        (new / PROVENANCE).replace(root / PROVENANCE)
    return StoredDataset(root, provenance)


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _missing_files(
    folder: Path, sha256s: Mapping[str, str], stored: StoredDataset | None
) -> list[str]:
    """The files of a data set that are not in its folder, or are damaged.

    Raises:
        UserError: if a path that convchoice did not write has the name of one of them.
    """
    is_ours = stored is not None and stored.spec.name == folder.name
    if os.path.lexists(folder) and not folder.is_dir():
        raise _not_ours(folder)
    missing = []
    for path in (folder / name for name in sha256s):
        if not (path.is_file() and sha256_of(path) == sha256s[path.name]):
            if os.path.lexists(path) and not (is_ours and path.is_file()):
                raise _not_ours(path)
            missing.append(path.name)
    return missing


def _not_ours(path: Path) -> UserError:
    return UserError(
        f"{path}: was not written by convchoice. Move or delete it, or choose another folder"
        " (data.root=<folder>, or --root <folder>)."
    )


def _fetch(spec: DatasetSpec, names: list[str], folder: Path) -> str | None:
    """Download files into a folder, each from the first mirror that provides it.

    Returns:
        None if there is every file, else the mirrors with the reasons of their failures.
    """
    wanted, failures = list(names), ""
    sources = mirrors(spec)
    while wanted and (mirror := next(sources, None)):
        try:
            while wanted:
                _log(f"fetching {wanted[0]} from {mirror}")
                fetch_file(mirror + wanted[0], folder / wanted[0], spec.files[wanted[0]])
                del wanted[0]
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise  # the fault is not the mirror's
            reason = without_password(f"{wanted[0]}: {getattr(error, 'reason', None) or error}")
            _log(f"  failed: {reason}")
            failures += f"  {mirror}\n    {reason}\n"
    return failures if wanted else None


def _refusal(spec: DatasetSpec, root: Path, failures: str) -> str:
    fallback = " or allow scikit-learn's digits instead (--fallback digits, data.fallback=digits),"
    return (
        f"no source provided {spec.title}. Tried:\n{failures}"
        f"Set {spec.mirror_variable} to a folder or URL that holds {', '.join(spec.files)},"
        f"{fallback if spec.fallback else ''} then run: {download_command(root, spec.name)}"
    )


def _notice(failures: str) -> str:
    rule = "=" * 78
    return (
        f"{rule}\nNOT MNIST: no source provided {MNIST.title}. Tried:\n{failures}\n"
        f"Used instead: {DIGITS.title}, enlarged from 8×8 to\n28×28 pixels,"
        f" {DIGITS.train_size:,} for training and {DIGITS.test_size} for testing."
        " Numbers from them are not numbers on MNIST.\n\nTo try MNIST again:\n"
        f"  {MNIST.mirror_variable}=<folder or URL> make download\n  make repro\n{rule}"
    )
