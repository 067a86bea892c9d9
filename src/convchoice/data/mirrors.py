"""Mirrors of a data set: their URLs, and the download of one file."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

from convchoice.config.datasets import DatasetSpec
from convchoice.data.dataset import sha256_of
from convchoice.errors import require

TIMEOUT_SECONDS = 20.0
"""For connecting, and for each read of an answer."""
URL = re.compile(r"https?://[^/@?#]+(/[^?#]*)?|file:///[^?#]*", re.IGNORECASE)


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
