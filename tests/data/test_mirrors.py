"""Mirrors: legal addresses, and servers on loopback that answer wrongly, slowly or not at all."""

import hashlib
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest

from convchoice.config.datasets import MNIST
from convchoice.data import download
from convchoice.data.download import fetch_file, mirror_url, reason_of
from convchoice.errors import ConfigurationError
from local_server import LocalServer, serving

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with serving({"file": CONTENT}) as running:
        yield running


def test_a_variable_is_tried_before_the_public_mirrors(monkeypatch):
    monkeypatch.setenv("MNIST_MIRROR", " ../shared/mnist ")
    own, *public = download.mirrors(MNIST)
    assert own == Path("../shared/mnist").absolute().as_uri() + "/"
    assert public[0] == "https://ossci-datasets.s3.amazonaws.com/mnist/"
    assert public[-1] == MNIST.more_mirrors[0]
    assert mirror_url("HTTPS://host:80/x", "X") == "HTTPS://host:80/x/"
    assert mirror_url("~/mnist", "X") == (Path.home() / "mnist").as_uri() + "/"


@pytest.mark.parametrize(
    "place",
    [
        "http://user:SECRET@host/x", "http://user:SECRET@[::1/x", "s3://KEY:SECRET@bucket/x",
        "s3:/KEY:SECRET@bucket/x", "https://host/x?sig=SECRET", "http:///x", "file://", "file://host/x",
    ],
)  # fmt: skip
def test_other_addresses_are_refused_without_their_secrets(place):
    rule = r"^MNIST_MIRROR = .*must be a folder, or a file, http or https URL without credentials"
    with pytest.raises(ConfigurationError, match=rule) as caught:
        mirror_url(place, "MNIST_MIRROR")
    assert "SECRET" not in str(caught.value)


def test_a_file_from_a_server_and_from_a_folder(server, tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "file").write_bytes(CONTENT)
    for place in (server.url, str(tmp_path / "a b"), f"file://{tmp_path}/a b"):
        fetch_file(mirror_url(place, "X") + "file", tmp_path / "file", SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT
        (tmp_path / "file").unlink()


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [
        ("missing", OSError, "HTTP Error 404"),
        ("page", ValueError, r"wrong content \(14 bytes\)"),
        ("cut", ValueError, r"wrong content \(100 bytes\)"),
        ("silent", OSError, "timed out"),
        ("stalled", OSError, "timed out"),
    ],
)
def test_a_bad_answer_is_an_error(server, tmp_path, monkeypatch, behaviour, error, message):
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.3)
    server.behaviour = behaviour
    with pytest.raises(error, match=message):
        fetch_file(f"{server.url}file", tmp_path / "file", SHA256)


def test_a_reason_has_the_status_of_a_server():
    assert (
        reason_of(HTTPError("", 404, "Not Found", Message(), None)) == "HTTP Error 404: Not Found"
    )
    assert reason_of(URLError(OSError(111, "refused"))) == "[Errno 111] refused"


def test_certificates_that_are_not_trusted_are_named_and_the_next_mirror_is_tried(
    tmp_path, monkeypatch, capsys
):
    key, own, stale = (tmp_path / name for name in ("key.pem", "own.pem", "stale.pem"))
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    of = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *of, "-keyout", key, "-out", own], check=True, capture_output=True)
    (tmp_path / "good").write_bytes(CONTENT)
    (tmp_path / "into").mkdir()
    spec = replace(MNIST, files={"good": SHA256})
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stale))  # not read
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)
    with serving({"good": CONTENT}, context) as running:
        mirrors = [running.url, f"{tmp_path.as_uri()}/"]
        monkeypatch.setattr(download, "mirrors", lambda _: iter(mirrors))
        for trusted in (stale, own):
            monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
            assert download._fetch(spec, ["good"], tmp_path / "into") is None
            assert (tmp_path / "into" / "good").read_bytes() == CONTENT
            errors = capsys.readouterr().err
            named = f"Trusted certificates: SSL_CERT_FILE={stale}. Other ones: SSL_CERT_FILE=<file>"
            assert ("CERTIFICATE_VERIFY_FAILED" in errors) == (trusted == stale)
            assert (named in errors) == (trusted == stale)
