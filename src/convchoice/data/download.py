"""Download a data set, check it, and store it; or store the fallback.

Missing files are downloaded into a temporary folder, from the mirror in the data set's environment
variable (`MNIST_MIRROR`, `FASHION_MNIST_MIRROR`, `KMNIST_MIRROR`, `CIFAR10_MIRROR`) or else from
its public ones, and moved to `<root>/<name>` once all have the published SHA-256s. Files that
convchoice did not write are never replaced or removed: a data folder may hold files of its user.
"""

import errno
import glob
import os
import re
import shutil
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

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
from convchoice.data.fallback_digits import digits_files
from convchoice.errors import UserError, require, storing_in, without_password

TIMEOUT_SECONDS = 20.0
"""For connecting, and for each read of an answer."""
URL = re.compile(r"https?://[^/@?#]+(/[^?#]*)?|file:///[^?#]*", re.IGNORECASE)
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that replace the certificates of the system."""
LEFTOVER = ".download-"
"""Begins the name of the folder of a download that is under way."""


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder of one process at a time; what killed processes left is removed first."""
    for left in parent.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as temporary:
        yield Path(temporary)


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
    with temporary_folder(root, LEFTOVER) as new:
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
        return StoredDataset.store(root, provenance, new, missing)


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


def mirror_url(place: str, field: str) -> str:
    """The URL, with a slash at its end, of a mirror given as a folder or as a URL.

    Raises:
        ConfigurationError: for a URL that cannot be used, or that may hold a secret.
    """
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", place):
        return Path(place).expanduser().absolute().as_uri() + "/"
    rule = "must be a folder, or a file, http or https URL without credentials and without a query."
    require(URL.fullmatch(place) is not None, field, place.partition("?")[0], rule)
    return place.rstrip("/") + "/"


def mirrors(spec: DatasetSpec) -> Iterator[str]:
    """The URLs to try in this order: of the environment variable, of torchvision, and more.

    Raises:
        ConfigurationError: if the environment variable is not a legal mirror.
    """
    if own := os.environ.get(spec.mirror_variable, "").strip():
        yield mirror_url(own, spec.mirror_variable)
    # Importing torchvision takes seconds, and a folder does not need it.
    from torchvision import datasets  # noqa: PLC0415

    known = getattr(datasets, spec.torchvision_class)
    yield from getattr(known, "mirrors", None) or [known.url.removesuffix(known.filename)]
    yield from spec.more_mirrors


def fetch_file(url: str, path: Path, sha256: str) -> None:
    """Download one file, and check it.

    Raises:
        OSError, HTTPException, ValueError: if the download fails; the last one also for a wrong
            content.
    """
    # torchvision's download_url has no time-out and reads no file:// URL.
    # Some servers refuse Python's user agent.
    request = Request(url, headers={"User-Agent": "convchoice"})  # noqa: S310 - see `mirror_url`
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer, path.open("wb") as file:  # noqa: S310
        shutil.copyfileobj(answer, file)
    if sha256_of(path) != sha256:
        raise ValueError(f"wrong content ({path.stat().st_size:,} bytes)")


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
            reason = without_password(f"{wanted[0]}: {reason_of(error)}")
            _log(f"  failed: {reason}")
            failures += f"  {mirror}\n    {reason}\n"
    return failures if wanted else None


def reason_of(error: Exception) -> str:
    """Why a download failed; of a certificate, where Python looks for those that it trusts."""
    cause = getattr(error, "reason", None)
    if not isinstance(cause, Exception):  # of an HTTP status it is only its phrase
        cause = error
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return str(cause)
    given = [f"{name}={os.environ[name]}" for name in CERTIFICATES if os.environ.get(name)]
    trusted = f"Trusted certificates: {' '.join(given) or 'those of the system'}."
    return f"{cause}. {trusted} Other ones: SSL_CERT_FILE=<file>"


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
