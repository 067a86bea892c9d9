"""Mirrors of a data set, and the download of one file from one of them with torchvision."""

import base64
import os
import re
import shutil
import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from convchoice.config.datasets import DatasetSpec
from convchoice.data.dataset import expand_user, sha256_of
from convchoice.errors import ConfigurationError, without_password

TIMEOUT_SECONDS = 20.0
"""For connecting, and for each read of an answer."""


@dataclass(frozen=True)
class Mirror:
    """A place that may hold a data set's files."""

    name: str
    """For messages, without a password."""
    url: str
    """Without user and password, with a slash at its end."""
    authorization: str | None = None
    """Value of the HTTP header of that name."""


def parse_mirror(place: str, field: str) -> Mirror:
    """The mirror in a folder or at a `file://`, `http://` or `https://` URL.

    Raises:
        ConfigurationError: for another scheme, a malformed URL, or a URL with a query.
    """
    name = without_password(place).partition("?")[0]
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", place):
        return Mirror(name, expand_user(Path(place), field).absolute().as_uri() + "/")
    rule = "must be a folder, or a file://, http:// or https:// URL without a query."
    try:
        parts = urlsplit(place)
    except ValueError:
        raise ConfigurationError(field, name, rule) from None
    is_file = parts.scheme == "file" and parts.netloc in {"", "localhost"} and bool(parts.path)
    is_server = parts.scheme in {"http", "https"} and bool(parts.netloc)
    if not (is_file or is_server) or parts.query or parts.fragment:
        raise ConfigurationError(field, name, rule)
    userinfo, _, host = parts.netloc.rpartition("@")
    token = base64.b64encode(unquote(userinfo).encode()).decode()
    url = parts._replace(netloc=host, path=parts.path.rstrip("/") + "/").geturl()
    return Mirror(name, url, f"Basic {token}" if userinfo else None)


def public_mirrors(spec: DatasetSpec) -> list[Mirror]:
    """The mirrors that torchvision knows, and more."""
    # Importing torchvision takes seconds. A stored data set and a folder do not need it.
    from torchvision import datasets  # noqa: PLC0415

    known = getattr(datasets, spec.torchvision_class)
    urls = getattr(known, "mirrors", None) or [known.url.removesuffix(known.filename)]
    return [Mirror(url, url) for url in (*urls, *spec.more_mirrors)]


def mirrors(spec: DatasetSpec) -> Iterator[Mirror]:
    """The mirrors of a data set in the order in which they are asked.

    Raises:
        ConfigurationError: if the environment variable is not a legal mirror.
    """
    own = os.environ.get(spec.mirror_variable, "").strip()
    if own:
        yield parse_mirror(own, spec.mirror_variable)
    yield from public_mirrors(spec)


def fetch_file(mirror: Mirror, path: Path, sha256: str | None) -> None:
    """Download one file with torchvision, and check it.

    Raises:
        OSError, RuntimeError, HTTPException, ValueError: if the download fails; the last one also
            for a wrong content.
    """
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    if mirror.url.startswith("file:"):  # torchvision downloads from servers only
        shutil.copyfile(url2pathname(urlsplit(mirror.url + path.name).path), partial)
    else:
        from torchvision.datasets.utils import download_url  # noqa: PLC0415

        quiet = nullcontext() if sys.stderr.isatty() else redirect_stderr(StringIO())
        with _connection(mirror), quiet:  # the progress bar is for a terminal
            download_url(mirror.url + path.name, path.parent, partial.name)
    found = sha256_of(partial)
    if found != sha256:
        size = partial.stat().st_size
        raise ValueError(f"has wrong content ({size:,} bytes, SHA-256 {found[:12]}…)")
    partial.replace(path)


class _Authorization(urllib.request.BaseHandler):
    """Sends a mirror's user and password to this mirror only."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        """Add the header to a request for one of the mirror's files."""
        if self.mirror.authorization and request.full_url.startswith(self.mirror.url):
            request.add_unredirected_header("Authorization", self.mirror.authorization)
        return request

    https_request = http_request


@contextmanager
def _connection(mirror: Mirror) -> Iterator[None]:
    """Set the time-out and the credentials of downloads, which torchvision does not take."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    urllib.request.install_opener(urllib.request.build_opener(_Authorization(mirror)))
    try:
        yield
    finally:
        socket.setdefaulttimeout(timeout)
        urllib.request.install_opener(urllib.request.build_opener())
