"""Serve the MLflow UI on this machine, print the link to the runs, and open it in a browser.

Examples:
    convchoice ui
    convchoice ui --port 8080

Serves mlflow.db of this project, or the database in MLFLOW_TRACKING_URI, on 127.0.0.1. If the port
is in use, another one is chosen and printed. Ctrl-C stops the server.
"""

import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from urllib.request import urlopen

from convchoice.commands import CommandParser
from convchoice.config.schema import TrackingConfig
from convchoice.errors import JobError, UserError
from convchoice.tracking.mlflow_store import URI, MlflowStore, missing_store
from convchoice.tracking.saved_views import FIRST_VIEW

HOST = "127.0.0.1"
PORTS = range(1, 2**16)
DISPLAYS = {"DISPLAY", "WAYLAND_DISPLAY"}
"""Variables of a desktop's session on Linux."""


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice ui", __doc__)
    made.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default: 5000)")
    return made


def free_port(wanted: int) -> int:
    """`wanted` if no program listens there, else a port that the system chooses."""
    with socket.socket() as listener:
        # As servers do, so that a port of a server that has just ended counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted))
        except OSError:
            listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def announce(port: int, link: str, started: threading.Event) -> None:
    """Print the link once the server responds, and open it where there is a desktop."""
    while not started.is_set():
        with suppress(OSError), urlopen(f"http://{HOST}:{port}/health", timeout=5):
            started.set()
        time.sleep(0.1)
    print(f"\n  {link}\n\nCtrl-C stops the server.", flush=True)
    if sys.platform in {"darwin", "win32"} or not DISPLAYS.isdisjoint(os.environ):
        webbrowser.open(link)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run MLflow's server in this process and print the link to the runs.

    Raises:
        UserError: for an illegal port, or a store that is on another server or does not exist.
        JobError: if the server ends before it responds.
    """
    wanted = parser().parse_args(arguments).port
    if wanted not in PORTS:
        raise UserError(f"--port = {wanted}: must be a number from 1 to {PORTS[-1]}.")
    uri = os.environ.get(URI, "")
    if uri.startswith("http"):
        raise UserError(f"{URI} = {uri}: the runs are on that server. Open it in a browser.")
    if uri and (path := missing_store(uri)):
        raise UserError(f"{path}: there is no such MLflow store. Set another: {URI}")
    store = MlflowStore(TrackingConfig())
    store.update_experiment()
    port = free_port(wanted)
    if port != wanted:
        print(f"port {wanted} is in use, so this is port {port}")
    print("starting MLflow", flush=True)
    runs = f"#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    link = f"http://{HOST}:{port}/{runs}&viewStateShareKey={FIRST_VIEW}"
    started = threading.Event()
    threading.Thread(target=announce, args=(port, link, started), daemon=True).start()
    from mlflow.cli import cli  # noqa: PLC0415 - seconds

    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # for MLflow's own jobs
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of deprecations, for MLflow's developers
    own = ["--host", HOST, "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", store.uri, "--registry-store-uri", store.uri]
    # It returns when the server has ended, whatever the server's exit status.
    cli(["ui", *own, *stores, "--uvicorn-opts", "--log-level warning"], standalone_mode=False)
    if not started.is_set():
        raise JobError("MLflow's server has ended before it responded; its messages are above.")
