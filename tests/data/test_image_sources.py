"""Downloads by torchvision: from a server on loopback, only the URLs of its class replaced."""

import bz2
import hashlib
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets
from torchvision.datasets import USPS, FakeData

from convchoice.config.schema import DataConfig, Dataset
from convchoice.data import image_sources
from convchoice.data.conversion import prepare
from convchoice.errors import UserError
from local_server import LocalServer, serving

PIXELS = np.arange(40 * 256).reshape(40, 16, 16).astype(np.uint8)
DATA = DataConfig(Dataset.torchvision, "data", dataset="USPS", fallback=None)
DOWNLOADS = Path("data/downloads")
FOLDER = DOWNLOADS / "USPS"


def usps_file(images: np.ndarray) -> bytes:
    """Images of labels 1, 2, …, 10, 1, … in the format of libsvm, with values from -1 to 1."""
    lines = [
        f"{index % 10 + 1} " + " ".join(f"{n}:{v / 127.5 - 1:.6f}" for n, v in enumerate(row, 1))
        for index, row in enumerate(images.reshape(len(images), -1).astype(float) + 0.25)
    ]
    return bz2.compress("\n".join(lines).encode())


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """Serves a small USPS, whose URLs and MD5s replace the published ones."""
    files = {"usps.bz2": usps_file(PIXELS[:30]), "usps.t.bz2": usps_file(PIXELS[30:])}
    with serving(files) as running:
        listed = [
            [running.url + name, name, hashlib.md5(content, usedforsecurity=False).hexdigest()]
            for name, content in files.items()
        ]
        monkeypatch.setattr(USPS, "split_list", dict(zip(("train", "test"), listed, strict=True)))
        yield running


def test_a_data_set_is_downloaded_once_and_converted(server):
    stored = prepare(DATA)
    images, labels = stored.train()
    assert np.array_equal(images, PIXELS[:30])
    assert labels[:11].tolist() == [*range(10), 0]
    assert np.array_equal(stored.test()[0], PIXELS[30:])
    assert [path.name for path in DOWNLOADS.iterdir()] == ["USPS"]
    server.requested.clear()
    assert prepare(DATA) == stored
    assert prepare(replace(DATA, size=8)).train()[0].shape == (30, 8, 8)
    assert server.requested == []


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("missing", "HTTPError: HTTP Error 404: Not Found"),
        ("wrong", "RuntimeError: File not found or corrupted"),
        ("cut", "RuntimeError: File not found or corrupted"),
        ("stalled", "TimeoutError: timed out"),
    ],
)
def test_a_failed_download_leaves_nothing_and_is_tried_again(
    server, monkeypatch, behaviour, reason
):
    monkeypatch.setattr(image_sources, "TIMEOUT_SECONDS", 0.3)
    server.behaviour = behaviour
    message = (
        f"data.dataset = USPS: torchvision could not download it into {FOLDER}, or read it there:"
        f" {reason}. Try again, or put its files there, as torchvision.datasets.USPS expects them."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        prepare(DATA)
    assert list(DOWNLOADS.iterdir()) == []
    assert socket.getdefaulttimeout() is None
    server.behaviour = "good"
    prepare(DATA).verify()


def test_what_a_killed_download_left_is_removed(server):
    left = DOWNLOADS / ".USPS-incomplete-abc" / "USPS"
    left.mkdir(parents=True)
    (left / "usps.bz2").write_bytes(server.files["usps.bz2"][:100])
    prepare(DATA).verify()
    assert [path.name for path in DOWNLOADS.iterdir()] == ["USPS"]


def test_files_in_the_folder_are_used_and_damaged_ones_are_named(server):
    FOLDER.mkdir(parents=True)
    for name, content in server.files.items():
        (FOLDER / name).write_bytes(content)
    prepare(DATA).verify()
    (FOLDER / "usps.bz2").write_bytes(server.files["usps.bz2"][:100])
    with pytest.raises(UserError, match=r"USPS, or read it there: EOFError.*\. Delete what is dam"):
        prepare(replace(DATA, size=8))
    assert server.requested == []


def test_two_conversions_of_a_data_set_download_one_after_the_other(tmp_path, monkeypatch):
    """The second waits for the first's downloads, which it then finds."""
    log, downloads = [], tmp_path / "downloads"

    class Slow(FakeData):
        def __init__(self, root: str, train: bool, download: bool) -> None:
            super().__init__(20, (3, 8, 8), 2)
            done = Path(root) / f"{train}"
            if download and not done.exists():
                log.append((train, "begins"))
                time.sleep(0.3)
                done.touch()
                log.append((train, "ends"))

    monkeypatch.setattr(datasets, "USPS", Slow)

    def convert(size: int) -> None:
        prepare(replace(DATA, path=str(downloads), size=size))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(convert, (8, 16)))
    assert log == [(part, event) for part in (True, False) for event in ("begins", "ends")]
    # Nothing is written to a folder that may be read-only.
    assert {path.name for path in downloads.iterdir()} == {"True", "False"}
