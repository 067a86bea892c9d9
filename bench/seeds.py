"""One arm's seeds on all cores, against the same seeds one after another with all threads.

    python bench/seeds.py --rounds 5 [--keras-python /path/to/python]

Both are this project's own training of whole arms, imports, validation and sealing included, in
turns. Named a Python that has the extra `bench`, the same seeds also go through the lecture's own
program, one after another in one process with all threads, its imports included; it has no
validation to do. Prints medians and the ratios with their range, and writes bench/seeds.json.
"""

import argparse
import contextlib
import io
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from alternation import BENCH, in_turns, publish, ratio
from convchoice.config.validation import config_from_mapping
from convchoice.execution.executors import LocalExecutor, available_cores
from convchoice.execution.runner import run, specify
from peers import SEEDS


def seconds(*, seeds: int, images: int, workers: int, threads: int) -> float:
    """Train some seeds of the lecture's network; returns the wall time."""
    one = config_from_mapping(
        {
            "arm": "bench",
            "data": {"train_size": images},
            "trainer": {"max_epochs": 1, "threads": threads},
            "tracking": {"store": "none"},
        }
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        missing = specify([replace(one, seed=seed) for seed in range(seeds)], Path(folder))
        began = time.perf_counter()
        failures = run(missing, LocalExecutor(workers), evaluates=False)
        ended = time.perf_counter()
    assert not failures, failures
    return ended - began


def keras_seconds(python: str, *, images: int, threads: int) -> float:
    """The lecture's program over four seeds; returns the wall time of its process."""
    command = [
        python, str(BENCH / "peers.py"), "keras_seeds", "--images", str(images),
        "--threads", str(threads),
    ]  # fmt: skip
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Alternate both ways, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--keras-python")
    given = parser.parse_args()
    cores = available_cores()
    seconds(seeds=1, images=640, workers=1, threads=1)  # starts the server that workers come from
    peers = {
        "side by side": partial(
            seconds, seeds=SEEDS, images=given.images, workers=cores, threads=1
        ),
        "one after another": partial(
            seconds, seeds=SEEDS, images=given.images, workers=1, threads=cores
        ),
    }
    if given.keras_python:
        peers["keras"] = partial(
            keras_seconds, given.keras_python, images=given.images, threads=cores
        )
    figures = in_turns(given.rounds, peers)
    publish(
        "seeds",
        {
            "cores": cores,
            "rounds": given.rounds,
            "seeds": SEEDS,
            "images": given.images,
            "seconds": {name: statistics.median(values) for name, values in figures.items()},
            "ratio": {
                name: ratio(figures[name], figures["side by side"])
                for name in figures
                if name != "side by side"
            },
        },
    )


if __name__ == "__main__":
    main()
