"""A real Ray cluster of two nodes, on this machine alone: each with its own raylet and workers.

    python tests/engines/ray_nodes.py start FOLDER    # prints what to export for the sweeps
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
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil

STATE = "cluster.json"
TOKEN = "token"  # noqa: S105 - the name of its file
ATTEMPTS = 3
# A raylet that must find its agents' ports out gives them 15 s to start, then crashes.
AGENTS = (
    "metrics_agent_port", "metrics_export_port", "runtime_env_agent_port",
    "dashboard_agent_listen_port",
)  # fmt: skip


def environment(folder: Path) -> dict[str, str]:
    """What both the nodes and who connects to them need.

    Ray binds to the loopback address alone where it does not mean to form a cluster of machines,
    which is what the variable with the odd name tells it.
    """
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / TOKEN),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }


def free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """Ports of the loopback address that nobody listens on."""
    with ExitStack() as held:
        sockets = {name: held.enter_context(socket.socket()) for name in names}
        for each in sockets.values():
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}


def state(folder: Path) -> dict[str, Any]:
    """The cluster that was started in this folder; empty where there is none or it has ended."""
    with suppress(FileNotFoundError, psutil.NoSuchProcess):
        found: dict[str, Any] = json.loads((folder / STATE).read_text())
        (server,) = found["nodes"][0]["processes"]["gcs_server"]
        if psutil.Process(server).status() != psutil.STATUS_ZOMBIE:
            return found
    return {}


def start(folder: Path) -> None:
    """Start the nodes, unless they run; say what to export.

    Ray gives a node's processes some seconds to find one another, which a busy machine may not
    have; so it is tried again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not state(folder):
        (folder / TOKEN).touch(mode=0o600)
        (folder / TOKEN).write_text(secrets.token_hex(32))
        for _ in range(ATTEMPTS):
            # Sockets lie in the session's folder, and their paths may be 107 bytes long.
            session = Path(tempfile.mkdtemp(prefix="ray-"))
            variables = environment(folder) | {
                "RAY_TMPDIR": str(session),
                "RAY_USAGE_STATS_ENABLED": "0",
                # How long one question whether the node is there may take; it is asked for 30 s.
                "RAY_raylet_start_wait_time_s": "3",
            }
            command = [sys.executable, __file__, "nodes", str(folder)]
            done = subprocess.run(
                command, env=os.environ | variables, capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                break
            end(session)
        else:
            sys.exit(f"error: Ray did not start:\n{done.stderr}")
    exported = {"RAY_ADDRESS": state(folder)["address"], **environment(folder)}
    for name, value in exported.items():
        print(f"export {name}={value}")


def start_nodes(folder: Path) -> None:
    """Start the nodes in the session that the environment names, and write down what runs."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - it reads the environment

    session = Path(os.environ["RAY_TMPDIR"])
    (session / "ray").mkdir()
    cluster = Cluster(shutdown_at_exit=False)
    nodes = []
    for head in ({"include_dashboard": False}, {}):
        node = cluster.add_node(num_cpus=1, **head, **free_ports(AGENTS))
        started = {
            kind: [info.process.pid for info in infos] for kind, infos in node.all_processes.items()
        }
        nodes.append({"id": node.node_id, "processes": started})
    found = {"address": cluster.address, "session": str(session), "nodes": nodes}
    (folder / STATE).write_text(json.dumps(found, indent=2))


def end(session: Path) -> None:
    """End every process whose command line names the session's folder, and remove the folder.

    Workers end with their node.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        found = [
            process
            for process in psutil.process_iter(["cmdline"])
            if f"{session}/" in " ".join(process.info["cmdline"] or [])
        ]
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(found, timeout=10)
    shutil.rmtree(session, ignore_errors=True)


def kill(folder: Path) -> None:
    """End the second node as a crash would: its raylet goes, and so all that it started."""
    for process in state(folder)["nodes"][1]["processes"]["raylet"]:
        os.kill(process, signal.SIGKILL)


def stop(folder: Path) -> None:
    """End the cluster of this folder."""
    path = folder / STATE
    if path.is_file():
        end(Path(json.loads(path.read_text())["session"]))
        path.unlink()


ACTIONS = {"start": start, "nodes": start_nodes, "kill": kill, "stop": stop}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    ACTIONS[options.action](options.folder.resolve())
