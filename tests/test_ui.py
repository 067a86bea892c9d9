"""`convchoice ui`, with a small server in the place of MLflow's."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from convchoice.ui import free_port

SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"experiment": {"experiment_id": "7"}}).encode())

host, port = (sys.argv[sys.argv.index(name) + 1] for name in ("--host", "--port"))
HTTPServer((host, int(port)), Handler).serve_forever()
"""
BROKEN = "import sys; sys.exit(3)"


def start(folder: Path, server: str, port: int) -> subprocess.Popen[str]:
    """The command, with a module `mlflow` of our own first on the path."""
    package = folder / "mlflow"
    package.mkdir()
    package.joinpath("__init__.py").touch()
    package.joinpath("__main__.py").write_text(server, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "convchoice.ui", "--port", str(port)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


def test_prints_the_link_and_uses_a_free_port_if_the_port_is_in_use(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        process = start(tmp_path, SERVER, port)
        assert process.stdout is not None
        first = process.stdout.readline()
        while "#/experiments" not in (line := process.stdout.readline()):
            assert process.poll() is None
    other = re.fullmatch(rf"port {port} is in use, so this is port (\d+)\n", first)
    assert other is not None
    link = f"http://127.0.0.1:{other[1]}/#/experiments/7/runs?workflowType=machine_learning"
    assert line.strip() == link
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    with socket.socket() as client:  # the server was stopped too
        assert client.connect_ex(("127.0.0.1", int(other[1]))) != 0


def test_fails_if_the_server_exits(tmp_path: Path) -> None:
    _, errors = (process := start(tmp_path, BROKEN, free_port(0))).communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "error: mlflow exited with status 3, see above.\n"


def test_a_remote_store_needs_no_server() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "convchoice.ui"], capture_output=True, text=True, check=False,
        env=os.environ | {"MLFLOW_TRACKING_URI": "http://me:secret@example.org"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "http://***@example.org: the runs are on that server" in done.stderr


@pytest.mark.parametrize("port", [70_000, -1])
def test_illegal_ports_are_refused(port: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "convchoice.ui", "--port", str(port)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--port" in done.stderr
