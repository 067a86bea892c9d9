"""How training time grows with seeds and epochs, and the time of a report with many runs.

    python bench/growth.py

Trains 1, 2, 4, 8 and 16 seeds of the lecture's network, then 1, 2 and 4 epochs of one seed, and
fits a least-squares line to each. Then writes 900 run folders (30 arms, 30 seeds) with 10,000
random predictions each, and times `compare` and `report` of one study of all of them.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from convchoice.execution.executors import available_cores
from measurement import publish, train_seeds

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from made_up_runs import MNIST, make_run, study_values

SEEDS = (1, 2, 4, 8, 16)
EPOCHS = (1, 2, 4)
MNIST_SIZED = {**MNIST, "test_images": 10_000}


def seconds(seeds: int, epochs: int, images: int) -> float:
    """Wall time of the training of some seeds."""
    data = {"train_size": images, "validation_size": 0}
    return train_seeds(seeds, available_cores(), data=data, trainer={"max_epochs": epochs}).seconds


def line(sizes: Sequence[float], times: Sequence[float]) -> dict[str, Any]:
    """The least-squares line, and the largest relative deviation of a point from it."""
    slope, start = np.polyfit(sizes, times, 1)
    fitted = slope * np.array(sizes) + start
    worst = float(np.max(np.abs(fitted - times) / np.array(times)))
    return {
        "seconds": [round(value, 2) for value in times],
        "seconds_a_step": float(slope),
        "seconds_at_the_start": float(start),
        "worst_point_off_by": worst,
    }


def report_of(arms: int, seeds: int) -> dict[str, float]:
    """Seconds of `compare` and `report` of random runs."""
    names = [f"arm{number}" for number in range(arms)]
    draw = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for arm in names:
            for seed in range(seeds):
                errors = int(draw.integers(70, 120))
                make_run(
                    root / "runs", arm, seed, errors, dataset=MNIST_SIZED, picture_shape=(28, 28)
                )
        study = study_values(name="many", baseline=names[0], arms=names[1:], claims=[])
        (root / "many.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        times = {}
        for stage, arguments in (
            ("compare", ["--study", root / "many.yaml", "--runs", root / "runs",
                         "--output", root / "reports" / "many"]),
            ("report", ["--studies", "many", "--reports", root / "reports"]),
        ):  # fmt: skip
            began = time.perf_counter()
            command = [sys.executable, "-m", "convchoice", stage, *map(str, arguments)]
            subprocess.run(command, check=True, capture_output=True, text=True)
            times[f"{stage}_seconds"] = time.perf_counter() - began
    return times


def main() -> None:
    """Measure all, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12_800)
    given = parser.parse_args()
    seconds(1, 1, 640)  # starts the server that forks workers
    by_seeds = [seconds(count, 1, given.images) for count in SEEDS]
    by_epochs = [seconds(1, count, given.images) for count in EPOCHS]
    publish(
        "growth",
        {
            "images": given.images,
            "seeds": {"counts": SEEDS, **line(SEEDS, by_seeds)},
            "epochs": {"counts": EPOCHS, **line(EPOCHS, by_epochs)},
            "report_of_900_runs": report_of(30, 30),
        },
    )


if __name__ == "__main__":
    main()
