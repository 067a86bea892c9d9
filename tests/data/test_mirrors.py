"""Mirrors: legal addresses, and servers on loopback that answer wrongly, slowly or not at all."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import pytest

from convchoice.config.datasets import CIFAR10, MNIST
from convchoice.data import mirrors
from convchoice.data.mirrors import Mirror, fetch_file, parse_mirror
from convchoice.errors import ConfigurationError

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers with its server's behaviour, which is named in the path."""

    server: "Server"

    def do_GET(self) -> None:
        """Record the request and answer it."""
        behaviour = self.path.strip("/").partition("/")[0]
        self.server.requests.append((self.path, self.headers["Authorization"]))
        if behaviour == "silent":
            self.server.over.wait(10)
        elif behaviour == "moved":
            self.answer(b"", 302, Location=f"http://localhost:{self.server.server_port}/good/file")
        elif behaviour == "missing":
            self.answer(b"nothing here", 404)
        else:
            self.answer(CONTENT if behaviour == "good" else b"<p>Sign in</p>")

    def answer(self, content: bytes, status: int = 200, **headers: str) -> None:
        """Send a complete answer, or half of one."""
        half = "cut" in self.path or "stalled" in self.path
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(2 * len(content) if half else len(content)))
        self.end_headers()
        self.wfile.write(content)
        if "stalled" in self.path:
            self.server.over.wait(10)

    def log_message(self, *_: object) -> None:
        """Keep standard error for the code under test."""


class Server(ThreadingHTTPServer):
    """A server on loopback."""

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None]] = []
        self.over = threading.Event()

    def url(self, behaviour: str, userinfo: str = "") -> str:
        """A mirror's address."""
        return f"http://{userinfo}127.0.0.1:{self.server_port}/{behaviour}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.over.set()
        running.shutdown()


def test_a_variable_is_asked_before_the_public_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_MIRROR", " ../shared/mnist ")
    own, *public = mirrors.mirrors(MNIST)
    assert own == Mirror("../shared/mnist", Path("../shared/mnist").absolute().as_uri() + "/")
    assert public[0].url == "https://ossci-datasets.s3.amazonaws.com/mnist/"
    assert public[-1].url == MNIST.more_mirrors[0]
    monkeypatch.delenv("CIFAR10_MIRROR", raising=False)
    assert [mirror.url for mirror in mirrors.mirrors(CIFAR10)] == [
        "https://www.cs.toronto.edu/~kriz/"
    ]


def test_addresses() -> None:
    assert parse_mirror("file:///a b/", "X") == Mirror("file:///a b/", "file:///a b/")
    assert parse_mirror("HTTPS://host/x", "X") == Mirror("HTTPS://host/x", "https://host/x/")
    secret = parse_mirror("http://me:p%40ss@host:8000/x", "X")
    assert secret == Mirror("http://***@host:8000/x", "http://host:8000/x/", "Basic bWU6cEBzcw==")
    assert "~" not in parse_mirror("~/mnist", "X").url


@pytest.mark.parametrize(
    "place",
    [
        "ftp://user:SECRET@", "s3://KEY:SECRET@bucket/x", "s3:/KEY:SECRET@bucket/x", "http:///x",
        "http://user:SECRET@[::1/x", "https://host/x?sig=SECRET", "file://", "file://host/x", "gopher://x",
    ],
)  # fmt: skip
def test_other_addresses_are_refused_without_their_secrets(place: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^MNIST_MIRROR = .*a folder, or a file:"
    ) as caught:
        parse_mirror(place, "MNIST_MIRROR")
    assert "SECRET" not in str(caught.value)


def test_a_file_from_a_server_and_from_a_folder(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "file").write_bytes(CONTENT)
    for number, place in enumerate((server.url("good"), str(tmp_path / "a b"))):
        target = tmp_path / str(number)
        target.mkdir()
        fetch_file(parse_mirror(place, "X"), target / "file", SHA256)
        assert [path.name for path in target.iterdir()] == ["file"]
        assert (target / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [
        ("missing", OSError, "HTTP Error 404"),
        ("page", ValueError, r"has wrong content \(14 bytes, SHA-256 "),
        ("cut", ValueError, "has wrong content"),
        ("silent", OSError, "timed out"),
        ("stalled", OSError, "timed out"),
    ],
)
def test_a_bad_answer_is_an_error(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(mirrors, "TIMEOUT_SECONDS", 0.3)
    with pytest.raises(error, match=message):
        fetch_file(parse_mirror(server.url(behaviour), "X"), tmp_path / "file", SHA256)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_tls_problem_is_a_failed_source(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "/missing.pem")
    address = server.url("good").replace("http:", "https:")
    with pytest.raises(URLError, match="SSL"):
        fetch_file(parse_mirror(address, "X"), tmp_path / "file", SHA256)


def test_credentials_go_to_their_mirror_only(server: Server, tmp_path: Path) -> None:
    for behaviour, sent in (("good", ["Basic bWU6cHc="]), ("moved", ["Basic bWU6cHc=", None])):
        server.requests.clear()
        mirror = parse_mirror(server.url(behaviour, "me:pw@"), "X")
        fetch_file(mirror, tmp_path / "file", SHA256)
        assert list(dict.fromkeys(header for _, header in server.requests)) == sent
    fetch_file(parse_mirror(server.url("good"), "X"), tmp_path / "file", SHA256)
    assert server.requests[-1][1] is None
