"""Fetching: from folders and from a web server that misbehaves, down to the fallback.

Most tests fetch a tiny MNIST of their own over loopback; no test asks a host beyond it.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from convchoice.config.known_datasets import (
    DIGITS,
    FILE_NAMES,
    MNIST,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetSpec,
    FileSpec,
)
from convchoice.config.schema import Dataset, Fallback
from convchoice.data import dataset as datasets
from convchoice.data import mirrors, sources
from convchoice.data.dataset import PROVENANCE
from convchoice.data.idx import encode_idx
from convchoice.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]
REAL_MNIST = Path(os.environ.get(sources.MIRROR_VARIABLE) or REPOSITORY.parent / "shared" / "mnist")

needs_mnist = pytest.mark.skipif(
    not all((REAL_MNIST / name).is_file() for name in FILE_NAMES),
    reason=f"MNIST's files are not in {REAL_MNIST}; set MNIST_MIRROR to a folder that holds them",
)

Behaviour = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each file as its server's behaviours say."""

    server: "Mirror"

    def do_GET(self) -> None:
        """Note the request and answer it."""
        name = self.path.partition("?")[0].removeprefix("/mnist/")
        self.server.asked.append(self.path)
        self.server.behaviours.get(name, good)(self, self.server.files.get(name, b""))

    def log_message(self, *_: object) -> None:
        """Keep the terminal for the program under test."""

    def answer(self, content: bytes, status: int = 200, **headers: str | int) -> None:
        """Send a whole answer; `headers` may lie about it."""
        self.send_response(status)
        for name, value in ({"Content_Length": len(content)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client may have hung up
            self.wfile.write(content)


class Mirror(ThreadingHTTPServer):
    """A web server on loopback that plays a mirror."""

    def __init__(self, files: dict[str, bytes]) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.behaviours: dict[str, Behaviour] = {}
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        """Where the files lie."""
        return f"http://127.0.0.1:{self.server_port}/mnist/"


def good(handler: Handler, content: bytes) -> None:
    handler.answer(content)


def truncated(handler: Handler, content: bytes) -> None:
    handler.answer(content[:-7])


def altered(handler: Handler, content: bytes) -> None:
    handler.answer(content[:-1] + bytes([content[-1] ^ 1]))


def web_page(handler: Handler, _content: bytes) -> None:
    handler.answer(b"\n<!DOCTYPE html><p>Sign in</p>", Content_Type="text/html")


def not_found(handler: Handler, _content: bytes) -> None:
    handler.answer(b"<p>nothing here</p>", status=404)


def unofficial_status(handler: Handler, _content: bytes) -> None:
    handler.answer(b"", status=599)


def cut_at_half(handler: Handler, content: bytes) -> None:
    handler.answer(content[: len(content) // 2], Content_Length=len(content))


def length_too_small(handler: Handler, content: bytes) -> None:
    handler.answer(content, Content_Length=len(content) - 3)


def length_too_large(handler: Handler, content: bytes) -> None:
    handler.answer(content, Content_Length=len(content) + 3)


def too_long(handler: Handler, content: bytes) -> None:
    handler.answer(content + bytes(1_000_000))


def redirected_for_ever(handler: Handler, _content: bytes) -> None:
    handler.answer(b"", status=302, Location=handler.path)


@dataclass
class Dripping:
    """A byte now and then, never so slow that one read would take too long; for half a minute."""

    hung_up: threading.Event = field(default_factory=threading.Event)
    """Whether the client ended it, before it ended by itself."""

    def __call__(self, handler: Handler, content: bytes) -> None:
        """Answer one request."""
        handler.answer(content[:10], Content_Length=len(content))
        try:
            for byte in content[10:500]:
                time.sleep(0.05)
                handler.wfile.write(bytes([byte]))
        except OSError:
            self.hung_up.set()


def called_an_encoding(handler: Handler, content: bytes) -> None:
    handler.answer(content, Content_Encoding="gzip")


@dataclass
class Once:
    """A behaviour for the first request, good from then on."""

    behaviour: Behaviour
    requests: int = field(default=0)

    def __call__(self, handler: Handler, content: bytes) -> None:
        """Answer one request."""
        self.requests += 1
        (self.behaviour if self.requests == 1 else good)(handler, content)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mirror but those that a test names, and no waiting between attempts."""
    monkeypatch.delenv(sources.MIRROR_VARIABLE, raising=False)
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {})
    monkeypatch.setattr(mirrors, "RETRY_WAITS_SECONDS", (0.0, 0.0))


@pytest.fixture
def tiny_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A tiny data set that passes for MNIST in this test."""
    random = np.random.default_rng(0)
    files = {
        TRAIN_IMAGES: encode_idx(random.integers(0, 256, (30, 28, 28), dtype=np.uint8)),
        TRAIN_LABELS: encode_idx(np.arange(30, dtype=np.uint8) % 10),
        TEST_IMAGES: encode_idx(random.integers(0, 256, (10, 28, 28), dtype=np.uint8)),
        TEST_LABELS: encode_idx(np.arange(10, dtype=np.uint8)),
    }
    spec = DatasetSpec(
        name="mnist",
        short_title="MNIST",
        title="tiny MNIST",
        files=tuple(
            FileSpec(name, datasets.sha256_of(content), len(content))
            for name, content in files.items()
        ),
        train_size=30,
        test_size=10,
        validation_size=10,
        fallback=Fallback.digits,
    )
    monkeypatch.setitem(datasets.SPECS, "mnist", spec)  # type: ignore[arg-type]
    return files


@pytest.fixture
def start(tiny_files: dict[str, bytes]) -> Iterator[Callable[[], Mirror]]:
    """Starts mirrors, and stops them after the test."""
    with contextlib.ExitStack() as stack:

        def start_one() -> Mirror:
            mirror = stack.enter_context(Mirror(dict(tiny_files)))
            threading.Thread(target=mirror.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(mirror.shutdown)
            return mirror

        yield start_one


@pytest.fixture
def mirror(start: Callable[[], Mirror], monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """The only public mirror there is."""
    only = start()
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {"mnist": (only.address,)})
    return only


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


@pytest.fixture
def folder(tiny_files: dict[str, bytes], tmp_path: Path) -> Path:
    """A folder that holds the tiny data set."""
    made = tmp_path / "folder"
    made.mkdir()
    for name, content in tiny_files.items():
        (made / name).write_bytes(content)
    return made


def contents(root: Path) -> set[str]:
    """Every file and folder under a root, by relative name."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def whole(name: str) -> set[str]:
    return {PROVENANCE, name, *(f"{name}/{file}" for file in FILE_NAMES)}


def closed_address() -> str:
    """An address on loopback at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/mnist/"


def test_a_good_mirror_gives_the_data_set(
    root: Path, mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = sources.ensure(root, Dataset.mnist, None)
    assert contents(root) == whole("mnist")
    assert stored.train()[0].shape == (30, 28, 28)
    assert stored.test()[1].tolist() == list(range(10))
    assert stored.fallback_note is None
    values = json.loads((root / PROVENANCE).read_text())
    assert values["requested"] == values["used"] == "mnist"
    assert values["source"] == mirror.address
    assert values["digest"] == stored.digest == datasets.combined_digest(MNIST, values["files"])
    assert values["failed_sources"] == []
    assert values["retry"] is None
    size = len(mirror.files[TRAIN_LABELS])
    error = capsys.readouterr().err
    assert f"fetching {TRAIN_LABELS} ({size:,} bytes) from {mirror.address}\n" in error
    assert not set(error) & {"\r", "\x1b"}, "no control characters without a terminal"


def test_a_verified_data_set_is_left_alone(root: Path, mirror: Mirror) -> None:
    sources.ensure(root, Dataset.mnist, None)
    asked = len(mirror.asked)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert sources.ensure(root, Dataset.mnist, None, retry=True).name == "mnist"
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert len(mirror.asked) == asked == 4


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (truncated, "gave {less_7} bytes instead of {size}"),
        (altered, "gave altered bytes: their SHA-256 is "),
        (web_page, "gave a web page of 30 bytes instead of the file"),
        (not_found, "HTTP 404 Not Found"),
        (unofficial_status, "HTTP 599 "),
        (cut_at_half, "the transfer broke off (IncompleteRead({half} bytes read, {half} more"),
        (length_too_small, "gave {less_3} bytes instead of {size}"),
        (length_too_large, "the transfer broke off (IncompleteRead({size} bytes read, 3 more"),
        (too_long, "gave more than the file's {size} bytes"),
    ],
)
def test_a_bad_file_is_refused_and_the_next_source_asked(
    root: Path,
    mirror: Mirror,
    start: Callable[[], Mirror],
    monkeypatch: pytest.MonkeyPatch,
    behaviour: Behaviour,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    size = len(mirror.files[TRAIN_LABELS])
    numbers = {"size": size, "less_3": size - 3, "less_7": size - 7, "half": size // 2}
    mirror.behaviours[TRAIN_LABELS] = behaviour
    second = start()
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {"mnist": (mirror.address, second.address)})
    stored = sources.ensure(root, Dataset.mnist, Fallback.digits)
    assert stored.name == "mnist"
    stored.verify()
    assert contents(root) == whole("mnist")
    (failed,) = stored.provenance.failed_sources
    assert failed.source == mirror.address
    assert failed.reason.startswith(f"{TRAIN_LABELS}: {reason.format(**numbers)}")
    assert failed.reason.removeprefix(f"{TRAIN_LABELS}: ") in capsys.readouterr().err
    assert f"/mnist/{TRAIN_IMAGES}" not in second.asked, "what was had is not fetched again"
    assert stored.provenance.source == f"{mirror.address} and {second.address}"


@pytest.mark.parametrize("behaviour", [truncated, altered, web_page, not_found, cut_at_half])
def test_no_half_file_and_no_half_folder_is_left(
    root: Path, mirror: Mirror, behaviour: Behaviour
) -> None:
    mirror.behaviours[TEST_IMAGES] = behaviour
    with pytest.raises(UserError):
        sources.ensure(root, Dataset.mnist, None)
    assert not (root / "mnist").exists()
    assert not (root / PROVENANCE).exists()
    assert sources.ensure(root, Dataset.mnist, Fallback.digits).name == "digits"
    assert contents(root) == whole("digits")


def test_a_broken_transfer_is_asked_again(root: Path, mirror: Mirror) -> None:
    mirror.behaviours[TRAIN_IMAGES] = Once(cut_at_half)
    mirror.behaviours[TRAIN_LABELS] = Once(unofficial_status)
    stored = sources.ensure(root, Dataset.mnist, None)
    assert stored.provenance.failed_sources == ()
    assert len(mirror.asked) == 6


def test_a_refusal_is_not_asked_again(root: Path, mirror: Mirror) -> None:
    for name in FILE_NAMES:
        mirror.behaviours[name] = not_found
    with pytest.raises(UserError) as caught:
        sources.ensure(root, Dataset.mnist, None)
    assert f"{', '.join(FILE_NAMES)}: HTTP 404 Not Found" in str(caught.value)
    assert len(mirror.asked) == 4


def test_a_source_that_always_breaks_off_is_given_up(root: Path, mirror: Mirror) -> None:
    mirror.behaviours[TRAIN_IMAGES] = cut_at_half
    with pytest.raises(UserError, match="the transfer broke off"):
        sources.ensure(root, Dataset.mnist, None)
    assert mirror.asked == [f"/mnist/{TRAIN_IMAGES}"] * 3


def test_a_silent_server_is_given_up(
    root: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def silent(_handler: Handler, _content: bytes) -> None:
        over.wait(timeout=10)

    monkeypatch.setattr(mirrors, "READ_SECONDS", 0.1)
    mirror.behaviours[TRAIN_IMAGES] = silent
    with pytest.raises(UserError, match=r"\n    no answer within 0\.1 s\n"):
        sources.ensure(root, Dataset.mnist, None)
    over.set()
    assert mirror.asked == [f"/mnist/{TRAIN_IMAGES}"]


def test_redirects_in_a_circle_are_given_up(root: Path, mirror: Mirror) -> None:
    mirror.behaviours[TRAIN_IMAGES] = redirected_for_ever
    with pytest.raises(UserError, match=r"\n    Exceeded 30 redirects\."):
        sources.ensure(root, Dataset.mnist, None)
    assert mirror.asked == [f"/mnist/{TRAIN_IMAGES}"] * 31


def test_a_server_that_drips_is_given_up(
    root: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "READ_SECONDS", 0.5)
    drip = Dripping()
    mirror.behaviours[TRAIN_IMAGES] = drip
    with pytest.raises(UserError, match=r"\n    gave .* bytes and then less than 1,000 a second\n"):
        sources.ensure(root, Dataset.mnist, None)
    assert mirror.asked == [f"/mnist/{TRAIN_IMAGES}"]
    assert drip.hung_up.wait(timeout=10)


def test_a_server_that_speaks_no_tls_is_given_up(
    root: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = mirror.address.replace("http:", "https:")
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {"mnist": (address,)})
    with pytest.raises(UserError, match=r"\n    no connection \(.*SSL"):
        sources.ensure(root, Dataset.mnist, None)


def test_a_gzip_file_that_is_called_an_encoding_stays_packed(root: Path, mirror: Mirror) -> None:
    for name in FILE_NAMES:
        mirror.behaviours[name] = called_an_encoding
    assert sources.ensure(root, Dataset.mnist, None).name == "mnist"


def test_the_own_mirror_is_asked_first(
    root: Path, mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sources.MIRROR_VARIABLE, str(folder))
    assert sources.ensure(root, Dataset.mnist, None).provenance.source == str(folder)
    assert mirror.asked == []


def test_a_folder_may_be_relative(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv(sources.MIRROR_VARIABLE, f"./{folder.name}/")
    assert sources.ensure(root, Dataset.mnist, None).provenance.source == "./folder/"


def test_a_folder_that_lacks_a_file_gives_the_others(
    root: Path, folder: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / TEST_LABELS).unlink()
    monkeypatch.setenv(sources.MIRROR_VARIABLE, str(folder))
    stored = sources.ensure(root, Dataset.mnist, None)
    assert mirror.asked == [f"/mnist/{TEST_LABELS}"]
    (failed,) = stored.provenance.failed_sources
    assert failed.reason == f"{TEST_LABELS}: no such file in this folder"


@pytest.mark.parametrize("end", ["", "/"], ids=["bare", "slash"])
def test_an_address_keeps_its_query_and_hides_its_password(
    root: Path, start: Callable[[], Mirror], monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    mirror = start()
    place = f"http://someone:secret@127.0.0.1:{mirror.server_port}/mnist{end}"
    monkeypatch.setenv(sources.MIRROR_VARIABLE, f"{place}?signature=secret")
    stored = sources.ensure(root, Dataset.mnist, None)
    assert mirror.asked[0] == f"/mnist/{TRAIN_IMAGES}?signature=secret"
    assert stored.provenance.source == f"http://127.0.0.1:{mirror.server_port}/mnist{end}"
    assert "secret" not in (root / PROVENANCE).read_text()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("nowhere/at/all", "there is no folder {cwd}/nowhere/at/all"),
        ("ftp://127.0.0.1/mnist", "there is no folder {cwd}/ftp:/127.0.0.1/mnist"),
        ("~nobody-of-this-name/x", "Could not determine home directory."),
        ("http://", "the address names no host"),
        ("http://127.0.0.1:port/", "it is no web address (Port could not be cast"),
        ("http://[::1/", "it is no web address (Invalid IPv6 URL)"),
        ("http://no-such-host.invalid/", "its name cannot be looked up ("),
    ],
)
def test_a_mirror_that_cannot_be_one_says_why(
    root: Path,
    place: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(sources.MIRROR_VARIABLE, place)
    with pytest.raises(UserError) as caught:
        sources.ensure(root, Dataset.mnist, None)
    assert f"  {place}\n    {reason.format(cwd=tmp_path)}" in str(caught.value)


def test_the_error_lists_each_source_and_both_ways_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = closed_address(), closed_address()
    monkeypatch.setenv(sources.MIRROR_VARIABLE, str(root.parent))
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {"mnist": (first, second)})
    with pytest.raises(UserError) as caught:
        sources.ensure(root, Dataset.mnist, None)
    assert str(caught.value) == (
        "no source gave MNIST (70,000 handwritten digits); 4 of 4 files are missing. Tried:\n"
        f"  {root.parent}\n    {', '.join(FILE_NAMES)}: no such file in this folder\n"
        f"  {first}\n    no connection (Connection refused)\n"
        f"  {second}\n    no connection (Connection refused)\n"
        "Either set MNIST_MIRROR to a folder or an http(s) address that holds"
        f" {', '.join(FILE_NAMES)},\n"
        "or let scikit-learn's digits stand in: data.fallback=digits (--fallback digits)."
    )
    assert contents(root) == set()


def test_a_closed_network_falls_back_and_says_so_in_a_box(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    address = closed_address()
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {"mnist": (address,)})
    stored = sources.ensure(root, Dataset.mnist, Fallback.digits)
    assert contents(root) == whole("digits")
    assert stored.provenance.requested == "mnist"
    assert stored.provenance.title == stored.title == DIGITS.title
    assert stored.provenance.retry == datasets.HOW_TO_RETRY
    assert [dataclasses.astuple(item) for item in stored.provenance.failed_sources] == [
        (address, "no connection (Connection refused)")
    ]
    error = capsys.readouterr().err
    assert not set(error) & {"\r", "\x1b"}
    box = " ".join(error[error.index("╭") :].replace("│", " ").split())
    for text in (
        "NOT MNIST: no source gave MNIST (70,000 handwritten digits)",
        f"Tried, in this order: {address} no connection (Connection refused)",
        "Used instead: scikit-learn's digits (1,797 handwritten digits), enlarged from 8×8",
        "To try MNIST again: MNIST_MIRROR=<folder or URL> make download make repro",
    ):
        assert text in box


def test_a_fallback_is_kept_until_mnist_is_asked_for_again(
    root: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {})
    sources.ensure(root, Dataset.mnist, Fallback.digits)
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {"mnist": (mirror.address,)})
    assert sources.ensure(root, Dataset.mnist, Fallback.digits).name == "digits"
    assert mirror.asked == []
    assert sources.ensure(root, Dataset.mnist, Fallback.digits, retry=True).name == "mnist"
    assert contents(root) == whole("mnist")
    assert datasets.load(root).fallback_note is None


def test_a_fallback_survives_another_try_in_vain(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.ensure(root, Dataset.mnist, Fallback.digits)
    made = (root / "digits" / TRAIN_IMAGES).stat().st_mtime_ns
    address = closed_address()
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {"mnist": (address,)})
    stored = sources.ensure(root, Dataset.mnist, Fallback.digits, retry=True)
    assert [item.source for item in stored.provenance.failed_sources] == [address]
    assert (root / "digits" / TRAIN_IMAGES).stat().st_mtime_ns == made


def test_a_fallback_that_is_not_allowed_does_not_count(root: Path) -> None:
    sources.ensure(root, Dataset.mnist, Fallback.digits)
    with pytest.raises(UserError, match="no source gave MNIST"):
        sources.ensure(root, Dataset.mnist, None)
    assert contents(root) == whole("digits"), "what was there stays"


def test_a_damaged_fallback_is_made_again(root: Path) -> None:
    sources.ensure(root, Dataset.mnist, Fallback.digits)
    (root / "digits" / TRAIN_IMAGES).write_bytes(b"")
    sources.ensure(root, Dataset.mnist, Fallback.digits).verify()


def test_only_a_damaged_file_is_fetched_again(root: Path, mirror: Mirror) -> None:
    sources.ensure(root, Dataset.mnist, None)
    (root / "mnist" / TRAIN_LABELS).write_bytes(b"half")
    mirror.asked.clear()
    stored = sources.ensure(root, Dataset.mnist, None)
    stored.verify()
    assert mirror.asked == [f"/mnist/{TRAIN_LABELS}"]
    assert stored.provenance.source == f"files that were already there and {mirror.address}"


def test_damaged_mnist_gives_way_to_the_fallback(
    root: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.ensure(root, Dataset.mnist, None)
    (root / "mnist" / TRAIN_LABELS).unlink()
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {"mnist": (closed_address(),)})
    assert mirror.asked
    assert sources.ensure(root, Dataset.mnist, Fallback.digits).name == "digits"
    assert contents(root) == whole("digits")


def test_files_without_a_provenance_are_taken_as_they_are(root: Path, folder: Path) -> None:
    root.mkdir(parents=True)
    shutil.copytree(folder, root / "mnist")
    assert sources.ensure(root, Dataset.mnist, None).provenance.source == sources.ALREADY_THERE


def test_an_interrupted_fetch_goes_on_where_it_stopped(
    root: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        taken: list[str] = []
        publish = datasets.replace_file

        def interrupted(path: Path, content: bytes) -> None:
            if len(taken) == 2:
                raise KeyboardInterrupt
            taken.append(path.name)
            publish(path, content)

        patch.setattr(sources, "replace_file", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sources.ensure(root, Dataset.mnist, Fallback.digits)
    assert not (root / "mnist").exists()
    assert not (root / PROVENANCE).exists()
    (root / ".mnist.partial" / ".left-by-a-kill.partial").write_bytes(b"half")
    (root / ".mnist.partial" / TRAIN_IMAGES).write_bytes(b"half")
    mirror.asked.clear()
    sources.ensure(root, Dataset.mnist, None)
    assert mirror.asked == [f"/mnist/{name}" for name in FILE_NAMES if name != TRAIN_LABELS]
    assert contents(root) == whole("mnist")


def test_leftovers_of_a_kill_after_the_provenance_are_cleared(root: Path, mirror: Mirror) -> None:
    sources.ensure(root, Dataset.mnist, None)
    mirror.asked.clear()
    (root / "digits").mkdir()
    (root / ".digits.partial").mkdir()
    sources.ensure(root, Dataset.mnist, None)
    assert contents(root) == whole("mnist")
    assert mirror.asked == []


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        datasets.replace_file(tmp_path / "taken", b"content")
    assert contents(tmp_path) == {"taken"}


def test_a_root_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    root = tmp_path / "file" / "raw"
    with pytest.raises(UserError) as caught:
        sources.ensure(root, Dataset.mnist, Fallback.digits)
    assert str(caught.value).startswith(f"{root}: the data set cannot be written here (")
    assert "data.root=<folder>" in str(caught.value)


def test_two_at_once_fetch_each_file_once(
    root: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_waits = threading.Event()
    lines: list[str] = []

    def listen(line: str) -> None:
        lines.append(line)
        if line.startswith("waiting for another process"):
            second_waits.set()

    def held_back(handler: Handler, content: bytes) -> None:
        second_waits.wait(timeout=10)
        good(handler, content)

    monkeypatch.setattr(sources, "say", listen)
    mirror.behaviours[TRAIN_IMAGES] = held_back
    digests: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: digests.append(sources.ensure(root, Dataset.mnist, None).digest)
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert second_waits.is_set()
    assert len(digests) == 2
    assert len(mirror.asked) == 4
    assert contents(root) == whole("mnist")


def test_a_network_that_swallows_packets_costs_one_attempt_a_kind_of_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    four = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 443))
        for number in range(8)
    ]
    six = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 443, 0, 0))]
    tried: list[tuple[str, int]] = []

    def swallowed(address: tuple[str, int], timeout: float) -> socket.socket:
        assert timeout == mirrors.CONNECT_SECONDS
        tried.append(address)
        raise TimeoutError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: four + six)
    monkeypatch.setattr(socket, "create_connection", swallowed)
    with pytest.raises(mirrors.UnreachableError, match=r"^no connection within 10 s$"):
        mirrors.HttpSource("https://mirror.example/mnist/").read(MNIST.files[0])
    assert tried == [("192.0.2.0", 443), ("2001:db8::1", 443)]


def test_a_proxy_that_does_not_answer_is_named(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", closed_address())
    monkeypatch.setenv("no_proxy", "")
    source = mirrors.source_of("http://mirror.invalid/mnist/")
    with pytest.raises(mirrors.UnreachableError, match=r"^no connection \(.*refused"):
        source.read(MNIST.files[0])
    assert mirror.asked == []


def test_the_public_mirrors_are_asked_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {"mnist": ("http://a/", "https://b/")})
    monkeypatch.setenv(sources.MIRROR_VARIABLE, " ")
    assert [source.name for source in sources.sources(Dataset.mnist)] == ["http://a/", "https://b/"]
    monkeypatch.setenv(sources.MIRROR_VARIABLE, "own")
    assert [source.name for source in sources.sources(Dataset.mnist)] == [
        "own",
        "http://a/",
        "https://b/",
    ]


@needs_mnist
def test_mnist_itself_is_fetched_verified_and_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sources.MIRROR_VARIABLE, str(REAL_MNIST))
    stored = sources.ensure(root, Dataset.mnist, None)
    assert stored.title == "MNIST (70,000 handwritten digits)"
    images, labels = stored.train()
    assert images.shape == (60_000, 28, 28)
    assert np.bincount(labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    images, labels = stored.test()
    assert images.shape == (10_000, 28, 28)
    assert labels[:4].tolist() == [7, 2, 1, 0]
