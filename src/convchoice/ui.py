"""Serve MLflow's pages on this machine and print the link to the runs.

Examples:
    convchoice ui
    convchoice ui --port 8080

Serves mlflow.db of this project, or the database in MLFLOW_TRACKING_URI, on 127.0.0.1. If the port
is in use, another one is chosen and printed. Ctrl-C stops the server.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlencode

import psutil

from convchoice.command_parser import CommandParser
from convchoice.config.validation import PROJECT_ROOT
from convchoice.errors import JobError, UserError, exit_codes, without_password

HOST = "127.0.0.1"
PORTS = 2**16
START_SECONDS = 120
STOP_SECONDS = 10
EXPERIMENT = "convchoice"


def parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    made = CommandParser(
        prog="convchoice ui",
        description=__doc__,
    )
    made.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (default 5000)")
    return made


def free_port(wanted: int) -> int:
    """`wanted` if no program listens there, else a port that the system chooses."""
    for port in (wanted, 0):
        with socket.socket() as listener:
            # As servers do, so that a port of a server that has just ended counts as free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            chosen: int = listener.getsockname()[1]
            return chosen
    raise UserError(f"--port {wanted}: cannot listen on {HOST}. Choose another port.")


def page(server: str, experiment: str) -> str:
    """The address of the experiment's runs, or of the server if it has no such experiment."""
    query = urlencode({"experiment_name": experiment})
    address = f"{server}/api/2.0/mlflow/experiments/get-by-name?{query}"
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - always http
            number = json.load(answer)["experiment"]["experiment_id"]
    except (OSError, ValueError, KeyError):
        return server
    return f"{server}/#/experiments/{number}/runs?workflowType=machine_learning"


def _wait_until_ready(server: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise JobError(f"mlflow exited with status {process.returncode}, see above.")
        try:
            urllib.request.urlopen(f"{server}/health", timeout=5).close()  # noqa: S310 - always http
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise JobError(f"mlflow did not answer on {server} within {START_SECONDS} s.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and the processes that it started."""
    if process.poll() is None:
        parent = psutil.Process(process.pid)
        running = [*parent.children(recursive=True), parent]
        for each in running:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        for each in psutil.wait_procs(running, STOP_SECONDS)[1]:
            each.kill()


def main(arguments: Sequence[str] | None = None) -> None:
    """Start the server, print the link, and serve until it is stopped.

    Raises:
        UserError: for an illegal port, or a store on another server.
        JobError: if the server cannot start, or exits.
    """
    with exit_codes():
        wanted = parser().parse_args(arguments).port
        if not 0 < wanted < PORTS:
            raise UserError(f"--port = {wanted}: must be a number from 1 to {PORTS - 1}.")
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{PROJECT_ROOT / 'mlflow.db'}"
        if uri.startswith("http"):
            raise UserError(
                f"MLFLOW_TRACKING_URI = {without_password(uri)}: the runs are on that server. Open"
                " it in a browser."
            )
        port = free_port(wanted)
        if port != wanted:
            print(f"port {wanted} is in use, so this is port {port}", flush=True)
        server = f"http://{HOST}:{port}"
        command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
        process = subprocess.Popen([*command, "--backend-store-uri", uri])
        try:
            _wait_until_ready(server, process)
            experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
            print(f"\n  {page(server, experiment)}\n\nCtrl-C stops the server.", flush=True)
            if process.wait():
                raise JobError(f"mlflow exited with status {process.returncode}.")
        finally:
            _stop(process)


if __name__ == "__main__":
    main()
