"""Evaluation of one arm's seeds against a bare batched forward pass of the same networks.

    python bench/evaluation.py --rounds 5

`ours` is `runner.run`: it reads and checks run folders and data, and writes predictions, metrics
and checksums. `bare` loads the same weights and only runs the networks over the test images in
batches, in as many processes. A first measurement, which does not count, starts the server that
forks workers.
"""

import argparse
import contextlib
import io
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bare_jobs import BareForward, seconds_of
from convchoice.config.validation import config_from_mapping
from convchoice.execution.executors import LocalExecutor, available_cores
from convchoice.execution.runner import run
from convchoice.execution.specification import specify, specify_evaluation
from measurement import alternate, publish, ratio


def main() -> None:
    """Train briefly, then alternate both ways of evaluating."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    one = config_from_mapping(
        {
            "arm": "bench",
            "data": {"train_size": 640},
            "trainer": {"max_epochs": 1, "instructions": "native"},
            "tracking": {"store": "none"},
        }
    )
    configs = [replace(one, seed=seed) for seed in range(given.seeds)]
    cores = available_cores()
    with tempfile.TemporaryDirectory() as folder:
        trained, runs = Path(folder) / "trained", Path(folder) / "runs"
        with contextlib.redirect_stdout(io.StringIO()):
            specified = specify(configs, trained)
            assert not run(specified, LocalExecutor(cores), evaluates=False)

        def ours() -> float:
            shutil.rmtree(runs, ignore_errors=True)
            with contextlib.redirect_stdout(io.StringIO()):
                began = time.perf_counter()
                failures = run(
                    specify_evaluation(configs, trained, runs), LocalExecutor(), trains=False
                )
                ended = time.perf_counter()
            assert not failures, failures
            return ended - began

        def bare() -> float:
            shares = (tuple(specified[start::cores]) for start in range(cores))
            return seconds_of([BareForward(share) for share in shares if share])

        ours()
        figures = alternate(given.rounds, {"ours": ours, "bare": bare})
    publish(
        "evaluation",
        {
            "seeds": given.seeds,
            "rounds": given.rounds,
            "seconds_ours": statistics.median(figures["ours"]),
            "seconds_bare": statistics.median(figures["bare"]),
            "speed_ours_over_bare": ratio(figures["bare"], figures["ours"]),
        },
    )


if __name__ == "__main__":
    main()
