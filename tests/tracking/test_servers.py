"""Whatever listens, listens on this machine alone."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convchoice.config.validation import PROJECT_ROOT

SERVING = re.compile(r"mlflow (?:ui|server|models serve)|http\.server|ray start|\bdvc studio\b")
WRITTEN = [
    PROJECT_ROOT / "Makefile",
    *PROJECT_ROOT.glob("*.md"),
    *(PROJECT_ROOT / "docs").rglob("*.md"),
    *(PROJECT_ROOT / "src").rglob("*.py"),
    *(PROJECT_ROOT / "conf").rglob("*.yaml"),
]


def serving_lines() -> list[tuple[str, str]]:
    """Every line that is written anywhere and starts a server, with the file that has it."""
    return [
        (path.name, line)
        for path in WRITTEN
        for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        if SERVING.search(line)
    ]


def test_every_server_that_is_written_down_listens_on_loopback() -> None:
    lines = serving_lines()
    assert "README.md" in {name for name, _ in lines}
    for name, line in lines:
        assert "127.0.0.1" in line, f"{name}: {line}"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listening(port: int) -> set[str]:
    """The local addresses, as the kernel writes them, at which somebody listens on a port."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="utf-8").splitlines()[1:]:
            address, number = line.split()[1].rsplit(":", 1)
            if int(number, 16) == port and line.split()[3] == "0A":
                found.add(address)
    return found


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="asks Linux's kernel")
def test_ui_listens_on_loopback_only(tmp_path: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "convchoice.ui", "--port", str(port)],
        env=os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"},
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(600):
            if listening(port):
                break
            time.sleep(0.5)
        assert listening(port) == {"0100007F"}  # 127.0.0.1
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
