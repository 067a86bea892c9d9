"""The overhead of checkpoints, history and progress: the same training without them.

    python bench/overhead.py --rounds 5

Both train the same seeds of the lecture's network side by side in worker processes. `with` is this
project's training of an arm: a checkpoint an epoch, history, progress, checksums. `without` is
Lightning's `fit` of the same module and data with no callback, logger or checkpoint. Times include
the start of the processes.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bare_jobs import PlainTraining, seconds_of
from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.execution.executors import available_cores
from convchoice.runs.run import RunSpecification
from measurement import alternate, publish, ratio, train_seeds


def plain_seconds(configs: Sequence[Config]) -> float:
    """Wall time of the training without overhead."""
    runs = [RunSpecification(each, Path(each.data.root), Path("unused")) for each in configs]
    return seconds_of([PlainTraining((run,)) for run in runs])


def main() -> None:
    """Alternate both, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    cores = available_cores()
    trainer = {"max_epochs": given.epochs, "instructions": "native"}
    values = {"data": {"validation_size": 0}, "trainer": trainer}
    config = config_from_mapping({"arm": "bench", **values})
    plain_seconds([replace(config, data=replace(config.data, train_size=640))])  # starts the server
    memory: list[float] = []

    def measured_with() -> float:
        training = train_seeds(cores, cores, **values)
        memory.extend(metrics["cost/peak_memory_bytes"] for metrics in training.metrics)
        return training.seconds

    plain = [replace(config, seed=seed) for seed in range(cores)]
    figures = alternate(
        given.rounds, {"with": measured_with, "without": lambda: plain_seconds(plain)}
    )
    publish(
        "overhead",
        {
            "seeds_side_by_side": cores,
            "epochs_of_60000": given.epochs,
            "rounds": given.rounds,
            "seconds_with": statistics.median(figures["with"]),
            "seconds_without": statistics.median(figures["without"]),
            "with_over_without": ratio(figures["with"], figures["without"]),
            "peak_resident_gigabytes_of_a_training": max(memory) / 1e9,
        },
    )


if __name__ == "__main__":
    main()
