"""`dvc repro` at the scale `quick`, against its trainings' seconds, and with nothing to do.

    python bench/pipeline.py

Runs in a new clone of this repository's last commit, with the installed environment and the data
set of this folder. The trainings' seconds are `cost/train_seconds`, summed over all runs; on two
cores two runs train at the same time.
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

from measurement import publish

ROOT = Path(__file__).parents[1]


def seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Run a command; returns its wall time."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Clone, run the pipeline, and run it again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", type=int, default=5, help="repetitions with nothing to do")
    parser.add_argument("--clone", type=Path, help="folder of the clone, which is kept")
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
        total = seconds(["dvc", "repro"], clone, environment)
        again = [seconds(["dvc", "repro"], clone, environment) for _ in range(given.again)]
        metrics = [json.loads(path.read_text()) for path in clone.glob("runs/*/*/metrics.json")]
    training = sum(run["cost/train_seconds"] for run in metrics)
    publish(
        "pipeline",
        {
            "runs": len(metrics),
            "seconds_total": total,
            "seconds_of_training_summed": training,
            "total_over_training": total / training,
            "seconds_with_nothing_to_do": statistics.median(again),
            "seconds_with_nothing_to_do_range": [min(again), max(again)],
        },
    )


if __name__ == "__main__":
    main()
