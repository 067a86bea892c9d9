"""How the time grows: with seeds, with epochs, and the report with runs.

    python bench/growth.py

Trains 1, 2, 4, 8 and 16 seeds of the lecture's network, then 1, 2 and 4 epochs of one seed, and
fits a straight line to each by least squares: the line, and how far the worst point is from it.
Then makes 900 run folders (30 arms, 30 seeds) with 10,000 predictions each, out of drawn numbers,
and times `compare` and `report` over one study of all of them. The runs are not real: only their
number and size matter here.
"""

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from alternation import publish
from convchoice.config.validation import config_from_mapping
from convchoice.execution.executors import LocalExecutor, available_cores
from convchoice.execution.runner import run, specify

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from made_up_runs import MNIST, make_run

SEEDS = (1, 2, 4, 8, 16)
EPOCHS = (1, 2, 4)
MNIST_SIZED = {**MNIST, "test_images": 10_000}


def seconds(*, seeds: int, epochs: int, images: int) -> float:
    """Train some seeds; returns the wall time."""
    one = config_from_mapping(
        {
            "arm": "bench",
            "data": {"train_size": images, "validation_size": 0},
            "trainer": {"max_epochs": epochs},
            "tracking": {"store": "none"},
        }
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        missing = specify([replace(one, seed=seed) for seed in range(seeds)], Path(folder))
        began = time.perf_counter()
        failures = run(missing, LocalExecutor(available_cores()), evaluates=False)
        ended = time.perf_counter()
    assert not failures, failures
    return ended - began


def line(sizes: Sequence[float], times: Sequence[float]) -> dict[str, Any]:
    """The least-squares line, and the worst point's distance from it as a share of its time."""
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
    """Times of `compare` and `report` on so many made-up runs."""
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
        study = {
            "name": "many", "question": "Which?", "claim": "All are alike.", "source": "bench",
            "baseline": names[0], "arms": names[1:], "metric": "test/accuracy", "margin": 0.10,
        }  # fmt: skip
        (root / "many.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        times = {}
        for stage, arguments in (
            ("compare", ["--study", root / "many.yaml", "--runs", root / "runs",
                         "--output", root / "reports" / "many"]),
            ("report", ["--studies", "many", "--reports", root / "reports"]),
        ):  # fmt: skip
            began = time.perf_counter()
            command = [sys.executable, "-m", f"convchoice.{stage}", *map(str, arguments)]
            subprocess.run(command, check=True, capture_output=True, text=True)
            times[f"{stage}_seconds"] = time.perf_counter() - began
    return times


def main() -> None:
    """Measure the three, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12_800)
    given = parser.parse_args()
    seconds(seeds=1, epochs=1, images=640)  # starts the server that workers come from
    by_seeds = [seconds(seeds=count, epochs=1, images=given.images) for count in SEEDS]
    by_epochs = [seconds(seeds=1, epochs=count, images=given.images) for count in EPOCHS]
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
