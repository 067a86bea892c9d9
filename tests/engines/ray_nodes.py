"""A real Ray cluster of two nodes, on this machine alone: each with its own raylet and workers.

    python tests/engines/ray_nodes.py start FOLDER    # prints what to export for the sweeps
    python tests/engines/ray_nodes.py status FOLDER
    python tests/engines/ray_nodes.py kill FOLDER     # the second node dies as in a crash
    python tests/engines/ray_nodes.py stop FOLDER

Everything lies in FOLDER, all ports are on 127.0.0.1, there is no dashboard, and who connects needs
the token in FOLDER. Starting what runs and stopping what does not are no errors.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

STATE = "cluster.json"
KEY = "token"
CPUS_OF_A_NODE = 1
ATTEMPTS = 3
STOPPING_SECONDS = 10.0

Verbatim = argparse.RawDescriptionHelpFormatter


def environment(folder: Path) -> dict[str, str]:
    """What both the nodes and who connects to them need.

    Ray binds to the loopback address alone where it does not mean to form a cluster of machines,
    which is what the variable with the odd name tells it.
    """
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / KEY),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }


def runs(process: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def free_ports(number: int) -> list[int]:
    """Ports of the loopback address that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def state(folder: Path) -> dict[str, Any]:
    """The cluster that was started in this folder; empty where there is none or it has ended."""
    path = folder / STATE
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found if all(map(runs, found["nodes"][0]["processes"]["gcs_server"])) else {}


def start(folder: Path, nodes: int) -> None:
    """Start the nodes, unless they run; say what to export.

    Ray gives a node's processes some seconds to find one another, which a busy machine may not
    have; so it is tried again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not state(folder):
        token = folder / KEY
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="utf-8")
        for attempts_left in reversed(range(ATTEMPTS)):
            # Sockets lie in the session's folder, and their paths may be 107 bytes long.
            session = Path(tempfile.mkdtemp(prefix="ray-"))
            command = [sys.executable, __file__, "nodes", str(folder), "--nodes", str(nodes)]
            variables = environment(folder) | {
                "RAY_TMPDIR": str(session),
                "RAY_USAGE_STATS_ENABLED": "0",
                # How long one question whether the node is there may take; it is asked for 30 s.
                "RAY_raylet_start_wait_time_s": "3",
            }
            done = subprocess.run(
                command, env=os.environ | variables, capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                break
            end(session)
            if not attempts_left:
                sys.exit(f"error: Ray did not start:\n{done.stderr}")
    exported = {"RAY_ADDRESS": state(folder)["address"], **environment(folder)}
    for name, value in exported.items():
        print(f"export {name}={value}")


def start_nodes(folder: Path, nodes: int) -> None:
    """Start the nodes in the session that the environment names, and write down what runs."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - it reads the environment

    session = Path(os.environ["RAY_TMPDIR"])
    (session / "ray").mkdir()
    cluster = Cluster(shutdown_at_exit=False)
    started = []
    for number in range(nodes):
        # A raylet that must find its agents' ports out gives them 15 s to start, then crashes.
        agents = (
            "metrics_agent_port", "metrics_export_port", "runtime_env_agent_port",
            "dashboard_agent_listen_port",
        )  # fmt: skip
        head = {} if number else {"include_dashboard": False}
        ports = dict(zip(agents, free_ports(len(agents)), strict=True))
        started.append(cluster.add_node(num_cpus=CPUS_OF_A_NODE, **head, **ports))
    found = {
        "address": cluster.address,
        "session": str(session),
        "nodes": [
            {
                "id": node.node_id,
                "processes": {
                    kind: [info.process.pid for info in infos]
                    for kind, infos in node.all_processes.items()
                },
            }
            for node in started
        ],
    }
    (folder / STATE).write_text(json.dumps(found, indent=2), encoding="utf-8")


def of_session(session: Path) -> list[int]:
    """The processes whose command line names the session's folder; workers end with their node."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{session}/".encode() in line:
            found.append(int(folder.name))
    return found


def end(session: Path) -> None:
    """End every process of a session, and remove its folder."""
    for request in (signal.SIGTERM, signal.SIGKILL):
        for process in of_session(session):
            with suppress(ProcessLookupError):
                os.kill(process, request)
        deadline = time.monotonic() + STOPPING_SECONDS
        while of_session(session) and time.monotonic() < deadline:
            time.sleep(0.1)
    shutil.rmtree(session, ignore_errors=True)


def kill(folder: Path, number: int) -> None:
    """End a node as a crash would: its raylet goes without a word, and so all that it started."""
    for process in state(folder)["nodes"][number]["processes"]["raylet"]:
        os.kill(process, signal.SIGKILL)


def stop(folder: Path) -> None:
    """End the cluster of this folder."""
    path = folder / STATE
    if path.is_file():
        end(Path(json.loads(path.read_text(encoding="utf-8"))["session"]))
        path.unlink()


def status(folder: Path) -> int:
    """Say which nodes run; 1 where none does."""
    found = state(folder)
    for number, node in enumerate(found.get("nodes", [])):
        alive = all(map(runs, node["processes"]["raylet"]))
        print(f"node {number} {'runs' if alive else 'does not run'}: {node['id']}")
    if not found:
        print("no cluster runs")
    return 0 if found else 1


def main() -> int:
    """Act on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Verbatim)
    parser.add_argument("action", choices=["start", "nodes", "status", "kill", "stop"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=2, help="for start")
    parser.add_argument("--node", type=int, default=1, help="for kill; 0 is the head")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if options.action == "start":
        start(folder, options.nodes)
    elif options.action == "nodes":  # of `start`, in a process of its own
        start_nodes(folder, options.nodes)
    elif options.action == "kill":
        kill(folder, options.node)
    elif options.action == "stop":
        stop(folder)
    else:
        return status(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
