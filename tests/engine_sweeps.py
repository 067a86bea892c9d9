"""Sweeps through real engines, for the tests of each: small networks, real processes and files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convchoice import PROJECT_ROOT
from convchoice.runs.events import RunKey
from convchoice.runs.run import Run, read_run

ENGINES = Path(__file__).parent / "engines"
TINY = (
    "model.filters=[4,4]", "model.hidden_units=8", "data.train_size=100",
    "trainer.accelerator=cpu",
)  # fmt: skip
LONG = ("arm=max", "trainer.max_epochs=100", *TINY)
"""Jobs that last some seconds each, so that they can be disturbed."""
PATIENCE_SECONDS = 1200.0
MEASURED_ANEW = {"cost/train_seconds", "cost/peak_memory_bytes"}


def environment(engine: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tests' own, with what an engine needs."""
    ours = {"PYTHONPATH": str(PROJECT_ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return os.environ | ours | dict(engine or {})


def command(
    folder: Path, data_root: Path, *arguments: str, engine: Mapping[str, str] | None = None
) -> list[str]:
    """A sweep with runs in `folder`/runs, logged to `folder`/mlflow.db."""
    places = [f"run_root={folder}/runs", f"data.root={data_root}"]
    if "MLFLOW_TRACKING_URI" not in (engine or {}):
        places.append(f"tracking.uri={store_of(folder)}")
    return [sys.executable, "-m", "convchoice.train", "-m", *arguments, *places]


def sweep(
    folder: Path, data_root: Path, *arguments: str, engine: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A whole sweep."""
    return subprocess.run(
        command(folder, data_root, *arguments, engine=engine), cwd=folder, env=environment(engine),
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip


@contextmanager
def sweeping(
    folder: Path, data_root: Path, *arguments: str, engine: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A sweep under way; its output goes to `folder`/output.txt."""
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command(folder, data_root, *arguments, engine=engine), cwd=folder,
            env=environment(engine), stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=60)


def wait_until(true: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """What `true` returns, once it is true, of a sweep that is still under way."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := true()):
        assert process.poll() is None, "the sweep ended before its time"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def partial(folder: Path, arm: str, seed: int) -> Path:
    """Where a run of the sweep lies while it trains."""
    return folder / "runs" / arm / f"seed-{seed}.partial"


def under_way(folder: Path, arm: str, seed: int) -> bool:
    """Whether a run has finished an epoch, and not the last."""
    return (partial(folder, arm, seed) / "resume.ckpt").is_file()


def hold_training(variable: str, value: object) -> list[int]:
    """Stop the processes that train where an environment variable has a value.

    They will not end before they must, however busy the machine is.

    Returns:
        Their ids.
    """
    held = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            variables = (place / "environ").read_bytes().split(b"\0")
            line = (place / "cmdline").read_bytes()
        except OSError:  # it has ended, or is somebody else's
            continue
        if f"{variable}={value}".encode() in variables and b"forkserver" in line:
            os.kill(int(place.name), signal.SIGSTOP)
            held.append(int(place.name))
    return held


def runs(folder: Path) -> dict[RunKey, Run]:
    """Every complete run of the sweep."""
    found = [read_run(path) for path in (folder / "runs").glob("[!.]*/seed-*[0-9]")]
    return {(run.arm, run.seed): run for run in found}


def numbers(run: Run) -> dict[str, Any]:
    """All that a run's configuration decides, to the last bit; not its seconds and memory."""
    logits, labels = run.predictions()
    return {
        "history": [
            {key: value for key, value in row.items() if key != "seconds"} for row in run.history
        ],
        "metrics": {k: v for k, v in run.metrics.items() if k not in MEASURED_ANEW},
        "weights": (run.path / "weights.safetensors").read_bytes(),
        "logits": logits.tobytes(),
        "labels": labels.tobytes(),
        "fingerprint": run.environment["fingerprint"],
    }


def store_of(folder: Path) -> str:
    """MLflow's store of a sweep without a server."""
    return f"sqlite:///{folder}/mlflow.db"


def logged(uri: str) -> dict[str, list[tuple[str, str]]]:
    """The runs of an MLflow by their names: their ids and states."""
    code = (
        "import json, mlflow\n"
        f"client = mlflow.MlflowClient({uri!r})\n"
        "found = client.search_experiments()\n"
        "runs = client.search_runs([each.experiment_id for each in found], max_results=500)\n"
        "print(json.dumps([[r.info.run_name, r.info.run_id, r.info.status] for r in runs]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    named: dict[str, list[tuple[str, str]]] = {}
    for name, run_id, status in json.loads(done.stdout.splitlines()[-1]):
        named.setdefault(name, []).append((run_id, status))
    return named
