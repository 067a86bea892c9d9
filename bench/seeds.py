"""One arm's seeds on all cores, against the same seeds one after another with all threads.

    python bench/seeds.py --rounds 5

Both are this project's own training of whole arms, imports, validation and sealing included, in
turns. Prints medians and the ratio with its range, and writes bench/seeds.json.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from convchoice.execution.seeds import missing_runs, train_missing
from convchoice.execution.tracking import NoTracking
from convchoice.execution.workers import available_cores
from convchoice.settings.configuration import config_from_mapping
from turns import in_turns, publish, ratio


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
        missing = missing_runs([replace(one, seed=seed) for seed in range(seeds)], Path(folder))
        began = time.perf_counter()
        failures = train_missing(missing, workers=workers, open_store=NoTracking)
        ended = time.perf_counter()
    assert not failures, failures
    return ended - began


def main() -> None:
    """Alternate both ways, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--images", type=int, default=12_800)
    given = parser.parse_args()
    cores = available_cores()
    seconds(seeds=1, images=640, workers=1, threads=1)  # starts the server that workers come from
    figures = in_turns(
        given.rounds,
        {
            "side by side": partial(
                seconds, seeds=given.seeds, images=given.images, workers=cores, threads=1
            ),
            "one after another": partial(
                seconds, seeds=given.seeds, images=given.images, workers=1, threads=cores
            ),
        },
    )
    publish(
        "seeds",
        {
            "cores": cores,
            "rounds": given.rounds,
            "seeds": given.seeds,
            "images": given.images,
            "seconds": {name: statistics.median(values) for name, values in figures.items()},
            "ratio": ratio(figures["one after another"], figures["side by side"]),
        },
    )


if __name__ == "__main__":
    main()
