"""The seeds of one arm on all cores, against the same seeds one after another with all threads.

    python bench/seeds.py --rounds 5 [--keras-python /path/to/python]

Both are this project's training of an arm, with start-up and validation. If --keras-python names an
interpreter with the extra `bench`, the lecture's own program also trains the seeds, one after
another in one process with all threads, with start-up and without validation. Prints medians and
the ratios with their range, and writes bench/seeds.json.
"""

import argparse
import statistics
import subprocess
import time
from functools import partial

from convchoice.execution.executors import available_cores
from measurement import BENCH, alternate, publish, ratio, train_seeds
from peers import SEEDS


def seconds(workers: int, threads: int, images: int) -> float:
    """Wall time of the training of all seeds."""
    trainer = {"max_epochs": 1, "threads": threads}
    return train_seeds(SEEDS, workers, data={"train_size": images}, trainer=trainer).seconds


def keras_seconds(python: str, threads: int, images: int) -> float:
    """Wall time of the lecture's program for all seeds."""
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
    parser.add_argument("--keras-python", help="interpreter with the extra `bench`")
    given = parser.parse_args()
    cores = available_cores()
    seconds(1, 1, 640)  # starts the server that forks workers
    peers = {
        "side by side": partial(seconds, cores, 1, given.images),
        "one after another": partial(seconds, 1, cores, given.images),
    }
    if given.keras_python:
        peers["keras"] = partial(keras_seconds, given.keras_python, cores, given.images)
    figures = alternate(given.rounds, peers)
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
