"""`dvc repro` whole at `quick`, against the seconds of its trainings, and with nothing to do.

    python bench/pipeline.py

Works in a fresh clone of this repository's last commit, with the installed environment and the
data set that is here. The trainings' seconds are those of `cost/train_seconds`, summed over all
runs; on two cores two of them pass in one second.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alternation import publish

ROOT = Path(__file__).parents[1]


def seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Run a command; returns its wall time."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Clone, reproduce, reproduce again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", type=int, default=5, help="times with nothing to do")
    parser.add_argument("--clone", type=Path, help="folder to clone into and to leave there")
    given = parser.parse_args()
    binaries = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        clone = given.clone or Path(folder) / "convchoice"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        environment = os.environ | {
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(clone / "src"),
            "MNIST_MIRROR": os.environ.get("MNIST_MIRROR", str(ROOT / "data" / "raw" / "mnist")),
        }
        whole = seconds(["dvc", "repro"], clone, environment)
        again = [seconds(["dvc", "repro"], clone, environment) for _ in range(given.again)]
        metrics = [json.loads(path.read_text()) for path in clone.glob("runs/*/*/metrics.json")]
    training = sum(run["cost/train_seconds"] for run in metrics)
    publish(
        "pipeline",
        {
            "runs": len(metrics),
            "seconds_whole": whole,
            "seconds_of_training_summed": training,
            "whole_over_training": whole / training,
            "seconds_with_nothing_to_do": statistics.median(again),
            "seconds_with_nothing_to_do_range": [min(again), max(again)],
        },
    )


if __name__ == "__main__":
    main()
