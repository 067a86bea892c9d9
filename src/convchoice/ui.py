"""Serve MLflow's pages on this machine and print the link to the runs.

Examples:
    convchoice ui
    convchoice ui --port 8080

Serves mlflow.db of this project, or the database in MLFLOW_TRACKING_URI, on 127.0.0.1. If the port
is in use, another one is chosen and printed. Ctrl-C stops the server.
"""

import os
import socket
from collections.abc import Sequence

from convchoice.command_parser import CommandParser
from convchoice.config.schema import TrackingConfig
from convchoice.errors import UserError, exit_codes
from convchoice.tracking.store import URI, MlflowStore

HOST = "127.0.0.1"
PORTS = range(1, 2**16)


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice ui", __doc__)
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
            return int(listener.getsockname()[1])
    raise UserError(f"--port {wanted}: cannot listen on {HOST}. Choose another port.")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the link, then run MLflow's server in this process.

    Raises:
        UserError: for an illegal port, or a store on another server.
    """
    wanted = parser().parse_args(arguments).port
    if wanted not in PORTS:
        raise UserError(f"--port = {wanted}: must be a number from 1 to {PORTS[-1]}.")
    uri = os.environ.get(URI, "")
    if uri.startswith("http"):
        raise UserError(f"{URI} = {uri}: the runs are on that server. Open it in a browser.")
    store = MlflowStore(TrackingConfig())
    port = free_port(wanted)
    if port != wanted:
        print(f"port {wanted} is in use, so this is port {port}")
    runs = f"#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    print(f"\n  http://{HOST}:{port}/{runs}\n\nCtrl-C stops the server.", flush=True)
    from mlflow.cli import cli  # noqa: PLC0415 - seconds

    cli(["ui", "--host", HOST, "--port", str(port), "--backend-store-uri", store.uri])


if __name__ == "__main__":
    with exit_codes():
        main()
