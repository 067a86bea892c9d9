"""One source of a data set's files: a folder, or a web address under which they lie.

A source hands over bytes in memory and says why it cannot; it never writes to disk and never
judges content. Which sources are asked, in which order, and what is kept, is in `sources`.
"""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import urlsplit, urlunsplit

import pooch
import requests
from requests.utils import get_environ_proxies, select_proxy
from tqdm import tqdm  # type: ignore[import-untyped]  # its types are a package of their own

from convchoice.config.known_datasets import FileSpec

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
RETRY_WAITS_SECONDS = (0.5, 1.5)
CHUNK_BYTES = 4_096
"""Small, so that a slow transfer is seen to be slow."""
SLOWEST_BYTES_A_SECOND = 1_000
"""A transfer that brings less than this over `READ_SECONDS` is given up."""
TOO_MANY_REQUESTS = 429
SERVER_ERRORS = 500


class SourceError(Exception):
    """A source did not give one file; the text says why."""


class UnreachableError(SourceError):
    """A source gives nothing at all: it need not be asked for its other files."""


class Source(Protocol):
    """Something that may hold a data set's files."""

    @property
    def name(self) -> str:
        """As shown to people; never with a password."""

    def read(self, file: FileSpec) -> bytes:
        """The file's bytes, not yet checked; raises `SourceError`."""


def source_of(place: str) -> Source:
    """The source at an http(s) address, or in the folder of that name."""
    is_address = place.lower().startswith(("http://", "https://"))
    return HttpSource(place) if is_address else FolderSource(place)


def say(line: str) -> None:
    """One line on standard error."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class FolderSource:
    """A folder that holds the files."""

    name: str

    def read(self, file: FileSpec) -> bytes:
        """The file's bytes, not yet checked.

        Raises:
            SourceError: if the file cannot be read.
            UnreachableError: if there is no such folder.
        """
        try:
            folder = Path(self.name).expanduser()
        except RuntimeError as error:  # "~nobody/"
            raise UnreachableError(str(error)) from None
        if not folder.is_dir():
            raise UnreachableError(f"there is no folder {folder.absolute()}")
        try:
            return (folder / file.name).read_bytes()
        except FileNotFoundError:
            raise SourceError("no such file in this folder") from None
        except OSError as error:
            raise SourceError(f"cannot be read ({error.strerror})") from None


@dataclass(frozen=True)
class HttpSource:
    """A web address under which the files lie."""

    base: str

    @property
    def name(self) -> str:
        """The address without a user's name, password or query."""
        address = self.base.partition("?")[0].partition("#")[0]
        scheme, separator, rest = address.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"

    def read(self, file: FileSpec) -> bytes:
        """The file's bytes, not yet checked.

        A transfer that breaks off and a busy server are asked again, twice, after short waits.

        Raises:
            SourceError: if the server does not give the file.
            UnreachableError: if nothing answers, or the transfer broke off each time.
        """
        url = _reachable(self.base, file.name)
        for wait_seconds in RETRY_WAITS_SECONDS:
            try:
                return _download(url, file)
            except _MayPassError as error:
                say(f"  {file.name}: {error}; asking again in {wait_seconds} s")
                time.sleep(wait_seconds)
        try:
            return _download(url, file)
        except _MayPassError as error:
            raise UnreachableError(f"{file.name}: {error}") from None


class _MayPassError(Exception):
    """A failure that may be gone a moment later."""


def _reachable(base: str, file_name: str) -> str:
    """The file's address, after connecting once to each kind of address (IPv4, IPv6) of its host.

    Left to itself, an HTTP client tries every address of a host: in a network that swallows
    packets, a time-out for each of a mirror's dozen. Behind a proxy nothing is tried here.

    Raises:
        UnreachableError: if the address is malformed, its host unknown, or nothing answers.
    """
    try:
        parts = urlsplit(base)
        url = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{file_name}"))
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if not parts.hostname:
            raise UnreachableError("the address names no host")
        if select_proxy(url, get_environ_proxies(url)):
            return url
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UnreachableError(f"its name cannot be looked up ({error.strerror})") from None
    except ValueError as error:
        raise UnreachableError(f"it is no web address ({error})") from None
    one_of_each_kind: dict[socket.AddressFamily, str] = {}
    for family, _, _, _, address in found:
        one_of_each_kind.setdefault(family, str(address[0]))
    reason = ""
    for host in one_of_each_kind.values():
        try:
            socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
        except TimeoutError:
            reason = f"no connection within {CONNECT_SECONDS:g} s"
        except OSError as error:
            reason = f"no connection ({error.strerror})"
        else:
            return url
    raise UnreachableError(reason)


@dataclass
class _Received:
    """What the downloader writes into: memory, bounded, with a progress bar on a terminal."""

    file: FileSpec
    content: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.bar = tqdm(
            total=self.file.size_bytes,
            desc=f"  {self.file.name}",
            unit="B",
            unit_scale=True,
            disable=not sys.stderr.isatty(),
        )

    def write(self, chunk: bytes) -> None:
        self.content += chunk
        self.bar.update(len(chunk))
        if self.file.size_bytes is not None and len(self.content) > self.file.size_bytes:
            raise SourceError(f"gave more than the file's {self.file.size_bytes:,} bytes")

    def flush(self) -> None:
        """The downloader asks for it after each chunk; memory has nothing to flush."""


class _Patience:
    """Gives up a transfer that drips.

    A time-out is for one read, and a byte every few seconds never runs into it. So the transfer is
    looked at from beside, and its connection shut where it brought too little.
    """

    def __init__(self, received: _Received) -> None:
        self.received = received
        self.seconds = READ_SECONDS
        self.least_bytes = READ_SECONDS * SLOWEST_BYTES_A_SECOND
        self.response: requests.Response | None = None
        self.lost = False
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        before = 0
        while not self._over.wait(self.seconds):
            now = len(self.received.content)
            if now - before < self.least_bytes and self.response is not None:
                self.lost = True
                self.response.raw.shutdown()
                return
            before = now


def _download(url: str, file: FileSpec) -> bytes:
    """One attempt.

    Raises:
        _MayPassError: if the transfer broke off, or the server is busy.
        SourceError: if the server has no such file, or sends more than the file.
        UnreachableError: if no answer comes, or it cannot be trusted.
    """
    responses: list[requests.Response] = []

    def keep_packed(response: requests.Response, *_: object, **__: object) -> None:
        # Some servers call a .gz file's own compression a transfer encoding. Unpacked on arrival,
        # its SHA-256 would not be the file's.
        response.raw.headers.pop("Content-Encoding", None)
        responses.append(response)
        patience.response = response

    downloader = pooch.HTTPDownloader(
        chunk_size=CHUNK_BYTES,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        headers={"Accept-Encoding": "identity"},
        hooks={"response": keep_packed},
    )
    received = _Received(file)
    patience = _Patience(received)
    try:
        with patience:
            downloader(url, received, None)
    except requests.RequestException as error:
        if not patience.lost:
            raise _meaning(error) from None
        raise UnreachableError(
            f"gave {len(received.content):,} bytes and then less than"
            f" {SLOWEST_BYTES_A_SECOND:,} a second"
        ) from None
    finally:
        received.bar.close()
        for response in responses:
            response.close()
    return bytes(received.content)


def _meaning(error: requests.RequestException) -> Exception:
    """What a failed transfer means for its source.

    Returns:
        `_MayPassError` if the transfer broke off or the server is busy, `SourceError` if the server
        has no such file, `UnreachableError` if no answer comes or it cannot be trusted.
    """
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        text = f"HTTP {status} {error.response.reason}"
        busy = status == TOO_MANY_REQUESTS or status >= SERVER_ERRORS
        return _MayPassError(text) if busy else SourceError(text)
    if isinstance(error, requests.Timeout):
        return UnreachableError(f"no answer within {READ_SECONDS:g} s")
    if isinstance(error, requests.exceptions.SSLError | requests.exceptions.ProxyError):
        return UnreachableError(f"no connection ({_innermost(error)})")
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return _MayPassError(f"the transfer broke off ({_innermost(error)})")
    return UnreachableError(_innermost(error))


def _innermost(error: BaseException) -> str:
    """The words of the last in a nest of network errors."""
    *_, last = _nest(error)
    return str(last)


def _nest(error: BaseException) -> Iterator[BaseException]:
    """An error, the one it was made from, and so on inwards."""
    yield error
    inner = (getattr(error, "reason", None), *reversed(error.args))
    for candidate in inner:
        if isinstance(candidate, BaseException):
            yield from _nest(candidate)
            return
